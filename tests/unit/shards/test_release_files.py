"""The files of a release: put everywhere, verified by their record, restored from another copy or made again."""

import tracemalloc
from pathlib import Path

import pytest

from tasks.errors import CorpusError, DestinationUnreachable
from tasks.shards.copying import copy_corpus
from tasks.shards.destinations import Content, LocalFolder, Stored
from tasks.shards.layout import RELEASE_RECORD
from tasks.shards.release_files import Release, parse_release, put_release
from tasks.shards.repair import Repair, repair
from tasks.shards.verification import Fault, verify_corpus
from tests.unit.shards.made import commit_of, contents_of, corpus, files, small

HERE = small()

CONTENTS = {"release/preview.png": b"a picture", "release/items/part-0.parquet": b"rows" * 30}


@pytest.fixture
def copies(tmp_path: Path) -> tuple[LocalFolder, LocalFolder]:
    """Two copies of a whole, released corpus."""
    made = (corpus(tmp_path / "a", HERE, 0, 1, 2, 3), corpus(tmp_path / "b", HERE, 0, 1, 2, 3))
    put_release(made, CONTENTS)
    return made


def faults_of(folder: LocalFolder, *, deep: bool = False) -> list[tuple[str, str]]:
    found = [fault for fault in verify_corpus(folder, HERE, lambda _: None, deep=deep) if fault.shard is None]
    return [(fault.path, fault.problem) for fault in found]


def mended(folder: LocalFolder, *others: LocalFolder) -> Repair:
    return repair(folder, HERE, verify_corpus(folder, HERE, lambda _: None), others)


# Writing


def test_a_release_is_put_everywhere_and_its_record_tells_its_files(copies: tuple[LocalFolder, LocalFolder]) -> None:
    first, second = copies
    assert files(first, "release") == files(second, "release") == CONTENTS | {RELEASE_RECORD: first.get(RELEASE_RECORD)}
    release = parse_release(first.get(RELEASE_RECORD) or b"")
    assert isinstance(release, Release)
    assert {item.path: item.size for item in release.files} == {path: len(it) for path, it in CONTENTS.items()}
    assert faults_of(first) == faults_of(second) == []


def test_files_of_another_state_of_the_corpus_are_not_put(copies: tuple[LocalFolder, LocalFolder]) -> None:
    """A shard was committed or withdrawn while the files were made."""
    record = copies[0].get(RELEASE_RECORD)
    with pytest.raises(CorpusError, match=r"committed or withdrawn while it was released.*build again"):
        put_release(copies, {"release/preview.png": b"of before"}, digest="0" * 64)
    assert [copy.get(RELEASE_RECORD) for copy in copies] == [record, record], "what was there stays"
    assert faults_of(copies[0]) == []


def test_releasing_again_changes_what_differs_and_drops_what_is_gone(copies: tuple[LocalFolder, LocalFolder]) -> None:
    first, _ = copies
    before = Path(first.location, "release/preview.png").stat().st_ino
    put_release(copies, CONTENTS)
    assert Path(first.location, "release/preview.png").stat().st_ino == before, "nothing is written twice"
    put_release(copies, {"release/preview.png": b"another picture"})
    assert set(files(first, "release")) == {"release/preview.png", RELEASE_RECORD}
    assert faults_of(first) == []


def test_files_on_disk_are_released_like_bytes(tmp_path: Path) -> None:
    first, second = (corpus(tmp_path / name, HERE, 0, 1, 2, 3) for name in "ab")
    rows = tmp_path / "rows"
    rows.write_bytes(CONTENTS["release/items/part-0.parquet"])
    put_release([first], CONTENTS)
    put_release([second], CONTENTS | {"release/items/part-0.parquet": rows})
    assert files(first) == files(second)


def test_a_large_file_is_never_held_whole(tmp_path: Path) -> None:
    large, folder = tmp_path / "large", corpus(tmp_path / "a", HERE, 0)
    large.write_bytes(bytes(20 << 20))
    tracemalloc.start()
    try:
        put_release([folder], {"release/samples.parquet": large})
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "release/samples.parquet" not in dict(faults_of(folder))


def test_while_files_are_replaced_there_is_no_record(tmp_path: Path) -> None:
    held: list[bool] = []

    class Watching(LocalFolder):
        def put(self, path: str, content: bytes):
            if path in CONTENTS:
                held.append(self.get(RELEASE_RECORD) is not None)
            return super().put(path, content)

    folder = corpus(tmp_path, HERE, 0, 1, 2, 3)
    put_release([folder], dict.fromkeys(CONTENTS, b"old"))
    put_release([Watching(str(tmp_path))], CONTENTS)
    assert held == [False, False]


def test_when_a_store_is_gone_no_more_files_are_put(tmp_path: Path) -> None:
    asked: list[str] = []

    class Gone(LocalFolder):
        def put(self, path: str, content: Content) -> Stored:
            asked.append(path)
            raise DestinationUnreachable("gone", self.location)

    corpus(tmp_path, HERE, 0, 1, 2, 3)
    with pytest.raises(DestinationUnreachable):
        put_release([Gone(str(tmp_path))], {f"release/page/{number}.json": b"x" for number in range(200)})
    assert len(asked) < 50
    assert LocalFolder(str(tmp_path)).get(RELEASE_RECORD) is None


def test_copies_that_hold_different_shards_are_not_released(tmp_path: Path) -> None:
    first, second = corpus(tmp_path / "a", HERE, 0, 1), corpus(tmp_path / "b", HERE, 0)
    put_release([first, second], CONTENTS)  # one that merely lacks a shard is filled by the next build
    contents = dict.fromkeys(contents_of(HERE, 1), b"of other software")
    second.put("commits/shard-00001.json", commit_of(contents, 1).to_bytes())
    with pytest.raises(CorpusError, match=r"b: shard 1 is another one than in .*a.*verify --repair"):
        put_release([first, second], CONTENTS)


# Verifying and repairing


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "is missing"), (b"short", "is short"), (b"a Picture", "is damaged: its checksum")]
)
@pytest.mark.parametrize("deep", [False, True])
def test_a_damaged_file_is_named_and_restored_from_the_other_copy(
    copies: tuple[LocalFolder, LocalFolder], content: bytes | None, problem: str, deep: bool
) -> None:
    first, second = copies
    if content is None:
        first.delete("release/preview.png")
    else:
        first.put("release/preview.png", content)
    (fault,) = (
        faults_of(first) if not deep else [one for one in faults_of(first, deep=True) if one[0].startswith("release")]
    )
    assert fault[0] == "release/preview.png"
    assert fault[1].startswith(problem)
    assert mended(first, second) == Repair(withdrawn=(), restored=("release/preview.png",))
    assert files(first) == files(second)


@pytest.mark.parametrize("record", [None, b"{}", b"\xff", b'{"schema": 2, "corpus": "", "files": [{"path": "../x"}]}'])
def test_a_damaged_record_is_restored_from_the_other_copy(
    copies: tuple[LocalFolder, LocalFolder], record: bytes | None
) -> None:
    first, second = copies
    first.delete(RELEASE_RECORD)
    if record is not None:
        first.put(RELEASE_RECORD, record)
    ((path, _),) = faults_of(first)
    assert path == RELEASE_RECORD
    assert mended(first, second).restored == (RELEASE_RECORD,)
    assert files(first) == files(second)


def test_a_record_and_a_file_may_come_from_different_copies(copies: tuple[LocalFolder, LocalFolder]) -> None:
    first, second = copies
    before = files(first)
    first.put(RELEASE_RECORD, b"{}")
    second.put("release/preview.png", b"damaged")
    assert not mended(first, second).unreleased
    assert not mended(second, first).unreleased
    assert files(first) == files(second) == before


def test_what_no_copy_has_whole_is_withdrawn_so_that_the_next_build_makes_it(
    copies: tuple[LocalFolder, LocalFolder],
) -> None:
    before = files(copies[0])
    for one in copies:
        one.put("release/preview.png", b"nobody's")
    for one, other in (copies, copies[::-1]):
        assert mended(one, other) == Repair(withdrawn=(), restored=(), unreleased=True)
        assert faults_of(one) == [(RELEASE_RECORD, "is missing: the release was not finished")]
    put_release(copies, CONTENTS)
    assert files(copies[0]) == files(copies[1]) == before


def test_a_corpus_that_was_never_released_has_no_fault(tmp_path: Path) -> None:
    assert faults_of(corpus(tmp_path, HERE, 0, 1, 2, 3)) == []


# Copying


def test_a_release_is_copied_with_its_record(copies: tuple[LocalFolder, LocalFolder], tmp_path: Path) -> None:
    target = LocalFolder(str(tmp_path / "c"))
    assert copy_corpus(copies[0], target, lambda _: None).release
    assert files(target) == files(copies[0])


def test_a_damaged_release_is_not_copied(copies: tuple[LocalFolder, LocalFolder], tmp_path: Path) -> None:
    copies[0].put("release/preview.png", b"damaged")
    target = LocalFolder(str(tmp_path / "c"))
    done = copy_corpus(copies[0], target, lambda _: None)
    assert (done.shards, done.release) == (4, False)
    assert files(target, "release") == {}


# Shards that differ between copies


def test_a_shard_that_is_another_in_one_copy_is_made_that_of_the_other(tmp_path: Path) -> None:
    first, second = corpus(tmp_path / "a", HERE, 0, 1, 2, 3), corpus(tmp_path / "b", HERE, 0, 2, 3)
    contents = dict.fromkeys(contents_of(HERE, 1), b"of other software")
    for path, content in contents.items():
        second.put(path, content)
    second.put("commits/shard-00001.json", commit_of(contents, 1).to_bytes())
    fault = Fault(shard=1, path="commits/shard-00001.json", problem="is that of another shard")
    assert "commits/shard-00001.json" in repair(second, HERE, [fault], [first]).restored
    assert files(second) == files(first)


def test_a_damaged_shard_that_is_another_in_the_other_copy_becomes_that_one(tmp_path: Path) -> None:
    first, second = corpus(tmp_path / "a", HERE, 0, 1, 2, 3), corpus(tmp_path / "b", HERE, 0, 2, 3)
    contents = dict.fromkeys(contents_of(HERE, 1), b"of other software")
    for path, content in contents.items():
        second.put(path, content)
    second.put("commits/shard-00001.json", commit_of(contents, 1).to_bytes())
    first.put("zulu/s2/c/1/0/0/0", b"damaged")
    assert mended(first, second) == Repair(withdrawn=(), restored=(), copied=(1,))
    assert files(first) == files(second)
