"""Counts of how candidates paired: they add up over shards, and come back from their JSON."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.shards.pairing_counts import BIN, LIMITS, PairingCounts, PairingRecord

HOUR, DAY = 3_600_000_000, 86_400_000_000
NONE = np.iinfo(np.int64).max

gaps = st.integers(-5 * DAY, 5 * DAY)
smallest = st.integers(0, 6 * DAY) | st.just(int(NONE)) | st.sampled_from([days * DAY for days in LIMITS])


def counted(candidates: list[int], samples: list[int]) -> PairingCounts:
    counts = PairingCounts()
    for gap in candidates:
        counts.try_candidate(gap)
    for gap in samples:
        counts.keep_sample(gap)
    return counts


def test_limits_are_those_that_are_asked_for() -> None:
    assert LIMITS == (1, 2, 3, 5)


@pytest.mark.parametrize(
    ("gap", "within"),
    [
        (0, [1, 2, 3, 5]), (DAY, [1, 2, 3, 5]), (DAY + 1, [2, 3, 5]), (3 * DAY, [3, 5]), (3 * DAY + 1, [5]),
        (5 * DAY, [5]), (5 * DAY + 1, []), (int(NONE), []),
    ],
)  # fmt: skip
def test_a_candidate_counts_under_every_limit_that_would_pair_it(gap: int, within: list[int]) -> None:
    counts = counted([gap], [])
    assert counts.tried == 1
    assert [days for days in LIMITS if counts.within[days]] == within


@pytest.mark.parametrize(
    ("gap", "hours"), [(0, 0), (6 * HOUR - 1, 0), (6 * HOUR, 6), (-19 * HOUR, 18), (19 * HOUR, 18), (72 * HOUR, 72)]
)
def test_a_sample_counts_in_the_bin_of_its_gap_whichever_scene_came_first(gap: int, hours: int) -> None:
    assert counted([], [gap]).gaps == Counter({hours: 1})


@given(st.lists(st.tuples(st.lists(smallest, max_size=8), st.lists(gaps, max_size=8)), max_size=5))
def test_counts_add_up_over_shards(shards: list[tuple[list[int], list[int]]]) -> None:
    total = PairingCounts()
    for candidates, samples in shards:
        total.add(counted(candidates, samples))
    whole = counted(
        [gap for candidates, _ in shards for gap in candidates], [gap for _, kept in shards for gap in kept]
    )
    assert total.to_json() == whole.to_json()
    assert total.tried == sum(len(candidates) for candidates, _ in shards)
    assert total.gaps.total() == sum(len(samples) for _, samples in shards)
    for days in LIMITS:
        assert total.within[days] == sum(gap <= days * DAY for candidates, _ in shards for gap in candidates)


@given(st.lists(smallest, max_size=8), st.lists(gaps, max_size=8))
def test_adding_leaves_the_other_as_it_was(candidates: list[int], samples: list[int]) -> None:
    other, total = counted(candidates, samples), PairingCounts()
    before = other.to_json()
    total.add(other)
    total.add(other)
    assert other.to_json() == before
    assert total.tried == 2 * other.tried


@given(st.lists(smallest, max_size=8), st.lists(gaps, max_size=8))
def test_counts_come_back_from_their_json(candidates: list[int], samples: list[int]) -> None:
    counts = counted(candidates, samples)
    record = PairingRecord.model_validate_json(json.dumps(counts.to_json()))
    assert record.counts() == counts
    assert record.counts().to_json() == counts.to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"tried": "1"}, {"tried": -1}, {"tried": 1.5}, {"tried": None}, {"within_days": []}, {"within_days": {"x": 1}},
        {"gap_hours": {"0": "1"}}, {"gap_hours": {"-6": 1}}, {"more": 1},
    ],
)  # fmt: skip
def test_counts_of_wrong_types_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PairingRecord.model_validate_json(json.dumps(counted([0], [0]).to_json() | change))


def test_instants_count_by_continent_and_year_and_add_up_and_come_back() -> None:
    counts, other = PairingCounts(), PairingCounts()
    for year, paired in ((2019, True), (2019, False), (2020, True)):
        counts.ask(("Africa", year), paired=paired)
    other.ask(("Europe", 2019), paired=True)
    other.ask(("Africa", 2019), paired=True)
    counts.add(other)
    assert counts.to_json()["asked_and_paired"] == {
        "Africa": {"2019": [3, 2], "2020": [1, 1]},
        "Europe": {"2019": [1, 1]},
    }
    record = PairingRecord.model_validate_json(json.dumps(counts.to_json()))
    assert record.counts() == counts


def test_counts_of_earlier_versions_which_do_not_tell_continents_are_read_and_written_as_they_were() -> None:
    stored = json.dumps({"tried": 1, "within_days": {"1": 1, "2": 1, "3": 1, "5": 1}, "gap_hours": {"0": 1}})
    counts = PairingRecord.model_validate_json(stored).counts()
    assert json.dumps(counts.to_json()) == stored


def test_the_json_is_the_same_in_whatever_order_samples_came() -> None:
    first = counted([0, 2 * DAY], [0, 70 * HOUR, 12 * HOUR])
    second = counted([2 * DAY, 0], [12 * HOUR, 70 * HOUR, 0])
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())


@given(st.lists(gaps, min_size=1, max_size=60), st.integers(1, 100).map(lambda n: n / 100))
def test_a_quantile_is_the_upper_edge_of_the_bin_in_which_it_lies(samples: list[int], share: float) -> None:
    found = counted([], samples).quantile(share)
    assert found is not None
    assert found % BIN == 0
    ordered = sorted(abs(gap) for gap in samples)
    exact = ordered[max(0, int(np.ceil(share * len(ordered) - 1e-9)) - 1)]
    assert found - BIN <= exact / HOUR < found


def test_quantiles_of_nothing_are_none() -> None:
    assert PairingCounts().quantile(0.5) is None
