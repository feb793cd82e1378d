"""The survey of a corpus: what its records say, and that a damaged one is neither passed over nor counted as done."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flows.command.console import show_status

from tasks.assembly.builder import Workshop
from tasks.build_shard import make_shard
from tasks.errors import CorpusError
from tasks.prepare_corpus import describe_everywhere
from tasks.shards.commits import Commit
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import PAIRING, PREVIEW, commit_object, run_object
from tasks.shards.pairing_counts import PairingCounts
from tasks.survey_corpus import is_finished, survey, survey_corpus, without_pixels
from tests.unit.builders import small_archive, workshop


def commit(shard: int, **changes: Any) -> Commit:
    pairing = PairingCounts(tried=6, within=Counter({3: 5}), gaps=Counter({18: 5}))
    values = {"rows": 5, "samples": 5, "missing": {}, "objects": (), "replaced": ((9, "no scene"),)} | changes
    return Commit(shard=shard, pairing=pairing, **values)


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


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def shop(archive: Path, tmp_path: Path) -> Iterator[Workshop]:
    """A corpus of two shards of five samples, described and not built."""
    opened = workshop(archive, destinations=[str(tmp_path / "corpus")])
    describe_everywhere(opened)
    yield opened


@pytest.fixture
def corpus(shop: Workshop) -> LocalFolder:
    """The same with the records of both shards."""
    (destination,) = shop.destinations
    for shard in range(2):
        destination.put(commit_object(shard), commit(shard).to_bytes())
    destination.put(PREVIEW, b"png")
    destination.put(PAIRING, b"{}")
    return destination


def test_a_corpus_with_all_its_records_is_finished(shop: Workshop, corpus: LocalFolder) -> None:
    assert is_finished(shop)
    assert survey_corpus.fn(shop.spec.destinations) == ()
    corpus.delete(commit_object(1))
    assert not is_finished(shop)
    assert survey_corpus.fn(shop.spec.destinations) == (1,)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"samples": "x"}', commit(0).to_bytes()])
def test_a_damaged_record_is_not_a_shard_that_is_done(shop: Workshop, corpus: LocalFolder, content: bytes) -> None:
    corpus.put(commit_object(1), content)
    for look in (lambda: is_finished(shop), lambda: survey_corpus.fn(shop.spec.destinations), lambda: survey(corpus)):
        with pytest.raises(CorpusError, match=r"shard-00001\.json: is damaged .*`deepsentinel verify --repair"):
            look()


def test_a_damaged_record_is_told_although_there_is_more_to_build(shop: Workshop, corpus: LocalFolder) -> None:
    corpus.put(commit_object(1), b"{}")
    corpus.delete(commit_object(0))
    corpus.delete(PREVIEW)
    with pytest.raises(CorpusError, match="is damaged"):
        is_finished(shop)


def test_a_damaged_record_in_any_destination_is_told(archive: Path, tmp_path: Path) -> None:
    shop = workshop(archive, destinations=[str(tmp_path / "new"), str(tmp_path / "old")])
    describe_everywhere(shop)
    shop.destinations[1].put(commit_object(0), b"{}")
    with pytest.raises(CorpusError, match="old"):
        is_finished(shop)


# Run records


def test_run_records_tell_traffic_failures_and_rate(corpus: LocalFolder) -> None:
    corpus.delete(commit_object(1))
    corpus.put(run_object(0), run_record())
    corpus.put(run_object(1), run_record(samples=None, error={"kind": "PixelsError", "message": "cut short"}))
    found = survey(corpus)
    assert found.failed == {1: "cut short"}
    assert found.traffic == {"stac": {"requests": 6, "retries": 0, "throttles": 0, "bytes": 2000}}
    assert found.samples_a_second == 2.0


def test_a_shard_built_within_a_second_has_a_rate(corpus: LocalFolder) -> None:
    corpus.put(run_object(0), run_record(ended="2024-05-01T10:00:00.250Z"))
    assert survey(corpus).samples_a_second == 20.0


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"null", b"[]", b"3", b'"x"', b"\xff",
        run_record(error=1), run_record(error="x"), run_record(error={"message": 3}), run_record(error={}),
        run_record(platforms=3), run_record(platforms={"stac": "x"}), run_record(platforms={"stac": {"requests": "x"}}),
        run_record(platforms={"stac": {"requests": None}}), run_record(samples="x"), run_record(samples=-1),
        run_record(started="yesterday"), run_record(started=3), run_record(ended="2024-05-01T10:00:00"),
        run_record(ended={}),
    ],
)  # fmt: skip
def test_a_run_record_that_cannot_be_understood_is_left_out(
    corpus: LocalFolder, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus.put(run_object(0), run_record())
    corpus.put(run_object(1), content)
    found = survey(corpus)
    assert found.traffic["stac"]["requests"] == 3
    assert found.samples_a_second == 2.0
    assert found.failed == {}
    show_status(str(corpus.root))
    assert "2 of 2 done" in capsys.readouterr().out


def test_runs_are_timed_to_the_millisecond(shop: Workshop) -> None:
    make_shard(shop, 0)
    (destination,) = shop.destinations
    record = json.loads(destination.get(run_object(0)) or b"")
    assert [len(record[key]) for key in ("started", "ended")] == [len("2024-05-01T10:00:00.000Z")] * 2
    assert survey(destination).samples_a_second


# Places without pixels


def test_places_without_pixels_are_added_up_the_most_frequent_first(corpus: LocalFolder) -> None:
    assert without_pixels(corpus) == {}
    corpus.put(commit_object(0), commit(0, samples=3, missing={"a": 1, "b": 1}).to_bytes())
    corpus.put(commit_object(1), commit(1, rows=4, samples=1, missing={"b": 2, "c": 1}).to_bytes())
    assert list(without_pixels(corpus).items()) == [("b", 3), ("a", 1), ("c", 1)]
    found = survey(corpus)
    assert (found.rows, found.samples, found.without_pixels) == (9, 4, without_pixels(corpus))


def test_status_tells_samples_of_a_random_corpus(corpus: LocalFolder, capsys: pytest.CaptureFixture[str]) -> None:
    show_status(str(corpus.root))
    assert "samples  10 of 10, 2 candidates replaced" in capsys.readouterr().out


def test_status_tells_places_and_what_they_lack(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = workshop(
        archive, places={"cover": str(archive / "region.gpkg")}, size=None, destinations=[str(tmp_path / "corpus")]
    )
    describe_everywhere(shop)
    (destination,) = shop.destinations
    shards = shop.description.shards
    rows = len(shop.places.patches)  # pyright: ignore[reportAttributeAccessIssue] listed
    for shard in range(shards):
        make_shard(shop, shard)
    lacking = without_pixels(destination)
    assert lacking
    capsys.readouterr()
    show_status(str(destination.root))
    told = capsys.readouterr().out
    reasons = ", ".join(f"{count} {reason}" for reason, count in lacking.items())
    without = sum(lacking.values())
    assert f"samples  {rows - without} of {rows} places; {without} without pixels: {reasons}\n" in told

    destination.delete(commit_object(shards - 1))
    with pytest.raises(CorpusError):
        show_status(str(destination.root))
    assert f"of {(shards - 1) * 5} places in the shards done" in capsys.readouterr().out


@pytest.mark.parametrize("pairing", [{"tried": 0, "gap_hours": {"0": 3}}, {"tried": 3, "gap_hours": {"0": 0}}])
def test_counts_that_do_not_add_up_are_no_pairs(
    corpus: LocalFolder, capsys: pytest.CaptureFixture[str], pairing: dict[str, Any]
) -> None:
    for shard in range(2):
        record = json.loads(commit(shard).to_bytes())
        corpus.put(commit_object(shard), json.dumps(record | {"pairing": {"within_days": {}} | pairing}).encode())
    show_status(str(corpus.root))
    assert "no pairs yet" in capsys.readouterr().out
