"""The spec of a corpus: what is read, what is refused, and what the refusal says."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import SpecError
from tasks.spec import CorpusSpec, load_spec
from tasks.spec.locations import is_url, resolve_path

MINIMAL = """\
name: tiny
size: 500
places: {random: land}
window: [2018-01-01, 2021-01-01]
destinations: [out]
"""


def saved(folder: Path, text: str) -> Path:
    path = folder / "corpus.yaml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(saved(folder, text))
    assert caught.value.exit_code == 2
    return str(caught.value)


def replaced(line: str) -> str:
    """MINIMAL with the line of one key, which becomes the last one, in place of its own."""
    key = line.split(":")[0]
    lines = [old for old in MINIMAL.splitlines() if old.split(":")[0] != key]
    return "\n".join([*lines, line]) + "\n"


def values(**changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny", "size": 500, "places": {"random": "land"}, "window": ["2018-01-01", "2021-01-01"],
        "destinations": ["out"],
    } | changes  # fmt: skip


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
        ({"random": "basin.gpkg"}, "random", "basin.gpkg"),
        ({"cover": "farms.gpkg"}, "cover", "farms.gpkg"),
        ({"points": "sites.parquet"}, "points", "sites.parquet"),
    ],
)
def test_places_are_one_of_three_modes(places: dict[str, Any], mode: str, source: Any) -> None:
    spec = CorpusSpec.model_validate(values(places=places))
    assert (spec.places.mode, spec.places.source) == (mode, source)


def test_listed_places_need_no_size() -> None:
    content = values(places={"points": "sites.parquet"})
    del content["size"]
    assert CorpusSpec.model_validate(content).size is None


def test_a_stac_platform_is_called_stac_or_what_the_spec_calls_it() -> None:
    platforms = ["demo", {"stac": {"catalog": "a"}}, {"stac": {"catalog": "b", "name": "earth_search"}}]
    assert CorpusSpec.model_validate(values(platforms=platforms)).platform_names == ["demo", "stac", "earth_search"]


def test_a_spec_is_a_value(tmp_path: Path) -> None:
    path = saved(tmp_path, MINIMAL)
    first, second = load_spec(path), load_spec(path)
    assert first == second
    assert hash(first) == hash(second)


def test_a_spec_comes_back_from_its_own_dump() -> None:
    spec = CorpusSpec.model_validate(values(platforms=["demo", {"stac": {"catalog": "a"}}], labels=["corine"]))
    assert CorpusSpec.model_validate(spec.model_dump(mode="json")) == spec


# Keys


@pytest.mark.parametrize(
    ("text", "line", "key", "suggestion"),
    [
        (MINIMAL + "shard_sise: 100\n", 6, "shard_sise", "shard_size"),
        (MINIMAL + "pairing:\n  max_gap_day: 3\n", 7, "pairing.max_gap_day", "max_gap_days"),
        (MINIMAL + "patch:\n\n  pixel: 250\n", 8, "patch.pixel", "pixels"),
        (MINIMAL + "platforms:\n  - demo\n  - stac: {catalogue: x}\n", 8, "platforms.1.stac.catalogue", "catalog"),
        (MINIMAL + "platforms:\n  - demo\n  - stak: {catalog: x}\n", 8, "platforms.1.stak", "stac"),
        (MINIMAL + "sources: {corin: x}\n", 6, "sources.corin", "corine"),
        (replaced("places: {randon: land}"), 5, "places.randon", "random"),
    ],
)
def test_an_unknown_key_is_refused_with_its_line_and_the_closest_key(
    tmp_path: Path, text: str, line: int, key: str, suggestion: str
) -> None:
    message = refusal(tmp_path, text)
    assert f"{tmp_path / 'corpus.yaml'}, line {line}: {key}: unknown key; did you mean {suggestion!r}?" in message


def test_an_unknown_key_like_no_other_is_refused_with_all_keys(tmp_path: Path) -> None:
    message = refusal(tmp_path, MINIMAL + "pairing: {xyz: 1}\n")
    assert "expected one of max_gap_days, search_days, max_cloud_cover" in message


def test_every_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, MINIMAL + "sead: 1\npatch: {pixels: 1}\n")
    assert "line 6: sead" in message
    assert "line 7: patch.pixels" in message


@pytest.mark.parametrize(
    ("text", "key", "line", "first"),
    [
        (MINIMAL + "name: other\n", "name", 6, 1),
        (MINIMAL + "patch:\n  pixels: 250\n  pixels: 256\n", "patch.pixels", 8, 7),
        (MINIMAL + "platforms:\n- stac: {catalog: a, catalog: b}\n", "platforms.0.stac.catalog", 7, 7),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(
    tmp_path: Path, text: str, key: str, line: int, first: int
) -> None:
    assert f"line {line}: {key} stands twice, first in line {first}" in refusal(tmp_path, text)


@pytest.mark.parametrize("key", ["name", "places", "window", "destinations"])
def test_a_key_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(key))
    assert f"{key}: is missing" in refusal(tmp_path, text)


# Values


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("seed: 2020.5", "2020.5"),
        ("seed: many", "'many'"),
        ("seed: -1", "-1"),
        ("size: [500]", "[500]"),
        ("size: 0", "found 0"),
        ("name: My Corpus", "'My Corpus'"),
        ("name: ../elsewhere", "'../elsewhere'"),
        ("shard_size: 0", "found 0"),
        ("shard_size: 5000", "4096"),
        ("patch: {pixels: 15}", "16"),
        ("patch: {pixels: 1025}", "1024"),
        ("patch: 250", "250"),
        ("pairing: {max_gap_days: 0}", "greater than 0"),
        ("pairing: {max_gap_days: 31}", "30"),
        ("pairing: {max_cloud_cover: 101}", "100"),
        ("labels: [clc]", "'clc'"),
        ("platforms: []", "[]"),
        ("platforms: [7]", "7"),
        ("destinations: []", "at least 1"),
        ("destinations: [7]", "7"),
        ("places: land", "{random: land}"),
        ("places: {random: [1]}", "1"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_line_key_and_value(tmp_path: Path, line: str, told: str) -> None:
    message = refusal(tmp_path, replaced(line))
    assert f", line {len(replaced(line).splitlines())}: {line.split(':')[0]}" in message
    assert told in message


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
    assert f"{size} is not a multiple of shard_size 250" in message
    assert f"use {nearest}, or" in message


def test_a_random_corpus_without_a_size_is_refused(tmp_path: Path) -> None:
    assert "a random corpus needs the number of samples" in refusal(tmp_path, MINIMAL.replace("size: 500\n", ""))


def test_the_size_of_listed_places_need_not_be_a_multiple() -> None:
    assert CorpusSpec.model_validate(values(places={"points": "a.gpkg"}, size=7)).size == 7


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


@pytest.mark.parametrize("name", ["labels", "samples", "commits", "runs", "release", "earthengine", "descarteslabs"])
def test_a_platform_cannot_have_a_name_that_the_layout_uses(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, replaced(f"platforms: [{{stac: {{catalog: a, name: {name}}}}}]"))
    assert f"platforms.0.stac.name: the name {name!r} is taken" in message


@pytest.mark.parametrize("name", ["Earth", "a b", "zarr.json", "../x", "1st", "x" * 33])
def test_a_platform_name_that_is_no_folder_and_column_name_is_refused(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, replaced(f"platforms: [{{stac: {{catalog: a, name: {name!r}}}}}]"))
    assert "platforms.0.stac.name" in message


# Credentials

SECRET = "hunter2"
WITH_SECRET = [
    f"https://me:{SECRET}@example.org/corpus",
    f"az://account/corpus?sv=2022&sig={SECRET}",
    f"az://account/corpus?SIG={SECRET}",
    f"https://example.org/corpus?token={SECRET}",
    f"https://example.org/corpus?key={SECRET}",
    f"https://example.org/corpus?X-Amz-Date=1&X-Amz-Signature={SECRET}",
]


@pytest.mark.parametrize("url", WITH_SECRET)
def test_a_destination_with_a_credential_is_refused_and_not_echoed(tmp_path: Path, url: str) -> None:
    message = refusal(tmp_path, replaced(f'destinations: ["{url}"]'))
    assert "line 5: destinations: the location" in message
    assert "carries a credential" in message
    assert SECRET not in message


@pytest.mark.parametrize("url", WITH_SECRET)
def test_a_catalogue_with_a_credential_is_refused_and_not_echoed(tmp_path: Path, url: str) -> None:
    message = refusal(tmp_path, replaced(f'platforms: [{{stac: {{catalog: "{url}"}}}}]'))
    assert "platforms.0.stac.catalog: the location" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "line",
    [
        f"destinations: az://account/corpus?sig={SECRET}",
        f'destinations: {{first: "https://me:{SECRET}@example.org"}}',
        f'platforms: {{stac: {{catalog: "https://me:{SECRET}@example.org"}}}}',
        f'platforms: [{{stac: "https://me:{SECRET}@example.org"}}]',
        f'destinations: [["https://me:{SECRET}@example.org"]]',
    ],
)
def test_a_credential_is_not_echoed_where_the_value_is_of_the_wrong_kind(tmp_path: Path, line: str) -> None:
    assert SECRET not in refusal(tmp_path, replaced(line))


@pytest.mark.parametrize(
    "url",
    [
        f"https://{SECRET}@example.org/corpus",
        f"https://example.org/corpus?access_token={SECRET}",
        f"https://example.org/corpus?X-Goog-Signature={SECRET}",
        f"https://example.org/corpus?subscription-key={SECRET}",
        f"HTTPS://me:{SECRET}@example.org/corpus",
    ],
)
def test_less_usual_spellings_of_a_credential_are_refused_too(tmp_path: Path, url: str) -> None:
    message = refusal(tmp_path, replaced(f'destinations: ["{url}"]'))
    assert SECRET not in message


def test_a_credential_in_new_destinations_is_refused_and_not_echoed() -> None:
    with pytest.raises(SpecError) as caught:
        CorpusSpec.model_validate(values()).changed(destinations=[WITH_SECRET[0]])
    assert SECRET not in str(caught.value)


def test_a_url_without_a_credential_is_a_destination() -> None:
    urls = ["gs://bucket/corpus", "az://account/corpus?snapshot=7", "file:///data/corpus", "data/corpus"]
    assert CorpusSpec.model_validate(values(destinations=urls)).destinations == tuple(urls)


# Changing


def test_a_spec_changes_size_and_destinations() -> None:
    spec = CorpusSpec.model_validate(values(platforms=["demo", {"stac": {"catalog": "a"}}]))
    larger = spec.changed(size=1_000, destinations=["elsewhere"])
    assert (larger.size, larger.destinations) == (1_000, ("elsewhere",))
    assert larger.changed(size=500, destinations=["out"]) == spec


def test_a_spec_without_changes_is_the_same() -> None:
    spec = CorpusSpec.model_validate(values())
    assert spec.changed() == spec


@pytest.mark.parametrize("size", [501, 0, -250])
def test_a_changed_size_is_checked_and_named(size: int) -> None:
    with pytest.raises(SpecError, match="size") as caught:
        CorpusSpec.model_validate(values()).changed(size=size)
    assert str(size) in str(caught.value)


# Files


def test_a_spec_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such spec") as caught:
        load_spec(tmp_path / "none.yaml")
    assert str(tmp_path / "none.yaml") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name: [unclosed", "is not YAML"),
        (b"\tname: x", "is not YAML"),
        (b"- a\n- b\n", "found list"),
        (b"", "found NoneType"),
        (b"just text", "found str"),
        (b"\xff\xfe\x00name", "cannot be read"),
        (b"!!python/object/apply:os.system [true]", "is not YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "corpus.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=told):
        load_spec(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read as a spec"):
        load_spec(tmp_path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["random", "points", "stac", "catalog", "pixels", "x"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
    st.sampled_from(["name", "seed", "size", "places", "window", "pairing", "patch", "platforms", "labels", "sources"]),
)
def test_whatever_a_value_is_the_spec_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, value: Any, key: str
) -> None:
    path = saved(tmp_path_factory.getbasetemp(), json.dumps(values() | {key: value}))
    try:
        load_spec(path)
    except SpecError as error:
        assert str(path) in str(error)


# Paths


def test_a_path_is_looked_for_beside_the_spec_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, here = tmp_path / "specs", tmp_path / "here"
    for folder in (beside, here):
        folder.mkdir()
        (folder / "both.gpkg").write_text("")
    (here / "here.gpkg").write_text("")
    monkeypatch.chdir(here)
    assert resolve_path("both.gpkg", beside, key="k") == beside / "both.gpkg"
    assert resolve_path("here.gpkg", beside, key="k") == here / "here.gpkg"
    assert resolve_path(str(here / "both.gpkg"), beside, key="k") == here / "both.gpkg"


def test_a_spec_in_the_current_folder_resolves_its_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, MINIMAL)
    (tmp_path / "a.gpkg").write_text("")
    monkeypatch.chdir(tmp_path)
    _, folder = load_spec("corpus.yaml")
    assert resolve_path("a.gpkg", folder, key="k") == tmp_path / "a.gpkg"


def test_a_path_in_neither_folder_is_refused_with_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        resolve_path("none.gpkg", tmp_path / "specs", key="places.random")
    message = str(caught.value)
    assert message.startswith("places.random: no file 'none.gpkg'")
    assert str(tmp_path / "specs" / "none.gpkg") in message
    assert str(tmp_path / "none.gpkg") in message


@pytest.mark.parametrize(
    ("location", "expected"),
    [("gs://a/b", True), ("file:///a", True), ("s3+x://a", True), ("a/b", False), ("/a/b", False), ("C:/a", False)],
)
def test_urls_are_told_from_paths(location: str, expected: bool) -> None:
    assert is_url(location) is expected


@pytest.mark.parametrize("line", ["platforms: demo", "destinations: out", "labels: corine"])
def test_one_item_need_not_be_a_list(tmp_path: Path, line: str) -> None:
    key, _, value = line.partition(": ")
    path = tmp_path / "corpus.yaml"
    path.write_text(replaced(line))
    assert getattr(load_spec(path), key) == (value,)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("places: {random: [FI, NO]}", "write 'NO'"),
        ("places: {random: EU27}", "write [EU27]"),
        ("window: [2021-13-01, 2024-01-01]", "month must be in 1..12"),
        ("destinations: [out, ./out]", "stands twice"),
        ("shard_size: 4096\npatch: {pixels: 1024}", "GB of memory"),
    ],
)
def test_a_likely_slip_is_told_with_its_remedy(tmp_path: Path, line: str, told: str) -> None:
    assert told in refusal(tmp_path, replaced(line))
