"""A corpus' description: what it holds, and what a later build may change."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import CorpusError, SpecError
from tasks.imagery.bands import BANDS
from tasks.shards.description import Description, describe, need_description, read_description, reconcile
from tasks.shards.destinations import LocalFolder
from tasks.spec import CorpusSpec

VALUES: dict[str, Any] = {
    "name": "tiny", "seed": 1, "size": 500, "places": {"random": ["EU27", "GB"]},
    "window": ["2018-01-01", "2021-01-01"], "shard_size": 250, "destinations": ["out"],
    "platforms": [{"stac": {"catalog": "a", "name": "zulu"}}, {"stac": {"catalog": "b", "name": "alpha"}}],
}  # fmt: skip

L2A = tuple(band for band in BANDS if band != "B10")


def described(
    *, digest: str = "digest", capacity: int = 100, zulu: tuple[str, ...] = BANDS, **changes: Any
) -> Description:
    spec = CorpusSpec.model_validate(VALUES | changes)
    bands = {name: zulu if name == "zulu" else L2A for name in spec.platform_names}
    return describe(spec, places=digest, shards=(spec.size or 0) // spec.shard_size, capacity=capacity, bands=bands)


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


def test_the_order_of_platforms_is_the_specs_not_the_alphabets(folder: LocalFolder) -> None:
    folder.put("corpus.json", described().to_bytes())
    found = need_description(folder)
    assert list(found.bands) == ["zulu", "alpha"]
    assert [kind.path for kind in found.arrays] == ["zulu/s2", "zulu/s1", "alpha/s2", "alpha/s1"]


def test_a_description_says_what_its_readers_need() -> None:
    found = described()
    assert (found.name, found.shard_size, found.pixels, found.shards, found.capacity) == ("tiny", 250, 250, 2, 100)
    record = json.loads(found.to_bytes())
    assert record["schema"] == 1
    assert record["spec"]["places"] == {"random": ["EU27", "GB"], "digest": "digest"}
    assert record["spec"]["pairing"] == {"max_gap_days": 3.0, "search_days": 30.0}
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
    assert str(folder.root) in str(caught.value)
    assert caught.value.exit_code == 1


def test_an_unknown_layout_is_refused_with_both_versions(folder: LocalFolder) -> None:
    folder.put("corpus.json", described().to_bytes().replace(b'"schema": 1', b'"schema": 2'))
    with pytest.raises(CorpusError, match="has layout 2, this version knows 1"):
        read_description(folder)


def changed(**changes: Any) -> bytes:
    """`corpus.json` with other values."""
    return json.dumps(json.loads(described().to_bytes()) | changes).encode()


def changed_spec(**changes: Any) -> bytes:
    """`corpus.json` with other values in its spec."""
    return changed(spec=json.loads(described().to_bytes())["spec"] | changes)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"{}", b'"text"', b"\xff", b'{"schema": 1}',
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
        changed_spec(platforms=["../x"]), changed_spec(size="x"),
    ],
)  # fmt: skip
def test_a_damaged_description_is_refused_by_name(folder: LocalFolder, content: bytes) -> None:
    folder.put("corpus.json", content)
    with pytest.raises(CorpusError, match=r"corpus\.json: is damaged \(.*\)\. Restore it") as caught:
        read_description(folder)
    assert len(str(caught.value)) < 400, "it does not quote the file"


def test_what_is_wrong_with_a_description_is_told_by_key(folder: LocalFolder) -> None:
    folder.put("corpus.json", changed(shards="x"))
    with pytest.raises(CorpusError, match=r"\(shards: Input should be a valid integer, found 'x'\)"):
        read_description(folder)


# Where files lie


def over(places: str, *catalogs: str, mode: str = "points", **changes: Any) -> Description:
    names = ("zulu", "alpha")
    platforms = [{"stac": {"catalog": one, "name": name}} for one, name in zip(catalogs, names, strict=False)]
    return described(places={mode: places}, platforms=platforms, **changes)


@pytest.mark.parametrize("mode", ["random", "cover", "points"])
def test_of_local_files_only_the_names_are_stored(mode: str) -> None:
    found = over(
        "/home/ada/sites.gpkg", "/home/ada/real-archive/catalog.json", "file:///home/ada/b/catalog.json", mode=mode,
        sources={"corine": "/home/ada/clc.tif"},
    )  # fmt: skip
    assert b"ada" not in found.to_bytes()
    assert found.spec["places"] == {mode: "sites.gpkg", "digest": "digest"}
    assert [item["stac"]["catalog"] for item in found.spec["platforms"]] == [
        "real-archive/catalog.json",
        "b/catalog.json",
    ]
    assert found.spec["sources"] == {"corine": "clc.tif"}


def test_urls_land_and_countries_are_stored_as_they_are() -> None:
    found = over("land", "https://earth-search.aws.element84.com/v1", "s3://bucket/catalog.json", mode="random")
    assert found.spec["places"]["random"] == "land"
    assert [item["stac"]["catalog"] for item in found.spec["platforms"]] == [
        "https://earth-search.aws.element84.com/v1",
        "s3://bucket/catalog.json",
    ]


@pytest.mark.parametrize("location", ["catalog.json", "./catalog.json", "/catalog.json", ".", "/", "~/catalog.json"])
def test_a_short_path_of_a_catalogue_has_a_name_too(location: str) -> None:
    stored = over("a.gpkg", location).spec["platforms"][0]["stac"]["catalog"]
    assert stored
    assert not stored.startswith("/")


@pytest.mark.parametrize("mode", ["random", "cover", "points"])
def test_files_may_move_and_the_corpus_stays_as_it_is_described(mode: str) -> None:
    before = over("/home/ada/sites.gpkg", "/home/ada/archive/catalog.json", mode=mode, sources={"corine": "/a/clc.tif"})
    after = over("data/places.gpkg", "catalog.json", mode=mode, sources={"corine": "/b/corine.tif"})
    assert reconcile(after, before, "here") == before
    grown = reconcile(over("data/places.gpkg", "c.json", mode=mode, size=1_000, sources={"corine": "x"}), before, "")
    assert (grown.shards, grown.spec["size"]) == (4, 1_000)
    assert grown.spec["places"] == before.spec["places"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (over("a.gpkg", "a"), over("a.gpkg", "https://a.org"), "platforms.zulu.stac.catalog: the corpus has 'a', the "),
        (over("a.gpkg", "https://a.org"), over("a.gpkg", "https://b.org"), "platforms.zulu.stac.catalog: "),
        (
            over("a.gpkg", "a", mode="random"),
            over("land", "a", mode="random"),
            "places.random: the corpus has 'a.gpkg'",
        ),
        (over("a.gpkg", "a"), over("a.gpkg", "a", digest="x"), "places.digest: the corpus has 'digest', the spec 'x'"),
        (over("a.gpkg", "a"), over("a.gpkg", "a", mode="cover"), "places.cover: the corpus has nothing, the spec 'a.g"),
        (over("a.gpkg", "a"), over("a.gpkg", "a", sources={"corine": "c"}), "sources.corine: the corpus has nothing"),
    ],
)
def test_what_is_more_than_another_place_of_a_file_is_refused(
    before: Description, after: Description, told: str
) -> None:
    with pytest.raises(SpecError) as caught:
        reconcile(after, before, "here")
    assert f"\n  {told}" in str(caught.value)


def test_a_change_within_a_platform_is_named_by_its_key_alone() -> None:
    platforms = [VALUES["platforms"][0], {"stac": VALUES["platforms"][1]["stac"] | {"sentinel1": "s1-rtc"}}]
    with pytest.raises(SpecError) as caught:
        reconcile(described(platforms=platforms), described(), "here")
    assert [line for line in str(caught.value).splitlines() if line.startswith("  ")] == [
        "  platforms.alpha.stac.sentinel1: the corpus has 'sentinel-1-grd', the spec 's1-rtc'"
    ]


def test_other_platforms_are_told_by_their_names() -> None:
    with pytest.raises(SpecError) as caught:
        reconcile(described(platforms=VALUES["platforms"][:1]), described(), "here")
    assert [line for line in str(caught.value).splitlines() if line.startswith("  ")] == [
        "  platforms: the corpus has ['zulu', 'alpha'], the spec ['zulu']"
    ]


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
    older = Description(
        spec=found.spec, shards=found.shards, capacity=found.capacity, bands=found.bands, software={"zarr": "3.0"}
    )
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
