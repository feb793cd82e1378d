"""OpenStreetMap extracts, `.osm.pbf`: what a file says of itself, and one pass over its objects."""

import hashlib
import os
import shutil
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import osmium
import shapely
from osmium.filter import KeyFilter
from osmium.geom import WKBFactory
from osmium.io import Reader
from osmium.osm import osm_entity_bits

from tasks.errors import CatalogueError
from tasks.labels.osm.border import border_of
from tasks.labels.osm.rules import Rules

LICENCE = "© OpenStreetMap contributors, ODbL 1.0"

_NODE = 16
"""Bytes that the index takes a node: its number and its location. (A dense one, 8 bytes a number that may exist, would
take over 100 GB for the smallest extract too, as all of it is written.)"""

_FILE_A_NODE = 7
"""Bytes of file a node, at least, with its share of ways, tags and authors; three extracts have 7.6 to 11."""

IN_MEMORY = 1_000_000_000
"""Bytes of an extract up to which the index is kept in memory: 2.3 GB, and twice that while it grows. Beyond, it is a
file, of which the system keeps in memory what it can."""

_HEX_HEAD, _HEX_POINT = 18, 32
"""Hexadecimal digits of a line as WKB: byte order, type and count, then two numbers a point."""

_STEPS = 10_000
"""Objects between two looks at how far the file is read."""

_NAMED = 20
"""Lost areas that a record names."""


@dataclass(frozen=True, kw_only=True)
class Extract:
    """What identifies an extract and says where it holds."""

    sha256: str
    timestamp: str | None
    """Of replication, ISO 8601; None: the file does not say."""
    border: shapely.Geometry | None
    """Where it is complete, WGS 84: the polygon file beside it, or its header's box; None: neither."""
    border_from: str
    """`polygon`, `box` or `nothing`."""
    bytes: int

    def facts(self) -> dict[str, Any]:
        """As recorded."""
        return {
            "sha256": self.sha256,
            "timestamp": self.timestamp,
            **self.limits(),
            "bytes": self.bytes,
            "licence": LICENCE,
        }

    def limits(self) -> dict[str, Any]:
        """Of the facts those that another file beside it changes."""
        border = None if self.border is None else shapely.to_wkt(self.border, rounding_precision=7)
        return {"border": border, "border_from": self.border_from}


@dataclass(kw_only=True)
class Counts:
    """What a pass met."""

    objects: int = 0
    """Objects with a key that decides."""
    features: dict[str, int] = field(default_factory=lambda: {"point": 0, "line": 0, "polygon": 0})
    """Those with a class, wherever they lie."""
    lost_areas: int = 0
    """Closed ways and multipolygons with a class that are no areas: rings cross themselves, stay open or lack nodes."""
    cut_areas: int = 0
    """Multipolygons with a class of which the extract lacks members; they are not drawn either."""
    lost: list[str] = field(default_factory=list[str])
    """The first of both: w and the number of a way, r and that of a relation."""
    cut_lines: int = 0
    """Lines of which the extract lacks nodes; the rest of them is used."""


class Feature(NamedTuple):
    """An object with a class. A tuple, as a dataclass that is frozen takes four times as long to make."""

    kind: int
    """Position in `KINDS`."""
    element: str
    """n, w or r."""
    osm_id: int
    bits: int
    shape: Any
    """(longitude, latitude) of a point, hexadecimal WKB of the others."""
    tags: str
    """JSON, of the keys that decide."""


def open_extract(path: Path) -> Extract:
    """What an extract says of itself. Raises CatalogueError: no such file, or not an `.osm.pbf`."""
    try:
        there = path.stat()
        with path.open("rb") as file:
            start = file.read(64)
            # A blob header: its length (4 bytes), then the field `type` with the text OSMHeader.
            if b"OSMHeader" not in start:
                raise CatalogueError(
                    f"{path}: is not an .osm.pbf: it does not begin with an OSM header. Give an extract, for instance "
                    "from download.geofabrik.de, or convert it with `osmium cat FILE -o FILE.osm.pbf`."
                )
        digest = _checksum(path, there.st_size, there.st_mtime_ns)
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror or error}. Correct the path.") from None
    try:
        header = Reader(str(path), osm_entity_bits.NOTHING).header()
    except (RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None
    border, border_from = border_of(path, header)
    return Extract(
        sha256=digest,
        timestamp=header.get("osmosis_replication_timestamp") or header.get("timestamp") or None,
        border=border,
        border_from=border_from,
        bytes=there.st_size,
    )


@lru_cache(maxsize=256)
def _checksum(path: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, which a process reads for it once while size and time of change, in nanoseconds, stay."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def features_of(
    path: Path, rules: Rules, counts: Counts, scratch: Path, progress: Callable[[int], None]
) -> Iterator[Feature]:
    """All objects of an extract that have a class, points, lines and areas, in the file's order.

    `scratch` is a folder for the index of a large extract; `progress` takes the bytes that have been read.
    Raises CatalogueError: the file is truncated or damaged, or there is no room for its index.
    """
    areas = osm_entity_bits.AREA | osm_entity_bits.RELATION
    types = {"point": osm_entity_bits.NODE, "line": osm_entity_bits.WAY, "polygon": areas}
    try:
        objects = osmium.FileProcessor(str(path)).with_areas(_having(rules, "polygon"))
        _index(objects, path, scratch)
        # Each type has its own keys: what has none of them never reaches Python.
        for kind, of_type in types.items():
            objects = objects.with_filter(_having(rules, kind).enable_for(of_type))
        yield from _classified(objects, rules, counts, _Position(path, progress))
    except (RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None


def _index(objects: Any, path: Path, scratch: Path) -> None:
    """Have the locations of nodes kept: in memory, or for a large extract in a file."""
    size = path.stat().st_size
    if size <= IN_MEMORY:
        objects.with_locations("sparse_mem_array")
        return
    most, free = size // _FILE_A_NODE * _NODE, shutil.disk_usage(scratch).free
    if free < most:
        raise CatalogueError(
            f"{path}: the index of its nodes may take {most / 1e9:.1f} GB, and {scratch.parent} has {free / 1e9:.1f} "
            "GB free. Make room there, or set TMPDIR to a folder that has it."
        )
    index = scratch / "nodes"
    objects.with_locations(f"sparse_file_array,{index}")
    # It stays open; without a name it goes with the process, however that ends.
    index.unlink()


def _having(rules: Rules, kind: str) -> Any:
    # A filter wants a key; the empty one stands nowhere.
    return KeyFilter(*(rules.keys[kind] or ("",)))


def _classified(objects: Any, rules: Rules, counts: Counts, position: "_Position") -> Iterator[Feature]:
    factory: Any = WKBFactory()
    point, line, polygon = rules.point, rules.line, rules.polygon
    of_kind = counts.features
    seen = 0
    # Relations with a class, and those of which there is an area: an area comes before its relation.
    relations, assembled = array("q"), array("q")
    for one in objects:
        seen += 1
        if not seen % _STEPS:
            position.tell()
        get = one.tags.get
        what = one.type_str()
        if what == "n":
            bits, tags = point(get)
            if bits and one.location.valid():
                of_kind["point"] += 1
                yield Feature(0, "n", one.id, bits, (one.lon, one.lat), tags)
        elif what == "w":
            bits, tags = line(get, closed=one.is_closed())
            if bits:
                try:
                    shape = factory.create_linestring(one)
                    whole = len(shape) == _HEX_HEAD + _HEX_POINT * len(one.nodes)
                except RuntimeError:
                    shape, whole = None, False
                if not whole:  # nodes that are not there are passed over, and so are those that stand twice
                    shape, cut = _rest(one)
                    counts.cut_lines += cut
                if shape:
                    of_kind["line"] += 1
                    yield Feature(1, "w", one.id, bits, shape, tags)
        elif what == "a":
            from_way, osm_id = one.from_way(), one.orig_id()
            bits, tags = polygon(get, from_way=from_way)
            if not bits:
                continue
            if not from_way:
                assembled.append(osm_id)
            try:
                shape = factory.create_multipolygon(one)
            except RuntimeError:  # an area without rings
                counts.lost_areas += 1
                counts.lost.append(f"{'w' if from_way else 'r'}{osm_id}")
                continue
            of_kind["polygon"] += 1
            yield Feature(2, "w" if from_way else "r", osm_id, bits, shape, tags)
        elif get("type") in ("multipolygon", "boundary") and polygon(get, from_way=False)[0]:
            relations.append(one.id)
    counts.objects += seen
    cut = np.setdiff1d(np.array(relations), np.array(assembled)).tolist()
    counts.cut_areas += len(cut)
    counts.lost = [*counts.lost, *(f"r{osm_id}" for osm_id in cut)][:_NAMED]
    position.tell()


def _rest(way: Any) -> tuple[str | None, bool]:
    """What is there of a way, stretches of two and more nodes as hexadecimal WKB, and whether the extract cuts it."""
    cut = False
    stretches: list[list[tuple[float, float]]] = [[]]
    for node in way.nodes:
        if not node.location.valid():
            stretches.append([])
            cut = True
        elif not stretches[-1] or stretches[-1][-1] != (node.lon, node.lat):
            stretches[-1].append((node.lon, node.lat))
    lines = [stretch for stretch in stretches if len(stretch) > 1]
    return (shapely.to_wkb(shapely.MultiLineString(lines), hex=True) if lines else None), cut


class _Position:
    """How far a file is read, which the reader itself does not tell: by its descriptor, where the system shows it."""

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        self._path, self._progress = os.path.realpath(path), progress
        self._most = 0

    def tell(self) -> None:
        with suppress(OSError, ValueError):
            for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 a Path for every descriptor would cost as much
                link = f"/proc/self/fd/{name}"
                if os.path.exists(link) and os.path.realpath(link) == self._path:  # noqa: PTH110
                    text = Path(f"/proc/self/fdinfo/{name}").read_text()
                    self._most = max(self._most, int(text.split("pos:")[1].split()[0]))
        self._progress(self._most)


def _damaged(path: Path, error: Exception) -> CatalogueError:
    return CatalogueError(
        f"{path}: is truncated or damaged ({error}). Nothing of it is used; fetch it again and compare its checksum."
    )
