"""Locations in a spec: absolute once it is validated, the same in every process, and without credentials."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import SpecError
from tasks.spec import CorpusSpec, load_spec
from tasks.spec.locations import absolute, canonical, is_url, local_path, need_file
from tests.unit.spec.specs import MINIMAL, refusal, replaced, saved, values

ALL = {
    "platforms": [{"stac": {"catalog": "a/catalog.json"}}],
    "sources": {"corine": "a/corine.tif"},
    "destinations": ["out/x"],
}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder of a spec, and the current one."""
    beside, here = tmp_path / "specs", tmp_path / "here"
    beside.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    return beside, here


def source(spec: CorpusSpec) -> str:
    assert isinstance(spec.places.source, str)
    return spec.places.source


# Files that a spec names


@pytest.mark.parametrize("mode", ["random", "cover", "points"])
def test_a_file_is_looked_for_beside_the_spec_first(folders: tuple[Path, Path], mode: str) -> None:
    beside, here = folders
    path = saved(beside, replaced(f"places: {{{mode}: x.gpkg}}"))
    assert source(load_spec(path)) == str(beside / "x.gpkg")  # neither is there: its reader says so
    (here / "x.gpkg").touch()
    assert source(load_spec(path)) == str(here / "x.gpkg")
    (beside / "x.gpkg").touch()
    assert source(load_spec(path)) == str(beside / "x.gpkg")


def test_every_location_of_a_spec_becomes_absolute(folders: tuple[Path, Path]) -> None:
    beside, here = folders
    (beside / "a").mkdir()
    (beside / "a" / "catalog.json").touch()
    (here / "a").mkdir()
    (here / "a" / "corine.tif").touch()
    spec = CorpusSpec.model_validate(values(**ALL), context={"folder": beside})
    assert spec.platform_items[0].stac is not None
    assert spec.platform_items[0].stac.catalog == str(beside / "a" / "catalog.json")
    assert spec.sources.corine == str(here / "a" / "corine.tif")
    assert spec.destinations == (str(here / "out" / "x"),)


def test_a_spec_that_is_no_file_starts_at_the_current_folder(folders: tuple[Path, Path]) -> None:
    spec = CorpusSpec.model_validate(values(places={"cover": "x.gpkg"}))
    assert source(spec) == str(folders[1] / "x.gpkg")


def test_a_spec_may_be_given_by_a_relative_path(folders: tuple[Path, Path]) -> None:
    beside, _ = folders
    (beside / "x.gpkg").touch()
    saved(beside, replaced("places: {random: x.gpkg}"))
    assert source(load_spec("../specs/corpus.yaml")) == str(beside / "x.gpkg")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("../data/x.gpkg", "data/x.gpkg"),
        ("./x.gpkg", "specs/x.gpkg"),
        ("a//b/./../x.gpkg", "specs/a/x.gpkg"),
    ],
)
def test_dots_are_taken_out_of_a_path(folders: tuple[Path, Path], written: str, told: str) -> None:
    path = saved(folders[0], replaced(f"places: {{cover: {written}}}"))
    assert source(load_spec(path)) == str(folders[0].parent / told)


def test_home_is_expanded(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    spec = CorpusSpec.model_validate(values(places={"cover": "~/x.gpkg"}, destinations=["~/out"]))
    assert (source(spec), spec.destinations) == ("/home/me/x.gpkg", ("/home/me/out",))


def test_links_are_not_followed(folders: tuple[Path, Path]) -> None:
    beside, here = folders
    (here / "x.gpkg").touch()
    (beside / "link.gpkg").symlink_to(here / "x.gpkg")
    path = saved(beside, replaced("places: {cover: link.gpkg}"))
    assert source(load_spec(path)) == str(beside / "link.gpkg")


def test_land_and_countries_are_no_files(folders: tuple[Path, Path]) -> None:
    (folders[1] / "land").touch()
    assert CorpusSpec.model_validate(values()).places.source == "land"
    assert CorpusSpec.model_validate(values(places={"random": ["FI"]})).places.source == ["FI"]


@pytest.mark.parametrize("url", ["https://example.org/x", "file:///a/../x", "gs://bucket/x"])
def test_urls_stay_as_they_are(url: str) -> None:
    content = values(
        places={"cover": url},
        platforms=[{"stac": {"catalog": url}}],
        sources={"corine": url},
        destinations=[url],
    )
    spec = CorpusSpec.model_validate(content)
    assert spec.platform_items[0].stac is not None
    assert {source(spec), spec.platform_items[0].stac.catalog, spec.sources.corine, *spec.destinations} == {url}


@pytest.mark.parametrize("blank", ["", " ", "\t", "a\0b"])
@pytest.mark.parametrize(
    "keys",
    [("places", "random"), ("places", "cover"), ("places", "points"), ("sources", "corine"), ("stac", "catalog")],
)
def test_what_is_no_location_is_refused(keys: tuple[str, str], blank: str) -> None:
    content = {"platforms": [{"stac": {"catalog": blank}}]} if keys[0] == "stac" else {keys[0]: {keys[1]: blank}}
    with pytest.raises(ValueError, match="expected a path or URL, found"):
        CorpusSpec.model_validate(values(**content))


# Destinations


def test_destinations_start_at_the_current_folder(folders: tuple[Path, Path]) -> None:
    beside, here = folders
    (beside / "out").mkdir()
    spec = load_spec(saved(beside, MINIMAL))
    assert spec.destinations == (str(here / "out"),)
    assert spec.changed(destinations=["other"]).destinations == (str(here / "other"),)


@pytest.mark.parametrize("blank", ["['']", "['  ']", "[out, '']", "''"])
def test_a_destination_without_a_name_is_refused(tmp_path: Path, blank: str) -> None:
    assert "line 5: destinations: expected a path or URL" in refusal(tmp_path, replaced(f"destinations: {blank}"))


@pytest.mark.parametrize(
    "spellings",
    [
        ("out/x", "out/x"),
        ("out/x", "./out/x/"),
        ("out/x", "out/../out/x"),
        ("out/x", "{here}/out/x"),
        ("out/x", "/{here}/out/x"),
        ("out/x", "file://{here}/out/x"),
        ("out/x", "FILE://localhost{here}/out/../out/x/"),
        ("out/x y", "file://{here}/out/x%20y"),
        ("gs://bucket/x", "gs://bucket/x/"),
    ],
)
def test_one_destination_in_two_spellings_is_refused(folders: tuple[Path, Path], spellings: tuple[str, str]) -> None:
    first, second = (spelling.format(here=folders[1]) for spelling in spellings)
    with pytest.raises(SpecError, match="stands twice, first as") as caught:
        CorpusSpec.model_validate(values()).changed(destinations=[first, second])
    assert repr(first) in str(caught.value)
    assert repr(second) in str(caught.value)


def test_different_destinations_are_told_apart() -> None:
    written = ["out/x", "out/X", "out", "gs://bucket/x", "az://bucket/x", "file://other/out/x"]
    assert len(CorpusSpec.model_validate(values(destinations=written)).destinations) == 6


# Other processes


def test_a_spec_means_the_same_in_a_process_on_another_folder(folders: tuple[Path, Path]) -> None:
    beside, here = folders
    spec = CorpusSpec.model_validate(values(places={"cover": "x.gpkg"}, **ALL), context={"folder": beside})
    code = (
        "import sys; from tasks.spec import CorpusSpec; "
        "print(CorpusSpec.model_validate_json(sys.stdin.read()).model_dump_json())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        input=spec.model_dump_json(),
        cwd="/",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert CorpusSpec.model_validate_json(told) == spec
    assert told.strip() == spec.model_dump_json()
    (here / "x.gpkg").touch()
    assert CorpusSpec.model_validate_json(told) == spec


# Properties

PARTS = st.lists(st.sampled_from(["a", "b c", "~", "..", ".", "", "ü", "x.gpkg", "%20"]), min_size=1, max_size=6)
PATHS = PARTS.map("/".join) | PARTS.map(lambda parts: "/" + "/".join(parts))


@given(PATHS, PARTS)
def test_an_absolute_path_stays_what_it_is(path: str, folder: list[str]) -> None:
    first = absolute(path, absolute("/".join(folder), "/base"))
    assert Path(first).is_absolute()
    assert first == os.path.normpath(first)
    assert not first.startswith("//")
    assert absolute(first, "/elsewhere") == first
    assert canonical(first) == first
    assert canonical(Path(first).as_uri()) == first
    assert local_path(Path(first).as_uri()) == Path(first)


@given(PATHS.filter(lambda path: path.strip() != ""))
def test_a_validated_spec_validates_to_itself(path: str) -> None:
    spec = CorpusSpec.model_validate(
        values(places={"points": path}, sources={"corine": path}, destinations=[path]), context={"folder": "/specs"}
    )
    assert CorpusSpec.model_validate_json(spec.model_dump_json(), context={"folder": "/other"}) == spec
    assert spec.changed() == spec


# Missing files


def test_a_file_that_is_there_is_given_as_a_path(tmp_path: Path) -> None:
    (tmp_path / "x y.gpkg").touch()
    assert need_file(str(tmp_path / "x y.gpkg"), "places.cover") == tmp_path / "x y.gpkg"
    assert need_file((tmp_path / "x y.gpkg").as_uri(), "places.cover") == tmp_path / "x y.gpkg"


def test_a_file_that_is_absent_is_named_with_where_paths_start(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        need_file(str(tmp_path / "none.gpkg"), "places.random")
    message = str(caught.value)
    assert message.startswith(f"places.random: there is no file {tmp_path / 'none.gpkg'}")
    assert "starts at the spec's folder, or where it is not there, at the current one" in message


def test_a_file_on_another_machine_is_refused() -> None:
    with pytest.raises(SpecError, match=r"places\.cover: https://example\.org/x is not on this machine"):
        need_file("https://example.org/x", "places.cover")


@pytest.mark.parametrize(
    ("location", "expected"),
    [("gs://a/b", True), ("file:///a", True), ("s3+x://a", True), ("a/b", False), ("/a/b", False), ("C:/a", False)],
)
def test_urls_are_told_from_paths(location: str, expected: bool) -> None:
    assert is_url(location) is expected


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


@pytest.mark.parametrize("content", [{"places": {"cover": WITH_SECRET[0]}}, {"sources": {"corine": WITH_SECRET[1]}}])
def test_a_credential_in_a_file_is_refused_and_not_echoed(content: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="carries a credential"):
        CorpusSpec.model_validate(values(**content))


@pytest.mark.parametrize("host", [f"[{SECRET}", f"me:{SECRET}@[x"])
def test_a_malformed_url_is_refused_and_not_echoed(tmp_path: Path, host: str) -> None:
    message = refusal(tmp_path, replaced(f'destinations: ["https://{host}"]'))
    assert "a URL with a malformed host" in message
    assert SECRET not in message


def test_a_credential_that_stands_twice_is_not_echoed(tmp_path: Path) -> None:
    url = WITH_SECRET[0]
    assert SECRET not in refusal(tmp_path, replaced(f'destinations: ["{url}", "{url}"]'))


def test_a_url_without_a_credential_is_a_destination() -> None:
    urls = ["gs://bucket/corpus", "az://account/corpus?snapshot=7", "file:///data/corpus", "/data/corpus2"]
    assert CorpusSpec.model_validate(values(destinations=urls)).destinations == tuple(urls)
