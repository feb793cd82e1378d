"""Real Sentinel scenes, where the folder beside the checkout holds them: `../shared/data/real-archive`."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import xarray
from shapely.geometry import shape

from tasks.assembly.builder import open_builder
from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS
from tasks.planning.preflight import preflight
from tasks.shards.description import describe_everywhere
from tasks.spec import CorpusSpec
from tests.integration.conftest import ROOT

ARCHIVE = ROOT.parent / "shared" / "data" / "real-archive"

pytestmark = pytest.mark.skipif(not ARCHIVE.is_dir(), reason="the real archive is not beside this checkout")


def build(tmp_path: Path, **keys: object) -> tuple[xarray.Dataset, geopandas.GeoDataFrame]:
    """Build a corpus over the archive: its arrays and rows."""
    given: dict[str, object] = {
        "name": "real",
        "seed": 1,
        "window": ["2017-01-01", "2020-01-01"],
        "shard_size": 5,
        "destinations": [str(tmp_path / "corpus")],
    }
    spec = CorpusSpec.model_validate(given | keys)
    builder = open_builder(spec)
    description = preflight(builder).description
    describe_everywhere(builder.destinations, description)
    for shard in range(description.shards):
        make_shard(builder, shard)
    corpus = xarray.open_zarr(tmp_path / "corpus", group="stac")
    return corpus, geopandas.read_parquet(tmp_path / "corpus" / "samples")


def archive(sentinel2: str) -> list[object]:
    source = {"catalog": str(ARCHIVE / "catalog.json"), "sentinel2": sentinel2, "sentinel1": "sentinel-1-grd"}
    return [{"stac": source}]


def test_four_countries_are_stored_as_they_are_and_the_fifth_place_says_why_it_is_empty(tmp_path: Path) -> None:
    corpus, rows = build(
        tmp_path,
        places={"points": str(ARCHIVE / "points.geojson")},
        patch={"pixels": 120},
        platforms=archive("sentinel-2-l2a"),
    )

    points = geopandas.read_file(ARCHIVE / "points.geojson")
    assert rows.missing.isna().tolist() == [True, True, True, True, False]
    assert rows.missing[4] == "no-sentinel2"
    assert rows.gap_hours[:4].abs().between(4.7, 19.1).all()
    for index, row in rows[:4].iterrows():
        assert row.stac_s2_id == points.scene[index]
        item = json.loads((ARCHIVE / "sentinel-1-grd" / f"{row.stac_s1_id}.json").read_text())
        assert row.s1_time.isoformat()[:19] == item["properties"]["datetime"][:19]
        for number, band in enumerate(BANDS):
            stored = corpus.s2[index, number].to_numpy()
            path = ARCHIVE / "sentinel-2-l2a" / row.stac_s2_id / f"{band}.tif"
            if not path.exists():
                assert band == "B10"
                assert not stored.any()
                continue
            with rasterio.open(path) as source:
                pixels = source.read(1)
            times = 120 // len(pixels)
            assert (stored == np.kron(pixels, np.ones((times, times), np.uint16))).all(), band
        for number, polarization in enumerate(("VV", "VH")):
            with rasterio.open(ARCHIVE / "sentinel-1-grd" / row.stac_s1_id / f"{polarization}.tif") as source:
                assert source.crs.to_epsg() == int(row.crs.removeprefix("EPSG:"))
                pixels = source.read(1)
            assert np.abs(corpus.s1[index, number].to_numpy() - pixels).max() <= 0.005 + 1e-5
    assert not corpus.s2[4].any()
    assert corpus.s2.attrs["absent_bands"] == ["B10"]


def test_a_point_in_spain_has_thirteen_real_bands(tmp_path: Path) -> None:
    spain = geopandas.read_file(ARCHIVE / "points.geojson")[4:]
    spain.to_file(tmp_path / "spain.geojson")
    corpus, rows = build(
        tmp_path,
        places={"points": str(tmp_path / "spain.geojson")},
        window=["2019-09-01", "2019-10-01"],
        platforms=archive("sentinel-2-l1c"),
    )

    assert corpus.s2.shape == (5, 13, 250, 250)
    assert all(len(np.unique(corpus.s2[0, band])) > 5 for band in range(13)), "B10 is dark, yet it is there"
    assert rows.gap_hours[0] == pytest.approx(-28.78, abs=0.01)
    assert rows.stac_s2_nodata[0] == rows.stac_s1_nodata[0] == 0


def test_random_samples_keep_off_the_slanted_edge(tmp_path: Path) -> None:
    item = json.loads(next((ARCHIVE / "sentinel-2-l1c").glob("*Spain*.json")).read_text())
    footprint = geopandas.GeoDataFrame(geometry=[shape(item["geometry"])], crs=4326)
    footprint.to_file(tmp_path / "footprint.geojson")
    for seed in range(6):
        corpus, rows = build(
            tmp_path / str(seed),
            seed=seed,
            size=1,
            shard_size=1,
            places={"random": str(tmp_path / "footprint.geojson")},
            patch={"pixels": 100},
            window=["2019-09-01", "2019-10-01"],
            platforms=archive("sentinel-2-l1c"),
        )

        assert (corpus.s2[0] > 0).all()
        assert not corpus.s1.isnull().any()
        assert rows.stac_s2_nodata[0] == 0
