"""Ingesting an extract: one pass over its objects, clipped to the frames of shards, into the store."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from tasks.errors import CorpusError
from tasks.labels.osm.extract import Counts, Extract, Feature, features_of, open_extract
from tasks.labels.osm.frames import Boxes, FrameIndex, Frames, frames_of
from tasks.labels.osm.rules import Rules
from tasks.labels.osm.scheme import Scheme
from tasks.labels.osm.spill import Spill
from tasks.labels.osm.store import (
    FEATURES,
    ExtractRecord,
    encode_part,
    key_of,
    part_object,
    read_record,
    record_object,
    write_record,
)
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.shards.destinations import Destination
from tasks.shards.layout import to_json

_BATCH = 20_000
"""Features clipped at once."""

_TOLD = 5
"""Lost areas that are told by name."""

_DIMENSION = (0, 1, 2)
"""Of a geometry of each kind."""


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What came of one extract."""

    record: ExtractRecord
    shards: int
    """Shards that were looked for now; 0: they all were there."""
    bordered: bool = False
    """Whether another border was recorded, and nothing else."""

    def lines(self, name: str) -> list[str]:
        """What to tell of it."""
        record, rows = self.record, sum(self.record.shards.values())
        if not self.shards:
            lines = [f"{name}: is in the store already, for {len(record.shards)} shards"]
            return (
                [*lines, f"  where it holds is recorded anew, from: {record.border_from}"] if self.bordered else lines
            )
        told = ", ".join(f"{count:,} {kind}s" for kind, count in record.features.items())
        lines = [
            f"{name}: of {record.timestamp or 'unknown date'}, {record.licence}",
            f"  {told} with a class; {rows:,} rows in {len(record.shards)} shards, {self.shards} of them new",
        ]
        if record.lost_areas:
            lines.append(
                f"  {record.lost_areas:,} areas are not drawn: their rings cross themselves, stay open or lack nodes"
            )
        if record.cut_areas:
            lines.append(f"  {record.cut_areas:,} multipolygons are not drawn: members of them are not in the extract")
        if record.lost:
            lines.append(f"  among them {', '.join(record.lost[:_TOLD])} (w: way, r: relation)")
        if record.cut_lines:
            lines.append(f"  of {record.cut_lines:,} lines the extract lacks nodes; the rest of them is used")
        if record.border is None:
            lines.append("  it does not say where it holds: no box in its header, no .poly file beside it")
        return lines


def ingest_extract(
    path: Path,
    *,
    places: RandomPlaces | ListedPlaces,
    shards: Sequence[int],
    scheme: Scheme,
    destinations: Sequence[Destination],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Ingested:
    """Put an extract into the store of every destination, for those of `shards` that its record there lacks.

    Where it lacks none, its border is recorded anew if that has changed, without a pass over its objects.
    The record is withdrawn first where other classes or places made it, and written last: an interrupted ingest counts
    for nothing new. `progress` takes bytes read and bytes there are.
    Raises CatalogueError: not an extract, or damaged; CorpusError; DestinationError.
    """
    extract = open_extract(path)
    key, digests = key_of(extract.sha256), (scheme.digest, places_digest(places))
    known = [_usable(destination, key, digests) for destination in destinations]
    wanted = [shard for shard in shards if any(str(shard) not in (record.shards if record else {}) for record in known)]
    first = known[0]
    if first is not None and not wanted:
        bordered = [
            _bordered(destination, record, extract) for destination, record in zip(destinations, known, strict=True)
        ]
        return Ingested(record=first.model_copy(update=extract.limits()), shards=0, bordered=any(bordered))
    counts = Counts()
    with tempfile.TemporaryDirectory(prefix="deepsentinel-osm-") as scratch:
        rows = _pass(path, extract, places, wanted, scheme, counts, Path(scratch), destinations, progress)
    for destination in destinations:
        # Read again: another ingest, of other shards, may have ended meanwhile.
        record = _usable(destination, key, digests)
        before = record.shards if record else {}
        done = {**before, **{str(shard): rows.get(shard, 0) for shard in wanted}}
        write_record(destination, _record(extract, digests, counts, done))
    record = read_record(destinations[0], key)
    if record is None:
        raise CorpusError(f"{destinations[0].location}: {record_object(key)} was removed while it was written.")
    return Ingested(record=record, shards=len(wanted))


def places_digest(places: RandomPlaces | ListedPlaces) -> str:
    """Of the places and of how they are dealt out to shards; a corpus that grows keeps it."""
    return hashlib.sha256(to_json(dealing(places))).hexdigest()


def dealing(places: RandomPlaces | ListedPlaces) -> list[Any]:
    """What decides which places a shard has: digest of the places, seed of random ones, pixels, places a shard and in
    all."""
    pixels = places.lattice.pixels if isinstance(places, RandomPlaces) else places.patches.pixels
    seed = places.seed if isinstance(places, RandomPlaces) else None
    return [places.digest, seed, pixels, places.shard_size, places.capacity]


def _usable(destination: Destination, key: str, digests: tuple[str, str]) -> ExtractRecord | None:
    """The record of an earlier ingest, if it was made with these classes and places; else it is withdrawn."""
    record = read_record(destination, key)
    if record is not None and (record.classes, record.places) != digests:
        destination.delete(record_object(key))
        return None
    return record


def _bordered(destination: Destination, record: ExtractRecord | None, extract: Extract) -> bool:
    """Record the border that the extract has now, if it had another one; whether it had."""
    if record is None or record == (now := record.model_copy(update=extract.limits())):
        return False
    write_record(destination, now)
    return True


def _record(extract: Extract, digests: tuple[str, str], counts: Counts, shards: dict[str, int]) -> ExtractRecord:
    classes, places = digests
    return ExtractRecord(**extract.facts(), classes=classes, places=places, **asdict(counts), shards=shards)


def _pass(
    path: Path,
    extract: Extract,
    places: RandomPlaces | ListedPlaces,
    shards: Sequence[int],
    scheme: Scheme,
    counts: Counts,
    scratch: Path,
    destinations: Sequence[Destination],
    progress: Callable[[int, int], None],
) -> dict[int, int]:
    """Read the file and write the parts; the rows of each shard that has any."""
    frames = frames_of(places, shards)
    index = FrameIndex(frames)
    rows: dict[int, int] = {}
    with Spill(scratch, list(shards)) as spill:
        features = features_of(path, Rules(scheme), counts, scratch, lambda done: progress(done, extract.bytes))
        for batch in _batches(features, _BATCH):
            clipped = clip(batch, frames, index)
            if clipped is not None:
                spill.add(*clipped)
        for shard, table in spill.by_shard():
            content = encode_part(table)
            for destination in destinations:
                destination.put(part_object(key_of(extract.sha256), shard), content)
            rows[shard] = len(table)
    return rows


def clip(batch: Sequence[Feature], frames: Frames, index: FrameIndex) -> tuple[NDArray[np.int32], pa.Table] | None:
    """The features of a batch in each frame that they reach: shards and rows of `FEATURES`; None: there are none."""
    shapes = _shapes(batch)
    feature, row = index.touching(shapely.bounds(shapes))
    if not len(feature):
        return None
    kinds = np.array([item.kind for item in batch])
    found = shapes[feature]
    boxes = index.boxes[row]
    across = ~_within(shapely.bounds(found), boxes)
    found[across] = _clipped(found[across], boxes[across], kinds[feature[across]])
    turned = index.turn[row] != 0
    if turned.any():
        turns = np.repeat(index.turn[row[turned]], shapely.get_num_coordinates(found[turned]))
        found[turned] = shapely.set_coordinates(
            found[turned], shapely.get_coordinates(found[turned]) + np.stack([turns, np.zeros_like(turns)], axis=1)
        )
    there = ~shapely.is_empty(found)
    if not there.any():
        return None
    feature, found, frame = feature[there], found[there], index.frame[row[there]]
    bounds = shapely.bounds(found)
    low, high = bounds[:, :2].astype(np.float32), bounds[:, 2:].astype(np.float32)
    low = np.where(low > bounds[:, :2], np.nextafter(low, np.float32(-np.inf)), low)
    high = np.where(high < bounds[:, 2:], np.nextafter(high, np.float32(np.inf)), high)
    columns: dict[str, Any] = {
        "place": frames.place[frame],
        "kind": kinds[feature].astype(np.uint8),
        "element": np.array([item.element for item in batch], object)[feature],
        "osm_id": np.array([item.osm_id for item in batch], np.int64)[feature],
        "classes": np.array([item.bits for item in batch], np.uint32)[feature],
        "tags": np.array([item.tags for item in batch], object)[feature],
        "bbox": pa.StructArray.from_arrays(
            [pa.array(np.ascontiguousarray(part[:, axis])) for part in (low, high) for axis in (0, 1)],
            fields=list(FEATURES.field("bbox").type),
        ),
        "geometry": shapely.to_wkb(found),
    }
    return frames.shard[frame], pa.table(columns, schema=FEATURES)


def _shapes(batch: Sequence[Feature]) -> NDArray[Any]:
    shapes = np.empty(len(batch), object)
    points = np.array([item.kind == 0 for item in batch])
    shapes[points] = shapely.points(np.array([item.shape for item in batch if item.kind == 0]).reshape(-1, 2))
    # GEOS reads hexadecimal digits one by one, which takes four times as long.
    shapes[~points] = shapely.from_wkb([bytes.fromhex(item.shape) for item in batch if item.kind])
    return shapes


def _within(inner: Boxes, outer: Boxes) -> NDArray[np.bool_]:
    return (
        (inner[:, 0] >= outer[:, 0])
        & (inner[:, 1] >= outer[:, 1])
        & (inner[:, 2] <= outer[:, 2])
        & (inner[:, 3] <= outer[:, 3])
    )


def _clipped(shapes: NDArray[Any], boxes: Boxes, kinds: NDArray[np.int64]) -> NDArray[Any]:
    """The shapes within their boxes, empty where they only touch them."""
    frames = shapely.box(*boxes.T)
    # Areas whose rings touch themselves cannot be cut as they are.
    broken = ~shapely.is_valid(shapes)
    shapes = np.where(broken, shapely.make_valid(shapes), shapes)
    cut = shapely.intersection(shapes, frames)
    lower = shapely.get_dimensions(cut) != np.array(_DIMENSION)[kinds]
    mixed = shapely.get_type_id(cut) == shapely.GeometryType.GEOMETRYCOLLECTION
    for position in np.flatnonzero(mixed & ~lower):
        parts = shapely.get_parts(cut[position])
        cut[position] = shapely.union_all(parts[shapely.get_dimensions(parts) == _DIMENSION[kinds[position]]])
    cut[lower] = shapely.Point()
    return cut


def _batches(features: Iterable[Feature], size: int) -> Iterator[list[Feature]]:
    remaining = iter(features)
    while batch := list(islice(remaining, size)):
        yield batch
