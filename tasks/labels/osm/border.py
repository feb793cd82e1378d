"""Where an extract is complete: the polygon file beside it, or the box in its header."""

import re
from math import isfinite
from pathlib import Path
from typing import Any

import shapely

from tasks.errors import CatalogueError


def border_of(path: Path, header: Any) -> tuple[shapely.Geometry | None, str]:
    """The border of an extract, WGS 84, and where it is from: `polygon`, the file beside it, `box`, its header's, or
    `nothing`. Raises CatalogueError: what lies beside it is no border.
    """
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
                if not (isfinite(lon) and isfinite(lat)):
                    raise ValueError(f"{line} is no point")
                rings[-1][1].append((lon, lat))
        if inside:
            raise ValueError("its last ring has no END")
        border = shapely.difference(_filled(rings, hole=False), _filled(rings, hole=True))
        if not shapely.area(border):
            raise ValueError("it encloses nothing")
    except (OSError, ValueError, shapely.errors.GEOSException) as error:
        raise CatalogueError(
            f"{path}: is no border of an extract ({error}). Correct it, or take it away: then the extract's box counts."
        ) from None
    return border


def _filled(rings: list[tuple[bool, list[tuple[float, float]]]], *, hole: bool) -> shapely.Geometry:
    # Rings that touch or cross themselves hold what they enclose.
    return shapely.union_all([shapely.make_valid(shapely.Polygon(ring)) for holed, ring in rings if holed is hole])
