"""Commit records and verification: a shard exists if its record does, and is what the record says."""

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CorpusError
from tasks.shards.commits import (
    Commit,
    StoredObject,
    committed_shards,
    corpus_digest,
    parse_commit,
    read_commit,
    read_commits,
    write_shard,
)
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object
from tasks.shards.pairing_counts import LIMITS, PairingCounts
from tasks.shards.verification import Fault, verify_shard, verify_shards

CONTENTS = {"stac/s2/c/3/0/0/0": b"pixels" * 100, "samples/shard-00003.parquet": b"rows"}


def commit_of(contents: dict[str, bytes] = CONTENTS, shard: int = 3) -> Commit:
    return Commit(
        shard=shard,
        rows=252,
        samples=250,
        missing={"no Sentinel-2 scene near the patch": 2},
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


paths = st.lists(st.text("ab_1", min_size=1, max_size=4), min_size=1, max_size=6).map("/".join)
objects = st.builds(StoredObject.of, paths, st.binary(max_size=50))
counts = st.builds(
    PairingCounts,
    tried=st.integers(0, 10**6),
    within=st.dictionaries(st.sampled_from(LIMITS), st.integers(0, 10**6)).map(Counter),
    gaps=st.dictionaries(st.integers(0, 120).map(lambda n: 6 * n), st.integers(1, 10**6)).map(Counter),
)


commits = st.builds(
    Commit,
    shard=st.integers(0, 10**6),
    rows=st.just(0),
    samples=st.integers(0, 4096),
    missing=st.dictionaries(st.text(max_size=30), st.integers(1, 100), max_size=3),
    objects=st.lists(objects, max_size=4).map(tuple),
    replaced=st.lists(st.tuples(st.integers(0, 2**40), st.text(max_size=30)), max_size=4).map(tuple),
    pairing=counts,
).map(lambda commit: replace(commit, rows=commit.samples + sum(commit.missing.values())))


@given(commits)
def test_a_record_comes_back_from_its_bytes(commit: Commit) -> None:
    content = commit.to_bytes()
    found = parse_commit(content, commit.shard)
    assert found == commit
    assert isinstance(found, Commit)
    assert found.to_bytes() == content


def test_a_record_is_stored_as_these_bytes() -> None:
    stored = Commit(
        shard=3,
        rows=2,
        samples=1,
        missing={"gone": 1},
        objects=(StoredObject(path="a/s2", size=9, crc32c="4waSgw==", md5="JfnnlDI7RTiF9RgfGw2JNw=="),),
        replaced=((17, "größtenteils Nodata"),),
        pairing=PairingCounts(tried=2, within=Counter({3: 1, 5: 2}), gaps=Counter({66: 1})),
    ).to_bytes()
    assert json.loads(stored) == {
        "schema": 1, "shard": 3, "rows": 2, "samples": 1, "missing": {"gone": 1},
        "objects": [{"path": "a/s2", "size": 9, "crc32c": "4waSgw==", "md5": "JfnnlDI7RTiF9RgfGw2JNw=="}],
        "replaced": [{"cell": 17, "reason": "größtenteils Nodata"}],
        "pairing": {"tried": 2, "within_days": {"1": 0, "2": 0, "3": 1, "5": 2}, "gap_hours": {"66": 1}},
    }  # fmt: skip
    assert stored == (json.dumps(json.loads(stored), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def test_a_record_is_readable_json_with_its_schema() -> None:
    record = json.loads(commit_of().to_bytes())
    assert record["schema"] == 1
    assert record["replaced"][1] == {"cell": 4, "reason": "größtenteils Nodata"}
    assert [item["path"] for item in record["objects"]] == list(CONTENTS)
    assert record["pairing"]["tried"] == 252


def changed(**changes: Any) -> bytes:
    """The record with other values."""
    return json.dumps(json.loads(commit_of().to_bytes()) | changes).encode()


def with_object(**changes: Any) -> bytes:
    """The record with other values of its first object."""
    first, *others = json.loads(commit_of().to_bytes())["objects"]
    return changed(objects=[first | changes, *others])


ODD = [
    changed(samples="x"), changed(samples=-1), changed(samples=250.0), changed(samples=None), changed(samples=True),
    changed(samples=249), changed(rows="x"), changed(missing=[]), changed(missing={"gone": "2"}), changed(schema=2),
    changed(shard=4), changed(shard="3"), changed(objects={}), changed(objects="x"), changed(objects=[1]),
    changed(replaced=[{"cell": "x", "reason": ""}]), changed(replaced=[{"cell": 1, "reason": 2}]), changed(replaced=3),
    changed(pairing=3), changed(pairing={"tried": "x", "within_days": {}, "gap_hours": {}}), changed(more=1),
    with_object(size="9"), with_object(size=-1), with_object(md5=None), with_object(path=3), with_object(path=""),
    with_object(path="../other"), with_object(path="/etc/hosts"), with_object(path="a\0b"), with_object(crc=1),
]  # fmt: skip
"""Records that are JSON and no records."""


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
        *ODD,
    ],
)  # fmt: skip
def test_a_damaged_record_is_named_with_the_way_to_mend_it(folder: LocalFolder, content: bytes) -> None:
    folder.put(commit_object(3), content)
    with pytest.raises(CorpusError) as caught:
        read_commit(folder, 3)
    assert str(folder.root / commit_object(3)) in str(caught.value)
    assert ": is damaged (" in str(caught.value)
    assert f"deepsentinel verify --repair {folder.root}" in str(caught.value)
    with pytest.raises(CorpusError, match="is damaged"):
        list(read_commits(folder))
    assert len(str(caught.value)) < 400, "it does not quote the record"


def test_what_is_wrong_with_a_record_is_told_by_key() -> None:
    assert parse_commit(changed(samples="x"), 3) == "is damaged (samples: expected a whole number, found 'x')"
    assert parse_commit(changed(), 5) == "is damaged (it is the record of shard 3, not of 5)"


def test_records_are_read_in_order_and_without_what_only_has_their_name(folder: LocalFolder) -> None:
    for shard in (10, 2, 0):
        folder.create(commit_object(shard), commit_of(shard=shard).to_bytes())
    folder.put("commits/shard-00004.json.bak", b"")
    assert [commit.shard for commit in read_commits(folder)] == [0, 2, 10]


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


@pytest.mark.parametrize("content", ODD)
def test_a_record_of_wrong_types_is_one_fault_without_advice(written: LocalFolder, content: bytes) -> None:
    written.put(commit_object(3), content)
    (fault,) = verify_shard(written, 3)
    assert (fault.shard, fault.path) == (3, commit_object(3))
    assert fault.problem.startswith("is damaged (")
    assert "deepsentinel" not in fault.problem


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
