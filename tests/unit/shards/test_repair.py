"""Repair: the corpus restores what it says of itself, and withdraws what it cannot restore."""

from pathlib import Path

import pytest

from tasks.shards.commits import committed_shards
from tasks.shards.description import need_description
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import CORPUS, ROOT_METADATA, commit_object, samples_object
from tasks.shards.repair import Repair, repair
from tasks.shards.verification import verify_corpus
from tests.unit.shards.made import LAYER, corpus, files, small, write

HERE = small(layers={"cover": LAYER})


@pytest.fixture
def whole(tmp_path: Path) -> LocalFolder:
    """A finished corpus of four shards."""
    return corpus(tmp_path, HERE, 0, 1, 2, 3)


def repaired(folder: LocalFolder) -> Repair:
    """As `deepsentinel verify --repair` does it: with nothing but what the corpus itself says."""
    description = need_description(folder)
    return repair(folder, description, verify_corpus(folder, description, lambda _: None))


def test_a_sound_corpus_is_left_as_it_is(whole: LocalFolder) -> None:
    before = files(whole)
    assert repaired(whole) == Repair(withdrawn=(), restored=())
    assert files(whole) == before


@pytest.mark.parametrize(
    "path", [CORPUS, ROOT_METADATA, "zulu/zarr.json", "zulu/s2/zarr.json", "labels/cover/zarr.json"]
)
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_what_the_coordinator_wrote_is_restored_byte_for_byte(
    whole: LocalFolder, path: str, content: bytes | None
) -> None:
    before = files(whole)
    if content is None:
        whole.delete(path)
    else:
        whole.put(path, content)
    assert repaired(whole) == Repair(withdrawn=(), restored=(path,))
    assert files(whole) == before


def test_damaged_shards_are_withdrawn_and_can_be_written_again(whole: LocalFolder) -> None:
    before = files(whole)
    whole.put(samples_object(1), b"damaged")
    whole.delete("zulu/s2/c/1/0/0/0")
    whole.put(commit_object(3), b"{}")
    assert repaired(whole) == Repair(withdrawn=(1, 3), restored=())
    assert committed_shards(whole) == {0, 2}
    write(whole, HERE, 1, 3)
    assert files(whole) == before


def test_shards_that_were_never_built_are_nothing_to_repair(tmp_path: Path) -> None:
    some = corpus(tmp_path, HERE, 2)
    before = files(some)
    assert repaired(some) == Repair(withdrawn=(), restored=())
    assert files(some) == before


def mended(folder: LocalFolder, other: LocalFolder) -> Repair:
    """As `deepsentinel verify --repair A B` mends A."""
    description = need_description(folder)
    return repair(folder, description, verify_corpus(folder, description, lambda _: None), [other])


def test_a_shard_is_mended_from_copies_that_are_both_damaged_in_other_places(tmp_path: Path) -> None:
    first, second = corpus(tmp_path / "a", HERE, 0), corpus(tmp_path / "b", HERE, 0)
    sound, pixels = files(first), "zulu/s2/c/0/0/0/0"
    first.put(commit_object(0), b"{}")
    second.put(pixels, b"damaged")

    assert mended(first, second) == Repair(withdrawn=(), restored=(commit_object(0),))
    assert mended(second, first) == Repair(withdrawn=(), restored=(pixels,))
    assert files(first) == files(second) == sound


def test_each_object_comes_from_whichever_copy_is_whole(tmp_path: Path) -> None:
    copies = [corpus(tmp_path / name, HERE, 0) for name in "abc"]
    sound, objects = files(copies[0]), ("zulu/s2/c/0/0/0/0", samples_object(0))
    for copy, damaged in zip(copies, [objects, objects[:1], objects[1:]], strict=True):
        for path in damaged:
            copy.put(path, b"damaged")
    description = need_description(copies[0])
    done = repair(copies[0], description, verify_corpus(copies[0], description, lambda _: None), copies[1:])
    assert set(done.restored) == set(objects)
    assert files(copies[0]) == sound
