"""Writing and copying shards: objects first, each checked, the commit record last."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.errors import CorpusError
from tasks.shards.commits import Commit, committed_shards, read_commit
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
