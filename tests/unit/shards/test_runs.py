"""Run records: how shards were built. Whatever is in them, a corpus is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import CandidatesExhausted, PixelsError, PlatformUnreachable
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import run_object
from tasks.shards.runs import (
    Attempt,
    Failure,
    RunRecord,
    ShardReport,
    attempts_before,
    read_runs,
    record_attempt,
    recorded_runs,
    samples_a_second,
)


def run_record(**changes: Any) -> bytes:
    record = {
        "shard": 0,
        "started": "2024-05-01T10:00:00.000Z",
        "ended": "2024-05-01T10:00:02.500Z",
        "host": "here",
        "platforms": {"stac": {"requests": 3, "retries": 0, "throttles": 0, "bytes": 1000}},
        "samples": 5,
        "error": None,
    }
    return json.dumps(record | changes).encode()


NO_RUNS = [
    b"", b"{", b"null", b"[]", b"3", b'"x"', b"\xff",
    run_record(error=1), run_record(error="x"), run_record(error={"message": 3}), run_record(error={}),
    run_record(platforms=3), run_record(platforms={"stac": "x"}), run_record(platforms={"stac": {"requests": "x"}}),
    run_record(platforms={"stac": {"requests": None}}), run_record(samples="x"), run_record(samples=-1),
    run_record(started="yesterday"), run_record(started=3), run_record(ended="2024-05-01T10:00:00"),
    run_record(ended={}),
]  # fmt: skip
"""Files under the name of a run record that are none."""


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(str(tmp_path))


def runs_of(folder: LocalFolder) -> dict[int, RunRecord]:
    return read_runs(folder, recorded_runs(folder))


def attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "shard": 7, "started": 1_714_557_600.0, "ended": 1_714_557_600.25, "seconds": {"fetch": 0.123456},
        "traffic": {"stac": {"requests": 3}}, "error": None,
        "report": ShardReport(shard=7, samples=5, replaced=1, bytes=9, seconds={}),
    }  # fmt: skip
    return Attempt(**values | changes)


def test_an_attempt_comes_back_as_far_as_it_is_read(folder: LocalFolder) -> None:
    record_attempt([folder], attempt(notes=["S2A_x: 429: quota exceeded"], clipped={"stac/s2": 12}))
    (record,) = runs_of(folder).values()
    assert (record.samples, record.error, record.platforms) == (5, None, {"stac": {"requests": 3}})
    assert record.clipped == {"stac/s2": 12}
    assert record.started is not None
    assert record.started.isoformat() == "2024-05-01T10:00:00+00:00"
    assert samples_a_second([record]) == 20.0, "to the millisecond: a small shard is built within a second"
    stored = json.loads(folder.get(run_object(7)) or b"")
    assert stored["notes"] == ["S2A_x: 429: quota exceeded"], "what servers say is kept here and nowhere else"
    assert [len(stored[key]) for key in ("started", "ended")] == [len("2024-05-01T10:00:00.000Z")] * 2


@pytest.mark.parametrize(
    ("error", "permanent"), [(PixelsError("cut short"), False), (CandidatesExhausted("none"), True)]
)
def test_a_failure_says_whether_it_is_permanent(folder: LocalFolder, error: Exception, permanent: bool) -> None:
    record_attempt([folder], attempt(report=None, error=error))
    assert runs_of(folder)[7].error == Failure(kind=type(error).__name__, message=str(error), permanent=permanent)


def test_a_failure_that_nobody_expected_has_its_traceback(folder: LocalFolder) -> None:
    record_attempt([folder], attempt(report=None, error=ZeroDivisionError("division by zero")))
    assert "ZeroDivisionError" in json.loads(folder.get(run_object(7)) or b"")["error"]["traceback"]


def test_a_destination_that_cannot_be_written_does_not_hide_the_error(folder: LocalFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record_attempt([LocalFolder(str(tmp_path / "file" / "below")), folder], attempt())
    assert set(runs_of(folder)) == {7}


@pytest.mark.parametrize("content", NO_RUNS)
def test_a_run_record_that_cannot_be_understood_is_left_out(folder: LocalFolder, content: bytes) -> None:
    folder.put(run_object(0), run_record())
    folder.put(run_object(1), content)
    assert set(runs_of(folder)) == {0}


def test_records_are_read_by_shard(folder: LocalFolder) -> None:
    for shard in range(50):
        folder.put(run_object(shard), run_record(samples=shard))
    folder.put("runs/notes.txt", b"x")
    assert {shard: record.samples for shard, record in runs_of(folder).items()} == {n: n for n in range(50)}


def test_gaps_between_runs_do_not_count_and_what_ran_at_once_counts_once() -> None:
    def spent(start: int, end: int) -> RunRecord:
        times = {"started": f"2024-05-01T10:00:{start:02d}.000Z", "ended": f"2024-05-01T10:00:{end:02d}.000Z"}
        return RunRecord.model_validate_json(run_record(**times))

    assert samples_a_second([spent(0, 10), spent(0, 10)]) == 1.0
    assert samples_a_second([spent(40, 50), spent(0, 10), spent(5, 10)]) == 15 / 20
    assert samples_a_second([]) is None
    assert samples_a_second([RunRecord()]) is None


def test_attempts_that_fail_by_the_shards_own_fault_are_counted(folder: LocalFolder) -> None:
    for error, counted in [
        (PixelsError("cut short"), 1),
        (PlatformUnreachable("gone"), 1),  # would stop any shard
        (ValueError("a bug"), 2),
    ]:
        record_attempt([folder], attempt(report=None, error=error, before=attempts_before([folder], 7)))
        assert read_runs(folder, [7])[7].attempt == counted
    record_attempt([folder], attempt(before=2))
    assert attempts_before([folder], 7) == 0, "built: if it is withdrawn, it begins anew"


def test_an_attempt_that_was_begun_counts_until_it_tells_how_it_ended(folder: LocalFolder) -> None:
    """Whoever began it may have been killed."""
    record_attempt([folder], attempt(report=None, ended=None))
    record = read_runs(folder, [7])[7]
    assert record.begun
    assert record.attempt == attempts_before([folder], 7) == 1
    record_attempt([folder], attempt())
    assert not read_runs(folder, [7])[7].begun
