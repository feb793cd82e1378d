"""Commit records: a shard exists if its record does."""

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CorpusError, SceneUnavailable
from tasks.scenes.reasons import Reason
from tasks.shards.commits import (
    Commit,
    StoredObject,
    committed_shards,
    corpus_digest,
    parse_commit,
    read_commit,
    read_commits,
    reasons_of,
    record_bytes,
)
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object
from tasks.shards.pairing_counts import LIMITS, PairingCounts
from tests.unit.shards.made import commit_of, rejected

CONTENTS = {"stac/s2/c/3/0/0/0": b"pixels" * 100, "samples/shard-00003.parquet": b"rows"}


def record(shard: int = 3, **changes: Any) -> Commit:
    values = {
        "rows": 252,
        "replaced": (rejected(17, Reason.NOT_COVERED), rejected(4, Reason.MOSTLY_NODATA, "stac", "S2A_größe")),
        "missing": (rejected(5, Reason.NO_SENTINEL2), rejected(6, Reason.NO_SENTINEL2)),
    }
    return commit_of(CONTENTS, shard, **values | changes)


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


rejections = st.builds(
    rejected,
    st.integers(0, 2**40),
    st.sampled_from(Reason),
    st.none() | st.sampled_from(["stac", "earthengine"]),
    st.none() | st.text(max_size=30),
)
lists = st.lists(rejections, max_size=4).map(tuple)
commits = st.builds(
    Commit,
    shard=st.integers(0, 10**6),
    rows=st.integers(4, 4096),
    missing=lists,
    objects=st.lists(objects, max_size=4).map(tuple),
    replaced=lists,
    pairing=counts,
)


@given(commits)
def test_a_record_comes_back_from_its_bytes(commit: Commit) -> None:
    content = commit.to_bytes()
    found = parse_commit(content, commit.shard)
    assert found == commit
    assert isinstance(found, Commit)
    assert found.to_bytes() == content
    assert found.samples + len(found.missing) == found.rows


def test_a_record_is_stored_as_these_bytes() -> None:
    stored = Commit(
        shard=3,
        rows=2,
        objects=(StoredObject(path="a/s2", size=9, crc32c="4waSgw==", md5="JfnnlDI7RTiF9RgfGw2JNw=="),),
        replaced=(rejected(17, Reason.REFUSED, "stac", "S2A_größe"),),
        missing=(rejected(4, Reason.NO_SENTINEL1),),
        pairing=PairingCounts(tried=2, within=Counter({3: 1, 5: 2}), gaps=Counter({66: 1})),
    ).to_bytes()
    assert json.loads(stored) == {
        "schema": 2, "shard": 3, "rows": 2, "samples": 1,
        "objects": [{"path": "a/s2", "size": 9, "crc32c": "4waSgw==", "md5": "JfnnlDI7RTiF9RgfGw2JNw=="}],
        "replaced": [{"cell": 17, "reason": "refused", "platform": "stac", "scene": "S2A_größe"}],
        "missing": [{"cell": 4, "reason": "no-sentinel1", "platform": None, "scene": None}],
        "pairing": {"tried": 2, "within_days": {"1": 0, "2": 0, "3": 1, "5": 2}, "gap_hours": {"66": 1}},
    }  # fmt: skip
    assert stored == (json.dumps(json.loads(stored), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def test_samples_are_the_rows_that_are_not_missing() -> None:
    made = record()
    assert (made.rows, len(made.missing), made.samples) == (252, 2, 250)
    assert made.size == sum(len(content) for content in CONTENTS.values())


def test_nothing_that_a_server_said_gets_into_a_record() -> None:
    refusal = SceneUnavailable(Reason.REFUSED, "S2A_x", "429: quota of project 4711 exceeded")
    made = record(replaced=(rejected(1, Reason(refusal.reason), "stac", refusal.scene),))
    assert b"quota" not in made.to_bytes()
    # There is no field for it either: all there is of a rejection are numbers, codes and ids.
    assert {key for item in json.loads(made.to_bytes())["replaced"] for key in item} == {
        "cell", "reason", "platform", "scene",
    }  # fmt: skip


def test_reasons_are_counted() -> None:
    some = [rejected(1, Reason.REFUSED), rejected(2, Reason.NO_FILE, "stac", "x"), rejected(3, Reason.REFUSED, "demo")]
    assert reasons_of(some) == Counter({Reason.REFUSED: 2, Reason.NO_FILE: 1})
    assert reasons_of([]) == Counter()


def changed(**changes: Any) -> bytes:
    """The record with other values."""
    return json.dumps(json.loads(record().to_bytes()) | changes).encode()


def with_object(**changes: Any) -> bytes:
    """The record with other values of its first object."""
    first, *others = json.loads(record().to_bytes())["objects"]
    return changed(objects=[first | changes, *others])


def with_reason(**changes: Any) -> bytes:
    """The record with other values of its first replaced candidate."""
    first, *others = json.loads(record().to_bytes())["replaced"]
    return changed(replaced=[first | changes, *others])


ODD = [
    changed(samples="x"), changed(samples=-1), changed(samples=250.0), changed(samples=None), changed(samples=True),
    changed(samples=249), changed(rows=251), changed(rows="x"), changed(missing=[]), changed(missing={"gone": 2}),
    changed(schema=1), changed(schema=3), with_reason(reason="gone"), with_reason(reason="REFUSED"),
    with_reason(reason=3), with_reason(reason="no scene covers the patch"), with_reason(scene=3),
    with_reason(said="quota exceeded"), with_reason(platform=["stac"]), with_reason(cell=-1),
    changed(shard=4), changed(shard="3"), changed(objects={}), changed(objects="x"), changed(objects=[1]),
    changed(replaced=[{"cell": 1, "reason": "refused"}]), changed(replaced=3),
    changed(pairing=3), changed(pairing={"tried": "x", "within_days": {}, "gap_hours": {}}), changed(more=1),
    with_object(size="9"), with_object(size=-1), with_object(md5=None), with_object(path=3), with_object(path=""),
    with_object(path="../other"), with_object(path="/etc/hosts"), with_object(path="a\0b"), with_object(crc=1),
]  # fmt: skip
"""Records that are JSON and no records."""


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"7", b"{}", b"\xff\xfe",
        record().to_bytes()[:200],
        record().to_bytes().replace(b'"md5"', b'"md6"'),
        record().to_bytes().replace(b'"objects"', b'"things"'),
        record().to_bytes().replace(b'"pairing"', b'"couples"'),
        record().to_bytes().replace(b'"tried"', b'"tired"'),
        record().to_bytes().replace(b'"shard": 3', b'"number": 3'),
        *ODD,
    ],
)  # fmt: skip
def test_a_damaged_record_is_named_with_the_way_to_mend_it(folder: LocalFolder, content: bytes) -> None:
    folder.put(commit_object(3), content)
    with pytest.raises(CorpusError) as caught:
        read_commit(folder, 3)
    assert str(Path(folder.location, commit_object(3))) in str(caught.value)
    assert ": is damaged (" in str(caught.value)
    assert f"deepsentinel verify --repair {folder.location}" in str(caught.value)
    with pytest.raises(CorpusError, match="is damaged"):
        list(read_commits(folder))
    assert len(str(caught.value)) < 600, "it does not quote the record"


def test_what_is_wrong_with_a_record_is_told_by_key() -> None:
    assert parse_commit(changed(samples="x"), 3) == "is damaged (samples: expected a whole number, found 'x')"
    told = parse_commit(with_reason(reason="gone"), 3)
    assert isinstance(told, str)
    assert "replaced.0.reason" in told
    assert "'gone'" in told
    assert parse_commit(changed(), 5) == "is damaged (it is the record of shard 3, not of 5)"


def test_records_are_read_in_order_and_without_what_only_has_their_name(folder: LocalFolder) -> None:
    for shard in (10, 2, 0):
        folder.create(commit_object(shard), record(shard).to_bytes())
    folder.put("commits/shard-00004.json.bak", b"")
    assert [commit.shard for commit in read_commits(folder)] == [0, 2, 10]


def test_shards_are_those_that_have_a_record(folder: LocalFolder) -> None:
    assert committed_shards(folder) == set()
    assert read_commit(folder, 3) is None
    for shard in (0, 7, 123_456):
        folder.create(commit_object(shard), record(shard).to_bytes())
    folder.put("commits/notes.txt", b"")
    folder.put("samples/shard-00009.parquet", b"")
    assert committed_shards(folder) == {0, 7, 123_456}
    assert read_commit(folder, 7) == record(7)


def test_the_digest_is_over_the_records_in_order(tmp_path: Path) -> None:
    first, second = LocalFolder(str(tmp_path / "a")), LocalFolder(str(tmp_path / "b"))
    for shard in (0, 1, 10):
        first.create(commit_object(shard), record(shard).to_bytes())
    for shard in (10, 1, 0):
        second.create(commit_object(shard), record(shard).to_bytes())
    assert corpus_digest(first) == corpus_digest(second)
    second.put("runs/shard-00000.json", b"says when and where")
    assert corpus_digest(first) == corpus_digest(second)
    second.delete(commit_object(10))
    assert corpus_digest(first) != corpus_digest(second)


# Reading


class Counting(LocalFolder):
    """Counts what is asked of it."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.listed: list[str] = []
        self.got: list[str] = []

    def names(self, folder: str) -> list[str]:
        self.listed.append(folder)
        return super().names(folder)

    def get(self, path: str) -> bytes | None:
        self.got.append(path)
        return super().get(path)


def test_done_is_the_list_of_names_and_no_record_is_read(tmp_path: Path) -> None:
    folder = Counting(str(tmp_path))
    for shard in range(20):
        folder.put(commit_object(shard), b"not even a record")
    assert committed_shards(folder) == set(range(20))
    assert (folder.listed, folder.got) == (["commits"], [])


class Together(LocalFolder):
    """Answers only once so many are asking at the same time."""

    def __init__(self, location: str, parties: int) -> None:
        super().__init__(location)
        self.barrier = threading.Barrier(parties, timeout=20)

    def get(self, path: str) -> bytes | None:
        self.barrier.wait()
        return super().get(path)


def test_records_are_read_in_parallel_and_come_in_order(tmp_path: Path) -> None:
    slow = Together(str(tmp_path), parties=16)
    for shard in reversed(range(32)):
        slow.put(commit_object(shard), record(shard).to_bytes())
    assert [commit.shard for commit in read_commits(slow)] == list(range(32))


def test_only_the_records_asked_for_are_read_and_absent_ones_left_out(tmp_path: Path) -> None:
    folder = Counting(str(tmp_path))
    for shard in range(5):
        folder.put(commit_object(shard), record(shard).to_bytes())
    assert [commit.shard for commit in read_commits(folder, [4, 9, 2])] == [2, 4]
    assert folder.listed == []
    assert sorted(folder.got) == [commit_object(shard) for shard in (2, 4, 9)]


def test_a_bounded_number_of_records_is_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.shards.commits._PORTION", 4)
    folder = Counting(str(tmp_path))
    for shard in range(20):
        folder.put(commit_object(shard), b"x")
    some: Iterator[tuple[int, bytes]] = record_bytes(folder)
    assert [shard for shard, _ in islice(some, 4)] == [0, 1, 2, 3]
    assert len(folder.got) == 4
    assert [shard for shard, _ in some] == list(range(4, 20))
