"""Records of trainings: the same is done once, by one run at a time, and one that is dead keeps nobody away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.errors import CorpusBusy
from tasks.shards.destinations import LocalFolder
from tasks.training.records import Attempt, Beating, begin, finish, trained

LEASE = 1.0


@pytest.fixture
def place(tmp_path: Path) -> LocalFolder:
    return LocalFolder(str(tmp_path / "corpus"))


def wanted(run: str = "1") -> Attempt:
    return Attempt(
        key="abc",
        attempt=1,
        corpus="d1",
        config={"command": ["true"]},
        config_digest="c1",
        run={"id": run, "name": f"train {run}"},
        output="/out",
    )


def living(_: str) -> bool:
    return False


def test_what_has_completed_is_done_and_what_has_failed_is_not(place: LocalFolder) -> None:
    first = begin(place, wanted(), lease=LEASE, ended=living)
    finish(place, replace(first, state="failed", code=3, lines=("no",)))
    assert trained(place, "abc") is None

    second = begin(place, wanted("2"), lease=LEASE, ended=living)
    assert second.attempt == 2
    finish(place, replace(second, state="completed", code=0))
    done = trained(place, "abc")
    assert done is not None
    assert (done["run"]["id"], done["corpus"], done["config"], done["state"]) == (
        "2", "d1", {"command": ["true"]}, "completed",
    )  # fmt: skip
    assert place.names("training/abc") == ["attempt-0001.json", "attempt-0002.json"]


def test_of_many_that_begin_at_once_one_does(place: LocalFolder) -> None:
    barrier = threading.Barrier(6)

    def start(number: int) -> bool:
        barrier.wait()
        try:
            attempt = begin(place, wanted(str(number)), lease=LEASE, ended=living)
        except CorpusBusy:
            return False
        with Beating(place, attempt, lease=LEASE):
            threading.Event().wait(2 * LEASE)
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(start, range(6))) == 1
    assert len(place.names("training/abc")) == 1


def test_one_that_lives_is_left_alone_and_named(place: LocalFolder) -> None:
    first = begin(place, wanted(), lease=LEASE, ended=living)
    with (
        Beating(place, first, lease=LEASE),
        pytest.raises(CorpusBusy, match=r"the run 'train 1' \(1\) is training from it with the same config"),
    ):
        begin(place, wanted("2"), lease=LEASE, ended=living)


def test_one_that_shows_no_sign_of_life_or_is_known_to_have_ended_is_followed_by_the_next(place: LocalFolder) -> None:
    begin(place, wanted(), lease=LEASE, ended=living)
    assert begin(place, wanted("2"), lease=LEASE, ended=living).attempt == 2
    assert begin(place, wanted("3"), lease=1000, ended=lambda run: run == "2").attempt == 3


def test_a_damaged_record_keeps_nobody_from_training(place: LocalFolder) -> None:
    place.put("training/abc.json", b"{")
    place.put("training/abc/attempt-0001.json", b"[]")
    assert trained(place, "abc") is None
    assert begin(place, wanted(), lease=1000, ended=living).attempt == 2
