"""Roles as a tree: against an exhaustive search over all ways to fill it."""

from collections.abc import Iterator, Mapping

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tasks.places.patches import patches_around
from tasks.scenes.pairing import Outcome, Pairs, pair
from tasks.scenes.roles import DATATAKE, DAY, Role, Rule, sensor_of
from tasks.scenes.scenes import Nearby, Scenes
from tests.unit.scenes.made import NOON
from tests.unit.scenes.test_pairing import S1, S2, candidates

PATCH = patches_around(np.array([9.0]), np.array([45.0]), 100)

NAMES = ("s2", "s2_cloudy", "s1", "s1_before", "s2_late")

SEARCH = 10 * DAY


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Trees of up to four roles below an optical root."""
    names = ["s2", *draw(st.permutations(NAMES[1:]))][: draw(st.integers(1, 5))]
    roles = {"s2": Role(near=None, reach=SEARCH, cloud_cover=draw(clouds), clearest=draw(st.booleans()))}
    for name in names[1:]:
        given = draw(st.sampled_from([False, False, True]))
        roles[name] = Role(
            near="s2" if given else draw(st.sampled_from([*roles])),
            reach=draw(st.sampled_from([0, DAY, 2 * DAY, 5 * DAY, 9 * DAY])),
            cloud_cover=draw(clouds) if sensor_of(name) == "sentinel2" else None,
            given=given,
        )
    return Rule(window=(NOON - 4 * DAY, NOON + 4 * DAY), roles=roles)


clouds = st.sampled_from([None, None, None, (0.0, 20.0), (20.0, 100.0)])

times = st.integers(-6 * 4, 6 * 4).map(lambda n: NOON + n * DAY // 4) | st.sampled_from(
    [NOON + DATATAKE, NOON - DATATAKE - 1]
)
"""Six-hour steps, and what is just on the same pass, or no longer."""

groups = st.sampled_from([-1, 0, 0, 1])
served = st.sampled_from(["", "", *NAMES])
dated = st.sampled_from([True, True, True, False])

optical = st.lists(
    st.builds(
        S2,
        time=times,
        footprint=st.sampled_from([0, 0, 0, 2]),
        cloud=st.sampled_from([0.0, 20.0, 20.1, float("nan")]),
        role=served,
        group=groups,
        dated=dated,
    ),
    max_size=8,
)
radar = st.lists(
    st.builds(S1, time=times, footprint=st.sampled_from([0, 0, 0, 2]), role=served, group=groups, dated=dated),
    max_size=6,
)


def found_near(rule: Rule, s2: list[S2], s1: list[S1], draws: int = 1) -> dict[str, Nearby]:
    """Every role may take every scene of its sensor."""
    held = candidates(s2, s1, draws)
    return {role: held["s2" if sensor_of(role) == "sentinel2" else "s1"] for role in rule.roles}


def named(s2: list[S2], s1: list[S1], order: list[int]) -> tuple[list[S2], list[S1]]:
    """The scenes with ids whose order is not that of the list."""
    ids = [f"X{number:02d}" for number in order]
    return (
        [S2(**{**scene.__dict__, "id": name}) for scene, name in zip(s2, ids, strict=False)],
        [S1(**{**scene.__dict__, "id": name}) for scene, name in zip(s1, ids, strict=False)],
    )


def fillings(rule: Rule, s2: list[S2], s1: list[S1], preferred: int) -> Iterator[dict[str, int]]:
    """Every way to fill all roles that the rule's words allow, the one that it chooses first."""
    first, end = rule.window
    root = rule.roles[rule.root]

    def qualifies(role: str, scene: S2 | S1) -> bool:
        if scene.footprint:  # covers other patches
            return False
        if scene.role not in ("", role):
            return False
        limits = rule.roles[role].cloud_cover
        return not isinstance(scene, S2) or limits is None or limits[0] <= scene.cloud <= limits[1]

    def held(role: str) -> list[tuple[int, S2 | S1]]:
        scenes: list[S2] | list[S1] = s2 if sensor_of(role) == "sentinel2" else s1
        return [(index, scene) for index, scene in enumerate(scenes) if qualifies(role, scene)]

    def below(role: str, anchor: S2 | S1) -> Iterator[dict[str, int]]:
        """Ways to fill the roles near a role that has taken a scene."""
        ways: list[dict[str, int]] = [{}]
        for name, limits in rule.roles.items():
            if limits.near != role:
                continue
            if limits.given:
                near = sorted((0, scene.id, index) for index, scene in held(name) if -1 < scene.group == anchor.group)
            else:
                same = sensor_of(name) == sensor_of(role)
                gaps = [(abs(scene.time - anchor.time), index, scene) for index, scene in held(name) if scene.dated]
                near = sorted(
                    (gap, scene.id, index)
                    for gap, index, scene in gaps
                    if anchor.dated and gap <= limits.reach and not (same and gap <= DATATAKE)
                )
            scenes: list[S2] | list[S1] = s2 if sensor_of(name) == "sentinel2" else s1
            mine = [{name: index, **deeper} for _, _, index in near for deeper in below(name, scenes[index])]
            ways = [{**way, **one} for way in ways for one in mine]
        yield from ways

    def preference(scene: S2 | S1) -> float:
        if root.clearest and isinstance(scene, S2):
            return np.inf if np.isnan(scene.cloud) else scene.cloud
        return abs(scene.time - preferred)

    ordered = sorted((preference(scene), scene.id, index) for index, scene in held(rule.root))
    for _, _, index in ordered:
        time = s2[index].time
        if first <= time < end and abs(time - preferred) <= root.reach:
            for way in below(rule.root, s2[index]):
                yield {rule.root: index, **way}


def chosen(pairs: Pairs, draw: int = 0) -> dict[str, int]:
    return {role: int(scene[draw]) for role, scene in pairs.scene.items()}


@settings(max_examples=400)
@given(rules(), optical, radar, st.permutations(range(8)), times)
def test_the_first_of_all_ways_to_fill_the_tree_is_taken(
    rule: Rule, s2: list[S2], s1: list[S1], order: list[int], preferred: int
) -> None:
    s2, s1 = named(s2, s1, order)
    pairs = pair(PATCH, np.array([preferred]), found_near(rule, s2, s1), rule)
    best = next(fillings(rule, s2, s1, preferred), None)
    event("filled" if best else "cannot be filled")
    assert (Outcome(int(pairs.outcome[0])) is Outcome.PAIRED) is (best is not None)
    if best:
        assert chosen(pairs) == best
    else:
        assert set(chosen(pairs).values()) == {-1}


@given(rules(), optical, radar, st.lists(times, min_size=2, max_size=4))
def test_draws_do_not_touch_each_other(rule: Rule, s2: list[S2], s1: list[S1], preferred: list[int]) -> None:
    s2, s1 = named(s2, s1, list(range(8)))
    patches = PATCH.take(np.zeros(len(preferred), int))
    together = pair(patches, np.array(preferred), found_near(rule, s2, s1, len(preferred)), rule)
    for draw, instant in enumerate(preferred):
        alone = pair(PATCH, np.array([instant]), found_near(rule, s2, s1), rule)
        assert chosen(together, draw) == chosen(alone)


@given(optical, radar, times, st.integers(0, 3))
def test_a_draw_of_its_own_window_gets_what_the_rule_of_that_window_gives(
    s2: list[S2], s1: list[S1], preferred: int, part: int
) -> None:
    s2, s1 = named(s2, s1, list(range(8)))
    roles = {"s2": Role(near=None, reach=SEARCH), "s1": Role(near="s2", reach=2 * DAY)}
    own = (NOON + (part - 2) * DAY, NOON + (part - 1) * DAY)
    whole, narrow = Rule(window=(NOON - 4 * DAY, NOON + 4 * DAY), roles=roles), Rule(window=own, roles=roles)
    near = found_near(whole, s2, s1)
    by_part = pair(PATCH, np.array([preferred]), near, whole, np.array([own]))
    assert chosen(by_part) == chosen(pair(PATCH, np.array([preferred]), near, narrow))


def test_a_role_below_leaves_the_pass_of_its_anchor_and_takes_the_next() -> None:
    rule = Rule(
        window=(NOON - 4 * DAY, NOON + 4 * DAY),
        roles={"s2": Role(near=None, reach=DAY), "s2_cloudy": Role(near="s2", reach=5 * DAY)},
    )
    # Two tiles of one pass, and another date.
    s2 = [S2(id="a"), S2(id="b", tile="32TMR", time=NOON + 15_000_000), S2(id="c", time=NOON + 3 * DAY)]
    assert chosen(pair(PATCH, np.array([NOON]), found_near(rule, s2, []), rule)) == {"s2": 0, "s2_cloudy": 2}
    alone = pair(PATCH, np.array([NOON]), found_near(rule, s2[:2], []), rule)
    assert Outcome(int(alone.outcome[0])) is Outcome.NO_COMPANION


def test_two_roles_near_one_choose_for_the_same_scene_of_it() -> None:
    """The scene that the first of them would take belongs to an anchor for which the second finds none."""
    rule = Rule(
        window=(NOON - 9 * DAY, NOON + 9 * DAY),
        roles={
            "s2": Role(near=None, reach=9 * DAY),
            "s1": Role(near="s2", reach=DAY),
            "s1_before": Role(near="s2", reach=DAY),
            "s2_cloudy": Role(near="s2", reach=3 * DAY, cloud_cover=(50, 100)),
        },
    )
    s2 = [S2(id="a"), S2(id="b", time=NOON + 5 * DAY), S2(id="c", time=NOON + 7 * DAY, cloud=60)]
    s1 = [S1(id="d"), S1(id="e", time=NOON + 5 * DAY)]
    found = chosen(pair(PATCH, np.array([NOON]), found_near(rule, s2, s1), rule))
    assert found == {"s2": 1, "s1": 1, "s1_before": 1, "s2_cloudy": 2}


def test_what_lacks_first_is_told() -> None:
    roles: Mapping[str, Role] = {
        "s2": Role(near=None, reach=DAY),
        "s2_cloudy": Role(near="s2", reach=5 * DAY, cloud_cover=(50, 100)),
        "s1": Role(near="s2_cloudy", reach=DAY),
    }
    rule = Rule(window=(NOON - 4 * DAY, NOON + 4 * DAY), roles=roles)
    clear, cloudy = S2(id="a"), S2(id="b", time=NOON + 3 * DAY, cloud=60)

    def outcome(s2: list[S2], s1: list[S1]) -> Outcome:
        return Outcome(int(pair(PATCH, np.array([NOON]), found_near(rule, s2, s1), rule).outcome[0]))

    assert outcome([clear], [S1(time=NOON + 3 * DAY)]) is Outcome.NO_COMPANION
    assert outcome([clear, cloudy], [S1()]) is Outcome.NO_SENTINEL1
    assert outcome([clear, cloudy], [S1(time=NOON + 3 * DAY)]) is Outcome.PAIRED


def test_scenes_of_one_role_may_be_another_catalogues() -> None:
    """Level-1C beside Level-2A: two collections, whose numbers of scenes have nothing to do with each other."""
    rule = Rule(
        window=(NOON - 4 * DAY, NOON + 4 * DAY),
        roles={"s2": Role(near=None, reach=DAY), "s2_top": Role(near="s2", reach=5 * DAY, level="l1c")},
    )
    own, other = (
        candidates([S2(id="z")], [], 1)["s2"],
        candidates([S2(id="y", time=NOON - DAY), S2(id="x")], [], 1)["s2"],
    )
    pairs = pair(PATCH, np.array([NOON]), {"s2": own, "s2_top": other}, rule)
    assert chosen(pairs) == {"s2": 0, "s2_top": 0}
    scenes: Scenes = other.scenes
    assert pairs.acquisitions({"s2": own, "s2_top": other}, 0)["s2_top"].scenes is scenes


# What a catalogue gives


GIVEN = Rule(
    window=(NOON - 4 * DAY, NOON + 4 * DAY),
    roles={
        "s2": Role(near=None, reach=9 * DAY),
        "s2_cloudy": Role(near="s2", reach=0, given=True),
        "s1": Role(near="s2", reach=0, given=True),
    },
)


def test_given_roles_take_the_scenes_of_the_roots_group_whenever_they_were() -> None:
    s2 = [
        S2(id="a", role="s2_cloudy", group=7, time=NOON - 300 * DAY),
        S2(id="b", role="s2_cloudy", group=8),
        S2(id="c", role="s2", group=7),
    ]
    s1 = [S1(id="d", group=8), S1(id="e", group=7, time=NOON + 200 * DAY)]
    pairs = pair(PATCH, np.array([NOON]), found_near(GIVEN, s2, s1), GIVEN)
    assert chosen(pairs) == {"s2": 2, "s2_cloudy": 0, "s1": 1}
    assert pairs.smallest_gap[0] == 200 * DAY


def test_no_gap_is_told_of_scenes_whose_time_nobody_knows() -> None:
    s2 = [S2(id="a", group=7, dated=False, role="s2"), S2(id="b", group=7, role="s2_cloudy")]
    for one in (S1(group=7), S1(group=7, dated=False)):
        pairs = pair(PATCH, np.array([NOON]), found_near(GIVEN, s2, [one]), GIVEN)
        assert Outcome(int(pairs.outcome[0])) is Outcome.PAIRED
        assert pairs.smallest_gap[0] == np.iinfo(np.int64).max


def test_without_a_group_nothing_is_given() -> None:
    for s2, s1 in (([S2(role="s2")], [S1()]), ([S2(group=3, role="s2")], [S1()]), ([S2()], [S1(group=3)])):
        pairs = pair(PATCH, np.array([NOON]), found_near(GIVEN, s2, s1), GIVEN)
        assert set(chosen(pairs).values()) == {-1}


def test_each_date_of_a_place_takes_the_roots_scene_of_its_number() -> None:
    rule = Rule(window=GIVEN.window, roles={"s2": GIVEN.roles["s2"], "s1": GIVEN.roles["s1"]}, given=True)
    # Their times are not in the order of their numbers.
    s2 = [S2(id=f"x{date}", group=10 + date, date=date, time=NOON - date * DAY) for date in (1, 0, 2)]
    s1 = [S1(id=f"y{group}", group=group) for group in (12, 10, 11)]
    patches, dates = PATCH.take(np.zeros(4, int)), np.arange(4)
    windows = np.tile(rule.window, (4, 1))
    pairs = pair(patches, np.full(4, NOON), found_near(rule, s2, s1, 4), rule, windows, dates)
    assert pairs.scene["s2"].tolist() == [1, 0, 2, -1]
    assert pairs.scene["s1"].tolist() == [1, 2, 0, -1]
    assert Outcome(int(pairs.outcome[3])) is Outcome.NO_SENTINEL2
