"""OpenStreetMap extracts, `.osm.pbf`: what a file says of itself, and one pass over its objects."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import osmium
import shapely
from osmium.filter import KeyFilter
from osmium.geom import WKBFactory
from osmium.io import Reader
from osmium.osm import osm_entity_bits

from tasks.errors import CatalogueError
from tasks.labels.osm.rules import Rules

LICENCE = "© OpenStreetMap contributors, ODbL 1.0"

IN_MEMORY = 1_500_000_000
"""Bytes of an extract up to which the locations of its nodes are kept in memory: 16 bytes a node, at 7 to 8 bytes of
file a node, and half as much again while the index grows: at most 5 GB."""

DENSE = "dense_file_array"
"""Beyond, a file of 8 bytes a node id that may exist, about 105 GB, of which the system keeps in memory what it can."""

_HEX_HEAD, _HEX_POINT = 18, 32
"""Hexadecimal digits of a line as WKB: byte order, type and count, then two numbers a point."""

_STEPS = 10_000
"""Objects between two looks at how far the file is read."""


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
            "border": None if self.border is None else shapely.to_wkt(self.border, rounding_precision=7),
            "border_from": self.border_from,
            "bytes": self.bytes,
            "licence": LICENCE,
        }


@dataclass(kw_only=True)
class Counts:
    """What a pass met."""

    objects: int = 0
    """Objects with a key that decides."""
    features: dict[str, int] = field(default_factory=lambda: {"point": 0, "line": 0, "polygon": 0})
    """Those with a class, wherever they lie."""
    lost_areas: int = 0
    """Closed ways that are no lines, and multipolygons with a class, of which no area could be assembled: their rings
    are broken, or the extract cuts them."""
    lost_relations: list[int] = field(default_factory=list[int])
    """The first of the relations among them."""
    cut_lines: int = 0
    """Lines of which the extract lacks nodes; the rest of them is used."""


@dataclass(frozen=True, slots=True)
class Feature:
    """An object with a class."""

    kind: int
    """Position in `KINDS`."""
    element: str
    """n, w or r."""
    osm_id: int
    bits: int
    shape: Any
    """(longitude, latitude) of a point, hexadecimal WKB of the others."""
    tags: dict[str, str]


def open_extract(path: Path) -> Extract:
    """What an extract says of itself. Raises CatalogueError: no such file, or not an `.osm.pbf`."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64)
            # A blob header: its length (4 bytes), then the field `type` with the text OSMHeader.
            if b"OSMHeader" not in start:
                raise CatalogueError(
                    f"{path}: is not an .osm.pbf: it does not begin with an OSM header. Give an extract, for instance "
                    "from download.geofabrik.de, or convert it with `osmium cat FILE -o FILE.osm.pbf`."
                )
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror or error}. Correct the path.") from None
    try:
        header = Reader(str(path), osm_entity_bits.NOTHING).header()
    except (RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None
    border, border_from = _border(path, header)
    return Extract(
        sha256=digest,
        timestamp=header.get("osmosis_replication_timestamp") or header.get("timestamp") or None,
        border=border,
        border_from=border_from,
        bytes=size,
    )


def features_of(
    path: Path, rules: Rules, counts: Counts, scratch: Path, progress: Callable[[int], None]
) -> Iterator[Feature]:
    """All objects of an extract that have a class, points, lines and areas, in the file's order.

    `scratch` is a folder for the index of a large extract; `progress` takes the bytes that have been read.
    Raises CatalogueError: the file is truncated or damaged.
    """
    index = "sparse_mem_array" if path.stat().st_size <= IN_MEMORY else f"{DENSE},{scratch / 'nodes'}"
    keys = {key for of_kind in rules.keys.values() for key in of_kind}
    try:
        objects = (
            osmium.FileProcessor(str(path))
            .with_locations(index)
            .with_areas(KeyFilter(*rules.keys["polygon"]))
            .with_filter(KeyFilter(*keys))
        )
        yield from _classified(objects, rules, counts, _Position(path, progress))
    except (RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None


def _classified(objects: Any, rules: Rules, counts: Counts, position: "_Position") -> Iterator[Feature]:
    factory: Any = WKBFactory()
    point, line, polygon = rules.point, rules.line, rules.polygon
    of_kind = counts.features
    seen = 0
    # What may become an area and is not there yet; areas come soon after their last way.
    ways, relations = set[int](), set[int]()
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
            closed = one.is_closed()
            bits, tags = line(get, closed=closed)
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
            elif closed and get("area") != "no":
                ways.add(one.id)
        elif what == "a":
            from_way, osm_id = one.from_way(), one.orig_id()
            bits, tags = polygon(get, from_way=from_way)
            shape = None
            if bits:
                try:
                    shape = factory.create_multipolygon(one)
                except RuntimeError:  # an area without a ring: the assembler found none that closes
                    continue
            (ways if from_way else relations).discard(osm_id)
            if shape:
                of_kind["polygon"] += 1
                yield Feature(2, "w" if from_way else "r", osm_id, bits, shape, tags)
        elif get("type") in ("multipolygon", "boundary") and polygon(get, from_way=False)[0]:
            relations.add(one.id)
    counts.lost_areas += len(ways) + len(relations)
    counts.objects += seen
    counts.lost_relations += sorted(relations)[:20]
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


def _border(path: Path, header: Any) -> tuple[Any, str]:
    stem = re.sub(r"\.osm\.pbf$|\.pbf$", "", path.name)
    for name in dict.fromkeys((stem, re.sub(r"-latest$|-\d{6}$", "", stem))):
        beside = path.with_name(f"{name}.poly")
        if beside.is_file():
            return read_poly(beside), "polygon"
    box = header.box()
    if box.valid():
        low, high = box.bottom_left, box.top_right
        return shapely.box(low.lon, low.lat, high.lon, high.lat), "box"
    return None, "nothing"


def read_poly(path: Path) -> shapely.Geometry:
    """The border of an extract, from a file of Osmosis' polygon format. Raises CatalogueError: it is none."""
    rings: list[tuple[bool, list[tuple[float, float]]]] = []
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()][1:]
        inside = False
        for line in lines:
            if line == "END":
                inside = False
            elif not inside:
                rings.append((line.startswith("!"), []))
                inside = True
            else:
                lon, lat = map(float, line.split()[:2])
                rings[-1][1].append((lon, lat))
        border = shapely.union_all([shapely.Polygon(ring) for hole, ring in rings if not hole])
        holes = shapely.union_all([shapely.Polygon(ring) for hole, ring in rings if hole])
    except (OSError, ValueError) as error:
        raise CatalogueError(
            f"{path}: is no border of an extract ({error}). Correct it, or take it away: then the extract's box counts."
        ) from None
    return shapely.difference(border, holes)


def _damaged(path: Path, error: Exception) -> CatalogueError:
    return CatalogueError(
        f"{path}: is truncated or damaged ({error}). Nothing of it is used; fetch it again and compare its checksum."
    )
