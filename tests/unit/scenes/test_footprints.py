"""Footprints: what covers what, also across the antimeridian."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.places.patches import patches_around
from tasks.scenes.footprints import are_convex, covers, unwrap
from tests.unit.scenes.made import objects


def covered(footprints: np.ndarray, outlines: np.ndarray) -> np.ndarray:
    return covers(footprints, outlines, are_convex(footprints))


@pytest.mark.parametrize("lon", [179.98, 179.999, 180.0, -179.999, -179.98])
def test_a_patch_at_the_antimeridian_is_covered_however_the_footprint_is_written(lon: float) -> None:
    outline = patches_around(np.array([lon]), np.array([65.0]), 250).vertices(inset=5)
    for footprint in (
        shapely.MultiPolygon([shapely.box(178, 64, 180, 66), shapely.box(-180, 64, -178, 66)]),
        shapely.Polygon([(178, 64), (-178, 64), (-178, 66), (178, 66)]),
        shapely.box(178, 64, 182, 66),
        shapely.box(-182, 64, -178, 66),
    ):
        assert covered(unwrap(objects([footprint])), outline).tolist() == [True]
    for footprint in (shapely.box(-10, 64, 10, 66), shapely.box(178, 10, 182, 20)):
        assert covered(unwrap(objects([footprint])), outline).tolist() == [False]


def test_footprints_that_do_not_cross_are_left_as_they_are() -> None:
    footprints = objects([shapely.box(170, 0, 180, 10), shapely.box(-180, 0, -170, 10), shapely.box(0, 0, 1, 1)])
    assert unwrap(footprints) is footprints


@given(st.floats(-180, 180), st.floats(-79, 83), st.sampled_from([-360, 0, 360]))
def test_covering_does_not_depend_on_the_turn_of_the_globe(lon: float, lat: float, turn: int) -> None:
    outlines = patches_around(np.array([lon]), np.array([lat]), 100).vertices()
    before, outline = outlines.copy(), shapely.Polygon(outlines[0])
    around = shapely.transform(outline.buffer(0.01), lambda xy: xy + np.array([turn, 0]))
    hollow = around.difference(around.centroid.buffer(0.0001))
    beside = shapely.transform(outline, lambda xy: xy + np.array([turn, 0.1]))
    if turn and abs(lon) < 160:
        return
    found = covered(objects([around, hollow, beside]), np.repeat(outlines, 3, axis=0))
    assert found.tolist() == [True, False, False]
    assert np.array_equal(outlines, before)


@given(
    st.lists(st.tuples(st.integers(-3, 8), st.integers(-3, 8)), min_size=3, max_size=9),
    st.sampled_from(["as it is", "hull", "hollow", "in two parts"]),
    st.integers(0, 4),
    st.integers(0, 4),
)
@settings(max_examples=400)
def test_a_footprint_covers_an_outline_as_shapely_says(
    corners: list[tuple[int, int]], kind: str, column: int, row: int
) -> None:
    # Corners on a coarse grid: outlines that touch a footprint's border, and footprints with a dent, are common.
    footprint = shapely.make_valid(shapely.Polygon(corners), method="structure", keep_collapsed=False)
    if kind == "hull":
        footprint = shapely.convex_hull(footprint)
    elif kind == "hollow":
        footprint = footprint.difference(shapely.box(2, 2, 2.5, 2.5))
    elif kind == "in two parts":
        footprint = shapely.union(footprint, shapely.box(20, 20, 21, 21))
    if footprint.area == 0:
        return
    ring = np.array([[0, 0], [0.5, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) + np.array([column, row])
    outline = shapely.Polygon(ring)
    assert covered(objects([footprint]), ring[None].astype(float)).tolist() == [footprint.covers(outline)]


def test_footprints_that_are_one_piece_without_dents_or_holes_are_convex() -> None:
    square = shapely.box(0, 0, 4, 4)
    footprints = [
        square, shapely.Point(9, 45).buffer(1), shapely.Polygon([(0, 0), (2, 0), (4, 0), (4, 4), (0, 4)]),
        square.difference(shapely.box(1, 1, 2, 2)), square.difference(shapely.box(3, 3, 4, 4)),
        shapely.MultiPolygon([square]), shapely.MultiPolygon([square, shapely.box(5, 5, 6, 6)]),
    ]  # fmt: skip
    assert are_convex(objects(footprints)).tolist() == [True, True, True, False, False, False, False]
