"""`deepsentinel plan` and `deepsentinel estimate`, in process."""

import sys
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
import yaml

from flows.command.cli import main
from tasks.planning.plan import plan
from tasks.scenes.reasons import Reason
from tests.unit.builders import builder_over, small_archive, values

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in the test's own folder: its exit code, and what it printed."""

    def command(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["deepsentinel", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return command


def spec(folder: Path, where: Path, **changes: object) -> Path:
    path = where / "spec.yaml"
    path.write_text(yaml.safe_dump(values(folder, destinations=["gs://bucket/tiny", str(where / "corpus")]) | changes))
    return path


# plan


def plannable(folder: Path, where: Path, **changes: object) -> Path:
    return spec(folder, where, destinations=[str(where / "corpus")], **changes)


def test_a_plan_is_a_file_that_gis_opens(folder: Path, run: Run, tmp_path: Path) -> None:
    code, told = run("plan", plannable(folder, tmp_path), "--shards", "0:2", "--out", "here.parquet")
    assert code == 0, told
    found = gpd.read_parquet(tmp_path / "here.parquet")
    assert found.crs == "EPSG:4326"
    expected = plan(builder_over(folder, destinations=[str(tmp_path / "corpus")]), range(2))
    assert found["cell"].tolist() == expected["cell"].tolist()
    assert found.geometry.geom_equals_exact(expected.geometry, 0).all()
    assert not (tmp_path / "corpus").exists()


def test_a_plan_says_how_many_pair_and_why_the_others_do_not(folder: Path, run: Run, tmp_path: Path) -> None:
    code, told = run("plan", plannable(folder, tmp_path))
    assert code == 0, told
    found = gpd.read_parquet(tmp_path / "tiny-plan.parquet")
    assert found["shard"].unique().tolist() == [0]
    assert f"tiny-plan.parquet: {len(found)} candidates, 5 paired" in told
    for reason, count in found["missing"].value_counts().items():
        assert f"{count} {Reason(reason).words}" in told
    gaps = found["gap_hours"].abs()
    assert f"gap {gaps.min():.1f} / {gaps.median():.1f} / {gaps.max():.1f} h" in told


@pytest.mark.parametrize("shards", ["2", "0:3", "1:1", "x", "-1:1"])
def test_shards_that_are_none_are_wrong_usage(folder: Path, run: Run, tmp_path: Path, shards: str) -> None:
    code, told = run("plan", plannable(folder, tmp_path), f"--shards={shards}")
    assert code == 2, told
    assert "--shards" in told
    assert "Traceback" not in told


def test_a_plan_is_written_in_the_format_that_its_name_asks_for(folder: Path, run: Run, tmp_path: Path) -> None:
    for name, starts in (
        ("x.gpkg", b"SQLite format 3"),
        ("x.geojson", b"{"),
        ("X.FGB", b"fgb"),
        ("x.parquet", b"PAR1"),
    ):
        code, told = run("plan", plannable(folder, tmp_path), "--out", name)
        assert code == 0, told
        assert (tmp_path / name).read_bytes().startswith(starts), name
    expected = gpd.read_parquet(tmp_path / "x.parquet")
    assert gpd.read_file(tmp_path / "x.gpkg")["cell"].tolist() == expected["cell"].tolist()


@pytest.mark.parametrize("name", ["x.txt", "x", "x.parquet.gz", ".gpkg"])
def test_a_plan_in_no_known_format_is_refused_before_anything_is_read(
    folder: Path, run: Run, tmp_path: Path, name: str
) -> None:
    gone = plannable(folder, tmp_path, platforms=[{"stac": {"catalog": str(tmp_path / "gone" / "catalog.json")}}])
    code, told = run("plan", gone, "--out", name)
    assert code == 2, told
    assert f"--out {name}: expected a name that ends in" in told
    assert ".gpkg" in told
    assert not (tmp_path / name).exists()


def test_a_plan_that_cannot_be_written_is_told_in_words(folder: Path, run: Run, tmp_path: Path) -> None:
    code, told = run("plan", plannable(folder, tmp_path), "--out", tmp_path / "none" / "plan.parquet")
    assert code in (1, 2), told
    assert "Traceback" not in told
    assert "plan.parquet" in told


def test_a_plan_says_what_the_window_leaves_out(folder: Path, run: Run, tmp_path: Path) -> None:
    code, told = run("plan", plannable(folder, tmp_path, window=["2012-01-01", "2019-01-01"]))
    assert code == 0, told
    assert "before Sentinel-2's first images" in told


# estimate


def test_an_estimate_tells_everything_before_anything_runs(folder: Path, run: Run, tmp_path: Path) -> None:
    code, told = run("estimate", spec(folder, tmp_path))
    assert code == 0, told
    assert "tiny: 10 samples in 2 shards" in told
    assert "stac: 150 requests" in told
    assert "h at 4 in flight" in told
    assert "gs://bucket/tiny: " in told
    assert "USD a month (list price of " in told
    (local,) = [line for line in told.splitlines() if line.startswith(str(tmp_path / "corpus"))]
    assert "USD" not in local
    assert not (tmp_path / "corpus").exists()


def test_an_estimate_of_a_labelled_corpus_tells_of_the_extracts_and_needs_none(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    code, told = run("estimate", spec(folder, tmp_path, labels=["osm"]))
    assert code == 0, told
    assert "osm: its extracts are ingested before the build, about 9 GB an hour: `deepsentinel ingest SPEC" in told
    assert "osm" not in run("estimate", spec(folder, tmp_path))[1]


def test_an_estimate_of_another_size(folder: Path, run: Run, tmp_path: Path) -> None:
    code, told = run("estimate", spec(folder, tmp_path), "--size", "5")
    assert code == 0, told
    assert "tiny: 5 samples in 1 shards" in told


def test_an_estimate_beyond_the_capacity_is_refused_with_what_fits(folder: Path, run: Run, tmp_path: Path) -> None:
    capacity = builder_over(folder).places.capacity
    code, told = run("estimate", spec(folder, tmp_path), "--size", str(5 * capacity + 5))
    assert code == 2
    assert f"Use size: {5 * capacity} or less" in told


def test_prices_are_settings(folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_PRICE_GS", "1e9")
    monkeypatch.setenv("DEEPSENTINEL_PRICES_OF", "2031-05")
    code, told = run("estimate", spec(folder, tmp_path))
    assert code == 0
    # 10 samples of 16 x 16 pixels at 12.48 bytes are 31,949 bytes.
    assert "31,949.00 USD a month (list price of 2031-05)" in told


@pytest.mark.parametrize("platform", ["earthengine", "descarteslabs"])
def test_platforms_with_accounts_are_estimated_without_one(
    folder: Path, run: Run, tmp_path: Path, platform: str
) -> None:
    code, told = run("estimate", spec(folder, tmp_path, platforms=[platform]))
    assert code == 0, told
    assert f"{platform}: " in told


def test_an_estimate_of_points_counts_them(folder: Path, run: Run, tmp_path: Path) -> None:
    gpd.GeoDataFrame(geometry=[shapely.Point(9, 45)] * 7, crs=4326).to_file(tmp_path / "sites.gpkg")
    code, told = run("estimate", spec(folder, tmp_path, places={"points": "sites.gpkg"}, size=None))
    assert code == 0, told
    assert "7 samples in 2 shards; the places would give 7" in told
