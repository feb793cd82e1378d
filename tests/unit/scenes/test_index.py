"""The index of scenes, footprints across the antimeridian, and the same acquisitions elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.places.patches import patches_around
from tasks.scenes import DAY, Resolver, SceneIndex, ScenePair, Scenes, Sentinel1Scenes, Sentinel2Scenes
from tasks.scenes.footprints import are_convex, covers, unwrap
from tasks.scenes.resolving import product_key


def objects(values: list) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def scenes(outlines: list[shapely.Polygon], times: list[int]) -> Scenes:
    return Scenes(
        id=objects([f"s{n}" for n in range(len(times))]),
        time=np.array(times, np.int64),
        footprint=objects(outlines),
        orbit=np.zeros(len(times), np.int64),
    )


boxes = st.builds(
    lambda x, y, w, h: shapely.box(x, y, x + w, min(y + h, 90)),
    st.integers(-180, 179) | st.floats(-180, 179.9),
    st.floats(-80, 80),
    st.floats(0.1, 4),
    st.floats(0.1, 3),
)
instants = st.integers(-40, 40).map(lambda n: n * DAY // 2) | st.integers(-20 * DAY, 20 * DAY)


@given(
    st.lists(st.tuples(boxes, instants), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.floats(-1, 5), st.floats(-1, 4), instants), min_size=1, max_size=5),
    st.integers(0, 15 * DAY),
)
@settings(max_examples=300)
def test_near_scenes_are_those_whose_box_holds_the_centre_within_the_span(
    found: list[tuple[shapely.Polygon, int]], draws: list[tuple[int, float, float, int]], span: int
) -> None:
    outlines, times = [box for box, _ in found], [time for _, time in found]
    corner = [outlines[n % len(outlines)].bounds[:2] if outlines else (0, 0) for n, *_ in draws]
    lon = np.array([(x + dx + 180) % 360 - 180 for (x, _), (_, dx, _, _) in zip(corner, draws, strict=True)])
    lat = np.array([min(y + dy, 84) for (_, y), (_, _, dy, _) in zip(corner, draws, strict=True)])
    preferred = np.array([time for *_, time in draws], np.int64)
    index = SceneIndex(scenes(outlines, times))
    draw, scene = index.near(lon, lat, preferred, span)
    assert (np.diff(draw) >= 0).all()
    for position in range(len(draws)):
        here = {
            n
            for n, box in enumerate(outlines)
            if (lon[position] - box.bounds[0]) % 360 <= box.bounds[2] - box.bounds[0]
            and box.bounds[1] <= lat[position] <= box.bounds[3]
        }
        within = {n for n in here if abs(times[n] - preferred[position]) <= span}
        got = set(scene[draw == position].tolist())
        # Times are compared to the millisecond, so scenes within one of the span's ends may be among them.
        almost = {n for n in here if abs(times[n] - preferred[position]) <= span + 1_000}
        assert within <= got
        assert got <= (almost or here)


def test_an_index_of_nothing_finds_nothing() -> None:
    draw, scene = SceneIndex(scenes([], [])).near(np.array([9.0]), np.array([45.0]), np.array([0]), DAY)
    assert len(draw) == len(scene) == 0


# Footprints


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


# The same acquisitions elsewhere

EVERYWHERE = shapely.box(0, 40, 20, 50)
OUTLINE = patches_around(np.array([9.0]), np.array([45.0]), 100).vertices()[0]
PRODUCT = "S1A_IW_GRDH_1SDV_20180504T053000_20180504T053025_021752_025876_ABCD"


def optical(*rows: tuple[str, str, str, shapely.Polygon]) -> Sentinel2Scenes:
    """id, datatake, baseline, footprint."""
    count = len(rows)
    return Sentinel2Scenes(
        id=objects([row[0] for row in rows]), time=np.zeros(count, np.int64), orbit=np.zeros(count, np.int64),
        footprint=objects([row[3] for row in rows]), epsg=np.full(count, 32632), tile=objects(["32TNR"] * count),
        datatake=objects([row[1] for row in rows]), baseline=objects([row[2] for row in rows]),
        processed=np.zeros(count, np.int64), cloud_cover=np.zeros(count),
    )  # fmt: skip


def radar(*rows: tuple[str, str, int, int]) -> Sentinel1Scenes:
    """id, product, time, orbit."""
    return Sentinel1Scenes(
        id=objects([row[0] for row in rows]), time=np.array([row[2] for row in rows], np.int64),
        footprint=objects([EVERYWHERE] * len(rows)), orbit=np.array([row[3] for row in rows], np.int64),
        product=objects([row[1] for row in rows]), direction=objects([""] * len(rows)),
    )  # fmt: skip


CHOSEN = ScenePair(
    s2=optical(("x", "D", "02.06", EVERYWHERE)), s2_scene=0, s1=radar(("y", PRODUCT, 10**15, 15)), s1_scene=0
)
S2, S1 = optical(("a", "D", "02.06", EVERYWHERE)), radar(("r", PRODUCT, 10**15, 15))


def resolved(s2: Sentinel2Scenes = S2, s1: Sentinel1Scenes = S1, pair: ScenePair = CHOSEN) -> tuple[str, str] | str:
    found = Resolver(s2, s1).resolve(pair, OUTLINE)
    return found if isinstance(found, str) else (found.s2_id, found.s1_id)


def test_a_pair_is_found_by_datatake_tile_and_product() -> None:
    s2 = optical(("other", "E", "05.00", EVERYWHERE), ("a", "D", "02.06", EVERYWHERE))
    assert resolved(s2) == ("a", "r")


def test_the_newest_processing_that_covers_the_patch_is_taken() -> None:
    far = shapely.box(0, 0, 1, 1)
    s2 = optical(("a", "D", "02.06", EVERYWHERE), ("b", "D", "05.00", EVERYWHERE), ("c", "D", "05.10", far))
    assert resolved(s2) == ("b", "r")


def test_what_is_not_there_is_told() -> None:
    assert resolved(optical(("a", "E", "02.06", EVERYWHERE))) == "D 32TNR: not in its catalogue"
    assert resolved(s1=radar(("r", "S1A_other", 0, 15))) == f"{PRODUCT}: not in its catalogue"


def test_another_processing_of_the_same_sentinel_1_acquisition_is_the_same() -> None:
    again = PRODUCT.replace("ABCD", "EF01").replace("_025876_", "_025877_")
    assert product_key(again) == product_key(PRODUCT)
    assert product_key(PRODUCT.replace("_021752_", "_021753_")) != product_key(PRODUCT)
    assert resolved(s1=radar(("r", again, 10**15, 15))) == ("a", "r")


@pytest.mark.parametrize(
    ("late", "orbit", "same"),
    [
        (0, 15, True), (2_000_000, 15, True), (-2_000_000, 15, True), (2_000_001, 15, False), (0, 16, False),
        (0, 0, True),
    ],
)  # fmt: skip
def test_where_names_differ_start_and_orbit_tell(late: int, orbit: int, same: bool) -> None:
    found = resolved(s1=radar(("far", "p", 0, 15), ("r", "q", 10**15 + late, orbit)))
    assert found == (("a", "r") if same else f"{PRODUCT}: not in its catalogue")


def test_an_unknown_orbit_of_the_chosen_scene_matches_any() -> None:
    chosen = replace(CHOSEN, s1=radar(("y", PRODUCT, 10**15, 0)))
    assert resolved(s1=radar(("r", "q", 10**15, 77)), pair=chosen) == ("a", "r")
