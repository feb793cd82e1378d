"""The store: what a corpus keeps of OpenStreetMap, `osm/` beside its shards.

    osm/<extract>.json                    the record of an extract, written last; without it its parts are nothing
    osm/<extract>/shard-00000.parquet     GeoParquet: the features of one extract in the frames of a shard

<extract> is the beginning of the file's SHA-256. A part is a function of extract, classes and the shard's places alone,
so extracts and shards may come in any order and at any time. Rows are sorted by place, geometry type and id; geometries
are in WGS 84, as OpenStreetMap has them, because a place may be looked at on grids of two zones. Features near a border
stand in the parts of several extracts; a reader takes one of each.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from pydantic import ValidationError

from tasks.errors import CorpusError, DamagedDescription
from tasks.labels.osm.wkb import WkbColumn
from tasks.shards.description import Description, read_description
from tasks.shards.destinations import Destination
from tasks.shards.json_record import Record, damage
from tasks.shards.layout import OSM, to_json

_CORNERS = ("xmin", "ymin", "xmax", "ymax")

FEATURES = pa.schema(
    [
        ("place", pa.int64()),  # lattice cell, or position in the list of places
        ("kind", pa.uint8()),  # position in KINDS: point, line, polygon
        ("element", pa.string()),  # n, w or r
        ("osm_id", pa.int64()),
        ("classes", pa.uint32()),  # class c is bit c - 1
        ("tags", pa.string()),  # JSON, of the keys that decide
        ("bbox", pa.struct([(name, pa.float32()) for name in _CORNERS])),
        ("geometry", pa.binary()),  # WKB, clipped to the place's frame
    ]
)
"""Columns of a part."""

_ROWS = 20_000
"""Rows of a row group, at least: the next one begins with a place, so that no place is read twice."""

_GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {
        "geometry": {
            "encoding": "WKB",
            "geometry_types": [],
            "covering": {"bbox": {name: ["bbox", name] for name in _CORNERS}},
        }
    },
}


class ExtractRecord(Record):
    """What is recorded of an extract."""

    sha256: str
    timestamp: str | None
    border: str | None
    """WKT, WGS 84: where the extract is complete."""
    border_from: str
    bytes: int
    licence: str
    classes: str
    """Digest of the scheme."""
    places: str
    """Digest of the places and of how they are dealt out to shards."""
    objects: int
    features: dict[str, int]
    """With a class, in the whole extract, by geometry type."""
    lost_areas: int
    cut_areas: int
    lost: list[str]
    cut_lines: int
    shards: dict[str, int]
    """Shards that have been looked for, and the rows of their parts; without rows there is no part."""

    @property
    def key(self) -> str:
        """What the extract is called in the store."""
        return key_of(self.sha256)

    @property
    def area(self) -> shapely.Geometry | None:
        """Where the extract is complete."""
        return None if self.border is None else shapely.make_valid(shapely.from_wkt(self.border))  # it is rounded

    def facts(self) -> dict[str, Any]:
        """What identifies it and bounds it, for a corpus' description: `osm_coverage` depends on the border."""
        border = self.border_from
        if self.border is not None and border == "polygon":  # a box is told by the file's checksum
            told = str(shapely.to_wkt(shapely.normalize(self.area), rounding_precision=7))
            border += f" {hashlib.sha256(told.encode()).hexdigest()[:16]}"
        return {
            "sha256": self.sha256,
            "timestamp": self.timestamp,
            "licence": self.licence,
            "border": border,
            "lost_areas": self.lost_areas,
            "cut_areas": self.cut_areas,
        }


def key_of(sha256: str) -> str:
    """What an extract is called in the store."""
    return sha256[:16]


def record_object(key: str) -> str:
    """Where the record of an extract lies."""
    return f"{OSM}/{key}.json"


def part_object(key: str, shard: int) -> str:
    """Where the features of an extract in a shard lie."""
    return f"{OSM}/{key}/shard-{shard:05d}.parquet"


def read_record(destination: Destination, key: str) -> ExtractRecord | None:
    """The record of an extract, None where there is none. Raises CorpusError: it is damaged."""
    content = destination.get(record_object(key))
    if content is None:
        return None
    try:
        return ExtractRecord.model_validate_json(content)
    except ValidationError as error:
        raise CorpusError(
            f"{destination.location}/{record_object(key)}: is damaged ({damage(error)}). Delete it, and ingest the "
            "extract again."
        ) from None


def read_records(destination: Destination) -> list[ExtractRecord]:
    """All extracts of a store, by key. Raises CorpusError: a record is damaged."""
    names = [name for name in destination.names(OSM) if name.endswith(".json")]
    found = [read_record(destination, name.removesuffix(".json")) for name in names]
    return [record for record in found if record is not None]


def corpus_at(destination: Destination) -> Description | None:
    """The corpus that is labelled from the store beside it; None: there is none yet, or it is damaged.

    Raises CorpusError: of a layout this version does not know; DestinationError.
    """
    try:
        held = read_description(destination)
    except DamagedDescription:
        return None
    return held if held is not None and OSM in held.layers else None


def write_record(destination: Destination, record: ExtractRecord) -> None:
    """Make an extract part of the store. Raises DestinationError."""
    destination.put(record_object(record.key), to_json(record.model_dump()))


_REPEATED: Any = ["element", "tags", "classes"]
"""Columns of few values. (pyarrow admits a list, its types a truth value only.)"""


def encode_part(rows: pa.Table) -> bytes:
    """Rows of `FEATURES` as GeoParquet: sorted, in row groups that begin and end with a place."""
    rows = rows.sort_by([(name, "ascending") for name in ("place", "kind", "osm_id", "element")])
    rows = rows.replace_schema_metadata({"geo": json.dumps(_GEO)})
    place = rows["place"].to_numpy()
    starts = np.flatnonzero(np.diff(place, prepend=place[0] - 1))
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer, rows.schema, compression="zstd", use_dictionary=_REPEATED, write_statistics=True
    ) as writer:
        begin = 0
        while begin < len(rows):
            later = starts[starts >= begin + _ROWS]
            end = int(later[0]) if len(later) else len(rows)
            writer.write_table(rows.slice(begin, end - begin), row_group_size=end - begin)
            begin = end
    return buffer.getvalue()


class ShardFeatures:
    """The features of one shard, of all extracts, read a place at a time."""

    def __init__(self, destination: Destination, records: list[ExtractRecord], shard: int) -> None:
        self._parts: list[_Part] = []
        for record in records:
            if record.shards.get(str(shard)):
                path = part_object(record.key, shard)
                content = destination.get(path)
                if content is None:
                    raise CorpusError(
                        f"{destination.location}/{path}: is missing, though its record is there. Delete "
                        f"{record_object(record.key)}, and ingest the extract again."
                    )
                self._parts.append(_Part(content, f"{destination.location}/{path}"))

    def of(self, place: int) -> tuple[Mapping[str, NDArray[Any]], WkbColumn]:
        """A place's features: columns `kind`, `classes`, `xmin`, `ymin`, `xmax`, `ymax`, and their geometries.

        A feature of several extracts is taken once: the longest geometry, as one extract may have cut it, else that of
        the first extract.
        """
        found = [part.of(place) for part in self._parts]
        rows = pa.concat_tables(found) if found else FEATURES.empty_table()
        if sum(len(table) > 0 for table in found) > 1:
            rows = _without_twins(rows)
        bbox = rows["bbox"].combine_chunks()
        columns = {name: rows[name].to_numpy() for name in ("kind", "classes")}
        columns |= {name: bbox.field(name).to_numpy(zero_copy_only=False) for name in _CORNERS}
        return columns, WkbColumn.of(rows["geometry"])


class _Part:
    """A part whose row groups are read when a place in them is asked for; the last one is kept."""

    _COLUMNS = ("place", "kind", "element", "osm_id", "classes", "bbox", "geometry")

    def __init__(self, content: bytes, where: str) -> None:
        try:
            self._file = pq.ParquetFile(io.BytesIO(content))
        except pa.ArrowInvalid as error:
            raise CorpusError(
                f"{where}: is damaged ({error}). Delete the extract's record, and ingest it again."
            ) from None
        groups = [
            self._file.metadata.row_group(index).column(0).statistics for index in range(self._file.num_row_groups)
        ]
        self._least = np.array([group.min for group in groups], np.int64)
        self._read: int | None = None
        self._rows = FEATURES.empty_table()
        self._place = np.empty(0, np.int64)

    def of(self, place: int) -> pa.Table:
        """The rows of a place."""
        group = int(np.searchsorted(self._least, place, side="right")) - 1
        if group < 0:
            return self._rows.slice(0, 0).select(self._COLUMNS) if self._read is not None else _none(self._COLUMNS)
        if group != self._read:
            self._rows = self._file.read_row_group(group, columns=list(self._COLUMNS)).combine_chunks()
            self._place, self._read = self._rows["place"].to_numpy(), group
        first, end = np.searchsorted(self._place, [place, place + 1])
        return self._rows.slice(first, end - first)


def _none(columns: tuple[str, ...]) -> pa.Table:
    return FEATURES.empty_table().select(columns)


def _without_twins(rows: pa.Table) -> pa.Table:
    length = np.array([len(item) for item in rows["geometry"].to_numpy()])
    element = rows["element"].combine_chunks().dictionary_encode()
    letters = np.array([ord(letter) for letter in element.dictionary.to_pylist()])[element.indices.to_numpy()]
    kind, osm_id = rows["kind"].to_numpy(), rows["osm_id"].to_numpy()
    # The first extract is the one with the least key, whichever was ingested first; the sort is stable.
    order = np.lexsort((-length, letters, osm_id, kind))
    same = np.zeros(len(order), bool)
    same[1:] = np.all([np.diff(column[order]) == 0 for column in (kind, osm_id, letters)], axis=0)
    return rows.take(np.sort(order[~same]))
