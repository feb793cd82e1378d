"""The same acquisitions in another catalogue, by role."""

import numpy as np
import pytest
import shapely

from tasks.places.patches import patches_around
from tasks.scenes.products import product_key
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.scenes import Acquisition, Acquisitions, Nearby, Scenes, Sentinel1Scenes, Sentinel2Scenes
from tests.unit.scenes.made import objects

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


CHOSEN: Acquisitions = {
    "s2": Acquisition(scenes=optical(("x", "D", "02.06", EVERYWHERE)), scene=0),
    "s1": Acquisition(scenes=radar(("y", PRODUCT, 10**15, 15)), scene=0),
}
S2, S1 = optical(("a", "D", "02.06", EVERYWHERE)), radar(("r", PRODUCT, 10**15, 15))


def resolved(
    s2: Sentinel2Scenes = S2, s1: Sentinel1Scenes = S1, wanted: Acquisitions = CHOSEN
) -> tuple[str, ...] | Rejection:
    found = Resolver({"s2": s2, "s1": s1}).resolve(wanted, OUTLINE)
    return found if isinstance(found, Rejection) else tuple(found[role].id for role in ("s2", "s1"))


def nearby(scenes: Scenes) -> Nearby:
    return Nearby(scenes=scenes, draw=np.empty(0, np.int64), scene=np.empty(0, np.int64))


def lacks(acquisition: str) -> Rejection:
    return Rejection(reason=Reason.NOT_IN_CATALOGUE, scene=acquisition)


def test_a_pair_is_found_by_datatake_tile_and_product() -> None:
    s2 = optical(("other", "E", "05.00", EVERYWHERE), ("a", "D", "02.06", EVERYWHERE))
    assert resolved(s2) == ("a", "r")


def test_the_newest_processing_that_covers_the_patch_is_taken() -> None:
    far = shapely.box(0, 0, 1, 1)
    s2 = optical(("a", "D", "02.06", EVERYWHERE), ("b", "D", "05.00", EVERYWHERE), ("c", "D", "05.10", far))
    assert resolved(s2) == ("b", "r")


def test_what_is_not_there_is_told() -> None:
    assert resolved(optical(("a", "E", "02.06", EVERYWHERE))) == lacks("D 32TNR")
    assert resolved(s1=radar(("r", "S1A_other", 0, 15))) == lacks(PRODUCT)


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
    assert found == (("a", "r") if same else lacks(PRODUCT))


def test_an_unknown_orbit_of_the_chosen_scene_matches_any() -> None:
    chosen = {**CHOSEN, "s1": Acquisition(scenes=radar(("y", PRODUCT, 10**15, 0)), scene=0)}
    assert resolved(s1=radar(("r", "q", 10**15, 77)), wanted=chosen) == ("a", "r")


# Roles


def test_every_wanted_role_is_resolved_in_the_scenes_of_its_own_name() -> None:
    resolver = Resolver.of(
        {
            "s2": nearby(optical(("clear", "D", "02.06", EVERYWHERE))),
            "s2_cloudy": nearby(optical(("cloudy", "E", "02.06", EVERYWHERE))),
            "s1": nearby(S1),
        }
    )
    cloudy = Acquisition(scenes=optical(("y", "E", "02.06", EVERYWHERE)), scene=0)
    found = resolver.resolve({**CHOSEN, "s2_cloudy": cloudy}, OUTLINE)
    assert not isinstance(found, Rejection)
    assert {role: one.id for role, one in found.items()} == {"s2": "clear", "s1": "r", "s2_cloudy": "cloudy"}
    # The cloudy acquisition is not looked for among the clear ones, though these have one of the same name.
    assert resolver.resolve({"s2": cloudy}, OUTLINE) == lacks("E 32TNR")


def test_places_are_resolved_each_for_itself_in_their_order() -> None:
    resolver = Resolver({"s2": S2, "s1": S1})
    elsewhere = OUTLINE + np.array([0, 30])
    gone = {**CHOSEN, "s1": Acquisition(scenes=radar(("y", "S1A_gone", 0, 1)), scene=0)}
    found = resolver.resolve_all([CHOSEN, gone, CHOSEN], np.stack([OUTLINE, OUTLINE, elsewhere]))
    assert not isinstance(found[0], Rejection)
    assert found[1:] == [lacks("S1A_gone"), lacks("D 32TNR")]
    assert resolver.resolve_all([], np.empty((0, *OUTLINE.shape))) == []


def test_what_is_lacking_is_told_of_the_platform_that_lacks_it() -> None:
    told = lacks("D 32TNR").on("earthengine")
    assert told == Rejection(reason=Reason.NOT_IN_CATALOGUE, platform="earthengine", scene="D 32TNR")


def test_a_role_that_holds_a_scene_of_another_sensor_is_refused() -> None:
    with pytest.raises(TypeError, match="another sensor"):
        Resolver({"s2": S2}).resolve({"s2": CHOSEN["s1"]}, OUTLINE)
    with pytest.raises(TypeError, match="another sensor"):
        Resolver({"s1": S1}).resolve({"s1": CHOSEN["s2"]}, OUTLINE)
