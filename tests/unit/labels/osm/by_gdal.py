"""OpenStreetMap without this project's code: read by GDAL's OSM driver, classified from the class file, rasterised."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import osmium
import pyogrio
import shapely
import yaml
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from tasks.labels.osm.scheme import OWN

KINDS = ("point", "line", "polygon")

SCHEME = yaml.safe_load(OWN.read_text())

Tags = Mapping[str, str]


class Thing(NamedTuple):
    """An object with a class. `number` begins with n, w or r."""

    kind: str
    number: str
    classes: frozenset[int]
    shape: Any
    """Degrees."""


def things_of(extract: Path, folder: Path) -> dict[tuple[str, str], Thing]:
    """All objects with a class, by kind and number."""
    keys = {key for item in SCHEME["polygon"] for key in item["tags"]}
    layers = ("points", "lines", "multipolygons")
    sections = "".join(f"[{name}]\nosm_id=yes\nattributes=\nother_tags=yes\nignore=\n" for name in layers)
    config = folder / "osmconf.ini"
    config.write_text(
        f"closed_ways_are_polygons={','.join(sorted(keys))}\nreport_all_tags=yes\ntags_format=json\n{sections}"
    )
    found = [thing for name in layers for thing in _things(extract, name, config)]
    return {(thing.kind, thing.number): thing for thing in found}


def _things(extract: Path, layer: str, config: Path) -> Iterator[Thing]:
    # Of multipolygons that an extract cuts, GDAL gives rings of two points, and None.
    table = pyogrio.read_dataframe(extract, layer=layer, on_invalid="ignore", CONFIG_FILE=str(config))
    ways = table["osm_way_id"] if "osm_way_id" in table else [None] * len(table)
    for shape, osm_id, way, told in zip(table.geometry, table["osm_id"], ways, table["other_tags"], strict=True):
        tags: Tags = told if isinstance(told, dict) else {}
        if layer == "points":
            yield from _thing("point", f"n{osm_id}", _classes("point", tags), shape)
        elif layer == "lines":
            closed = shapely.is_closed(shape) and shapely.get_num_points(shape) > 2
            yield from _thing("line", f"w{osm_id}", _line(tags, closed), shape)
        elif isinstance(way, str):
            yield from _thing("polygon", f"w{way}", _polygon(tags, from_way=True), shape)
            # GDAL makes areas of all closed ways; that some are lines is said by the class file.
            if classes := _line(tags, closed=True):
                yield Thing("line", f"w{way}", classes, shapely.get_exterior_ring(shapely.get_geometry(shape, 0)))
        else:
            yield from _thing("polygon", f"r{osm_id}", _polygon(tags, from_way=False), shape)


def _thing(kind: str, number: str, classes: frozenset[int], shape: Any) -> Iterator[Thing]:
    if classes:
        yield Thing(kind, number, classes, shape)


def _among(listed: Mapping[str, list[str]], tags: Tags) -> bool:
    return any(
        value in listed.get(key, ()) or ("*" in listed.get(key, ()) and value != "no") for key, value in tags.items()
    )


@cache
def _owners(kind: str) -> dict[tuple[str, str], int]:
    return {(key, value): item["id"] for item in SCHEME[kind] for key, some in item["tags"].items() for value in some}


def _classes(kind: str, tags: Tags) -> frozenset[int]:
    if _among(SCHEME["hidden"], tags):
        return frozenset()
    owners = _owners(kind)
    found = (owners.get(tag, owners.get((tag[0], "*"), 0)) for tag in tags.items() if tag[1] != "no")
    return frozenset(found) - {0}


def _line(tags: Tags, closed: bool) -> frozenset[int]:
    return frozenset() if closed and tags.get("area") == "yes" else _classes("line", tags)


def _polygon(tags: Tags, *, from_way: bool) -> frozenset[int]:
    if _among(SCHEME["unfilled"], tags) or (from_way and tags.get("area") == "no"):
        return frozenset()
    found = _classes("polygon", tags)
    if not from_way or tags.get("area") == "yes" or not found:
        return found
    linear = [SCHEME["linear"], *(item["tags"] for item in SCHEME["line"])]
    return _classes(
        "polygon", {key: value for key, value in tags.items() if not any(_among(of, {key: value}) for of in linear)}
    )


def outers_of_multipolygons(extract: Path, ways: Iterable[str]) -> dict[str, shapely.Polygon]:
    """Those of some closed ways that are outer rings of multipolygons, with their rings."""
    wanted = {int(way[1:]) for way in ways if way[0] == "w"}
    outers: set[int] = set()
    rings: dict[int, shapely.Polygon] = {}
    for one in osmium.FileProcessor(str(extract)).with_locations():
        if one.is_way() and one.id in wanted:
            rings[one.id] = shapely.Polygon([(node.lon, node.lat) for node in one.nodes])
        elif one.is_relation() and one.tags.get("type") in ("multipolygon", "boundary"):
            outers |= {member.ref for member in one.members if member.type == "w" and member.role == "outer"}
    return {f"w{number}": ring for number, ring in rings.items() if number in outers}


@cache
def _pixels(side: int, *, whole: bool) -> shapely.STRtree:
    y, x = np.mgrid[:side, :side].reshape(2, -1)
    return shapely.STRtree(shapely.box(x, y, x + 1, y + 1) if whole else shapely.points(x + 0.5, y + 0.5))


def raster(kind: str, number: int, shapes: NDArray[Any], side: int) -> NDArray[np.bool_]:
    """The pixels of a class: shapes in pixels, x to the east and y to the south from the patch's corner."""
    out = np.zeros((side, side), bool)
    if kind == "point":
        at = np.floor(shapely.get_coordinates(shapes)).astype(int)
        at = at[((at >= 0) & (at < side)).all(axis=1)]
        out[at[:, 1], at[:, 0]] = True
    elif kind == "line":
        (width,) = (item["width"] for item in SCHEME["line"] if item["id"] == number)
        pixels = _pixels(side, whole=width < 10)
        out.ravel()[pixels.query(shapes, predicate="dwithin", distance=width / 20)[1]] = True
    elif len(shapes):
        out = rasterize([(shape, 1) for shape in shapes], (side, side), transform=Affine.identity()).astype(bool)
    return out
