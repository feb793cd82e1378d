"""Progress: what is committed, whoever committed it."""

from pathlib import Path

import pytest

from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object
from tasks.shards.progress import Progress, Watch, duration, listening, report
from tests.unit.shards.made import corpus, small, write

HERE = small()


def watch(*destinations: LocalFolder) -> Watch:
    return Watch(destinations, corpus="tiny", shards=4, shard_size=5)


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return corpus(tmp_path, HERE, 0)


def test_shards_that_anybody_commits_count(folder: LocalFolder) -> None:
    looking = watch(folder)
    assert (looking.look().done, looking.look().built) == (1, 0)
    write(LocalFolder(folder.location), HERE, 2, 3)
    found = looking.look()
    assert (found.corpus, found.shards, found.done, found.built, found.shard_size) == ("tiny", 4, 3, 2, 5)
    assert found.elapsed > 0
    assert found.samples_a_second == found.built * 5 / found.elapsed


def test_a_shard_counts_once_every_destination_has_it(folder: LocalFolder, tmp_path: Path) -> None:
    other = corpus(tmp_path / "other", HERE)
    looking = watch(folder, other)
    assert looking.look().done == 0
    write(folder, HERE, 1)
    assert looking.look().done == 0
    write(other, HERE, 1)
    assert (looking.look().done, looking.look().built) == (1, 1)


def test_shards_beyond_those_that_are_to_be_built_do_not_count(folder: LocalFolder) -> None:
    looking = watch(folder)
    folder.put(commit_object(4), b"of a corpus that was larger")
    assert (looking.look().done, looking.look().built) == (1, 0)


def test_failures_are_told_until_the_end(folder: LocalFolder) -> None:
    looking = watch(folder)
    before = looking.look()
    looking.fail(3, "cut short")
    assert looking.look().failures == {3: "cut short"}
    assert before.failures == {}, "a moment is a value"


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress(corpus="c", shards=10, done=4, shard_size=5), "c: 4 of 10 shards"),
        (
            Progress(corpus="c", shards=10, done=4, built=2, shard_size=5, elapsed=20),
            "c: 4 of 10 shards, 0.5 samples/s, 1 min left",
        ),
        (
            Progress(corpus="c", shards=10, done=4, built=2, shard_size=5, elapsed=20, failures={9: "x"}),
            "c: 4 of 10 shards, 1 failed, 0.5 samples/s, 50 s left",
        ),
        (
            Progress(corpus="c", shards=4, done=4, built=4, shard_size=5, elapsed=2),
            "c: 4 of 4 shards, 10.0 samples/s, 0 s left",
        ),
    ],
)  # fmt: skip
def test_a_line_tells_what_is_done_how_fast_and_what_is_left(progress: Progress, line: str) -> None:
    assert progress.line() == line


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (90, "1 min 30 s"), (3_600, "1 h"),
        (3_601, "1 h 1 s"), (86_400 * 2 + 3 * 3_600 + 59 * 60, "2 d 3 h"),
    ],
)  # fmt: skip
def test_durations_are_told_in_the_two_largest_units_that_count(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_those_who_listen_are_told_and_nobody_afterwards() -> None:
    some = Progress(corpus="c", shards=10, done=4, shard_size=5)
    heard: list[tuple[str, Progress]] = []
    report(some)
    with listening(lambda one: heard.append(("first", one))):
        report(some)
        with listening(lambda one: heard.append(("second", one))):
            report(some)
    report(some)
    assert heard == [("first", some), ("first", some), ("second", some)]


def test_a_listener_is_forgotten_also_after_an_error() -> None:
    heard: list[Progress] = []
    with pytest.raises(KeyboardInterrupt), listening(heard.append):
        raise KeyboardInterrupt
    report(Progress(corpus="c", shards=1, done=1, shard_size=5))
    assert heard == []
