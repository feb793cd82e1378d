"""OpenStreetMap's extracts beside a corpus: copies take them along, and verification says what is lacking."""

import json
from pathlib import Path

import pytest

from tasks.shards.copying import copy_corpus
from tasks.shards.description import Description, LayerDescription
from tasks.shards.destinations import LocalFolder
from tasks.shards.repair import repair
from tasks.shards.verification import verify_corpus
from tests.unit.shards.made import LAYER, corpus, files, small

RECORD, PART = "osm/abc.json", "osm/abc/shard-00001.parquet"


def labelled() -> Description:
    """A corpus of four shards, labelled from one extract that has features in shard 1 alone."""
    facts = {"extracts": {"abc": {"sha256": "abcdef"}}}
    return small(layers={"osm": LayerDescription(arrays=LAYER.arrays, facts=facts)})


def built(folder: Path, *shards: int) -> LocalFolder:
    destination = corpus(folder, labelled(), *shards)
    destination.put(RECORD, json.dumps({"sha256": "abcdef", "shards": {"0": 0, "1": 5}}).encode())
    destination.put(PART, b"features")
    return destination


def faults(destination: LocalFolder) -> list[str]:
    found = verify_corpus(destination, labelled(), lambda _: None)
    return [f"{fault.path} {fault.problem}" for fault in found if fault.path.startswith("osm")]


def test_a_copy_has_the_extracts_too(tmp_path: Path) -> None:
    whole, copy = built(tmp_path / "a", 0, 1, 2, 3), LocalFolder(str(tmp_path / "b"))
    copy_corpus(whole, copy, lambda _: None)
    assert files(copy) == files(whole)
    assert not faults(copy)


def test_a_copy_gets_an_extract_that_was_ingested_later(tmp_path: Path) -> None:
    whole, copy = built(tmp_path / "a", 0, 1), LocalFolder(str(tmp_path / "b"))
    copy_corpus(whole, copy, lambda _: None)
    whole.put("osm/later.json", b"{}")
    copy_corpus(whole, copy, lambda _: None)
    assert files(copy) == files(whole)


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        (RECORD, None, f"{RECORD} is missing: shards cannot be labelled from it; ingest the extract again"),
        (RECORD, b"{", f"{RECORD} is damaged: shards cannot be labelled from it; ingest the extract again"),
        (RECORD, b'{"sha256": "x"}', f"{RECORD} is of another extract than the corpus is labelled from"),
        (PART, None, f"{PART} is missing: delete the extract's record, and ingest it again"),
    ],
)
def test_what_is_lacking_of_an_extract_is_a_fault_that_another_copy_mends(
    tmp_path: Path, path: str, content: bytes | None, told: str
) -> None:
    whole, other = built(tmp_path / "a", 0, 1), built(tmp_path / "b", 0, 1)
    if content is None:
        whole.delete(path)
    else:
        whole.put(path, content)
    assert faults(whole) == [told]
    done = repair(whole, labelled(), verify_corpus(whole, labelled(), lambda _: None), [other])
    assert done.restored == (path,)
    assert files(whole) == files(other)


def test_a_finished_corpus_is_whole_without_its_extracts_and_one_to_be_built_is_not(tmp_path: Path) -> None:
    for shards, expected in [((0, 1, 2, 3), 0), ((0, 1), 1)]:
        destination = built(tmp_path / str(len(shards)), *shards)
        destination.delete(RECORD)
        assert len(faults(destination)) == expected


def test_an_older_copy_replaces_nothing(tmp_path: Path) -> None:
    grown, older = built(tmp_path / "a", 0, 1), built(tmp_path / "b", 0, 1)
    grown.put(RECORD, json.dumps({"sha256": "abcdef", "shards": {"0": 0, "1": 5, "2": 3}}).encode())
    grown.put("osm/abc/shard-00002.parquet", b"more features")
    sound = files(grown)
    older.put(PART, b"damaged!")
    grown.delete("osm/abc/shard-00002.parquet")

    repair(grown, labelled(), verify_corpus(grown, labelled(), lambda _: None), [older])

    assert files(grown) == {path: content for path, content in sound.items() if "00002" not in path}


def test_a_copy_follows_an_extract_that_has_grown_and_reads_only_what_is_new(tmp_path: Path) -> None:
    class Counted(LocalFolder):
        def get(self, path: str) -> bytes | None:
            read.append(path)
            return super().get(path)

    read: list[str] = []
    built(tmp_path / "a", 0, 1)
    source, copy = Counted(str(tmp_path / "a")), LocalFolder(str(tmp_path / "b"))
    copy_corpus(source, copy, lambda _: None)
    source.put(RECORD, json.dumps({"sha256": "abcdef", "shards": {"0": 0, "1": 5, "2": 3}}).encode())
    source.put("osm/abc/shard-00002.parquet", b"more features")
    read.clear()
    copy_corpus(source, copy, lambda _: None)
    assert files(copy) == files(source)
    assert "osm/abc/shard-00002.parquet" in read and PART not in read
