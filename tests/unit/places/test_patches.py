"""Patches: UTM zones, the 10 m lattice, outlines."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from tasks.places.patches import (
    PIXEL,
    Patch,
    Patches,
    in_neighbouring_zone,
    interleave,
    patches_around,
    utm_epsg,
)

longitudes = st.floats(-180, 180)
latitudes = st.floats(-79.5, 83.5)
sizes = st.integers(16, 1024)


def one(lon: float, lat: float, pixels: int = 250) -> Patches:
    return patches_around(np.array([lon]), np.array([lat]), pixels)


def zone(lon: float, lat: float) -> int:
    return int(utm_epsg(np.array([lon]), np.array([lat]))[0])


# Zones


@pytest.mark.parametrize(
    ("place", "lon", "lat", "epsg"),
    [
        ("Frankfurt", 8.68, 50.11, 32632),
        ("Lisbon", -9.14, 38.72, 32629),
        ("Sydney", 151.21, -33.87, 32756),
        ("Quito, just south of the equator", -78.47, -0.18, 32717),
        ("on the equator", 9.0, 0.0, 32632),
        ("the western end", -180.0, 10.0, 32601),
        ("the eastern end is the western one", 180.0, 10.0, 32601),
        ("just before the eastern end", 179.999, -10.0, 32760),
        ("Bergen, in Norway's wide zone", 5.32, 60.39, 32632),
        ("its western border", 3.0, 56.0, 32632),
        ("west of it", 2.999, 60.0, 32631),
        ("south of it", 5.0, 55.999, 32631),
        ("north of it", 5.0, 64.0, 32631),
        ("Oslo", 10.75, 59.91, 32632),
        ("east of zone 32", 12.0, 60.0, 32633),
        ("Svalbard, 31X", 8.999, 78.0, 32631),
        ("Svalbard, 33X from 9 degrees", 9.0, 78.0, 32633),
        ("Longyearbyen", 15.64, 78.22, 32633),
        ("Svalbard, 33X to 21 degrees", 20.999, 78.0, 32633),
        ("Svalbard, 35X from 21 degrees", 21.0, 78.0, 32635),
        ("Svalbard, 35X to 33 degrees", 32.999, 83.9, 32635),
        ("Svalbard, 37X from 33 degrees", 33.0, 72.0, 32637),
        ("Svalbard, 37X to 42 degrees", 41.999, 80.0, 32637),
        ("east of 37X", 42.0, 80.0, 32638),
        ("west of 31X", -0.001, 80.0, 32630),
        ("south of Svalbard's band", 10.0, 71.999, 32632),
    ],
)
def test_a_point_lies_in_its_utm_zone(place: str, lon: float, lat: float, epsg: int) -> None:
    assert zone(lon, lat) == epsg


@given(st.integers(-179_990_000, 179_990_000), st.integers(-79_900_000, 83_900_000))
def test_zones_are_those_of_the_epsg_register_but_for_norway_and_svalbard(east: int, north: int) -> None:
    lon, lat = east / 1e6, north / 1e6
    # The register's areas of use are those of the plain zones.
    excepted = (56 <= lat < 64 and 3 <= lon < 12) or (lat >= 72 and 0 <= lon < 42)
    # On a border the register has both zones.
    if excepted or lat == 0 or lon % 6 == 0:
        return
    area = AreaOfInterest(lon, lat, lon, lat)
    registered = {int(info.code) for info in query_utm_crs_info(datum_name="WGS 84", area_of_interest=area)}
    assert zone(lon, lat) in registered


@given(latitudes)
def test_longitudes_beyond_180_are_those_before_it(lat: float) -> None:
    assert zone(190.0, lat) == zone(-170.0, lat)


# Snapping


@given(longitudes, latitudes, sizes)
@example(15.0, 83.5, 1024)
@example(180.0, 0.0, 17)
def test_edges_are_multiples_of_10_m_and_the_centre_moves_by_5_m_at_most(lon: float, lat: float, pixels: int) -> None:
    patches = one(lon, lat, pixels)
    patch = patches[0]
    assert patch.xmin % PIXEL == patch.ymax % PIXEL == 0
    assert (patch.xmax - patch.xmin, patch.ymax - patch.ymin) == (PIXEL * pixels, PIXEL * pixels)
    assert patch.epsg == zone(lon, lat)
    x, y = Transformer.from_crs(4326, patch.epsg, always_xy=True).transform(lon, lat)
    assert abs((patch.xmin + patch.xmax) / 2 - x) <= 5 + 1e-6
    assert abs((patch.ymin + patch.ymax) / 2 - y) <= 5 + 1e-6
    back_lon, back_lat = patches.centres()
    _, _, moved = Geod(ellps="WGS84").inv(lon, lat, back_lon[0], back_lat[0])
    assert moved <= 5 * 2**0.5 * 1.01


def test_southern_patches_count_from_the_false_northing() -> None:
    patch = one(151.21, -33.87)[0]
    assert patch.epsg == 32756
    assert 6_200_000 < patch.ymin < patch.ymax < 6_300_000


def test_a_patch_says_its_grid_in_every_form() -> None:
    patch = Patch(epsg=32632, xmin=500_000, ymax=5_000_000, pixels=250)
    assert patch.crs == "EPSG:32632"
    assert patch.shape == (250, 250)
    assert (patch.xmax, patch.ymin) == (502_500, 4_997_500)
    assert patch.transform @ (0, 0) == (500_000, 5_000_000)
    assert patch.transform @ (250, 250) == (502_500, 4_997_500)


# Outlines


@given(longitudes, latitudes, sizes)
@example(180.0, 60.0, 250)
@example(-180.0, -60.0, 250)
def test_an_outline_contains_its_centre_and_is_counterclockwise(lon: float, lat: float, pixels: int) -> None:
    patches = one(lon, lat, pixels)
    outline = patches.outlines()[0]
    assert outline.is_valid
    assert outline.exterior.is_ccw
    centre_lon, centre_lat = patches.centres()
    turns = centre_lon[0] + np.array([-360, 0, 360])
    assert shapely.intersects_xy(outline, turns, np.repeat(centre_lat, 3)).sum() == 1


@given(longitudes, latitudes, sizes)
@example(9.0, 78.0, 1024)
def test_the_area_of_an_outline_is_that_of_its_pixels_by_the_scale_of_utm(lon: float, lat: float, pixels: int) -> None:
    outline = one(lon, lat, pixels).outlines()[0]
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(outline)
    # The scale is 0.9996 on the central meridian and at most 1.0010 at 3 degrees from it, at the equator; in the wide
    # zones, at 6 degrees but near the pole, it is below that.
    assert (PIXEL * pixels / 1.0011) ** 2 <= area <= (PIXEL * pixels / 0.9995) ** 2


@given(longitudes, latitudes, sizes)
@example(0.0, 83.5, 1024)
def test_the_sides_of_an_outline_are_off_the_true_ones_by_a_metre_and_a_half_at_most(
    lon: float, lat: float, pixels: int
) -> None:
    patches = one(lon, lat, pixels)
    patch, outline = patches[0], patches.outlines()[0]
    to_metres = Transformer.from_crs(4326, patch.epsg, always_xy=True)
    middles = np.array(outline.exterior.coords[:-1]) / 2 + np.array(outline.exterior.coords[1:]) / 2
    x, y = to_metres.transform(*middles.T)
    away = np.min(np.abs([x - patch.xmin, x - patch.xmax, y - patch.ymin, y - patch.ymax]), axis=0)
    assert away.max() <= 1.5


def test_an_inset_outline_lies_that_many_metres_inside() -> None:
    patches = one(9.1, 45.0)
    patch = patches[0]
    to_metres = Transformer.from_crs(4326, patch.epsg, always_xy=True)
    x, y = to_metres.transform(*patches.outlines(inset=5)[0].exterior.xy)
    assert np.allclose([min(x), min(y), max(x), max(y)], [
        patch.xmin + 5, patch.ymin + 5, patch.xmax - 5, patch.ymax - 5,
    ], atol=1e-4)  # fmt: skip


def test_an_outline_across_the_antimeridian_runs_on_instead_of_around_the_globe() -> None:
    for lon in (180.0, -179.999, 179.999):
        west, _, east, _ = one(lon, 65.0).outlines()[0].bounds
        assert east - west < 0.1
        assert west < 180 < east or west < -180 < east


def test_outlines_of_many_zones_are_those_of_each_patch() -> None:
    lon, lat = np.array([-170.0, 9.0, 9.1, 151.0, 15.0]), np.array([60.0, 45.0, -45.0, -33.0, 78.0])
    patches = patches_around(lon, lat, 64)
    together = patches.outlines()
    for index in range(len(patches)):
        assert together[index].equals(patches.take(np.array([index])).outlines()[0])


# Neighbouring zones


@pytest.mark.parametrize(
    ("lon", "lat", "own", "neighbour"),
    [
        (11.9, 45.0, 32632, 32633),
        (6.1, 45.0, 32632, 32631),
        (-179.9, 10.0, 32601, 32660),
        (179.9, 10.0, 32660, 32601),
        (151.9, -33.0, 32756, 32755),
        (-0.1, -10.0, 32730, 32731),
    ],
)
def test_the_neighbouring_zone_is_the_one_on_the_nearer_side(lon: float, lat: float, own: int, neighbour: int) -> None:
    patches = one(lon, lat)
    assert patches.epsg[0] == own
    assert in_neighbouring_zone(patches).epsg[0] == neighbour


@pytest.mark.parametrize(
    ("lon", "lat", "own", "neighbour"),
    [
        (9.5, 78.0, 32633, 32631),
        (20.5, 78.0, 32633, 32635),
        (8.5, 78.0, 32631, 32633),
        (32.5, 78.0, 32635, 32637),
        (33.5, 78.0, 32637, 32635),
        (2.9, 60.0, 32631, 32632),
    ],
)
def test_in_norway_and_svalbard_the_neighbour_is_a_zone_that_exists_there(
    lon: float, lat: float, own: int, neighbour: int
) -> None:
    # There are no zones 32X, 34X and 36X; and the wide zones begin where the narrow ones end.
    patches = one(lon, lat)
    assert patches.epsg[0] == own
    assert in_neighbouring_zone(patches).epsg[0] == neighbour


@given(longitudes, latitudes)
def test_a_patch_in_the_neighbouring_zone_is_the_same_place(lon: float, lat: float) -> None:
    own = one(lon, lat)
    other = in_neighbouring_zone(own)
    assert other.epsg[0] != own.epsg[0]
    assert other.epsg[0] // 100 == own.epsg[0] // 100
    assert other.xmin[0] % PIXEL == other.ymax[0] % PIXEL == 0
    _, _, moved = Geod(ellps="WGS84").inv(own.centres()[0], own.centres()[1], other.centres()[0], other.centres()[1])
    # 5 m in each direction, in grid metres that are up to 0.5 % off where the zone is left behind.
    assert moved[0] <= 5 * 2**0.5 * 1.02


def test_interleaving_takes_turns() -> None:
    first, second = patches_around(np.array([9.0, 10.0]), np.array([45.0, 46.0]), 32), one(151.0, -33.0, 32)
    second = second.take(np.array([0, 0]))
    both = interleave(first, second)
    assert [both[i] for i in range(4)] == [first[0], second[0], first[1], second[1]]
