"""Roles and their limits, and what of a window lies before there were any images."""

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scenes.roles import DAY, REPORTED_GAPS, Role, Rule, lifetime_notes, rule_of, sensor_of
from tasks.spec import CorpusSpec


def spec(first: str = "2018-01-01", end: str = "2021-01-01", **changes: Any) -> CorpusSpec:
    return CorpusSpec.model_validate(
        {"name": "tiny", "size": 250, "places": {"random": "land"}, "window": [first, end], "destinations": ["out"]}
        | changes
    )


def test_days_of_the_spec_are_exact_microseconds_of_the_rule() -> None:
    rule = rule_of(spec(pairing={"max_gap_days": 0.1, "search_days": 45, "max_cloud_cover": 12.5}))
    assert rule.roles == {
        "s2": Role(near=None, reach=45 * DAY, cloud_cover=(0.0, 12.5)),
        "s1": Role(near="s2", reach=8_640_000_000),
    }
    assert rule.window == (1_514_764_800_000_000, 1_609_459_200_000_000)


def test_the_roles_of_todays_spec_are_s2_and_near_it_s1() -> None:
    assert list(rule_of(spec()).roles) == ["s2", "s1"]
    assert rule_of(spec()).root == "s2"


@pytest.mark.parametrize(
    ("role", "sensor"),
    [("s2", "sentinel2"), ("s2_cloudy", "sentinel2"), ("s1", "sentinel1"), ("s1_before", "sentinel1")],
)
def test_the_start_of_a_roles_name_tells_its_sensor(role: str, sensor: str) -> None:
    assert sensor_of(role) == sensor


@pytest.mark.parametrize("role", ["", "s", "s3", "landsat", "S2", "xs2"])
def test_a_role_of_no_known_sensor_is_refused_by_name(role: str) -> None:
    with pytest.raises(ValueError, match=f"the role '{role}' begins with neither s2 nor s1"):
        sensor_of(role)


# How far scenes are looked for


@given(st.floats(0.01, 30), st.floats(1, 400))
def test_scenes_are_looked_for_as_far_as_the_rule_and_the_reported_match_rates_need(gap: float, search: float) -> None:
    rule = rule_of(spec(pairing={"max_gap_days": gap, "search_days": search}))
    max_gap, span = round(gap * DAY), round(search * DAY)
    beside = max(max_gap, max(REPORTED_GAPS) * DAY)
    assert rule.search == rule.reach("s2") == span
    assert rule.reach("s1") == span + beside
    # The root itself lies in the window; what is near it may lie so far outside.
    assert rule.margin("s2") == 0
    assert rule.margin("s1") == beside


def test_a_role_near_another_is_looked_for_as_far_as_the_chain_reaches() -> None:
    rule = Rule(
        window=(0, 100 * DAY),
        roles={
            "s2": Role(near=None, reach=30 * DAY),
            "s2_cloudy": Role(near="s2", reach=10 * DAY),
            "s1": Role(near="s2_cloudy", reach=DAY),
            "s1_near": Role(near="s2", reach=0),
        },
    )
    assert {role: rule.reach(role) // DAY for role in rule.roles} == {
        "s2": 30, "s2_cloudy": 40, "s1": 45, "s1_near": 35,
    }  # fmt: skip
    assert {role: rule.margin(role) // DAY for role in rule.roles} == {
        "s2": 0, "s2_cloudy": 10, "s1": 15, "s1_near": 5,
    }  # fmt: skip


# The missions' lifetimes


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (("2018-01-01", "2021-01-01"), []),
        (("2015-06-27", "2016-01-01"), []),
        (("2015-06-26", "2015-06-28"), ["50 % of the window lies before Sentinel-2's first images (2015-06-27)"]),
        (("2014-10-03", "2015-06-27"), ["100 % of the window lies before Sentinel-2"]),
        (
            ("2014-10-02", "2014-10-04"),
            ["50 % of the window lies before Sentinel-1's first images (2014-10-03)", "100 % of the window"],
        ),
        (("2000-01-01", "2001-01-01"), ["100 % of the window lies before Sentinel-1", "100 % of the window lies"]),
        (("2015-01-01", "2016-01-01"), ["48 % of the window lies before Sentinel-2"]),
    ],
)
def test_what_of_the_window_lies_before_the_missions_is_told(window: tuple[str, str], told: list[str]) -> None:
    notes = lifetime_notes(spec(*window))
    assert len(notes) == len(told)
    for note, beginning in zip(notes, told, strict=True):
        assert note.startswith(beginning)


@given(st.dates(dt.date(2010, 1, 1), dt.date(2030, 1, 1)), st.integers(1, 4_000))
def test_shares_are_percentages_and_the_missions_come_in_order(first: dt.date, days: int) -> None:
    notes = lifetime_notes(spec(str(first), str(first + dt.timedelta(days=days))))
    assert len(notes) == (first < dt.date(2014, 10, 3)) + (first < dt.date(2015, 6, 27))
    shares = [int(re.match(r"(\d+) %", note)[1]) for note in notes]  # type: ignore[index]
    assert all(0 <= share <= 100 for share in shares)
    assert shares == sorted(shares)
