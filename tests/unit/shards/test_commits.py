"""Commit records and verification: a shard exists if its record does, and is what the record says."""

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CorpusError
from tasks.shards.commits import Commit, StoredObject, committed_shards, corpus_digest, read_commit, write_shard
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object
from tasks.shards.pairing_counts import LIMITS, PairingCounts
from tasks.shards.verification import Fault, verify_shard, verify_shards

CONTENTS = {"stac/s2/c/3/0/0/0": b"pixels" * 100, "samples/shard-00003.parquet": b"rows"}


def commit_of(contents: dict[str, bytes] = CONTENTS, shard: int = 3) -> Commit:
    return Commit(
        shard=shard,
        samples=250,
        objects=tuple(StoredObject.of(path, content) for path, content in contents.items()),
        replaced=((17, "no Sentinel-2 scene covers the patch"), (4, "größtenteils Nodata")),
        pairing=PairingCounts(
            tried=252, within=Counter({1: 90, 2: 170, 3: 250, 5: 251}), gaps=Counter({0: 30, 66: 220})
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(str(tmp_path))


# Records


def test_an_object_is_described_as_the_clouds_describe_it() -> None:
    found = StoredObject.of("a", b"123456789")
    assert found.size == 9
    # The check value of CRC-32C (RFC 3720, B.4 and the catalogue of parametrised CRCs).
    assert base64.b64decode(found.crc32c) == bytes.fromhex("e3069283")
    assert base64.b64decode(found.md5) == hashlib.md5(b"123456789").digest()
    assert int.from_bytes(base64.b64decode(found.crc32c), "big") == google_crc32c.value(b"123456789")


objects = st.builds(StoredObject.of, st.text(min_size=1, max_size=20), st.binary(max_size=50))
counts = st.builds(
    PairingCounts,
    tried=st.integers(0, 10**6),
    within=st.dictionaries(st.sampled_from(LIMITS), st.integers(0, 10**6)).map(Counter),
    gaps=st.dictionaries(st.integers(0, 120).map(lambda n: 6 * n), st.integers(1, 10**6)).map(Counter),
)


@given(
    st.builds(
        Commit,
        shard=st.integers(0, 10**6),
        samples=st.integers(0, 4096),
        objects=st.lists(objects, max_size=4).map(tuple),
        replaced=st.lists(st.tuples(st.integers(0, 2**40), st.text(max_size=30)), max_size=4).map(tuple),
        pairing=counts,
    )
)
def test_a_record_comes_back_from_its_bytes(commit: Commit) -> None:
    content = commit.to_bytes()
    assert Commit.from_bytes(content, "x") == commit
    assert Commit.from_bytes(content, "x").to_bytes() == content


def test_a_record_is_readable_json_with_its_schema() -> None:
    record = json.loads(commit_of().to_bytes())
    assert record["schema"] == 1
    assert record["replaced"][1] == {"cell": 4, "reason": "größtenteils Nodata"}
    assert [item["path"] for item in record["objects"]] == list(CONTENTS)
    assert record["pairing"]["tried"] == 252


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"7", b"{}", b"\xff\xfe",
        commit_of().to_bytes()[:200],
        commit_of().to_bytes().replace(b'"md5"', b'"md6"'),
        commit_of().to_bytes().replace(b'"objects"', b'"things"'),
        commit_of().to_bytes().replace(b'"pairing"', b'"couples"'),
        commit_of().to_bytes().replace(b'"tried"', b'"tired"'),
        commit_of().to_bytes().replace(b'"shard": 3', b'"number": 3'),
    ],
)  # fmt: skip
def test_a_damaged_record_is_named_with_the_way_to_mend_it(folder: LocalFolder, content: bytes) -> None:
    folder.put(commit_object(3), content)
    with pytest.raises(CorpusError) as caught:
        read_commit(folder, 3)
    assert str(folder.root / commit_object(3)) in str(caught.value)
    assert "deepsentinel verify --repair" in str(caught.value)


def test_shards_are_those_that_have_a_record(folder: LocalFolder) -> None:
    assert committed_shards(folder) == set()
    assert read_commit(folder, 3) is None
    for shard in (0, 7, 123_456):
        folder.create(commit_object(shard), commit_of(shard=shard).to_bytes())
    folder.put("commits/notes.txt", b"")
    folder.put("samples/shard-00009.parquet", b"")
    assert committed_shards(folder) == {0, 7, 123_456}
    assert read_commit(folder, 7) == commit_of(shard=7)


def test_the_digest_is_over_the_records_in_order(tmp_path: Path) -> None:
    first, second = LocalFolder(str(tmp_path / "a")), LocalFolder(str(tmp_path / "b"))
    for shard in (0, 1, 10):
        first.create(commit_object(shard), commit_of(shard=shard).to_bytes())
    for shard in (10, 1, 0):
        second.create(commit_object(shard), commit_of(shard=shard).to_bytes())
    assert corpus_digest(first) == corpus_digest(second)
    second.put("runs/shard-00000.json", b"says when and where")
    assert corpus_digest(first) == corpus_digest(second)
    second.delete(commit_object(10))
    assert corpus_digest(first) != corpus_digest(second)


# Writing a shard


def test_a_shard_is_written_whole_and_committed(folder: LocalFolder) -> None:
    assert write_shard(folder, commit_of(), CONTENTS)
    assert {path: folder.get(path) for path in CONTENTS} == CONTENTS
    assert read_commit(folder, 3) == commit_of()
    assert verify_shard(folder, 3) == []


def test_a_shard_that_is_committed_already_is_left_as_it_is(folder: LocalFolder) -> None:
    write_shard(folder, commit_of(), CONTENTS)
    before = (folder.root / "samples/shard-00003.parquet").stat()
    assert not write_shard(folder, commit_of(), CONTENTS)
    after = (folder.root / "samples/shard-00003.parquet").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_shard_that_others_committed_with_other_content_is_not_touched(folder: LocalFolder) -> None:
    write_shard(folder, commit_of(), CONTENTS)
    other = {path: content + b"!" for path, content in CONTENTS.items()}
    with pytest.raises(CorpusError, match="shard 3 was committed before with other content"):
        write_shard(folder, commit_of(other), other)
    assert {path: folder.get(path) for path in CONTENTS} == CONTENTS
    assert read_commit(folder, 3) == commit_of()


def test_what_an_unfinished_attempt_left_is_replaced(folder: LocalFolder) -> None:
    for path in CONTENTS:
        folder.put(path, b"of an attempt that was killed")
    assert write_shard(folder, commit_of(), CONTENTS)
    assert verify_shard(folder, 3) == []


def test_content_that_is_not_what_the_record_says_is_never_committed(folder: LocalFolder) -> None:
    with pytest.raises(CorpusError, match="came back different"):
        write_shard(folder, commit_of(), CONTENTS | {"samples/shard-00003.parquet": b"other"})
    assert committed_shards(folder) == set()


def test_of_many_writers_of_one_shard_exactly_one_commits(folder: LocalFolder) -> None:
    barrier = threading.Barrier(8)

    def write(_: int) -> bool:
        barrier.wait()
        return write_shard(folder, commit_of(), CONTENTS)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(write, range(8))) == 1
    assert verify_shard(folder, 3) == []


# Verification


@pytest.fixture
def written(folder: LocalFolder) -> LocalFolder:
    write_shard(folder, commit_of(), CONTENTS)
    return folder


@pytest.mark.parametrize("path", list(CONTENTS))
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda content: None, "is missing"),
        (lambda content: content[:-1], "is short"),
        (lambda content: b"", "is short: 0 bytes"),
        (lambda content: content + b"x", "is too long"),
        (lambda content: bytes([content[0] ^ 1]) + content[1:], "is damaged"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 128]), "is damaged"),
    ],
)
def test_an_object_that_is_not_as_recorded_is_named(
    written: LocalFolder, path: str, damage: Callable[[bytes], bytes | None], problem: str
) -> None:
    content = damage(CONTENTS[path])
    if content is None:
        written.delete(path)
    else:
        written.put(path, content)
    (fault,) = verify_shard(written, 3)
    assert (fault.shard, fault.path) == (3, path)
    assert fault.problem.startswith(problem)


def test_a_shard_without_a_record_and_one_with_a_damaged_one_are_faults(written: LocalFolder) -> None:
    (fault,) = verify_shard(written, 4)
    assert (fault.shard, fault.path) == (4, commit_object(4))
    assert "is missing" in fault.problem
    written.put(commit_object(3), b"{")
    (fault,) = verify_shard(written, 3)
    assert (fault.shard, fault.path) == (3, commit_object(3))
    assert "is damaged" in fault.problem


def test_a_record_under_another_shards_name_is_a_fault(written: LocalFolder) -> None:
    written.put(commit_object(5), written.get(commit_object(3)) or b"")
    assert [fault.path for fault in verify_shard(written, 5)] == [commit_object(5)]


def test_a_corpus_is_verified_with_its_metadata_and_all_its_shards(written: LocalFolder) -> None:
    metadata = {"zarr.json": b"{}", "stac/zarr.json": b"[]"}
    for path, content in metadata.items():
        written.put(path, content)
    seen: list[int] = []
    assert [f.shard for f in verify_shards(written, 5, metadata, seen.append)] == [0, 1, 2, 4]
    assert seen == [1, 2, 3, 4, 5]
    assert verify_shards(written, 0, metadata, seen.append) == []
    written.put("zarr.json", b"{ }")
    written.delete("stac/zarr.json")
    faults = verify_shards(written, 0, metadata, seen.append)
    assert [(f.shard, f.path, f.problem.split(":")[0]) for f in faults] == [
        (None, "zarr.json", "is damaged"),
        (None, "stac/zarr.json", "is missing"),
    ]


def test_shards_beyond_the_corpus_are_verified_too(written: LocalFolder) -> None:
    written.delete("samples/shard-00003.parquet")
    faults = verify_shards(written, 1, {}, lambda _: None)
    assert Fault(shard=3, path="samples/shard-00003.parquet", problem="is missing") in faults
