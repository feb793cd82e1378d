"""The pairing rule, against the rule's own words as plain loops."""

from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest
import shapely
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tasks.places.patches import Patches, patches_around
from tasks.scenes.pairing import Outcome, Pairs, pair
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import DAY, Rule
from tasks.scenes.scenes import Candidates, Given, Sentinel1Scenes, Sentinel2Scenes
from tests.unit.scenes.made import NOON, all_near_all, objects, rule

LON, LAT = np.array([9.0, 9.2, 9.4]), np.array([45.0, 45.0, 45.0])
PATCHES = patches_around(LON, LAT, 100)
"""Three patches of 1 km, 16 km apart."""

EVERYWHERE = shapely.box(8.9, 44.9, 9.5, 45.1)
FOOTPRINTS = [
    EVERYWHERE,
    shapely.box(8.9, 44.9, 9.1, 45.1),
    shapely.box(9.1, 44.9, 9.5, 45.1),
    shapely.box(8, 40, 9, 46),
]
"""All patches, the first, the last two, and half of the first."""

RULE = rule()


@dataclass(frozen=True)
class S2:
    id: str = "a"
    time: int = NOON
    footprint: int = 0
    epsg: int = 32632
    tile: str = "32TNR"
    datatake: str = ""
    baseline: str = "02.06"
    processed: int = 0
    cloud: float = 0.0
    dated: bool = True
    role: str = ""
    group: int = -1
    date: int = 0


@dataclass(frozen=True)
class S1:
    id: str = "a"
    time: int = NOON
    footprint: int = 0
    dated: bool = True
    role: str = ""
    group: int = -1
    date: int = 0


def given_of(scenes: list[S2] | list[S1]) -> Given | None:
    """What scenes say of their groups; nothing if none says anything."""
    said = [(s.role, s.group, s.date) for s in scenes]
    if all(one == ("", -1, 0) for one in said):
        return None
    return Given(
        role=objects([role for role, _, _ in said]),
        group=np.array([group for _, group, _ in said], np.int64),
        date=np.array([date for _, _, date in said], np.int64),
    )


def dated_of(scenes: list[S2] | list[S1]) -> np.ndarray | None:
    dated = np.array([s.dated for s in scenes], bool)
    return None if dated.all() else dated


def candidates(s2: list[S2], s1: list[S1], draws: int) -> Candidates:
    """Every scene is near every draw; rows in an order that is neither's."""
    second = Sentinel2Scenes(
        id=objects([s.id for s in s2]),
        time=np.array([s.time for s in s2], np.int64),
        footprint=objects([FOOTPRINTS[s.footprint] for s in s2]),
        orbit=np.zeros(len(s2), np.int64),
        epsg=np.array([s.epsg for s in s2], np.int64),
        tile=objects([s.tile for s in s2]),
        datatake=objects([s.datatake or s.id for s in s2]),
        baseline=objects([s.baseline for s in s2]),
        processed=np.array([s.processed for s in s2], np.int64),
        cloud_cover=np.array([s.cloud for s in s2], float),
        dated=dated_of(s2),
        given=given_of(s2),
    )
    first = Sentinel1Scenes(
        id=objects([s.id for s in s1]),
        time=np.array([s.time for s in s1], np.int64),
        footprint=objects([FOOTPRINTS[s.footprint] for s in s1]),
        orbit=np.zeros(len(s1), np.int64),
        product=objects([s.id for s in s1]),
        direction=objects(["" for _ in s1]),
        dated=dated_of(s1),
        given=given_of(s1),
    )
    return all_near_all(second, first, draws)


def paired(
    s2: list[S2],
    s1: list[S1],
    *,
    preferred: int | list[int] = NOON,
    patches: Patches | None = None,
    limits: Rule = RULE,
) -> Pairs:
    patches = PATCHES.take(np.array([0])) if patches is None else patches
    instants = np.broadcast_to(np.array(preferred, np.int64), (len(patches),))
    return pair(patches, instants, candidates(s2, s1, len(patches)), limits)


def of_first(pairs: Pairs) -> tuple[Outcome, int, int]:
    return Outcome(int(pairs.outcome[0])), int(pairs.scene["s2"][0]), int(pairs.scene["s1"][0])


# The rule in plain loops


def reference(index: int, preferred: int, s2: list[S2], s1: list[S1], limits: Rule) -> tuple[Outcome, int, int]:
    """What the design's WHEN says, one scene at a time."""
    epsg = int(PATCHES.epsg[index])
    max_gap, cloud_cover = limits.roles["s1"].reach, limits.roles["s2"].cloud_cover
    outline = PATCHES.take(np.array([index])).outlines(inset=5)[0]

    def covers(scene: S1 | S2) -> bool:
        return bool(FOOTPRINTS[scene.footprint].covers(outline))

    furthest = Outcome.NO_SENTINEL2
    acquired: dict[tuple[str, str], list[int]] = {}
    for position, scene in enumerate(s2):
        if not covers(scene):
            furthest = max(furthest, Outcome.NOT_COVERED)
        elif scene.epsg != epsg:
            furthest = max(furthest, Outcome.OTHER_ZONE)
        elif not limits.window[0] <= scene.time < limits.window[1]:
            furthest = max(furthest, Outcome.OUTSIDE_WINDOW)
        else:
            acquired.setdefault((scene.datatake or scene.id, scene.tile), []).append(position)
    choices = []
    for positions in acquired.values():
        newest = max(positions, key=lambda p: (float(s2[p].baseline or -1), s2[p].processed, s2[p].id))
        scene = s2[newest]
        if cloud_cover is not None and not cloud_cover[0] <= scene.cloud <= cloud_cover[1]:
            furthest = max(furthest, Outcome.CLOUDY)
            continue
        if abs(scene.time - preferred) > limits.search:
            furthest = max(furthest, Outcome.TOO_FAR)
            continue
        near = [
            (abs(radar.time - scene.time), radar.id, position)
            for position, radar in enumerate(s1)
            if covers(radar) and abs(radar.time - scene.time) <= max_gap
        ]
        if not near:
            furthest = max(furthest, Outcome.NO_SENTINEL1)
            continue
        choices.append((abs(scene.time - preferred), scene.id, newest, min(near)[2]))
    if not choices:
        return furthest, -1, -1
    _, _, best, radar_position = min(choices)
    return Outcome.PAIRED, best, radar_position


hours = st.integers(-30 * 8, 30 * 8).map(lambda n: NOON + n * DAY // 8)
"""Three-hour steps: ties and gaps exactly at the limit are common."""


@st.composite
def s2_scenes(draw: st.DrawFn) -> list[S2]:
    count = draw(st.integers(0, 10))
    names = draw(st.permutations([f"S{n:02d}" for n in range(count)]))
    return [
        S2(
            id=name,
            time=draw(hours),
            footprint=draw(st.sampled_from([0, 0, 0, 0, 1, 2, 3])),
            epsg=draw(st.sampled_from([32632, 32632, 32632, 32633])),
            tile=draw(st.sampled_from(["32TNR", "32TMR"])),
            datatake=draw(st.sampled_from(["", "", "D1", "D2"])),
            baseline=draw(st.sampled_from(["", "02.06", "05.00", "05.10"])),
            processed=draw(st.sampled_from([0, 1, 2])),
            cloud=draw(st.sampled_from([0.0, 20.0, 20.1, float("nan")])),
        )
        for name in names
    ]


@st.composite
def s1_scenes(draw: st.DrawFn) -> list[S1]:
    names = draw(st.permutations([f"R{n:02d}" for n in range(draw(st.integers(0, 8)))]))
    return [S1(id=name, time=draw(hours), footprint=draw(st.sampled_from([0, 0, 0, 1, 2, 3]))) for name in names]


@given(
    s2_scenes(),
    s1_scenes(),
    st.lists(hours, min_size=3, max_size=3),
    st.sampled_from([None, 0.0, 20.0, 100.0]),
    st.sampled_from([DAY // 8, DAY, 3 * DAY]),
    st.sampled_from([DAY, 10 * DAY, 60 * DAY]),
)
@settings(max_examples=400)
def test_pairs_are_those_of_the_rule_in_plain_loops(
    s2: list[S2], s1: list[S1], preferred: list[int], cloud: float | None, gap: int, search: int
) -> None:
    limits = rule(max_cloud_cover=cloud, max_gap=gap, search=search)
    pairs = paired(s2, s1, preferred=preferred, patches=PATCHES, limits=limits)
    for index in range(3):
        expected = reference(index, preferred[index], s2, s1, limits)
        event(expected[0].name)
        found = (Outcome(int(pairs.outcome[index])), int(pairs.scene["s2"][index]), int(pairs.scene["s1"][index]))
        assert found == expected


@given(s2_scenes(), s1_scenes(), hours, st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_order_of_scenes_and_rows_does_not_matter(
    s2: list[S2], s1: list[S1], preferred: int, random: Random
) -> None:
    first = of_first(paired(s2, s1, preferred=preferred))
    order2, order1 = random.sample(range(len(s2)), len(s2)), random.sample(range(len(s1)), len(s1))
    again = of_first(paired([s2[i] for i in order2], [s1[i] for i in order1], preferred=preferred))
    assert again[0] == first[0]
    if first[0] is Outcome.PAIRED:
        assert (order2[again[1]], order1[again[2]]) == first[1:]


@given(s2_scenes(), s1_scenes(), st.lists(hours, min_size=3, max_size=3))
@settings(max_examples=50)
def test_a_draw_is_paired_alone_as_among_others(s2: list[S2], s1: list[S1], preferred: list[int]) -> None:
    together = paired(s2, s1, preferred=preferred, patches=PATCHES)
    for index in range(3):
        alone = paired(s2, s1, preferred=preferred[index], patches=PATCHES.take(np.array([index])))
        assert of_first(alone)[1:] == (together.scene["s2"][index], together.scene["s1"][index])
        assert alone.outcome[0] == together.outcome[index]


@given(
    s2_scenes(),
    s1_scenes(),
    st.lists(hours, min_size=3, max_size=3),
    st.sampled_from([None, 20.0]),
    st.sampled_from([DAY // 8, DAY, 3 * DAY]),
)
@settings(max_examples=200)
def test_every_pair_keeps_every_limit_and_both_footprints_cover_the_patch(
    s2: list[S2], s1: list[S1], preferred: list[int], cloud: float | None, gap: int
) -> None:
    limits = rule(max_cloud_cover=cloud, max_gap=gap)
    pairs = paired(s2, s1, preferred=preferred, patches=PATCHES, limits=limits)
    outlines = PATCHES.outlines(inset=5)
    for index in np.flatnonzero(pairs.outcome == Outcome.PAIRED):
        scene, radar = s2[pairs.scene["s2"][index]], s1[pairs.scene["s1"][index]]
        assert abs(radar.time - scene.time) <= gap
        assert abs(scene.time - preferred[index]) <= limits.search
        assert limits.window[0] <= scene.time < limits.window[1]
        assert scene.epsg == PATCHES.epsg[index]
        assert cloud is None or scene.cloud <= cloud
        assert FOOTPRINTS[scene.footprint].covers(outlines[index])
        assert FOOTPRINTS[radar.footprint].covers(outlines[index])


# The smallest gap


@given(
    s2_scenes(),
    s1_scenes(),
    st.lists(hours, min_size=3, max_size=3),
    st.sampled_from([None, 20.0]),
    st.sampled_from([DAY // 8, DAY, 3 * DAY]),
)
@settings(max_examples=200)
def test_the_smallest_gap_is_the_smallest_limit_under_which_the_draw_has_a_pair(
    s2: list[S2], s1: list[S1], preferred: list[int], cloud: float | None, gap: int
) -> None:
    limits = rule(max_cloud_cover=cloud, max_gap=gap)
    smallest = paired(s2, s1, preferred=preferred, patches=PATCHES, limits=limits).smallest_gap
    least = rule(max_cloud_cover=cloud, max_gap=0)
    again = paired(s2, s1, preferred=preferred, patches=PATCHES, limits=least).smallest_gap
    assert np.array_equal(smallest, again), "whatever the limit"
    for index in range(3):
        if smallest[index] == np.iinfo(np.int64).max:
            cases = [(100 * DAY, False)]
        else:
            cases = [(int(smallest[index]), True), (int(smallest[index]) - 1, False)]
        for limit, has_pair in cases:
            outcome, _, _ = reference(index, preferred[index], s2, s1, rule(max_cloud_cover=cloud, max_gap=limit))
            assert (outcome is Outcome.PAIRED) == has_pair


def test_the_smallest_gap_need_not_be_that_of_the_pair() -> None:
    scenes = [S2(id="a"), S2(id="b", time=NOON + 9 * DAY)]
    radars = [S1(id="a", time=NOON + 2 * DAY), S1(id="b", time=NOON + 10 * DAY)]
    pairs = paired(scenes, radars)
    assert of_first(pairs) == (Outcome.PAIRED, 0, 0)
    assert pairs.smallest_gap[0] == DAY


def test_without_a_scene_of_one_mission_there_is_no_gap() -> None:
    for s2, s1 in (([], [S1()]), ([S2()], []), ([S2(footprint=2)], [S1()]), ([S2()], [S1(footprint=2)])):
        assert paired(s2, s1).smallest_gap[0] == np.iinfo(np.int64).max


# Each way to fail


@pytest.mark.parametrize(
    ("s2", "s1", "outcome"),
    [
        ([], [S1()], Outcome.NO_SENTINEL2),
        ([S2(footprint=2)], [S1()], Outcome.NOT_COVERED),
        ([S2(footprint=3)], [S1()], Outcome.NOT_COVERED),
        ([S2(epsg=32633)], [S1()], Outcome.OTHER_ZONE),
        ([S2(time=NOON + 20 * DAY)], [S1()], Outcome.OUTSIDE_WINDOW),
        ([S2(cloud=20.001)], [S1()], Outcome.CLOUDY),
        ([S2(cloud=float("nan"))], [S1()], Outcome.CLOUDY),
        ([S2(time=NOON + 10 * DAY + 1)], [S1(time=NOON + 10 * DAY)], Outcome.TOO_FAR),
        ([S2()], [], Outcome.NO_SENTINEL1),
        ([S2()], [S1(footprint=2)], Outcome.NO_SENTINEL1),
        ([S2()], [S1(time=NOON + 3 * DAY + 1)], Outcome.NO_SENTINEL1),
        ([S2()], [S1(time=NOON - 3 * DAY - 1)], Outcome.NO_SENTINEL1),
        ([S2()], [S1()], Outcome.PAIRED),
    ],
)
def test_the_outcome_says_why_there_is_no_pair(s2: list[S2], s1: list[S1], outcome: Outcome) -> None:
    found = of_first(paired(s2, s1, limits=rule(max_cloud_cover=20)))
    assert found == ((outcome, 0, 0) if outcome is Outcome.PAIRED else (outcome, -1, -1))
    if outcome is not Outcome.PAIRED:
        assert outcome.reason.words


def test_the_outcome_is_that_of_the_scene_that_got_furthest() -> None:
    scenes = [S2(id="a", footprint=2), S2(id="b", epsg=32633), S2(id="c", time=NOON + 25 * DAY)]
    assert of_first(paired(scenes, [S1()]))[0] is Outcome.OUTSIDE_WINDOW


def test_every_outcome_without_a_pair_has_a_reason_of_its_own() -> None:
    reasons = {outcome: outcome.reason for outcome in Outcome if outcome is not Outcome.PAIRED}
    assert len(set(reasons.values())) == len(reasons) == 8
    assert reasons[Outcome.NO_SENTINEL1] is Reason.NO_SENTINEL1
    with pytest.raises(KeyError):
        _ = Outcome.PAIRED.reason


# Limits


def test_limits_are_inclusive() -> None:
    limits = rule(max_cloud_cover=20.0)
    for sign in (-1, 1):
        scene, radar = S2(time=NOON + sign * 10 * DAY, cloud=20.0), S1(time=NOON + sign * 13 * DAY)
        assert of_first(paired([scene], [radar], limits=limits))[0] is Outcome.PAIRED


def test_the_window_is_half_open_and_of_sentinel_2() -> None:
    limits = rule(window=(NOON, NOON + DAY))
    assert of_first(paired([S2(time=NOON)], [S1(time=NOON - DAY)], limits=limits))[0] is Outcome.PAIRED
    assert of_first(paired([S2(time=NOON + DAY - 1)], [S1(time=NOON + 2 * DAY)], limits=limits))[0] is Outcome.PAIRED
    assert of_first(paired([S2(time=NOON + DAY)], [S1()], limits=limits))[0] is Outcome.OUTSIDE_WINDOW
    assert of_first(paired([S2(time=NOON - 1)], [S1()], limits=limits))[0] is Outcome.OUTSIDE_WINDOW


def test_a_scene_without_a_cloud_figure_qualifies_where_there_is_no_limit() -> None:
    assert of_first(paired([S2(cloud=float("nan"))], [S1()]))[0] is Outcome.PAIRED


def test_a_footprint_that_ends_where_the_patch_does_covers_it() -> None:
    patch = PATCHES.take(np.array([0]))
    exact = patch.outlines()[0]
    rounded = shapely.set_precision(exact, 1e-5)
    for footprint, outcome in (
        (exact, Outcome.PAIRED),
        (rounded, Outcome.PAIRED),
        (patch.outlines(inset=4.9)[0], Outcome.PAIRED),
        (patch.outlines(inset=5.1)[0], Outcome.NOT_COVERED),
    ):
        found = candidates([S2()], [S1()], 1)
        found["s2"].scenes.footprint[0] = footprint
        pairs = pair(patch, np.array([NOON]), found, RULE)
        assert Outcome(int(pairs.outcome[0])) is outcome


# Choices


def test_the_nearest_sentinel_2_that_has_a_sentinel_1_is_chosen() -> None:
    scenes = [S2(id="a", time=NOON + DAY), S2(id="b", time=NOON - 8 * DAY), S2(id="c", time=NOON + 9 * DAY)]
    assert of_first(paired(scenes, [S1(time=NOON - 9 * DAY)])) == (Outcome.PAIRED, 1, 0)


def test_the_nearest_sentinel_1_is_chosen() -> None:
    radars = [S1(id="a", time=NOON - 2 * DAY), S1(id="b", time=NOON + DAY), S1(id="c", time=NOON + 3 * DAY)]
    assert of_first(paired([S2()], radars)) == (Outcome.PAIRED, 0, 1)


def test_a_nearer_sentinel_1_that_does_not_cover_the_patch_is_passed_over() -> None:
    radars = [S1(id="a", time=NOON, footprint=2), S1(id="b", time=NOON + DAY)]
    assert of_first(paired([S2()], radars)) == (Outcome.PAIRED, 0, 1)


@pytest.mark.parametrize("times", [(-1, 1), (1, -1), (1, 1)])
def test_ties_of_sentinel_2_go_to_the_smaller_id(times: tuple[int, int]) -> None:
    scenes = [S2(id="b", time=NOON + times[0] * DAY), S2(id="a", time=NOON + times[1] * DAY)]
    assert of_first(paired(scenes, [S1()])) == (Outcome.PAIRED, 1, 0)


@pytest.mark.parametrize("times", [(-1, 1), (1, -1), (1, 1), (0, 0)])
def test_ties_of_sentinel_1_go_to_the_smaller_id(times: tuple[int, int]) -> None:
    radars = [S1(id="c", time=NOON + times[0] * DAY), S1(id="b", time=NOON + times[1] * DAY), S1("a", NOON + 2 * DAY)]
    assert of_first(paired([S2()], radars)) == (Outcome.PAIRED, 0, 1)


# Roles


def test_roles_of_any_names_are_paired_by_their_order_and_sensor() -> None:
    limits = Rule(
        window=RULE.window, roles={"s2_clear": RULE.roles["s2"], "s1_near": replace(RULE.roles["s1"], near="s2_clear")}
    )
    found = candidates([S2(id="a", time=NOON + DAY), S2(id="b")], [S1()], 1)
    named = {"s1_near": found["s1"], "s2_clear": found["s2"]}
    pairs = pair(PATCHES.take(np.array([0])), np.array([NOON]), named, limits)
    assert {role: scene.tolist() for role, scene in pairs.scene.items()} == {"s2_clear": [1], "s1_near": [0]}
    chosen = pairs.acquisitions(named, 0)
    assert {role: (one.id, one.time) for role, one in chosen.items()} == {
        "s2_clear": ("b", NOON),
        "s1_near": ("a", NOON),
    }


def test_a_root_of_another_sensor_is_refused() -> None:
    found = candidates([S2()], [S1()], 1)
    with pytest.raises(TypeError, match="'s2' is to be a Sentinel-2 role"):
        pair(PATCHES.take(np.array([0])), np.array([NOON]), {"s2": found["s1"], "s1": found["s1"]}, RULE)


# Processings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (S2(id="z", baseline="02.06", processed=9), S2(id="a", baseline="05.00", processed=1)),
        (S2(id="z", baseline="05.00", processed=1), S2(id="a", baseline="05.00", processed=2)),
        (S2(id="a", baseline="05.00", processed=1), S2(id="b", baseline="05.00", processed=1)),
        (S2(id="z", baseline="", processed=9), S2(id="a", baseline="02.04", processed=1)),
        (S2(id="z", baseline="05.09", processed=9), S2(id="a", baseline="05.10", processed=1)),
        (S2(id="z", baseline="9.9"), S2(id="a", baseline="10.0")),
    ],
)
def test_of_one_datatake_and_tile_the_newest_processing_wins(old: S2, new: S2) -> None:
    old, new = replace(old, datatake="D"), replace(new, datatake="D", time=NOON + DAY)
    assert of_first(paired([old, new], [S1()])) == (Outcome.PAIRED, 1, 0)
    assert of_first(paired([new, old], [S1()])) == (Outcome.PAIRED, 0, 0)


def test_two_tiles_of_one_datatake_are_two_scenes() -> None:
    old, new = S2(id="a", datatake="D", tile="32TMR"), S2(id="b", datatake="D", baseline="05.00", time=NOON + DAY)
    assert of_first(paired([old, new], [S1()])) == (Outcome.PAIRED, 0, 0)


def test_a_newer_processing_that_is_cloudy_is_not_replaced_by_an_older_one_that_is_not() -> None:
    scenes = [S2(id="a", datatake="D", cloud=10), S2(id="b", datatake="D", baseline="05.00", cloud=30)]
    assert of_first(paired(scenes, [S1()], limits=rule(max_cloud_cover=20)))[0] is Outcome.CLOUDY


def test_the_newest_of_a_datatake_is_found_for_each_draw_among_those_that_cover_it() -> None:
    scenes = [S2(id="a", datatake="D"), S2(id="b", datatake="D", baseline="05.00", footprint=2)]
    pairs = paired(scenes, [S1()], patches=PATCHES)
    assert pairs.scene["s2"].tolist() == [0, 1, 1]


# Nothing


def test_no_draws_have_no_pairs() -> None:
    none = PATCHES.take(np.array([], dtype=int))
    empty = np.empty(0, np.int64)
    found = {role: replace(near, draw=empty, scene=empty) for role, near in candidates([S2()], [S1()], 1).items()}
    assert len(pair(none, empty, found, RULE).outcome) == 0


def test_a_draw_near_which_nothing_is_has_no_sentinel_2() -> None:
    empty = np.empty(0, np.int64)
    found = {**candidates([S2()], [S1()], 1)}
    found["s2"] = replace(found["s2"], draw=empty, scene=empty)
    assert pair(PATCHES, np.full(3, NOON), found, RULE).outcome.tolist() == [Outcome.NO_SENTINEL2] * 3
