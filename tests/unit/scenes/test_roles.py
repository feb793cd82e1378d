"""The limits of a pair, and what of a window lies before there were any images."""

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scenes import DAY, lifetime_notes, rule_of
from tasks.spec import CorpusSpec


def spec(first: str = "2018-01-01", end: str = "2021-01-01", **changes: Any) -> CorpusSpec:
    return CorpusSpec.model_validate(
        {"name": "tiny", "size": 250, "places": {"random": "land"}, "window": [first, end], "destinations": ["out"]}
        | changes
    )


def test_days_of_the_spec_are_exact_microseconds_of_the_rule() -> None:
    rule = rule_of(spec(pairing={"max_gap_days": 0.1, "search_days": 45, "max_cloud_cover": 12.5}))
    assert (rule.max_gap, rule.search, rule.max_cloud_cover) == (8_640_000_000, 45 * DAY, 12.5)
    assert rule.window == (1_514_764_800_000_000, 1_609_459_200_000_000)


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
