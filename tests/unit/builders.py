"""Workshops over a tiny archive, for tests of what fills, plans and estimates shards."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely

from tasks.assembly.builder import Workshop, open_workshop
from tasks.spec import CorpusSpec
from tests.archive import EPSG, LEFT, SIDE, TOP, Archive


def square(beyond: float = 300) -> shapely.Polygon:
    """Where the archive's scenes are, and so many metres beyond in the east: some places have no scene."""
    return shapely.box(LEFT, TOP - SIDE, LEFT + SIDE + beyond, TOP)


def values(folder: Path, **changes: Any) -> dict[str, Any]:
    """A spec over `folder`: its archive, its region of some 20 cells, patches of 160 m."""
    region = folder / "region.gpkg"
    if not region.exists():
        gpd.GeoDataFrame(geometry=[square()], crs=EPSG).to_file(region)
    return {
        "name": "tiny",
        "seed": 1,
        "size": 10,
        "places": {"random": str(region)},
        "window": ["2018-01-01", "2019-01-01"],
        "pairing": {"search_days": 400},
        "patch": {"pixels": 16},
        "platforms": [{"stac": {"catalog": str(folder / "catalog.json")}}],
        "shard_size": 5,
        "destinations": [str(folder / "corpus")],
    } | changes


def workshop(folder: Path, **changes: Any) -> Workshop:
    """Open the spec."""
    return open_workshop(CorpusSpec.model_validate(values(folder, **changes)), folder)


def small_archive(folder: Path) -> Path:
    """Two scenes of each mission in 2018, 19 hours and 2 days apart; saved."""
    archive = Archive(folder)
    archive.sentinel2("S2A_x", "2018-05-03T10:40:21Z", **{"eo:cloud_cover": 5.0})
    archive.sentinel1("S1A_y", "2018-05-04T05:40:21Z")
    archive.sentinel2("S2A_z", "2018-09-03T10:40:21Z", scene=2, **{"eo:cloud_cover": 50.0})
    archive.sentinel1("S1A_w", "2018-09-01T10:40:21Z", scene=2)
    archive.save()
    return folder
