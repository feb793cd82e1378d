"""The main job through the command: build, resume, grow, look at it, and be told what is wrong."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas
import numpy as np
import pytest
import xarray
from PIL import Image

from tests.integration.building import build
from tests.integration.conftest import Command, Ended, tree, written_spec

pytestmark = pytest.mark.usefixtures("prefect_here")

Spec = Callable[..., Path]
Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def built(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the tests' spec, which nobody changes: its folder."""
    folder = tmp_path_factory.mktemp("built")
    build(written_spec(folder, archive))
    return folder / "corpus"


@pytest.fixture
def corpus(built: Path, tmp_path: Path) -> Path:
    """The same corpus where the test's own spec has it."""
    return shutil.copytree(built, tmp_path / "corpus")


def test_a_corpus_is_built_and_opens_with_xarray(here: Run, write_spec: Spec, built: Path, tmp_path: Path) -> None:
    ended = here("build", write_spec())

    assert ended.code == 0, ended.output
    assert tree(tmp_path / "corpus") == tree(built), "as without Prefect"
    corpus = xarray.open_zarr(tmp_path / "corpus", group="demo")
    assert corpus.s2.dims == ("sample", "band", "y", "x")
    assert corpus.s2.shape == (8, 13, 64, 64)
    assert corpus.s2.dtype == np.uint16
    assert list(corpus.band.values)[8:11] == ["B8A", "B09", "B10"]
    assert corpus.s1.dims == ("sample", "polarization", "y", "x")
    assert corpus.s1.attrs["units"] == "dB"
    assert -40 < float(corpus.s1.mean()) < 0, "decoded to dB"
    assert all(corpus.s2.isel(band=band).any() for band in range(13)), "every band has pixels, B10 from the twin"
    rows = geopandas.read_parquet(tmp_path / "corpus" / "samples")
    assert len(rows) == 8
    assert rows.sample_id.is_unique
    assert (rows.gap_hours.abs() <= 72).all()
    assert (rows.demo_s2_nodata < 0.5).all()


def test_the_preview_shows_every_sample_of_a_small_corpus(built: Path) -> None:
    with Image.open(built / "release" / "preview.png") as sheet:
        assert sheet.width > 1000
        pixels = np.asarray(sheet)
    assert pixels.std() > 20, "it shows something"


def test_two_builds_are_the_same_to_the_byte_however_many_shards_are_in_flight_and_wherever_they_go(
    here: Run, write_spec: Spec, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_SHARDS_IN_FLIGHT", "4")
    assert here("build", write_spec(destinations=f"[{tmp_path / 'a'}, file://{tmp_path / 'b'}]")).code == 0

    assert tree(tmp_path / "a") == tree(tmp_path / "b") == tree(built)


def test_a_second_build_does_nothing_and_says_so(here: Run, write_spec: Spec, corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*") if path.is_file()}

    ended = here("build", write_spec())

    assert ended.code == 0
    assert "nothing to do" in ended.output
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*") if path.is_file()} == before


def test_growing_builds_only_the_new_shards(here: Run, write_spec: Spec, built: Path, tmp_path: Path) -> None:
    spec = write_spec(size=4)
    here("build", spec)
    before = tree(tmp_path / "corpus")

    ended = here("build", spec, "--size", "8")

    assert ended.code == 0, ended.output
    after = tree(tmp_path / "corpus")
    kept = {path for path in before if path.startswith(("demo/s", "samples/", "commits/")) and "zarr.json" not in path}
    assert all(after[path] == before[path] for path in kept)
    assert xarray.open_zarr(tmp_path / "corpus", group="demo").sizes["sample"] == 8
    assert tree(built) == after, "as built at once"


def test_a_smaller_size_takes_nothing_away(here: Run, write_spec: Spec, built: Path, corpus: Path) -> None:
    assert here("build", write_spec(size=4)).code == 0
    assert tree(corpus) == tree(built)


@pytest.fixture(scope="module")
def singles(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 16 shards of a sample each: its folder."""
    folder = tmp_path_factory.mktemp("singles")
    build(written_spec(folder, archive, size=16, shard_size=1))
    return folder / "corpus"


def test_a_build_killed_at_any_moment_goes_on_to_the_same_bytes(
    command: Command, here: Run, write_spec: Spec, singles: Path, tmp_path: Path
) -> None:
    spec = write_spec(size=16, shard_size=1)
    rng = np.random.default_rng(11)

    for shards in (1, 5, 10):
        process = command.start("build", spec)
        _await_commits(tmp_path / "corpus", shards)
        time.sleep(float(rng.uniform(0, 0.15)))
        process.kill()
        process.wait()
    ended = here("build", spec)

    assert ended.code == 0, ended.output
    assert tree(tmp_path / "corpus") == tree(singles)
    assert here("verify", tmp_path / "corpus").code == 0


def test_two_builds_at_once_do_no_harm(
    command: Command, here: Run, write_spec: Spec, singles: Path, tmp_path: Path
) -> None:
    spec = write_spec(size=16, shard_size=1)
    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(lambda _: command("build", spec), range(2)))

    assert [one.code for one in ended] == [0, 0], "\n".join(one.output for one in ended)
    assert here("verify", tmp_path / "corpus").code == 0
    assert tree(tmp_path / "corpus") == tree(singles)


def test_status_counts_what_is_there_and_what_is_missing(here: Run, corpus: Path) -> None:
    (corpus / "commits" / "shard-00002.json").unlink()

    ended = here("status", corpus)

    assert ended.code == 1
    assert "3 of 4 done, 1 missing, 0 failed" in ended.output
    assert "6 of 8" in ended.output


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "is short"),
        (lambda path: path.write_bytes(_flipped(path.read_bytes())), "is damaged"),
    ],
)
def test_verify_names_what_is_wrong_and_repair_lets_a_build_mend_it(
    here: Run, write_spec: Spec, built: Path, corpus: Path, harm: Callable[[Path], None], told: str
) -> None:
    harm(corpus / "demo" / "s2" / "c" / "1" / "0" / "0" / "0")

    ended = here("verify", corpus)
    assert ended.code == 1
    assert f"shard 1: demo/s2/c/1/0/0/0 {told}" in ended.output

    assert here("verify", corpus, "--repair").code == 1
    assert here("build", write_spec()).code == 0
    assert tree(corpus) == tree(built)
    assert here("verify", corpus).code == 0


def test_metadata_that_was_tampered_with_is_named(here: Run, corpus: Path) -> None:
    metadata = corpus / "demo" / "s1" / "zarr.json"
    metadata.write_text(metadata.read_text().replace("0.01", "0.02"))

    ended = here("verify", corpus)

    assert ended.code == 1
    assert "demo/s1/zarr.json" in ended.output


def test_nothing_that_pairs_ends_with_counts_and_commits_nothing(here: Run, write_spec: Spec, tmp_path: Path) -> None:
    ended = here("build", write_spec(pairing="{max_gap_days: 0.0001, search_days: 2000}"))

    assert ended.code == 1
    assert "candidates were tried" in ended.output
    assert "no Sentinel-1 scene near enough in time" in ended.output
    assert "Traceback" not in ended.output
    assert not list((tmp_path / "corpus").glob("commits/*"))


def test_listed_places_keep_their_rows_and_say_what_is_missing(
    here: Run, write_spec: Spec, tmp_path: Path, archive: Path
) -> None:
    country = geopandas.read_file(archive / "country.geojson").to_crs(32629)
    centre = country.geometry.iloc[0].representative_point()
    points = geopandas.GeoDataFrame(geometry=[centre, type(centre)(centre.x + 500_000, centre.y)], crs=32629)
    points.to_file(tmp_path / "points.gpkg")

    ended = here("build", write_spec(places="{points: points.gpkg}", size=None))

    assert ended.code == 0, ended.output
    rows = geopandas.read_parquet(tmp_path / "corpus" / "samples")
    assert rows.missing.isna().tolist() == [True, False]
    assert rows.missing[1] == "no-sentinel2"
    assert "1 places without pixels: no Sentinel-2 scene near the patch" in ended.output
    corpus = xarray.open_zarr(tmp_path / "corpus", group="demo")
    assert not corpus.s2[1].any()
    assert corpus.s1[1].isnull().all()


def test_another_spec_for_the_same_corpus_is_refused_with_the_differences(
    here: Run, write_spec: Spec, built: Path, corpus: Path
) -> None:
    ended = here("build", write_spec(seed=4))

    assert ended.code == 2
    assert "seed: the corpus has 3, the spec 4" in ended.output
    assert tree(corpus) == tree(built)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sead": 1}, "did you mean 'seed'"),
        ({"size": 7}, "7 is not a multiple of shard_size 2"),
        ({"window": "[2024-01-01, 2023-01-01]"}, "must run forward"),
        ({"size": 100_000}, "more than the region holds"),
        ({"places": "{random: [XQ]}"}, "XQ"),
        ({"platforms": "[{stac: {catalog: spec.yaml}}]"}, "is not a STAC catalogue"),
        ({"destinations": "[s3://bucket/x]"}, "s3://bucket/x"),
    ],
)
def test_bad_input_is_told_before_any_work(
    here: Run, write_spec: Spec, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    ended = here("build", write_spec(**changes))

    assert ended.code in (1, 2)
    assert told in ended.output
    assert "Traceback" not in ended.output
    assert "starting Prefect" not in ended.output
    assert not (tmp_path / "corpus").exists()


def test_an_item_without_geometry_is_named(here: Run, write_spec: Spec, tmp_path: Path, archive: Path) -> None:
    copy = shutil.copytree(archive, tmp_path / "archive")
    item = next(path for path in sorted((copy / "sentinel-2-l2a").rglob("*.json")) if _is_item(path))
    content = json.loads(item.read_text())
    item.write_text(json.dumps(content | {"geometry": None}))

    ended = here("build", write_spec(platforms=_over(copy)))

    assert ended.code == 1
    assert f"item {content['id']}: has no geometry" in ended.output
    assert "Traceback" not in ended.output


def test_a_file_cut_short_fails_its_shards_and_is_named(
    here: Run, write_spec: Spec, tmp_path: Path, archive: Path
) -> None:
    copy = shutil.copytree(archive, tmp_path / "archive")
    for path in (copy / "sentinel-2-l2a").rglob("B04.tif"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 20])

    ended = here("build", write_spec(platforms=_over(copy)))

    assert ended.code == 1
    assert "B04.tif: its pixels cannot be read" in ended.output
    assert "Traceback" not in ended.output
    assert not list((tmp_path / "corpus").glob("commits/*"))
    assert "0 of 4 done, 0 missing, 4 failed" in here("status", tmp_path / "corpus").output


def test_a_full_destination_stops_the_run_and_commits_nothing_half_written(
    here: Run, write_spec: Spec, tmp_path: Path, small_disk: Path
) -> None:
    spec = write_spec(size=16, destinations=f"[{small_disk / 'corpus'}]")
    ended = here("build", spec)

    assert ended.code == 1
    assert "No space left on device" in ended.output
    assert "Traceback" not in ended.output
    whole = here("verify", small_disk / "corpus").output
    assert not [line for line in whole.splitlines() if line.startswith("shard") or " is damaged" in line], whole


def _over(archive: Path) -> str:
    return f"[{{stac: {{catalog: {archive / 'catalog.json'}, sentinel2_b10: sentinel-2-l1c, name: demo}}}}]"


def _is_item(path: Path) -> bool:
    return json.loads(path.read_text()).get("type") == "Feature"


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _await_commits(corpus: Path, count: int) -> None:
    for _ in range(6000):
        if len(list((corpus / "commits").glob("*.json"))) >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"no {count} commits in a minute")


@pytest.mark.parametrize("lost", ["preview.png", "pairing.json"])
def test_a_run_killed_after_its_last_commit_is_finished_by_the_next(
    here: Run, write_spec: Spec, built: Path, corpus: Path, lost: str
) -> None:
    (corpus / "release" / lost).unlink()

    assert here("build", write_spec()).code == 0
    assert tree(corpus) == tree(built)
