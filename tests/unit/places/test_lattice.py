"""The lattice: cells of equal area, each of which holds its patch."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Geod

from tasks.places.lattice import MERIDIAN, Lattice
from tasks.places.patches import Patches, patches_around, to_degrees

GEOD = Geod(ellps="WGS84")
EARTH = 510_065_621_724_078.9
"""Area of WGS 84 in m2 (Moritz, Geodetic Reference System 1980, gives 5.1006562e14)."""

LARGEST = 1 - 2.0**-53


def bounds(lattice: Lattice, cell: int) -> tuple[float, float, float, float]:
    """West, south, east, north of a cell in degrees, counted from the definition."""
    row = 0
    while cell >= lattice.columns[row]:
        cell -= int(lattice.columns[row])
        row += 1
    width = 360 / int(lattice.columns[row])
    south = -90 + 180 / lattice.rows * row
    return -180 + width * cell, south, -180 + width * (cell + 1), south + 180 / lattice.rows


def area(west: float, south: float, east: float, north: float) -> float:
    """True area between parallels and meridians: geodesics in steps short enough to follow the parallels."""
    steps = np.linspace(west, east, 200)
    lon = np.concatenate([steps, steps[::-1]])
    lat = np.concatenate([np.full(200, south), np.full(200, north)])
    return abs(GEOD.polygon_area_perimeter(lon, lat)[0])


def edge_points(patches: Patches, per_side: int = 17) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points on the true outline of patches, degrees: (n, 4 x per_side)."""
    side = 10 * patches.pixels
    along = np.linspace(0, side, per_side)
    none, all_ = np.zeros(per_side), np.full(per_side, side)
    x = np.concatenate([along, along, none, all_])
    y = np.concatenate([none, all_, along, along])
    return to_degrees(patches.epsg[:, None], patches.xmin[:, None] + x, patches.ymax[:, None] - side + y)


def test_the_meridian_is_that_of_wgs84() -> None:
    assert GEOD.inv(0, -90, 0, 90)[2] == pytest.approx(MERIDIAN, abs=1e-3)


@pytest.mark.parametrize("pixels", [64, 250, 256, 1024])
def test_cells_tile_the_sphere_without_gap_or_overlap(pixels: int) -> None:
    lattice = Lattice(pixels=pixels)
    assert lattice.first[0] == 0
    assert np.array_equal(np.diff(lattice.first), lattice.columns)
    assert lattice.rows * lattice.row_height == pytest.approx(180)
    # All cells together are the Earth, if each is as large as it should be.
    assert lattice.first[-1] * lattice.side**2 == pytest.approx(EARTH, rel=2e-4)


@pytest.mark.parametrize("pixels", [64, 250, 1024])
def test_cells_are_equal_in_area_to_a_thousandth(pixels: int) -> None:
    lattice = Lattice(pixels=pixels)
    wide = np.flatnonzero(lattice.columns > 500)
    for row in wide[:: max(1, len(wide) // 60)]:
        cell = area(*bounds(lattice, int(lattice.first[row])))
        assert cell == pytest.approx(lattice.side**2, rel=1.1e-3), row
    nominal = [area(*bounds(lattice, int(lattice.first[row]))) for row in wide[:: max(1, len(wide) // 60)]]
    assert np.mean(nominal) == pytest.approx(lattice.side**2, rel=3e-4)


@given(st.integers(16, 1024))
@settings(max_examples=20)
def test_rows_are_the_same_on_both_hemispheres(pixels: int) -> None:
    columns = Lattice(pixels=pixels).columns
    assert np.array_equal(columns, columns[::-1])
    assert (columns >= 1).all()


@pytest.mark.parametrize("pixels", [64, 250, 1024])
def test_cells_are_near_square_everywhere_but_at_the_poles(pixels: int) -> None:
    lattice = Lattice(pixels=pixels)
    latitude = -90 + lattice.row_height * (np.arange(lattice.rows) + 0.5)
    for row in np.flatnonzero(np.abs(latitude) < 84)[::25]:
        west, south, east, north = bounds(lattice, int(lattice.first[row]))
        _, _, high = GEOD.inv(west, south, west, north)
        _, _, wide = GEOD.inv(west, latitude[row], east, latitude[row])
        assert wide / high == pytest.approx(1, abs=0.025)


@given(st.integers(16, 1024), st.floats(-90, 90), st.floats(-90, 90))
def test_rows_between_cover_the_latitudes_and_no_more(pixels: int, a: float, b: float) -> None:
    south, north = min(a, b), max(a, b)
    lattice = Lattice(pixels=pixels)
    rows = lattice.rows_between(south, north)
    edge = -90 + lattice.row_height * np.arange(lattice.rows + 1)
    assert edge[rows[0]] <= south + 1e-9
    assert edge[rows[-1] + 1] >= north - 1e-9
    assert edge[rows[0] + 1] >= south - 1e-9
    assert edge[rows[-1]] <= north + 1e-9


@given(st.integers(16, 1024), st.floats(0, 1), st.floats(-180, 180), st.floats(-180, 180))
@example(250, 0.5, -180.0, 180.0)
def test_cells_between_cover_the_longitudes_and_no_more(pixels: int, where: float, a: float, b: float) -> None:
    west, east = min(a, b), max(a, b)
    lattice = Lattice(pixels=pixels)
    row = min(int(where * lattice.rows), lattice.rows - 1)
    cells = lattice.cells_between(row, west, east)
    width = 360 / int(lattice.columns[row])
    columns = cells - lattice.first[row]
    assert np.array_equal(np.diff(cells), np.ones(len(cells) - 1))
    assert 0 <= columns[0] <= columns[-1] < lattice.columns[row]
    assert -180 + width * columns[0] <= west + 1e-9
    assert -180 + width * (columns[-1] + 1) >= east - 1e-9
    assert -180 + width * (columns[0] + 1) >= west - 1e-9
    assert -180 + width * columns[-1] <= east + 1e-9


def test_the_cells_of_all_rows_are_all_cells_each_once() -> None:
    lattice = Lattice(pixels=1024)
    cells = np.concatenate([lattice.cells_between(row, -180, 180) for row in range(lattice.rows)])
    assert np.array_equal(cells, np.arange(lattice.first[-1]))


units = st.one_of(st.sampled_from([0.0, LARGEST]), st.floats(0, LARGEST))


@given(
    pixels=st.integers(16, 1024),
    lat=st.one_of(st.floats(-79, 83), st.floats(72, 83)),
    along=st.floats(0, LARGEST),
    u=units,
    v=units,
)
@settings(max_examples=300)
def test_the_patch_put_in_a_cell_lies_wholly_inside_it(
    pixels: int, lat: float, along: float, u: float, v: float
) -> None:
    lattice = Lattice(pixels=pixels)
    row = lattice.rows_between(lat, lat)[0]
    cell = int(lattice.first[row] + int(along * lattice.columns[row]))
    west, south, east, north = bounds(lattice, cell)
    lon, lat_ = lattice.places_in(np.array([cell]), np.array([u]), np.array([v]))
    lon, lat_ = edge_points(patches_around(lon, lat_, pixels))
    away = (lon - (west + east) / 2 + 180) % 360 - 180
    assert np.abs(away).max() <= (east - west) / 2
    assert lat_.min() >= south
    assert lat_.max() <= north


@pytest.mark.parametrize("pixels", [250, 1024])
@pytest.mark.parametrize("lon", [8.9, 9.1, 20.9, 21.1, 32.9, 33.1, 41.9, 3.1, 11.9])
def test_patches_stay_in_their_cells_where_grid_north_is_farthest_from_true_north(pixels: int, lon: float) -> None:
    lattice = Lattice(pixels=pixels)
    latitudes = np.linspace(56.1, 63.9, 40) if lon in (3.1, 11.9) else np.linspace(72.1, 83, 60)
    cells = []
    for lat in latitudes:
        row = lattice.rows_between(lat, lat)[0]
        cells += [*lattice.cells_between(row, lon - 1.0, lon + 1.0)]
    chosen = np.array(cells)
    row = np.searchsorted(lattice.first, chosen, side="right") - 1
    width = 360 / lattice.columns[row]
    middle = -180 + width * (chosen - lattice.first[row] + 0.5)
    south = -90 + lattice.row_height * row
    for u in (0.0, LARGEST):
        for v in (0.0, LARGEST):
            centres = lattice.places_in(chosen, np.full(len(chosen), u), np.full(len(chosen), v))
            x, y = edge_points(patches_around(*centres, pixels))
            assert (np.abs(x - middle[:, None]) <= width[:, None] / 2).all()
            assert (y >= south[:, None]).all()
            assert (y <= south[:, None] + lattice.row_height).all()


def test_patches_of_neighbouring_cells_do_not_overlap_whatever_their_jitter() -> None:
    lattice = Lattice(pixels=250)
    random = np.random.default_rng(7)
    row = lattice.rows_between(50.0, 50.0)[0]
    cells = np.concatenate([lattice.cells_between(r, 5.5, 6.5) for r in range(row, row + 20)])
    lon, lat = lattice.places_in(cells, random.random(len(cells)), random.random(len(cells)))
    outlines = patches_around(lon, lat, 250).outlines()
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    assert (first == second).all()


def test_jitter_uses_the_room_there_is() -> None:
    lattice = Lattice(pixels=250)
    row = lattice.rows_between(45.0, 45.0)[0]
    cell = np.repeat(lattice.cells_between(row, 9.0, 9.0), 2)
    lon, lat = lattice.places_in(cell, np.array([0.0, LARGEST]), np.array([0.0, LARGEST]))
    _, _, diagonal = GEOD.inv(lon[0], lat[0], lon[1], lat[1])
    # 5 km less the patch's 2.5 km, turned by 6 degrees at most: 2.24 km in each direction.
    assert diagonal / 2**0.5 == pytest.approx(2_240, abs=60)
