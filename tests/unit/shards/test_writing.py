"""Writing and copying shards: objects first, each checked, the commit record last."""

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CorpusError, DestinationError
from tasks.shards.commits import Commit, StoredObject, committed_shards, read_commit
from tasks.shards.copying import copy_missing, copy_shard
from tasks.shards.destinations import LocalFolder, Stored
from tasks.shards.layout import commit_object
from tasks.shards.writing import everywhere, write_shard
from tests.unit.shards.made import commit_of, contents_of, corpus, files, small, write

CONTENTS = {"stac/s2/c/3/0/0/0": b"pixels" * 100, "samples/shard-00003.parquet": b"rows"}


def record(contents: dict[str, bytes] = CONTENTS) -> Commit:
    return commit_of(contents, 3)


def is_whole(folder: LocalFolder) -> bool:
    held = {path: folder.get(path) for path in CONTENTS}
    return held == CONTENTS and read_commit(folder, 3) == record()


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(str(tmp_path))


def test_a_shard_is_written_whole_and_committed(folder: LocalFolder) -> None:
    assert write_shard(folder, record(), CONTENTS)
    assert {path: folder.get(path) for path in CONTENTS} == CONTENTS
    assert read_commit(folder, 3) == record()
    assert is_whole(folder)


def test_a_shard_that_is_committed_already_is_left_as_it_is(folder: LocalFolder) -> None:
    write_shard(folder, record(), CONTENTS)
    before = Path(folder.location, "samples/shard-00003.parquet").stat()
    assert not write_shard(folder, record(), CONTENTS)
    after = Path(folder.location, "samples/shard-00003.parquet").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_shard_that_others_committed_with_other_content_is_not_touched(folder: LocalFolder) -> None:
    write_shard(folder, record(), CONTENTS)
    other = {path: content + b"!" for path, content in CONTENTS.items()}
    with pytest.raises(CorpusError, match="shard 3 is there already, but it was committed with other content"):
        write_shard(folder, record(other), other)
    assert {path: folder.get(path) for path in CONTENTS} == CONTENTS
    assert read_commit(folder, 3) == record()


def test_what_an_unfinished_attempt_left_is_replaced(folder: LocalFolder) -> None:
    for path in CONTENTS:
        folder.put(path, b"of an attempt that was killed")
    assert write_shard(folder, record(), CONTENTS)
    assert is_whole(folder)


def test_content_that_is_not_what_the_record_says_is_never_committed(folder: LocalFolder) -> None:
    with pytest.raises(CorpusError, match="came back different"):
        write_shard(folder, record(), CONTENTS | {"samples/shard-00003.parquet": b"other"})
    assert committed_shards(folder) == set()


def test_of_many_writers_of_one_shard_exactly_one_commits(folder: LocalFolder) -> None:
    barrier = threading.Barrier(8)

    def write(_: int) -> bool:
        barrier.wait()
        return write_shard(folder, record(), CONTENTS)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(write, range(8))) == 1
    assert is_whole(folder)


class Stepping(LocalFolder):
    """Takes a step of a schedule before each call: of two builders in one folder exactly one moves at a time."""

    def __init__(self, location: str, own: int, schedule: "Schedule") -> None:
        super().__init__(location)
        self.own, self.schedule = own, schedule

    def put(self, path: str, content: bytes) -> Stored:
        self.schedule.step(self.own)
        stored = super().put(path, content)
        self.schedule.step(self.own)  # what was put is read back: it may be another's by now
        return super().stat(path) or stored

    def create(self, path: str, content: bytes) -> bool:
        self.schedule.step(self.own)
        return super().create(path, content)

    def get(self, path: str) -> bytes | None:
        self.schedule.step(self.own)
        return super().get(path)

    def stat(self, path: str) -> Stored | None:
        self.schedule.step(self.own)
        return super().stat(path)

    def delete(self, path: str) -> None:
        self.schedule.step(self.own)
        super().delete(path)


class Schedule:
    """Whose turn it is."""

    def __init__(self, turns: list[int]) -> None:
        self._turns, self._alive = turns, {0, 1}
        self._changed = threading.Condition()

    def step(self, who: int) -> None:
        """Wait for one's turn, and take it."""
        with self._changed:
            self._changed.wait_for(lambda: self._next(who))
            if len(self._alive) == 2 and self._turns:
                self._turns.pop(0)
            self._changed.notify_all()

    def leave(self, who: int) -> None:
        """Move no more."""
        with self._changed:
            self._alive.discard(who)
            self._changed.notify_all()

    def _next(self, who: int) -> bool:
        return self._alive == {who} or not self._turns or self._turns[0] == who


@given(turns=st.lists(st.integers(0, 1), min_size=5, max_size=40), same=st.booleans())
def test_however_two_builds_interleave_no_record_stands_above_the_others_objects(turns: list[int], same: bool) -> None:
    contents = [CONTENTS, CONTENTS if same else {path: content + b"!" for path, content in CONTENTS.items()}]
    with tempfile.TemporaryDirectory() as folder:
        schedule = Schedule(list(turns))

        def build(who: int) -> bool | CorpusError:
            try:
                return write_shard(Stepping(folder, who, schedule), record(contents[who]), contents[who])
            except CorpusError as error:
                return error
            finally:
                schedule.leave(who)

        with ThreadPoolExecutor(2) as threads:
            ended = list(threads.map(build, range(2)))
        left = LocalFolder(folder)
        commit = read_commit(left, 3)
        if commit is not None:
            assert [StoredObject.of(item.path, left.get(item.path) or b"") for item in commit.objects] == list(
                commit.objects
            )
        if same:
            assert sorted(map(str, ended)) == ["False", "True"]
            assert commit == record()
        else:
            assert any(isinstance(one, CorpusError) for one in ended), "whoever lost is told"


def test_a_build_that_fails_after_it_overwrote_anothers_object_withdraws_the_others_record(tmp_path: Path) -> None:
    other = {path: content + b"!" for path, content in CONTENTS.items()}

    class Full(LocalFolder):
        """The other commits while there is no more room for the second object."""

        def put(self, path: str, content: bytes) -> Stored:
            if path.startswith("samples"):
                super().create(commit_object(3), record(other).to_bytes())
                raise DestinationError("no space")
            return super().put(path, content)

    LocalFolder(str(tmp_path)).put("samples/shard-00003.parquet", other["samples/shard-00003.parquet"])
    folder = Full(str(tmp_path))
    with pytest.raises(DestinationError, match="no space"):
        write_shard(folder, record(), CONTENTS)
    assert committed_shards(folder) == set()


class Telling(LocalFolder):
    """Keeps the order in which objects are written; may tell no checksums, or keep what it was not given."""

    def __init__(self, location: str, *, checksums: bool = True, spoil: bool = False) -> None:
        super().__init__(location)
        self.checksums, self.spoil = checksums, spoil
        self.written: list[str] = []

    def put(self, path: str, content: bytes) -> Stored:
        self.written.append(path)
        stored = super().put(path, content[:-1] + b"?" if self.spoil else content)
        return stored if self.checksums else Stored(size=stored.size, crc32c=None, md5=None)

    def create(self, path: str, content: bytes) -> bool:
        self.written.append(path)
        return super().create(path, content)


def test_the_record_is_written_after_all_objects(tmp_path: Path) -> None:
    folder = Telling(str(tmp_path))
    write_shard(folder, record(), CONTENTS)
    assert folder.written == [*CONTENTS, commit_object(3)]


@pytest.mark.parametrize("checksums", [True, False])
def test_what_a_store_keeps_wrongly_is_never_committed_whether_it_tells_checksums_or_not(
    tmp_path: Path, checksums: bool
) -> None:
    good = Telling(str(tmp_path / "good"), checksums=checksums)
    assert write_shard(good, record(), CONTENTS)
    bad = Telling(str(tmp_path / "bad"), checksums=checksums, spoil=True)
    with pytest.raises(CorpusError, match="came back different from what was written"):
        write_shard(bad, record(), CONTENTS)
    assert committed_shards(bad) == set()


# Copying


@pytest.fixture
def three(tmp_path: Path) -> tuple[LocalFolder, ...]:
    """Three destinations of one corpus, of which the second lacks shard 1 and the third has none."""
    description = small()
    return tuple(
        corpus(tmp_path / name, description, *shards) for name, shards in (("a", (0, 1)), ("b", (0,)), ("c", ()))
    )


def test_a_shard_is_copied_whole_byte_for_byte(three: tuple[LocalFolder, ...]) -> None:
    first, _, third = three
    assert copy_shard(first, third, 1)
    assert committed_shards(third) == {1}
    for path in (*contents_of(small(), 1), commit_object(1)):
        assert third.get(path) == first.get(path)
    assert copy_shard(first, third, 1), "once more is not wrong"


def test_what_one_lacks_is_copied_from_whoever_has_it(three: tuple[LocalFolder, ...]) -> None:
    before = files(three[0])
    assert everywhere(three) == set()
    assert copy_missing(three, 0)
    assert everywhere(three) == {0}
    assert copy_missing(three, 1)
    assert everywhere(three) == {0, 1}
    assert all(files(one) == before for one in three)


def test_what_nobody_has_is_not_copied(three: tuple[LocalFolder, ...]) -> None:
    assert not copy_missing(three, 2)
    assert everywhere(three) == set()


@pytest.mark.parametrize("damage", ["short", "flipped", "absent", "record"])
def test_a_damaged_shard_is_not_copied(three: tuple[LocalFolder, ...], damage: str) -> None:
    first, second, _ = three
    path = next(iter(contents_of(small(), 1)))
    content = first.get(path) or b""
    if damage == "absent":
        first.delete(path)
    elif damage == "record":
        first.put(commit_object(1), b"{}")
    else:
        first.put(path, content[:-1] if damage == "short" else bytes([content[0] ^ 1]) + content[1:])
    assert not copy_shard(first, second, 1)
    assert not copy_missing(three, 1)
    assert committed_shards(second) == {0}
    assert not set(contents_of(small(), 1)) & set(files(second)), "nothing of it is there"


def test_where_one_copy_is_damaged_the_other_is_taken(three: tuple[LocalFolder, ...]) -> None:
    first, second, third = three
    write(second, small(), 1)
    path = next(iter(contents_of(small(), 1)))
    first.put(path, b"damaged")
    assert copy_missing(three, 1)
    assert third.get(path) == second.get(path) != first.get(path)


def test_a_target_that_holds_another_shard_under_that_number_is_refused(three: tuple[LocalFolder, ...]) -> None:
    first, second, _ = three
    contents = dict.fromkeys(contents_of(small(), 1), b"other")
    write_shard(second, commit_of(contents, 1), contents)
    with pytest.raises(CorpusError, match="shard 1 is there already, but it was committed with other content"):
        copy_shard(first, second, 1)
