"""A corpus' description: what it holds, that it stands twice, and what a later build may change."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import CorpusError, DamagedDescription, SpecError
from tasks.shards.description import (
    describe_everywhere,
    need_description,
    parse_description,
    read_description,
    reconcile,
)
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import CORPUS, ROOT_METADATA
from tests.unit.shards.made import L2A, LAYER, VALUES, corpus, described, files


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(str(tmp_path))


# Round trip


def test_a_description_comes_back_from_its_bytes(folder: LocalFolder) -> None:
    before = described()
    folder.put("corpus.json", before.to_bytes())
    after = read_description(folder)
    assert after == before
    assert after is not None
    assert after.to_bytes() == before.to_bytes()
    assert need_description(folder) == before


def test_layers_come_back_with_their_arrays_and_facts(folder: LocalFolder) -> None:
    before = described(layers={"cover": LAYER})
    folder.put(CORPUS, before.to_bytes())
    after = need_description(folder)
    assert after.to_bytes() == before.to_bytes()
    assert after.arrays == before.arrays
    assert [kind.path for kind in after.arrays[-2:]] == ["labels/cover", "labels/height"]
    assert after.arrays[-1].names == {"surface": ("ground", "canopy")}
    assert after.layers["cover"].facts == LAYER.facts
    assert after.metadata() == before.metadata()


def test_the_order_of_platforms_is_the_specs_not_the_alphabets(folder: LocalFolder) -> None:
    folder.put("corpus.json", described().to_bytes())
    found = need_description(folder)
    assert list(found.bands) == ["zulu", "alpha"]
    assert [kind.path for kind in found.arrays] == ["zulu/s2", "zulu/s1", "alpha/s2", "alpha/s1"]


def test_a_description_says_what_its_readers_need() -> None:
    found = described()
    assert (found.name, found.shard_size, found.pixels, found.shards, found.capacity) == ("tiny", 250, 250, 2, 100)
    record = json.loads(found.to_bytes())
    assert record["schema"] == 2
    assert record["spec"]["places"] == {"random": ["EU27", "GB"], "digest": "digest"}
    assert record["spec"]["pairing"] == {"max_gap_days": 3.0, "search_days": 30.0}
    assert record["roles"] == ["s2", "s1"]
    assert record["layers"] == {}
    assert record["bands"]["alpha"] == list(L2A)
    assert "zarr" in record["software"]


def test_it_says_nothing_of_destinations_or_of_when_and_where_it_was_made() -> None:
    assert described().to_bytes() == described(destinations=["elsewhere", "gs://bucket/corpus"]).to_bytes()


def test_its_metadata_is_that_of_its_arrays() -> None:
    metadata = described().metadata()
    assert {"zarr.json", "zulu/zarr.json", "zulu/s2/zarr.json", "alpha/s1/zarr.json"} <= set(metadata)
    assert json.loads(metadata["zulu/s2/zarr.json"])["shape"] == [500, 13, 250, 250]


# What cannot be read


def test_no_corpus_is_none_or_refused_with_what_to_give(folder: LocalFolder) -> None:
    assert read_description(folder) is None
    with pytest.raises(CorpusError, match="no corpus here") as caught:
        need_description(folder)
    assert str(folder.location) in str(caught.value)
    assert caught.value.exit_code == 1


def test_an_unknown_layout_is_refused_with_both_versions(folder: LocalFolder) -> None:
    folder.put("corpus.json", described().to_bytes().replace(b'"schema": 2', b'"schema": 3'))
    with pytest.raises(CorpusError, match="has layout 3, this version knows 2"):
        read_description(folder)


def changed(**changes: Any) -> bytes:
    """`corpus.json` with other values."""
    return json.dumps(json.loads(described().to_bytes()) | changes).encode()


def changed_spec(**changes: Any) -> bytes:
    """`corpus.json` with other values in its spec."""
    return changed(spec=json.loads(described().to_bytes())["spec"] | changes)


DAMAGED = [
    b"", b"{", b"[]", b"null", b"{}", b'"text"', b"\xff", b'{"schema": 2}',
    described().to_bytes()[:100],
    described().to_bytes().replace(b'"bands"', b'"colours"'),
    described().to_bytes().replace(b'"platforms"', b'"sources_"'),
    described().to_bytes().replace(b'"alpha"', b'"beta"', 1),
    changed(shards="x"), changed(shards=-1), changed(shards=0), changed(shards=3), changed(shards=10**15),
    changed(shards=2.0), changed(capacity="x"), changed(capacity=None), changed(schema="x"), changed(more=1),
    changed(spec=3), changed(spec={}), changed(bands="x"), changed(bands={"zulu": 3, "alpha": []}),
    changed(bands={}), changed(bands={"zulu": ["B99"], "alpha": []}), changed(software=[]),
    changed(software={"zarr": 3}), changed_spec(name=3), changed_spec(shard_size="x"),
    changed_spec(shard_size=0), changed_spec(patch=250),
    changed_spec(patch={"pixels": "x"}), changed_spec(patch={"pixels": -1}), changed_spec(places=3),
    changed_spec(platforms="zulu"), changed_spec(platforms=[]), changed_spec(platforms=[{"stac": 3}]),
    changed_spec(platforms=["../x"]), changed_spec(size="x"), changed(roles=[]), changed(roles=["l8"]),
    changed(roles="s2"), changed(layers=[]), changed(layers={"cover": {}}),
    changed(layers={"cover": {"arrays": [{"path": "../x"}], "facts": {}}}),
]  # fmt: skip
"""What is no description, in more or less of it."""


def broken_copy(metadata: bytes, content: bytes | None) -> bytes:
    """The root's metadata with another second copy, or without one."""
    found = json.loads(metadata)
    if content is None:
        del found["attributes"]["deepsentinel"]
    else:
        found["attributes"]["deepsentinel"] = json.loads(content)
    return json.dumps(found).encode()


@pytest.mark.parametrize("content", DAMAGED)
def test_a_description_that_is_damaged_is_said_to_be_so_in_words(content: bytes) -> None:
    found = parse_description(content, "here")
    assert isinstance(found, str)
    assert found
    assert len(found) < 300, "it does not quote the file"


def test_what_is_wrong_with_a_description_is_told_by_key() -> None:
    assert parse_description(changed(shards="x"), "") == "shards: expected a whole number, found 'x'"


# It stands twice


@pytest.fixture
def whole(tmp_path: Path) -> LocalFolder:
    """A described corpus with a layer."""
    return corpus(tmp_path, described(layers={"cover": LAYER}))


def test_the_second_copy_is_in_the_attributes_of_the_root(whole: LocalFolder) -> None:
    root, content = json.loads(whole.get(ROOT_METADATA) or b""), json.loads(whole.get(CORPUS) or b"")
    assert root["attributes"] == {"corpus": "tiny", "schema": 2, "deepsentinel": content}


@pytest.mark.parametrize("content", [None, *DAMAGED])
def test_where_the_description_is_damaged_or_absent_it_is_read_from_the_copy_and_restored(
    whole: LocalFolder, content: bytes | None
) -> None:
    before, expected = files(whole), described(layers={"cover": LAYER})
    if content is None:
        whole.delete(CORPUS)
    else:
        whole.put(CORPUS, content)
    found = need_description(whole)
    assert found.to_bytes() == expected.to_bytes()
    describe_everywhere([whole], found)
    assert files(whole) == before


@pytest.mark.parametrize("content", [None, b"", b"{", b"null", b"[]", b'{"attributes": 3}', b'{"attributes": {}}'])
def test_where_the_copy_is_damaged_or_absent_the_description_is_read_and_the_copy_restored(
    whole: LocalFolder, content: bytes | None
) -> None:
    before = files(whole)
    if content is None:
        whole.delete(ROOT_METADATA)
    else:
        whole.put(ROOT_METADATA, content)
    describe_everywhere([whole], need_description(whole))
    assert files(whole) == before


@pytest.mark.parametrize(
    "copy", [b"", b"{", b"null", broken_copy(described().objects()[ROOT_METADATA], changed(shards=-1))]
)
@pytest.mark.parametrize("content", [b"", changed(shards="x")])
def test_damaged_in_both_places_it_is_refused_by_name_with_the_way_to_mend_it(
    whole: LocalFolder, content: bytes, copy: bytes
) -> None:
    whole.put(CORPUS, content)
    whole.put(ROOT_METADATA, copy)
    with pytest.raises(DamagedDescription) as caught:
        read_description(whole)
    message = str(caught.value)
    assert message.startswith(f"{whole.location}/{CORPUS}: is damaged (")
    assert f"so is its copy in {ROOT_METADATA}" in message
    assert "`deepsentinel build` with the corpus' spec writes both anew" in message
    assert len(message) < 600, "it does not quote the file"


def test_a_damaged_copy_alone_is_a_damaged_corpus_and_not_none(whole: LocalFolder) -> None:
    whole.delete(CORPUS)
    whole.put(ROOT_METADATA, broken_copy(whole.get(ROOT_METADATA) or b"", changed(shards=-1)))
    with pytest.raises(DamagedDescription, match="is absent"):
        read_description(whole)


def test_another_projects_zarr_group_is_no_corpus(folder: LocalFolder) -> None:
    folder.put(ROOT_METADATA, broken_copy(described().objects()[ROOT_METADATA], None))
    assert read_description(folder) is None


def test_it_is_written_everywhere_where_it_is_absent_damaged_or_smaller(tmp_path: Path) -> None:
    small, large = described(size=500), described(size=1_000)
    absent, complete = LocalFolder(str(tmp_path / "absent")), corpus(tmp_path / "complete", large)
    smaller, damaged = corpus(tmp_path / "smaller", small), corpus(tmp_path / "damaged", large)
    damaged.put("zulu/s2/zarr.json", b"{}")
    damaged.delete("alpha/s1/zarr.json")
    before = Path(complete.location, CORPUS).stat().st_mtime_ns
    describe_everywhere([absent, complete, smaller, damaged], large)
    for one in (absent, complete, smaller, damaged):
        assert files(one) == large.objects()
    assert Path(complete.location, CORPUS).stat().st_mtime_ns == before, "what is as it should be is not written again"


# What may change


def test_a_corpus_may_grow() -> None:
    small, large = described(size=500), described(size=1_000)
    assert reconcile(large, small, "here").to_bytes() == large.to_bytes()


def test_a_smaller_size_changes_nothing() -> None:
    small, large = described(size=500), described(size=1_000)
    assert reconcile(small, large, "here").to_bytes() == large.to_bytes()


def test_the_same_spec_is_the_same_corpus() -> None:
    assert reconcile(described(), described(), "here") == described()


def test_other_destinations_are_the_same_corpus() -> None:
    assert reconcile(described(destinations=["elsewhere"]), described(), "here") == described()


def test_a_default_that_is_written_out_is_the_same_corpus() -> None:
    written_out = described(pairing={"max_gap_days": 3, "max_cloud_cover": None}, patch={"pixels": 250}, labels=[])
    assert reconcile(written_out, described(), "here") == described()


def test_the_software_of_the_first_build_is_kept() -> None:
    found = described()
    older = replace(found, software={"zarr": "3.0"})
    assert reconcile(described(size=1_000), older, "here").software == {"zarr": "3.0"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "other"}, "name: the corpus has 'tiny', the spec 'other'"),
        ({"seed": 2}, "seed: the corpus has 1, the spec 2"),
        ({"window": ["2018-01-01", "2022-01-01"]}, "window: "),
        ({"places": {"random": ["EU27"]}}, "places.random: "),
        ({"places": {"points": "sites.gpkg"}}, "places.points: the corpus has nothing, the spec 'sites.gpkg'"),
        ({"pairing": {"max_gap_days": 2}}, "pairing.max_gap_days: the corpus has 3.0, the spec 2.0"),
        ({"pairing": {"search_days": 60}}, "pairing.search_days: "),
        ({"pairing": {"max_cloud_cover": 20}}, "pairing.max_cloud_cover: the corpus has nothing, the spec 20.0"),
        ({"patch": {"pixels": 256}}, "patch.pixels: the corpus has 250, the spec 256"),
        ({"shard_size": 125}, "shard_size: the corpus has 250, the spec 125"),
        ({"labels": ["corine"]}, "labels: "),
        ({"sources": {"corine": "clc.tif"}}, "sources.corine: "),
        ({"platforms": VALUES["platforms"][:1]}, "platforms: "),
        ({"platforms": VALUES["platforms"][::-1]}, "platforms: "),
        ({"platforms": [*VALUES["platforms"], "demo"]}, "platforms: "),
        ({"digest": "another"}, "places.digest: the corpus has 'digest', the spec 'another'"),
        ({"capacity": 99}, "capacity: the corpus has 100, the spec 99"),
        ({"zulu": L2A}, "bands of zulu: the corpus has B01"),
    ],
)
def test_any_other_change_is_refused_with_its_key(changes: dict[str, Any], told: str) -> None:
    wanted = described(**changes)
    with pytest.raises(SpecError) as caught:
        reconcile(wanted, described(), "/data/corpus")
    message = str(caught.value)
    assert message.startswith("/data/corpus: holds a corpus that this spec contradicts")
    assert f"\n  {told}" in message
    assert caught.value.exit_code == 2


def test_all_differences_are_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        reconcile(described(seed=2, name="other", size=1_000), described(), "here")
    assert "seed: " in str(caught.value)
    assert "name: " in str(caught.value)
    assert "size: the corpus" not in str(caught.value)


# Layers


def test_the_same_layer_is_the_same_corpus_also_after_it_was_read(folder: LocalFolder) -> None:
    made = described(layers={"cover": LAYER})
    folder.put(CORPUS, made.to_bytes())
    found = need_description(folder)
    assert reconcile(made, found, "here") is found
    grown = reconcile(described(layers={"cover": LAYER}, size=1_000), found, "here")
    assert grown.to_bytes() == described(layers={"cover": LAYER}, size=1_000).to_bytes()


@pytest.mark.parametrize(
    "layer",
    [
        replace(LAYER, facts={**LAYER.facts, "source": {"file": "cover.tif", "md5": "y"}}),
        replace(LAYER, arrays=LAYER.arrays[:1]),
        replace(LAYER, arrays=(replace(LAYER.arrays[0], dtype="uint16"), LAYER.arrays[1])),
    ],
)
def test_a_layer_that_gives_something_else_now_is_refused_by_name(layer: Any) -> None:
    with pytest.raises(SpecError) as caught:
        reconcile(described(layers={"cover": layer}), described(layers={"cover": LAYER}), "here")
    assert "\n  layer cover: what the corpus was built with differs from what the spec gives now" in str(caught.value)
