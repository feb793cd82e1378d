"""The flow with a made-up platform: what stops a run, what is said at its end, and what is found wrong before it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
import yaml
from prefect.context import refresh_global_settings_context

from flows.release_corpus import release_corpus
from tasks.errors import CorpusError, LabelsError, PlatformUnreachable, SceneUnavailable
from tasks.places.patches import Patch
from tasks.scenes.reasons import Reason
from tests.archive import EPSG, LEFT, TOP
from tests.integration.conftest import Ended, tree
from tests.unit.builders import MadeUp, values

pytestmark = pytest.mark.usefixtures("prefect_here")

Run = Callable[..., Ended]
Build = Callable[..., Ended]

AGAIN = "The same command builds what is missing"


@pytest.fixture
def build(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds a corpus in shards of one sample: `build(platform, size=...)`; a value replaces the spec's."""

    def run(platform: MadeUp, **changes: object) -> Ended:
        # Where a builder gets its platforms; all else is as ever.
        monkeypatch.setattr("tasks.assembly.builder.open_platforms", lambda *_: [platform])
        keys = values(tmp_path, platforms=[{"stac": {"catalog": "none"}}], shard_size=1, **changes)
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(keys))
        return here("build", "spec.yaml")

    return run


def sites(folder: Path, *datetimes: str) -> dict[str, object]:
    """Changes to a spec that make it one of listed places with these instants, all under the platform's scenes."""
    points = [shapely.Point(LEFT + 200 + 50 * index, TOP - 200) for index in range(len(datetimes))]
    gpd.GeoDataFrame({"datetime": list(datetimes)}, geometry=points, crs=EPSG).to_file(folder / "sites.gpkg")
    return {"places": {"points": str(folder / "sites.gpkg")}, "size": None}


# What ends a run


def test_a_platform_out_of_reach_stops_the_run_and_is_told_once(build: Build, tmp_path: Path) -> None:
    begun: list[Patch] = []

    def unreachable(patch: Patch) -> None:
        begun.append(patch)
        raise PlatformUnreachable("stac: out of reach after 9 attempts in 300 s (ConnectionError). Run it later.")

    ended = build(MadeUp(on_fetch=unreachable), size=8)

    assert ended.code == 1, ended.output
    assert len(begun) <= 2, "the shards that were in flight, and none after them"
    assert ended.output.count("error: ") == 1
    assert ended.output.splitlines()[-1].startswith("error: stac: out of reach after 9 attempts in 300 s")
    assert "Traceback" not in ended.output
    assert not list((tmp_path / "corpus").glob("commits/*"))


def test_shards_without_candidates_are_said_to_fail_the_same_way_again(build: Build, here: Run, tmp_path: Path) -> None:
    def refuse(_: Patch) -> None:
        raise SceneUnavailable(Reason.REFUSED, "stac-s2", "ticket 0815")

    ended = build(MadeUp(on_fetch=refuse), size=2)

    assert ended.code == 1, ended.output
    assert "2 of 2 shards are missing" in ended.output
    assert "2 shards have no candidates left: building again fails the same way." in ended.output
    assert AGAIN not in ended.output
    assert "0815" not in ended.output
    status = here("status", tmp_path / "corpus")
    assert status.code == 1
    assert "shard 0 failed for good: " in status.output
    assert "2 of them have no candidates left, which only another spec changes" in status.output
    assert "build again" not in status.output


def test_shards_that_cannot_be_labelled_are_not_said_to_need_only_another_run(
    build: Build, here: Run, tmp_path: Path
) -> None:
    def wrong(_: Patch) -> None:
        raise LabelsError("cover.tif: has the value 7; add it to `values`.")

    ended = build(MadeUp(on_fetch=wrong), size=2)

    assert ended.code == 1, ended.output
    assert "2 shards cannot be labelled until the source of their labels is corrected." in ended.output
    assert AGAIN not in ended.output
    status = here("status", tmp_path / "corpus")
    assert "2 of them cannot be labelled until" in status.output and "build again" not in status.output


def test_shards_that_may_succeed_the_next_time_are_built_by_the_same_command(build: Build, tmp_path: Path) -> None:
    failing = True

    def fail_at_times(patch: Patch) -> None:
        if failing and patch == platform.fetched[0]:
            raise ValueError("a bug in a decoder")

    platform = MadeUp(on_fetch=fail_at_times)
    ended = build(platform, size=4)
    assert ended.code == 1, ended.output
    assert f"{AGAIN}; what is done stays." in ended.output
    assert "no candidates left" not in ended.output

    failing = False
    assert build(platform, size=4).code == 0
    assert len(list((tmp_path / "corpus").glob("commits/*"))) == 4


# Listed places


def test_listed_places_none_of_which_has_pixels_are_no_success(build: Build, tmp_path: Path) -> None:
    def refuse(_: Patch) -> None:
        raise SceneUnavailable(Reason.REFUSED, "stac-s2", "ticket 0815")

    ended = build(MadeUp(on_fetch=refuse), **sites(tmp_path, "2018-05-01", "2018-05-02"))

    assert ended.code == 1, ended.output
    assert f"no place has pixels: 2 {Reason.REFUSED.words}" in ended.output
    assert "0815" not in ended.output


def test_a_place_whose_datetime_lies_outside_the_window_says_so(build: Build, tmp_path: Path) -> None:
    ended = build(MadeUp(), **sites(tmp_path, "2018-05-01", "2031-05-01"))

    assert ended.code == 0, ended.output
    rows = gpd.read_parquet(tmp_path / "corpus" / "samples")
    assert rows["missing"].isna().tolist() == [True, False]
    assert rows["missing"][1] == "instant-outside-window"
    assert f"1 places without pixels: {Reason.INSTANT_OUTSIDE_WINDOW.words}" in ended.output


# Destinations


def test_a_destination_that_cannot_be_written_is_told_before_a_platform_is_asked(build: Build) -> None:
    platform = MadeUp()

    ended = build(platform, destinations=["/proc/x"])

    assert ended.code == 1
    assert "/proc/x: cannot be written" in ended.output
    assert "starting Prefect" not in ended.output
    assert platform.asked == 0


def test_a_destination_that_is_added_to_a_finished_corpus_is_filled_without_the_platform(
    build: Build, tmp_path: Path
) -> None:
    assert build(MadeUp(), size=4, destinations=[str(tmp_path / "a")]).code == 0
    platform = MadeUp()

    ended = build(platform, size=4, destinations=[str(tmp_path / "a"), str(tmp_path / "b")])

    assert ended.code == 0, ended.output
    assert platform.fetched == []
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize(
    ("harmed", "content"),
    [
        (["corpus.json"], b""),
        (["zarr.json"], b'{"attributes": {}}'),
        (["corpus.json", "zarr.json"], b'{"schema": 2}'),
    ],
)
def test_a_damaged_description_is_restored_to_the_byte(
    build: Build, tmp_path: Path, harmed: list[str], content: bytes
) -> None:
    assert build(MadeUp(), size=2).code == 0
    before = tree(tmp_path / "corpus")
    for name in harmed:
        (tmp_path / "corpus" / name).write_bytes(content)

    ended = build(MadeUp(), size=2)

    assert ended.code == 0, ended.output
    assert tree(tmp_path / "corpus") == before


# Where Prefect is


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:9/api", "unreachable"),
        ("127.0.0.1:4200/api", "has no scheme"),
        ("{host}", "is no Prefect API"),
        ("{host}/dashboard", "is no Prefect API"),
    ],
)
def test_a_prefect_api_that_cannot_be_used_is_one_clear_error(
    build: Build, prefect_server: dict[str, str], monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    host = prefect_server["PREFECT_API_URL"].removesuffix("/api")
    with monkeypatch.context() as patch:
        patch.setenv("PREFECT_API_URL", url.format(host=host))
        refresh_global_settings_context()
        platform = MadeUp()
        ended = build(platform, size=2)
    refresh_global_settings_context()

    assert ended.code == 2, ended.output
    assert "Traceback" not in ended.output
    assert "starting Prefect" not in ended.output
    (line,) = [line for line in ended.output.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: PREFECT_API_URL: ") and says in line
    assert platform.fetched == []


# Where the command runs


def test_a_spec_means_the_same_from_another_working_directory(
    here: Run, write_spec: Callable[..., Path], archive: Path, tmp_path: Path
) -> None:
    """A flow's worker runs elsewhere than the command; what a spec names relative to itself must not move."""
    beside, elsewhere = tmp_path / "beside", tmp_path / "elsewhere"
    for folder in (beside, elsewhere):
        folder.mkdir()
    (beside / "country.geojson").write_bytes((archive / "country.geojson").read_bytes())
    (beside / "archive").symlink_to(archive)
    source = "{stac: {catalog: archive/catalog.json, sentinel2_b10: sentinel-2-l1c, name: demo}}"
    spec = write_spec("beside/spec.yaml", size=2, places="{random: country.geojson}", platforms=f"[{source}]")

    assert here("build", "spec.yaml", "--to", "here", where=beside).code == 0
    assert here("build", spec, "--to", "there", where=elsewhere).code == 0

    assert tree(beside / "here") == tree(elsewhere / "there")


def test_a_whole_corpus_is_released_anew_and_one_that_is_not_never(build: Build, tmp_path: Path) -> None:
    assert build(MadeUp(), size=2).code == 0
    corpus = tmp_path / "corpus"
    before = tree(corpus)
    shutil.rmtree(corpus / "release")
    release_corpus(str(corpus))
    assert tree(corpus) == before
    shutil.rmtree(corpus / "release")
    (corpus / "commits" / "shard-00001.json").unlink()
    with pytest.raises(CorpusError, match=r"is not whole, so nothing is released: 1 of 2 shards are missing \(1\)"):
        release_corpus(str(corpus))
    assert not (corpus / "release").exists()
