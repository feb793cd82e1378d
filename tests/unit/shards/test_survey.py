"""The survey of a corpus: what its records say, however many shards it has."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import CorpusError
from tasks.scenes.reasons import Reason
from tasks.shards.description import need_description
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object, run_object
from tasks.shards.runs import Failure
from tasks.shards.survey import missing_anywhere, missing_shards, some_of, survey, without_pixels
from tests.unit.shards.made import commit_of, corpus, rejected, small, vast
from tests.unit.shards.test_runs import run_record


@pytest.fixture
def whole(tmp_path: Path) -> LocalFolder:
    """Two shards of five samples."""
    return corpus(tmp_path, small(2), 0, 1)


def commit(folder: LocalFolder, shard: int, **changes: Any) -> None:
    folder.put(commit_object(shard), commit_of({}, shard, **changes).to_bytes())


def test_a_survey_adds_up_what_the_records_say(whole: LocalFolder) -> None:
    found = survey(whole)
    assert found.description == need_description(whole)
    assert (found.done, found.missing, found.failed) == ((0, 1), 0, {})
    assert (found.rows, found.samples, found.replaced) == (10, 10, 2)
    assert (found.pairing.tried, found.pairing.gaps) == (12, Counter({18: 10}))
    stored = [path for path in Path(whole.location).rglob("*") if path.is_file()]
    shards = [
        path for path in stored if ("/c/" in str(path) and "/s" in str(path)) or path.suffix in (".parquet", ".jpg")
    ]
    shards = [path for path in shards if "band" not in path.parts and "polarization" not in path.parts]
    assert found.bytes == sum(path.stat().st_size for path in shards)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"samples": "x"}', commit_of({}, 0).to_bytes()])
def test_a_damaged_record_is_told_where_records_are_read(whole: LocalFolder, content: bytes) -> None:
    whole.put(commit_object(1), content)
    for look in (survey, without_pixels):
        with pytest.raises(CorpusError, match=r"shard-00001\.json: is damaged .*`deepsentinel verify --repair"):
            look(whole)


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus here"):
        survey(LocalFolder(str(tmp_path)))


def test_records_beyond_the_corpus_do_not_count(whole: LocalFolder) -> None:
    commit(whole, 2)
    whole.put(run_object(2), run_record(samples=None, error={"message": "of another size"}))
    assert (survey(whole).done, survey(whole).missing, survey(whole).rows) == ((0, 1), 0, 10)
    assert survey(whole).failed == {}


# Run records


def test_run_records_tell_traffic_failures_and_rate(whole: LocalFolder) -> None:
    whole.delete(commit_object(1))
    whole.put(run_object(0), run_record())
    error = {"kind": "CandidatesExhausted", "message": "none left", "permanent": True}
    whole.put(run_object(1), run_record(samples=None, error=error))
    found = survey(whole)
    assert found.failed == {1: Failure(kind="CandidatesExhausted", message="none left", permanent=True)}
    assert found.traffic == {"stac": {"requests": 6, "retries": 0, "throttles": 0, "bytes": 2000}}
    assert found.samples_a_second == 2.0


def test_a_shard_that_failed_once_and_is_there_now_has_not_failed(whole: LocalFolder) -> None:
    whole.put(run_object(1), run_record(samples=None, error={"message": "cut short"}))
    assert survey(whole).failed == {}


def test_of_many_shards_the_last_ones_tell_traffic_and_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Counting(LocalFolder):
        def get(self, path: str) -> bytes | None:
            asked.append(path)
            return super().get(path)

    folder = Counting(corpus(tmp_path, small(6), 0, 1, 2, 3).location)
    for shard in (0, 1, 2, 3, 4):
        folder.put(run_object(shard), run_record(error={"message": "cut short"} if shard == 4 else None))
    monkeypatch.setattr("tasks.shards.survey.RECENT", 2)
    found = survey(folder)
    assert [path for path in asked if path.startswith("runs")] == [run_object(shard) for shard in (2, 3, 4)]
    assert found.failed == {4: Failure(message="cut short")}
    assert found.traffic["stac"]["requests"] == 9


# Places without pixels


def test_places_without_pixels_are_added_up_the_most_frequent_first(whole: LocalFolder) -> None:
    assert without_pixels(whole) == {}
    few, many, one = Reason.REFUSED, Reason.NO_SENTINEL1, Reason.MOSTLY_NODATA
    commit(whole, 0, missing=(rejected(1, few), rejected(2, many)))
    commit(whole, 1, rows=4, missing=(rejected(3, many), rejected(4, many, "stac"), rejected(5, one)))
    assert list(without_pixels(whole).items()) == [(many, 3), (few, 1), (one, 1)]
    found = survey(whole)
    assert (found.rows, found.samples, found.without_pixels) == (9, 4, without_pixels(whole))


# Missing shards


def test_missing_shards_are_those_without_a_record_in_order() -> None:
    assert list(missing_shards({1, 3, 9}, 5)) == [0, 2, 4]
    assert list(missing_shards(set(), 0)) == []


def test_a_shard_is_missing_if_any_destination_lacks_it(tmp_path: Path) -> None:
    first, second = corpus(tmp_path / "a", small(), 0, 1, 3), corpus(tmp_path / "b", small(), 1, 2, 3)
    assert list(missing_anywhere((first, second), 4)) == [0, 2]
    assert list(missing_anywhere((first,), 4)) == [2]


def test_a_message_names_the_first_few() -> None:
    assert some_of(iter(range(3))) == "0, 1, 2"
    assert some_of(iter(range(5))) == "0, 1, 2, 3, 4"
    assert some_of(missing_shards({1}, 10**9)) == "0, 2, 3, 4, 5, ..."


@pytest.mark.timeout(60)
def test_a_corpus_of_a_billion_shards_is_surveyed_at_once(tmp_path: Path) -> None:
    folder = corpus(tmp_path, vast(), 1)
    found = survey(folder)
    assert (found.done, found.missing) == ((1,), 10**9 - 1)
    assert list(islice(missing_anywhere((folder,), found.description.shards), 3)) == [0, 2, 3]
