"""Rasters of vectors: against GDAL's fill, and against the definition of a band."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize
from rasterio.transform import Affine

from tasks.labels.osm import raster
from tasks.labels.osm.raster import dots
from tasks.labels.osm.wkb import WkbColumn

SIDE = 24

GRID = [[shapely.box(x, y, x + 1, y + 1) for x in range(SIDE)] for y in range(SIDE)]

coordinate = st.floats(-10, SIDE + 10, allow_nan=False).map(lambda x: round(x, 3))
points = st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=6)
right_angled = st.lists(st.tuples(st.integers(-3, SIDE + 3), st.sampled_from([2, 9, 9.3])), min_size=2, max_size=5)
"""Level and upright lines, and such as have no length."""
stars = st.tuples(points, st.lists(st.floats(1, 20), min_size=3, max_size=12))


def star(at: tuple[float, float], radii: list[float]) -> shapely.Polygon:
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    ring = np.stack([at[0] + radii * np.cos(angles), at[1] + radii * np.sin(angles)], axis=1)
    inner = (np.array(at) + (ring - at) / 3)[::-1]
    return shapely.Polygon(np.round(ring, 4), [np.round(inner, 4)])


def by_gdal(shapes: list[Any], bits: list[int]) -> np.ndarray:
    """One feature after the other."""
    out = np.zeros((SIDE, SIDE), np.uint32)
    for shape, bit in zip(shapes, bits, strict=True):
        # GDAL counts rows from the north; the identity has them as they are here.
        out |= rasterize([(shape, 1)], (SIDE, SIDE), transform=Affine(1, 0, 0, 0, 1, 0)).astype(np.uint32) * bit
    return out


def array(shapes: list[Any]) -> np.ndarray:
    found = np.empty(len(shapes), object)
    found[:] = shapes
    return found


def column(shapes: np.ndarray) -> WkbColumn:
    return WkbColumn.of(pa.chunked_array([pa.array(shapely.to_wkb(shapes), pa.binary())]))


def fill(shapes: np.ndarray, bits: np.ndarray, side: int) -> np.ndarray:
    return raster.fill(*column(shapes).vertices().segments(np.ones(len(shapes), bool)), bits, side)


def band(shapes: np.ndarray, bits: np.ndarray, widths: np.ndarray, side: int) -> np.ndarray:
    first, last, owner = column(shapes).vertices().segments(np.ones(len(shapes), bool))
    return raster.band(first, last, bits[owner], widths[owner], side)


@settings(deadline=None, max_examples=150)
@given(st.lists(stars, min_size=1, max_size=6))
def test_areas_are_filled_as_gdal_fills_them(drawn: list[Any]) -> None:
    shapes = [star(at[0], radii) for at, radii in drawn]
    bits = [1 << (index * 5) for index in range(len(shapes))]
    assert np.array_equal(fill(array(shapes), np.array(bits, np.uint32), SIDE), by_gdal(shapes, bits))


def test_an_area_that_covers_the_patch_with_no_corner_inside_fills_it() -> None:
    shape = shapely.box(-100, -100, 200, 200)
    assert (fill(array([shape]), np.array([4], np.uint32), SIDE) == 4).all()


def test_a_hole_stays_empty_and_overlapping_areas_of_a_class_do_not_cancel() -> None:
    ring = shapely.box(2, 2, 20, 20) - shapely.box(5, 5, 10, 10)
    twice = fill(array([ring, shapely.box(12, 12, 22, 22)]), np.array([1, 1], np.uint32), SIDE)
    assert twice[7, 7] == 0
    assert twice[15, 15] == 1
    assert twice[21, 21] == 1


def test_an_area_of_two_classes_has_both_bits() -> None:
    assert fill(array([shapely.box(1, 1, 3, 3)]), np.array([0b101], np.uint32), SIDE)[1, 1] == 0b101


@settings(deadline=None, max_examples=150)
@given(st.one_of(points, right_angled), st.sampled_from([0.2, 0.4, 0.8, 1.0, 1.5, 3.0]))
def test_a_band_is_what_the_width_says(line: list[tuple[float, float]], width: float) -> None:
    shape = shapely.LineString(line)
    found = band(array([shape]), np.array([2], np.uint32), np.array([width]), SIDE) != 0
    pixels = np.array(GRID)
    distance = shapely.distance(shape, pixels if width < 1 else shapely.centroid(pixels))
    clear = np.abs(distance - width / 2) > 1e-7
    assert np.array_equal(found[clear], (distance <= width / 2)[clear])


def test_lines_and_points_outside_leave_nothing() -> None:
    shape = shapely.LineString([(-50, -5), (80, -5)])
    assert not band(array([shape]), np.array([2], np.uint32), np.array([3.0]), SIDE).any()
    assert not dots(np.array([[-0.1, 3], [3, SIDE]]), np.array([1, 1], np.uint32), SIDE).any()


def test_a_point_is_in_its_pixel() -> None:
    found = dots(np.array([[3.9, 5.1], [3.1, 5.9]]), np.array([1, 4], np.uint32), SIDE)
    assert found[5, 3] == 5
    assert np.count_nonzero(found) == 1


@pytest.mark.parametrize("make", [fill, lambda s, b, n: band(s, b, np.empty(0), n)])
def test_nothing_gives_nothing(make: Any) -> None:
    assert not make(array([]), np.empty(0, np.uint32), SIDE).any()


def test_geometries_of_every_type_have_their_vertices_and_segments() -> None:
    square, hole = shapely.box(0, 0, 9, 9), shapely.box(2, 2, 4, 4)
    shapes = array(
        [
            shapely.Point(1, 2),
            shapely.LineString([(0, 0), (1, 1), (2, 0)]),
            square - hole,
            shapely.MultiPolygon([square - hole, shapely.box(20, 0, 22, 2)]),
            shapely.MultiLineString([[(0, 0), (5, 5)], [(7, 7), (8, 8), (9, 9)]]),
            shapely.Polygon(),
            shapely.MultiPoint([(1, 1), (2, 2)]),
        ]
    )
    found = column(shapes)
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    vertices = found.vertices()
    order = np.argsort(vertices.owner, kind="stable")
    assert np.array_equal(vertices.owner[order], owner)
    assert np.array_equal(vertices.xy[order], xy)
    _, _, of = vertices.segments(np.ones(len(shapes), bool))
    assert np.bincount(of, minlength=7).tolist() == [0, 2, 8, 12, 3, 0, 0]
    assert vertices.segments(np.arange(7) == 1)[1].tolist() == [[1, 1], [2, 0]]
    assert shapely.equals_exact(found[np.array([3, 0])].shapes(), shapes[[3, 0]], 0).all()


def test_a_slice_of_a_column_is_read_from_its_place() -> None:
    shapes = array([shapely.Point(x, 0) for x in range(5)])
    values = pa.chunked_array([pa.array(shapely.to_wkb(shapes), pa.binary())]).slice(2, 2)
    assert WkbColumn.of(values).vertices().xy[:, 0].tolist() == [2, 3]
    assert len(WkbColumn.of(values.slice(0, 0)).vertices().xy) == 0
