"""What a corpus keeps of its spec: of local files no more than their names, and nothing of where it is built."""

import os
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import SpecError
from tasks.shards.description import Description, LayerDescription, reconcile
from tests.unit.shards.made import VALUES, described


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
    stored = over("/d/a.gpkg", location).spec["platforms"][0]["stac"]["catalog"]
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
        (
            over("/d/a.gpkg", "/d/a"),
            over("/d/a.gpkg", "https://a.org"),
            "platforms.zulu.stac.catalog: the corpus has 'd/a', the ",
        ),
        (over("/d/a.gpkg", "https://a.org"), over("/d/a.gpkg", "https://b.org"), "platforms.zulu.stac.catalog: "),
        (
            over("/d/a.gpkg", "/d/a", mode="random"),
            over("land", "/d/a", mode="random"),
            "places.random: the corpus has 'a.gpkg'",
        ),
        (
            over("/d/a.gpkg", "/d/a"),
            over("/d/a.gpkg", "/d/a", digest="x"),
            "places.digest: the corpus has 'digest', the spec 'x'",
        ),
        (
            over("/d/a.gpkg", "/d/a"),
            over("/d/a.gpkg", "/d/a", mode="cover"),
            "places.cover: the corpus has nothing, the spec 'a.g",
        ),
        (
            over("/d/a.gpkg", "/d/a"),
            over("/d/a.gpkg", "/d/a", sources={"corine": "/d/c.tif"}),
            "sources.corine: the corpus has nothing",
        ),
    ],
)
def test_what_is_more_than_another_place_of_a_file_is_refused(
    before: Description, after: Description, told: str
) -> None:
    with pytest.raises(SpecError) as caught:
        reconcile(after, before, "here")
    assert f"\n  {told}" in str(caught.value)


def strata(*regions: Any, shares: tuple[float, ...] = (1, 2)) -> Description:
    items = [{"region": region, "share": share} for region, share in zip(regions, shares, strict=True)]
    return described(places={"random": items})


def test_of_strata_the_names_of_files_are_stored_and_files_may_move() -> None:
    before, after = strata("/home/ada/urban.gpkg", "land"), strata("/home/bo/cities.gpkg", "land")
    assert before.spec["places"]["random"] == [
        {"region": "urban.gpkg", "share": 1.0}, {"region": "land", "share": 2.0},
    ]  # fmt: skip
    assert reconcile(after, before, "here") == before


@pytest.mark.parametrize("after", [
    strata("/a/urban.gpkg", ["EU27"]), strata("land", "/a/urban.gpkg"), strata("/a/urban.gpkg", "land", shares=(1, 3)),
])  # fmt: skip
def test_other_strata_are_refused(after: Description) -> None:
    with pytest.raises(SpecError, match=r"places\.random: the corpus has"):
        reconcile(after, strata("/a/urban.gpkg", "land"), "here")


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


def test_a_spec_read_from_another_folder_is_stored_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = set[bytes]()
    for folder in (tmp_path / "one" / "specs", tmp_path / "other" / "specs"):
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        stored.add(over("sites.gpkg", "archive/catalog.json", destinations=["out"]).to_bytes())
    assert len(stored) == 1
    assert os.fsencode(tmp_path) not in stored.pop()


def with_extract(*keys: str) -> Description:
    facts = {
        "classes": "c",
        "extracts": {key: {"sha256": key * 4, "timestamp": "2024-01-01T00:00:00Z"} for key in keys},
    }
    return described(layers={"osm": LayerDescription(arrays=(), facts=facts)})


def test_extracts_are_told_by_date_and_digest_and_with_what_to_do() -> None:
    with pytest.raises(SpecError) as caught:
        reconcile(with_extract("aa", "cc"), with_extract("aa", "bb"), "here")
    of = "  labels: osm: the extract of 2024-01-01T00:00:00Z with SHA-256"
    assert [line for line in str(caught.value).splitlines() if line.startswith("  ")] == [
        f"{of} bbbbbbbb is in the corpus and not in the store: ingest that file again",
        f"{of} cccccccc is in the store and not in the corpus: delete osm/cc.json to build without it",
    ]
