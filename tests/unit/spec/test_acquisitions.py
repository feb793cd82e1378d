"""Roles and instants of a spec: what they mean, and what is refused before anything is asked of anybody."""

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scenes.roles import DAY, rule_of
from tasks.spec import CorpusSpec, load_spec
from tasks.spec.acquisitions import Instants
from tests.unit.spec.specs import MINIMAL, refusal, replaced, values


def spec(**changes: Any) -> CorpusSpec:
    return CorpusSpec.model_validate(values(**changes))


# Roles


def test_a_cloudy_and_clear_pair_with_radar_is_a_tree_of_three_roles() -> None:
    roles = {
        "s1": {"near": "s2_cloudy", "max_days": 6},
        "s2_cloudy": {"level": "l1c", "near": "s2", "max_days": 14, "mask": "cloud"},
        "s2": {"level": "l1c", "cloud_cover": [0, 10], "search_days": 46},
    }
    rule = rule_of(spec(acquisitions=roles))
    assert list(rule.roles) == ["s2", "s2_cloudy", "s1"], "root first, each after the one that it is near"
    assert (rule.roles["s2"].reach, rule.roles["s2"].cloud_cover) == (46 * DAY, (0.0, 10.0))
    assert (rule.roles["s2_cloudy"].near, rule.roles["s2_cloudy"].mask) == ("s2", True)
    assert rule.first_pair == ("s1", "s2_cloudy")
    assert rule.reach("s1") == (46 + 14 + 6) * DAY


def test_pairing_is_the_shorthand_for_two_roles() -> None:
    short = spec(pairing={"max_gap_days": 2, "search_days": 45, "max_cloud_cover": 20})
    written = spec(
        acquisitions={"s2": {"search_days": 45, "cloud_cover": [0, 20]}, "s1": {"near": "s2", "max_days": 2}}
    )
    assert rule_of(short) == rule_of(written)
    assert written.as_pairing == short.pairing


@pytest.mark.parametrize(
    "roles",
    [
        {"s2": {"level": "l1c"}, "s1": {"near": "s2", "max_days": 3}},
        {"s2": {"cloud_cover": [5, 20]}, "s1": {"near": "s2", "max_days": 3}},
        {"s2": {"prefer": "clearest"}, "s1": {"near": "s2", "max_days": 3}},
        {"s2": {"mask": "cloud"}, "s1": {"near": "s2", "max_days": 3}},
        {"s2": {}, "s1": {"near": "s2", "max_days": 60}},
        {"s2": {}, "s1_a": {"near": "s2", "max_days": 3}},
        {"s2": {}},
    ],
)
def test_other_roles_have_no_shorthand(roles: dict[str, Any]) -> None:
    assert spec(acquisitions=roles).as_pairing is None


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ("{s2: {}, s2_b: {}}", "s2 and s2_b are near no other role, but there is one root"),
        ("{s2: {near: s1, max_days: 3}, s1: {near: s2, max_days: 3}}", "s2 is near s1 is near s2: a circle"),
        ("{s2: {}, s1: {near: s1, max_days: 3}}", "s1 is near s1: a circle"),
        ("{s2: {}, s1: {near: s3, max_days: 3}}", "s1: near 's3', which is no role; the others are: s2"),
        ("{s2: {}, s1: {near: s2}}", "s1: near s2, but how near? Write max_days"),
        ("{s2: {}, s1: {near: given, max_days: 3}}", "s1: is near what is given, whenever that was; leave max_days"),
        ("{s2: {near: given}}", "no role is the root"),
        ("{s2: {near: s1, max_days: 3}, s1: {near: given}}", "no role is the root"),
        ("{s2: {max_days: 3}}", "s2: max_days says how far from another role; the root takes search_days"),
        ("{s2: {}, s1: {near: s2, max_days: 3, search_days: 3}}", "s1: search_days is the root's; write max_days"),
        ("{s1: {}, s2: {near: s1, max_days: 3}}", "s1 is the root, but the grid of a patch"),
        ("{s2: {}, s1: {near: s2, max_days: 3, mask: cloud}}", "s1: mask is of Sentinel-2"),
        ("{s2: {}, s1: {near: s2, max_days: 3, level: l1c}}", "s1: level is of Sentinel-2"),
        ("{s2: {}, s1: {near: s2, max_days: 3, cloud_cover: [0, 1]}}", "s1: cloud_cover is of Sentinel-2"),
        ("{s2: {}, s2_b: {near: s2, max_days: 9, prefer: clearest}}", "s2_b: prefer is the root's"),
        ("{s2: {}, landsat: {near: s2, max_days: 9}}", "'landsat' is no name of a role; expected s2 or s1"),
        ("{s2: {}, s2__b: {near: s2, max_days: 9}}", "'s2__b' is no name of a role"),
        ("{s2: {}, s2_cloud: {near: s2, max_days: 9}}", "s2_cloud is called like the cloud mask of a role"),
        ("{s2: {cloud_cover: [20, 10]}}", "expected 0 <= least <= most <= 100"),
        ("{s2: {cloud_cover: 20}}", "expected the least and the most percent, such as [0, 20]"),
        ("{s2: {mask: snow}}", "mask: expected 'cloud', found 'snow'"),
        ("{}", "expected a role at least"),
        ("{s2: {}, s1: {near: s2, max_day: 3}}", "did you mean 'max_days'?"),
    ],
)
def test_what_is_no_tree_of_roles_is_refused_with_line_and_remedy(tmp_path: Path, roles: str, told: str) -> None:
    message = refusal(tmp_path, MINIMAL + f"acquisitions: {roles}\n")
    assert told in message
    assert "line 6: acquisitions" in message


GIVEN = "acquisitions: {s2: {}, s2_b: {near: given}, s1: {near: s2_b, max_days: 2}}\ninstants: {given: 3}\n"

STAC = "{stac: {catalog: catalog.json, name: own}}"


def test_what_is_given_is_near_the_root_and_its_dates_are_anywhere_in_the_window(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(MINIMAL + GIVEN + f"platforms: [{STAC}]\n")
    found = load_spec(path)
    rule = rule_of(found)
    assert {name: (one.near, one.given) for name, one in rule.roles.items()} == {
        "s2": (None, False),
        "s2_b": ("s2", True),
        "s1": ("s2_b", False),
    }
    assert rule.given
    assert found.parts == (found.span,) * 3
    first, end = found.span
    assert rule.search >= (end - first) / 2, "the whole window is searched about its middle"


@pytest.mark.parametrize("platforms", ["earthengine", "demo", f"[{STAC}, earthengine]"])
def test_what_is_given_is_of_one_catalogue(tmp_path: Path, platforms: str) -> None:
    for text in (GIVEN, "instants: {given: 3}\n"):
        message = refusal(tmp_path, MINIMAL + text + f"platforms: {platforms}\n")
        assert "what is given is by properties of a catalogue's items; expected one platform, {stac: ...}" in message


def test_roles_and_their_shorthand_are_not_given_together(tmp_path: Path) -> None:
    message = refusal(tmp_path, MINIMAL + "acquisitions: {s2: {}}\npairing: {max_gap_days: 2}\n")
    assert "pairing: is the shorthand of acquisitions; give one of the two" in message


@pytest.mark.parametrize("name", ["s2", "s1", "s2_cloud"])
def test_a_layer_named_like_a_role_or_its_mask_is_refused(tmp_path: Path, name: str) -> None:
    text = (
        MINIMAL
        + f"acquisitions: {{s2: {{mask: cloud}}, s1: {{near: s2, max_days: 3}}}}\nlabels: [{name}: {{raster: a.tif}}]\n"
    )
    assert f"labels: {name} is the name of a role or of its mask" in refusal(tmp_path, text)


# Instants


@given(st.integers(2, 366), st.integers(1, 4000), st.integers(0, 86_399_999_999))
def test_slices_part_the_window_without_gap_or_overlap(count: int, days: int, micros: int) -> None:
    first = dt.datetime(2018, 1, 1, tzinfo=dt.UTC)
    window = first, first + dt.timedelta(days=days, microseconds=micros)
    parts = Instants(slices=count).parts(window)
    assert len(parts) == count
    assert (parts[0][0], parts[-1][1]) == tuple(round(edge.timestamp() * 1e6) for edge in window)
    assert all(one[1] == other[0] for one, other in pairwise(parts))
    lengths = {end - start for start, end in parts}
    assert max(lengths) - min(lengths) <= 1, "equal to a microsecond"


@pytest.mark.parametrize(
    ("window", "starts"),
    [
        (("2020-12-01", "2021-12-01"), ["2020-12-01", "2021-03-01", "2021-06-01", "2021-09-01", "2021-12-01"]),
        (("2020-03-01", "2021-03-01"), ["2020-03-01", "2020-06-01", "2020-09-01", "2020-12-01", "2021-03-01"]),
        (("2019-12-02", "2024-01-01"), ["2020-03-01", "2020-06-01", "2020-09-01", "2020-12-01", "2021-03-01"]),
    ],
)
def test_seasons_are_the_first_four_whole_ones_of_the_window(window: tuple[str, str], starts: list[str]) -> None:
    parts = spec(window=window, instants={"seasons": 4}).parts
    edges = [*(first for first, _ in parts), parts[-1][1]]
    assert [f"{dt.datetime.fromtimestamp(edge / 1e6, tz=dt.UTC):%Y-%m-%d}" for edge in edges] == starts


@pytest.mark.parametrize(
    ("instants", "told"),
    [
        ("{slices: 1}", "expected 2 or more, found 1"),
        ("{slices: 4, seasons: 4}", "expected one of slices, seasons and given"),
        ("{}", "expected one of slices, seasons and given"),
        ("{seasons: 3}", "found 3, expected 4; for other parts of the window use {slices: 3}"),
    ],
)
def test_other_instants_are_refused(tmp_path: Path, instants: str, told: str) -> None:
    assert told in refusal(tmp_path, MINIMAL + f"instants: {instants}\n")


def test_a_season_outside_the_window_is_refused_with_the_window_that_fits(tmp_path: Path) -> None:
    message = refusal(tmp_path, replaced("window: [2018-01-01, 2019-01-01]") + "instants: {seasons: 4}\n")
    assert "the four seasons from 2018-03-01 end 2019-03-01, outside the window, which ends 2019-01-01" in message
    assert "use window: [2018-03-01, 2019-03-01]" in message


def test_a_part_is_searched_as_a_whole_unless_the_root_says_how_far() -> None:
    year = {"window": ["2018-01-01", "2019-01-01"], "instants": {"slices": 4}}
    rule = rule_of(spec(**year, acquisitions={"s2": {}}))
    assert all(2 * rule.search >= end - first for first, end in rule.parts)
    assert rule_of(spec(**year, acquisitions={"s2": {"search_days": 5}})).search == 5 * DAY
