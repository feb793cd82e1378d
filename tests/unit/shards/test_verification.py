"""Verification: a corpus is what its description and its commit records say, and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.shards.commits import StoredObject, parse_commit
from tasks.shards.description import need_description
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import CORPUS, ROOT_METADATA, commit_object, samples_object
from tasks.shards.verification import Fault, later_objects, shard_objects, verify_corpus, verify_shard
from tests.unit.shards.made import LAYER, commit_of, contents_of, corpus, small, vast

HERE = small()
"""Four shards of five samples."""


@pytest.fixture
def written(tmp_path: Path) -> LocalFolder:
    """A described corpus with shard 3 alone."""
    return corpus(tmp_path, HERE, 3)


def faults_of(folder: LocalFolder) -> list[Fault]:
    return verify_corpus(folder, HERE, lambda _: None)


def test_what_was_written_has_no_fault(tmp_path: Path) -> None:
    whole = corpus(tmp_path, HERE, 0, 1, 2, 3)
    seen: list[int] = []
    assert verify_corpus(whole, HERE, seen.append) == []
    assert verify_corpus(whole, need_description(whole), seen.append) == []
    assert seen == [1, 2, 3, 4] * 2


def test_a_corpus_with_layers_has_no_fault_either(tmp_path: Path) -> None:
    described = small(layers={"cover": LAYER})
    whole = corpus(tmp_path, described, 0, 1, 2, 3)
    assert verify_corpus(whole, need_description(whole), lambda _: None) == []
    assert "labels/cover/c/3/0/0" in shard_objects(described, 3)
    assert "labels/height/c/3/0/0/0" in shard_objects(described, 3)


# Objects


@pytest.mark.parametrize("path", list(contents_of(HERE, 3)))
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
    content = damage(contents_of(HERE, 3)[path])
    if content is None:
        written.delete(path)
    else:
        written.put(path, content)
    (fault,) = verify_shard(written, HERE, 3)
    assert (fault.shard, fault.path) == (3, path)
    assert fault.problem.startswith(problem)


# Records


def test_a_shard_without_a_record_and_one_with_a_damaged_one_are_faults(written: LocalFolder) -> None:
    (fault,) = verify_shard(written, HERE, 2)
    assert (fault.shard, fault.path) == (2, commit_object(2))
    assert "is missing" in fault.problem
    written.put(commit_object(3), b"{")
    (fault,) = verify_shard(written, HERE, 3)
    assert (fault.shard, fault.path) == (3, commit_object(3))
    assert fault.problem.startswith("is damaged (")
    assert "deepsentinel" not in fault.problem, "what to do is said once, not at every fault"


def test_a_record_under_another_shards_name_is_a_fault(written: LocalFolder) -> None:
    written.put(commit_object(2), written.get(commit_object(3)) or b"")
    (fault,) = verify_shard(written, HERE, 2)
    assert (fault.path, fault.problem) == (
        commit_object(2),
        "is damaged (it is the record of shard 3, not of 2)",
    )


def relisted(folder: LocalFolder, change: Callable[[tuple[StoredObject, ...]], tuple[StoredObject, ...]]) -> list[str]:
    """What is wrong with a record that lists other objects."""
    commit = parse_commit(folder.get(commit_object(3)) or b"", 3)
    assert not isinstance(commit, str)
    folder.put(commit_object(3), replace(commit, objects=change(commit.objects)).to_bytes())
    faults = verify_shard(folder, HERE, 3)
    assert {(fault.shard, fault.path) for fault in faults} <= {(3, commit_object(3))}
    return sorted(fault.problem for fault in faults)


def test_a_record_that_lists_no_objects_lacks_every_one_of_them(written: LocalFolder) -> None:
    needed = shard_objects(HERE, 3) - later_objects(3)
    assert relisted(written, lambda _: ()) == [f"does not list {path}" for path in sorted(needed)]


def test_a_record_that_lists_fewer_objects_than_the_layout_names_is_a_fault(written: LocalFolder) -> None:
    def without_rows(objects: tuple[StoredObject, ...]) -> tuple[StoredObject, ...]:
        return tuple(item for item in objects if item.path != samples_object(3))

    assert relisted(written, without_rows) == [f"does not list {samples_object(3)}"]


def test_a_shard_of_an_earlier_version_lacks_what_came_later_and_has_no_fault(written: LocalFolder) -> None:
    later = later_objects(3)
    for path in later:
        written.delete(path)
    assert relisted(written, lambda objects: tuple(item for item in objects if item.path not in later)) == []


def test_a_record_that_lists_other_objects_is_a_fault(written: LocalFolder) -> None:
    written.put("stac/s2/c/3/0/0/0", b"of nobody")
    more = StoredObject.of("stac/s2/c/3/0/0/0", b"of nobody")
    assert relisted(written, lambda objects: (*objects, more)) == [f"lists {more.path}, which is no part of a shard"]


# The corpus as a whole


def test_what_the_coordinator_writes_is_compared_byte_by_byte(written: LocalFolder) -> None:
    written.put(ROOT_METADATA, b"{ }")
    written.put(CORPUS, HERE.to_bytes() + b"\n")
    written.delete("zulu/zarr.json")
    found = {fault.path: (fault.shard, fault.problem.split(":")[0]) for fault in faults_of(written)}
    del found["commits"]
    assert found == {
        ROOT_METADATA: (None, "is damaged"), CORPUS: (None, "is damaged"), "zulu/zarr.json": (None, "is missing"),
    }  # fmt: skip


def test_shards_without_a_record_are_one_fault_that_names_the_first_of_them(written: LocalFolder) -> None:
    (fault,) = faults_of(written)
    assert (fault.shard, fault.path) == (None, "commits")
    assert fault.problem == "has no record of 3 shards, which were never finished: 0, 1, 2"


def test_a_commit_beyond_the_corpus_is_a_fault_and_does_not_count_as_done(tmp_path: Path) -> None:
    whole = corpus(tmp_path, HERE, 0, 1, 2, 3)
    contents = contents_of(HERE, 9)
    whole.put(commit_object(9), commit_of(contents, 9).to_bytes())
    (fault,) = faults_of(whole)
    assert (fault.shard, fault.path) == (None, commit_object(9))
    assert fault.problem == "belongs to no shard: the corpus has 4"
    whole.delete(commit_object(0))
    assert "has no record of 1 shards, which were never finished: 0" in {fault.problem for fault in faults_of(whole)}


def test_a_corpus_of_a_billion_shards_is_verified_at_once(tmp_path: Path) -> None:
    folder = corpus(tmp_path, vast(), 1, 3)
    (fault,) = verify_corpus(folder, need_description(folder), lambda _: None)
    assert fault.problem == ("has no record of 999999998 shards, which were never finished: 0, 2, 4, 5, 6, ...")
