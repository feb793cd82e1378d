"""What `deepsentinel status` shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.command.status import show_status
from tasks.errors import CorpusError
from tasks.scenes.reasons import Reason
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object, run_object
from tests.unit.shards.made import commit_of, corpus, rejected, small
from tests.unit.shards.test_runs import NO_RUNS, run_record


@pytest.fixture
def whole(tmp_path: Path) -> LocalFolder:
    """Two shards of five samples."""
    return corpus(tmp_path, small(2), 0, 1)


def shown(folder: LocalFolder, capsys: pytest.CaptureFixture[str]) -> str:
    show_status(folder.location)
    return capsys.readouterr().out


def test_samples_of_a_random_corpus_are_told(whole: LocalFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert "samples  10 of 10, 2 candidates replaced" in shown(whole, capsys)


def test_pixels_that_were_clipped_are_counted(whole: LocalFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert "clipped" not in shown(whole, capsys)
    for shard in (0, 1):
        whole.put(run_object(shard), run_record(shard=shard, clipped={"stac/s2": 600}))
    assert "clipped  1,200 pixels of stac/s2 were below or beyond what it holds" in shown(whole, capsys)


@pytest.mark.parametrize("content", NO_RUNS)
def test_a_run_record_that_cannot_be_understood_does_not_matter(
    whole: LocalFolder, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    whole.put(run_object(1), content)
    assert "2 of 2 done" in shown(whole, capsys)


def test_what_helps_is_told_with_what_is_missing(tmp_path: Path) -> None:
    folder = corpus(tmp_path, small(3), 0)
    folder.put(run_object(1), run_record(shard=1, samples=None, attempt=3, error={"message": "cut short"}))
    with pytest.raises(CorpusError) as found:
        show_status(folder.location)
    assert str(found.value) == (
        "2 of 3 shards are not there; 1 of them were tried 3 times: `build --retry-failed` tries them again; "
        "build again to make the others."
    )


def test_places_are_told_with_what_they_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = corpus(tmp_path, small(2, places={"points": "/data/sites.gpkg"}))
    lacking = (
        rejected(0, Reason.NOT_COVERED),
        rejected(1, Reason.NOT_COVERED),
        rejected(2, Reason.REFUSED, "stac", "x"),
    )
    folder.put(commit_object(0), commit_of({}, 0, missing=lacking).to_bytes())
    folder.put(commit_object(1), commit_of({}, 1, rows=3).to_bytes())
    reasons = f"2 {Reason.NOT_COVERED.words}, 1 {Reason.REFUSED.words}"
    assert f"samples  5 of 8 places; 3 without pixels: {reasons}\n" in shown(folder, capsys)
    folder.delete(commit_object(1))
    with pytest.raises(CorpusError):
        show_status(folder.location)
    assert "of 5 places in the shards done" in capsys.readouterr().out


@pytest.mark.parametrize("pairing", [{"tried": 0, "gap_hours": {"0": 3}}, {"tried": 3, "gap_hours": {"0": 0}}])
def test_counts_that_do_not_add_up_are_no_pairs(
    whole: LocalFolder, capsys: pytest.CaptureFixture[str], pairing: dict[str, Any]
) -> None:
    for shard in range(2):
        record = json.loads(commit_of({}, shard).to_bytes())
        whole.put(commit_object(shard), json.dumps(record | {"pairing": {"within_days": {}} | pairing}).encode())
    assert "no pairs yet" in shown(whole, capsys)


def test_a_shard_that_failed_for_good_is_not_said_to_be_built_by_trying_again(
    whole: LocalFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    whole.delete(commit_object(1))
    whole.put(run_object(1), run_record(samples=None, error={"message": "none left", "permanent": True}))
    with pytest.raises(CorpusError) as caught:
        show_status(whole.location)
    assert "no candidates left, which only another spec changes" in str(caught.value)
    assert "build again" not in str(caught.value)
    assert "shard 1 failed for good: none left" in capsys.readouterr().out
