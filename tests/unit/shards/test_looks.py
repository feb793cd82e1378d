"""A corpus with several roles or dates is kept like any other: verified, mended, copied, surveyed."""

import shutil
from pathlib import Path

import pytest

from flows.command.status import show_status
from tasks.shards.commits import corpus_digest
from tasks.shards.copying import copy_shard
from tasks.shards.description import need_description
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import shard_object
from tasks.shards.repair import repair
from tasks.shards.stored_spec import stored_roles
from tasks.shards.verification import verify_corpus
from tests.unit.looked import Looked
from tests.unit.shards.made import small


@pytest.fixture(params=["triplets", "series"])
def corpus(request: pytest.FixtureRequest) -> Looked:
    return request.getfixturevalue(request.param)


@pytest.fixture
def copy(corpus: Looked, tmp_path: Path) -> LocalFolder:
    """A copy that a test may damage."""
    shutil.copytree(corpus.destination.location, tmp_path / "copy")
    return LocalFolder(str(tmp_path / "copy"))


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_corpus_has_no_faults(corpus: Looked, deep: bool) -> None:
    assert verify_corpus(corpus.destination, corpus.description, lambda _: None, deep=deep) == []


def test_what_is_damaged_is_found_and_restored_from_another_copy(corpus: Looked, copy: LocalFolder) -> None:
    kind = next(kind for kind in corpus.description.arrays if kind.path.endswith("_cloud"))
    mask, root = shard_object(kind.path, 1, 1 + len(kind.shape)), "zarr.json"
    for path in (mask, root):
        content = copy.get(path) or b""
        copy.put(path, content[:-8] + bytes(8))
    faults = verify_corpus(copy, need_description(copy), lambda _: None)
    assert {fault.path for fault in faults} == {mask, root}
    done = repair(copy, need_description(copy), faults, [corpus.destination])
    assert (done.withdrawn, set(done.restored)) == ((), {mask, root})
    assert verify_corpus(copy, need_description(copy), lambda _: None, deep=True) == []


def test_a_shard_is_copied_with_all_its_arrays(corpus: Looked, tmp_path: Path) -> None:
    other = LocalFolder(str(tmp_path / "other"))
    for path, content in corpus.description.objects().items():
        other.put(path, content)
    for shard in range(corpus.description.shards):
        assert copy_shard(corpus.destination, other, shard) is not None
    assert corpus_digest(other) == corpus_digest(corpus.destination)
    assert verify_corpus(other, corpus.description, lambda _: None, deep=True) == []


def test_status_tells_the_gap_by_its_roles(corpus: Looked, capsys: pytest.CaptureFixture[str]) -> None:
    show_status(corpus.destination.location)
    told = capsys.readouterr().out
    assert "2 of 2 done, 0 missing" in told
    near = "s2" if corpus.description.dates > 1 else "s2_clear"
    assert f"s1 to {near} at most 24 h / 24 h / 24 h for 50 / 90 / 100 % of the" in told
    assert ("dates    3, from 2018-01-01" in told) == (corpus.description.dates > 1)


def test_what_a_stored_spec_asks_of_roles_is_what_the_spec_asked(triplets: Looked) -> None:
    found = stored_roles(triplets.description.spec, triplets.description.roles)
    assert list(found) == ["s2_clear", "s2_cloudy", "s1"]
    assert (found["s2_cloudy"].near, found["s2_cloudy"].cloud_cover) == ("s2_clear", (40, 100))
    plain = stored_roles(small(pairing={"max_gap_days": 2, "max_cloud_cover": 30}).spec, ["s2", "s1"])
    assert (plain["s2"].cloud_cover, plain["s2"].search_days, plain["s1"].max_days) == ((0, 30), 30, 2)
