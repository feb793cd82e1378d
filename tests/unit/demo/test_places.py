"""Climate zones, protected areas and places of the demo archive: of the part that has a year of dates."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.vrt
import shapely

from tasks.demo.places import CATEGORIES
from tasks.demo.square import EPSG, Square
from tasks.demo.year import LEAST, SHARE

PART = Square.of_size_km(12).inner(SHARE, LEAST).outline


def places(archive: Path, name: str) -> gpd.GeoDataFrame:
    return gpd.read_file(archive / "places" / f"{name}.geojson").to_crs(EPSG)


@pytest.mark.parametrize("name", ["year", "regions", "urban", "zones", "protected"])
def test_all_places_lie_where_the_year_of_dates_is(archive: Path, name: str) -> None:
    found = places(archive, name)
    assert len(found)
    assert found["invented"].all()
    assert found.within(PART.buffer(0.2)).all()


def test_regions_cover_the_part_and_have_a_split_each(archive: Path) -> None:
    regions = places(archive, "regions")
    assert regions.union_all().area == pytest.approx(PART.area, rel=1e-4)
    assert regions.area.sum() == pytest.approx(PART.area, rel=1e-4)
    assert regions["roi"].is_unique
    assert {*regions["split"]} == {"train", "validation", "test"}


def test_points_have_the_zone_that_the_raster_has_there(archive: Path) -> None:
    zones = places(archive, "zones")
    with rasterio.open(archive / "labels/zones.tif") as raster:
        found = [int(value[0]) for value in raster.sample(zip(zones.geometry.x, zones.geometry.y, strict=True))]
        assert (raster.res, raster.nodata) == ((100, 100), 0)
        values = raster.read(1)
    assert zones["label"].tolist() == found
    assert zones["city"].notna().all()
    assert {*np.unique(values)} <= {*range(1, 18)}
    assert len({*np.unique(values)}) >= 6


def test_water_of_the_zones_is_water_of_corine(archive: Path) -> None:
    with rasterio.open(archive / "labels/zones.tif") as raster:
        water, transform, crs = raster.read(1) == 17, raster.transform, raster.crs
    with (
        rasterio.open(archive / "labels/corine.tif") as raster,
        rasterio.vrt.WarpedVRT(
            raster, crs=crs, transform=transform, width=water.shape[1],
            height=water.shape[0],
        ) as warped,
    ):  # fmt: skip
        corine = warped.read(1)
    assert np.mean(water == np.isin(corine, (40, 41, 44))) > 0.95


def test_protected_areas_have_ids_and_categories_and_hold_their_points(archive: Path) -> None:
    areas = gpd.read_file(archive / "labels/protected.fgb").set_index("WDPA_PID")
    points = places(archive, "protected").set_index("WDPA_PID")
    assert {*areas["IUCN_CAT"]} <= {*CATEGORIES}
    assert len(points)
    for name, point in points.iterrows():
        area = areas.loc[name]
        assert area["IUCN_CAT"] == point["IUCN_CAT"]
        assert shapely.buffer(area.geometry, 0.2).covers(point.geometry)
