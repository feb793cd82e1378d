"""The spec of a corpus: what is read, and what is refused because it cannot be built."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import SpecError
from tasks.spec import CorpusSpec, load_spec
from tests.unit.spec.specs import MINIMAL, refusal, replaced, saved, values

# What is read


def test_a_minimal_spec_has_the_documented_defaults(tmp_path: Path) -> None:
    spec = load_spec(saved(tmp_path, MINIMAL))
    assert spec.seed == 0
    assert (spec.pairing.max_gap_days, spec.pairing.search_days, spec.pairing.max_cloud_cover) == (3, 30, None)
    assert spec.patch.pixels == 250
    assert spec.shard_size == 250
    assert spec.platforms == ("demo",)
    assert spec.labels == ()
    assert spec.sources.corine is None


def test_the_example_of_the_design_is_a_spec(tmp_path: Path) -> None:
    text = """\
name: unlabelled-1m
seed: 2020
size: 1_000_000
places: {random: land}
window: [2018-01-01, 2021-01-01]
pairing: {max_gap_days: 3, search_days: 30, max_cloud_cover: null}
patch: {pixels: 250}
platforms: [earthengine, descarteslabs]
labels: []
shard_size: 250
destinations: [gs://deepsentinel/unlabelled-1m, az://deepsentinel/unlabelled-1m]
"""
    spec = load_spec(saved(tmp_path, text))
    assert spec.size == 1_000_000
    assert spec.platform_names == ["earthengine", "descarteslabs"]
    assert spec.destinations == ("gs://deepsentinel/unlabelled-1m", "az://deepsentinel/unlabelled-1m")


def test_the_window_is_utc_whatever_zone_it_is_written_in(tmp_path: Path) -> None:
    text = replaced('window: [2018-01-01, "2018-06-01T02:00:00+02:00"]')
    spec = load_spec(saved(tmp_path, text))
    assert spec.window == (dt.datetime(2018, 1, 1, tzinfo=dt.UTC), dt.datetime(2018, 6, 1, tzinfo=dt.UTC))
    assert spec.window[1].utcoffset() == dt.timedelta(0)
    assert spec.span == (1_514_764_800_000_000, 1_527_811_200_000_000)


@pytest.mark.parametrize(
    ("places", "mode", "source"),
    [
        ({"random": "land"}, "random", "land"),
        ({"random": ["EU27", "GB"]}, "random", ["EU27", "GB"]),
        ({"random": "/a/basin.gpkg"}, "random", "/a/basin.gpkg"),
        ({"cover": "/a/farms.gpkg"}, "cover", "/a/farms.gpkg"),
        ({"points": "/a/sites.parquet"}, "points", "/a/sites.parquet"),
    ],
)
def test_places_are_one_of_three_modes(places: dict[str, Any], mode: str, source: Any) -> None:
    spec = CorpusSpec.model_validate(values(places=places))
    assert (spec.places.mode, spec.places.source) == (mode, source)


def test_listed_places_need_no_size() -> None:
    content = values(places={"points": "sites.parquet"})
    del content["size"]
    assert CorpusSpec.model_validate(content).size is None


@pytest.mark.parametrize("line", ["platforms: demo", "destinations: /out", "labels: corine"])
def test_one_item_need_not_be_a_list(tmp_path: Path, line: str) -> None:
    key, _, value = line.partition(": ")
    path = tmp_path / "corpus.yaml"
    path.write_text(replaced(line))
    assert getattr(load_spec(path), key) == (value,)


def test_a_stac_platform_is_called_stac_or_what_the_spec_calls_it() -> None:
    platforms = ["demo", {"stac": {"catalog": "a"}}, {"stac": {"catalog": "b", "name": "earth_search"}}]
    assert CorpusSpec.model_validate(values(platforms=platforms)).platform_names == ["demo", "stac", "earth_search"]


def test_platforms_are_normalised_however_they_are_written() -> None:
    platforms = ["earthengine", {"stac": {"catalog": "/a", "name": "earth_search"}}]
    named, archive = CorpusSpec.model_validate(values(platforms=platforms)).platform_items
    assert (named.kind, named.name, named.stac) == ("earthengine", "earthengine", None)
    assert (archive.kind, archive.name) == ("stac", "earth_search")
    assert archive.stac is not None
    assert archive.stac.catalog == "/a"


def test_a_spec_is_a_value(tmp_path: Path) -> None:
    path = saved(tmp_path, MINIMAL)
    first, second = load_spec(path), load_spec(path)
    assert first == second
    assert hash(first) == hash(second)


def test_a_spec_comes_back_from_its_own_dump() -> None:
    spec = CorpusSpec.model_validate(values(platforms=["demo", {"stac": {"catalog": "a"}}], labels=["corine"]))
    assert CorpusSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_spec_comes_back_from_its_own_json_read_as_yaml(tmp_path: Path) -> None:
    spec = CorpusSpec.model_validate(values(platforms=["demo", {"stac": {"catalog": "a"}}], labels=["corine"]))
    assert load_spec(saved(tmp_path, spec.model_dump_json())) == spec


def test_every_key_is_described_wherever_a_form_is_made_of_the_spec() -> None:
    schema = CorpusSpec.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    keys = [(part["title"], key, field) for part in parts for key, field in part["properties"].items()]
    assert len(keys) > 30
    assert [f"{part}.{key}" for part, key, field in keys if len(field.get("description", "")) < 10] == []
    json.dumps(schema)


# Values


@pytest.mark.parametrize(("places", "found"), [("{}", "none"), ("{random: land, points: a.gpkg}", "random and points")])
def test_places_that_are_not_exactly_one_mode_are_refused(tmp_path: Path, places: str, found: str) -> None:
    message = refusal(tmp_path, replaced(f"places: {places}"))
    assert f"line 5: places: expected exactly one of random, cover, points, found {found}" in message


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("[2021-01-01, 2018-01-01]", "swap the two dates"),
        ("[2018-01-01, 2018-01-01]", "must run forward"),
        ("[2018-01-01]", "expected two dates"),
        ("[2018-01-01, 2019-01-01, 2020-01-01]", "expected two dates"),
        ("2018-01-01", "expected two dates"),
        ("[2018-01-01, soon]", "'soon' is not a date"),
        ("[2018, 2019]", "2018 is not a date"),
        ("[2018-02-30, 2019-01-01]", "'2018-02-30' is not a date (day is out of range for month)"),
        ("['0001-01-01T00:00+05:00', 2019-01-01]", "is not a date (date value out of range)"),
    ],
)
def test_a_window_that_is_none_is_refused(tmp_path: Path, window: str, told: str) -> None:
    message = refusal(tmp_path, replaced(f"window: {window}"))
    assert "line 5: window: " in message
    assert told in message


@pytest.mark.parametrize(("size", "nearest"), [(1_100, "1000 or 1250"), (100, "250")])
def test_a_random_size_that_is_no_multiple_of_the_shard_is_refused_with_the_nearest(
    tmp_path: Path, size: int, nearest: str
) -> None:
    message = refusal(tmp_path, replaced(f"size: {size}"))
    assert "line 5: size: " in message
    assert f"{size} is not a multiple of shard_size 250" in message
    assert f"use {nearest}, or" in message


def test_a_random_corpus_without_a_size_is_refused(tmp_path: Path) -> None:
    assert "a random corpus needs the number of samples" in refusal(tmp_path, MINIMAL.replace("size: 500\n", ""))


def test_the_size_of_listed_places_need_not_be_a_multiple() -> None:
    assert CorpusSpec.model_validate(values(places={"points": "a.gpkg"}, size=7)).size == 7


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("places: {random: EU27}", "write [EU27]"),
        ("window: [2021-13-01, 2024-01-01]", "month must be in 1..12"),
        ("shard_size: 4096\npatch: {pixels: 1024}", "GB of memory"),
    ],
)
def test_a_likely_slip_is_told_with_its_remedy(tmp_path: Path, line: str, told: str) -> None:
    assert told in refusal(tmp_path, replaced(line))


# Platforms


def test_an_unknown_platform_is_refused_with_those_there_are(tmp_path: Path) -> None:
    message = refusal(tmp_path, replaced("platforms: [earth-engine]"))
    assert "line 6: platforms: unknown platform 'earth-engine'" in message
    assert "earthengine, descarteslabs, demo" in message


@pytest.mark.parametrize(
    "platforms",
    [
        "[demo, demo]",
        "[{stac: {catalog: a}}, {stac: {catalog: b}}]",
        "[demo, {stac: {catalog: a, name: demo}}]",
    ],
)
def test_two_platforms_of_one_name_are_refused(tmp_path: Path, platforms: str) -> None:
    assert "stands twice" in refusal(tmp_path, replaced(f"platforms: {platforms}"))


@pytest.mark.parametrize(
    "name", ["labels", "samples", "commits", "runs", "quicklooks", "release", "earthengine", "descarteslabs"]
)
def test_a_platform_cannot_have_a_name_that_the_layout_uses(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, replaced(f"platforms: [{{stac: {{catalog: a, name: {name}}}}}]"))
    assert f"platforms.0.stac.name: the name {name!r} is taken" in message


@pytest.mark.parametrize("name", ["Earth", "a b", "zarr.json", "../x", "1st", "x" * 33])
def test_a_platform_name_that_is_no_folder_and_column_name_is_refused(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, replaced(f"platforms: [{{stac: {{catalog: a, name: {name!r}}}}}]"))
    assert "platforms.0.stac.name" in message


# Changing


def test_a_spec_changes_size_and_destinations() -> None:
    spec = CorpusSpec.model_validate(values(platforms=["demo", {"stac": {"catalog": "a"}}]))
    larger = spec.changed(size=1_000, destinations=["elsewhere"])
    assert (larger.size, larger.destinations) == (1_000, (str(Path("elsewhere").absolute()),))
    assert larger.changed(size=500, destinations=["out"]) == spec


def test_a_spec_without_changes_is_the_same() -> None:
    spec = CorpusSpec.model_validate(values())
    assert spec.changed() == spec


@pytest.mark.parametrize("size", [501, 0, -250])
def test_a_changed_size_is_checked_and_named(size: int) -> None:
    with pytest.raises(SpecError, match="size") as caught:
        CorpusSpec.model_validate(values()).changed(size=size)
    assert str(size) in str(caught.value)


@pytest.mark.parametrize("destinations", [[""], ["  "], ["out", ""], ["out/x", "out/../out/x"], ["\udcff"]])
def test_changed_destinations_are_checked_and_named(destinations: list[str]) -> None:
    with pytest.raises(SpecError, match=r"^destinations: "):
        CorpusSpec.model_validate(values()).changed(destinations=destinations)
