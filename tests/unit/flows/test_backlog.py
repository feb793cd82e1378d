"""Which shards are dispatched next, and which are given up."""

import datetime as dt
from typing import Any

from flows.backlog import GIVEN_UP, Backlog
from tasks.shards.runs import Failure, RunRecord

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def failed(attempt: int, *, permanent: bool = False, message: str = "damaged") -> RunRecord:
    error = Failure(message=message, permanent=permanent)
    return RunRecord(attempt=attempt, started=NOW, ended=NOW, error=error)


def begun(attempt: int = 1) -> RunRecord:
    return RunRecord(attempt=attempt, started=NOW, host="worker-7")


def backlog(shards: int = 10, records: dict[int, RunRecord] | None = None, **changes: Any) -> Backlog:
    options: dict[str, Any] = {"batch": 4, "most": 3} | changes
    return Backlog.of(range(shards), records or {}, **options)


def taken(found: Backlog) -> list[tuple[int, ...]]:
    batches: list[tuple[int, ...]] = []
    while found:
        batches.append(found.take())
    return batches


def test_shards_are_dispatched_in_order() -> None:
    assert taken(backlog()) == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]


def test_what_is_on_its_way_is_not_dispatched_again() -> None:
    found = backlog()
    found.adopt({1, 4, 5, 9})
    assert taken(found) == [(0, 2, 3, 6), (7, 8)]


def test_what_a_batch_never_began_is_dispatched_again_without_an_attempt() -> None:
    found = backlog(4)
    for _ in range(9):
        found.take()
        found.settle([2, 3], {}, progressed=True)
        assert not found.given_up
    assert taken(found) == [(2, 3)]


def test_a_shard_that_was_being_built_when_its_worker_died_is_dispatched_alone() -> None:
    """Whichever of them kills its worker kills no other's the next time."""
    found = backlog(4)
    found.take()
    found.settle([1, 2, 3], {1: begun(), 2: begun()}, progressed=True)
    assert taken(found) == [(3,), (1,), (2,)]


def test_a_shard_that_kills_its_worker_is_given_up_after_three_times() -> None:
    found = backlog(1)
    for attempt in (1, 2, 3):
        assert not found.given_up
        found.take()
        found.settle([0], {0: begun(attempt)}, progressed=False)
    assert found.given_up[0].kind == GIVEN_UP
    assert "lost with its process on worker-7" in found.given_up[0].message
    assert "DEEPSENTINEL_SHARDS_IN_FLIGHT" in found.given_up[0].message
    assert not found


def test_a_shard_that_fails_is_given_up_after_three_attempts_in_all_builds_together() -> None:
    found = backlog(3, {1: failed(2), 2: failed(3)})
    assert list(found.given_up) == [2]
    assert found.take() == (0, 1)
    found.settle([1], {1: failed(3, message="cut short")}, progressed=True)
    assert found.given_up[1] == Failure(kind=GIVEN_UP, message="cut short (attempt 3)")


def test_a_shard_that_was_built_and_withdrawn_begins_anew() -> None:
    assert taken(backlog(1, {0: RunRecord(attempt=3, started=NOW, ended=NOW, samples=5)})) == [(0,)]


def test_attempts_of_earlier_builds_can_be_forgiven() -> None:
    found = backlog(1, {0: failed(3)}, again=True)
    for attempt in (4, 5):
        assert found.take() == (0,)
        found.settle([0], {0: failed(attempt)}, progressed=False)
    assert not found.given_up
    found.take()
    found.settle([0], {0: failed(6)}, progressed=False)
    assert found.given_up[0].kind == GIVEN_UP


def test_what_fails_the_same_way_every_time_is_not_tried_again() -> None:
    found = backlog(1)
    found.take()
    found.settle([0], {0: failed(1, permanent=True, message="none left")}, progressed=False)
    assert found.given_up[0] == Failure(message="none left", permanent=True)


def test_batches_that_end_without_having_begun_anything_have_no_end() -> None:
    found = backlog(8)
    for _ in range(3):
        assert not found.hopeless
        found.settle(found.take(), {}, progressed=False)
    assert found.hopeless
    found.settle([0], {0: failed(1)}, progressed=False)
    assert not found.hopeless, "an attempt is more than nothing"
