"""`deepsentinel demo`: imagery and labels of the invented country in one corpus, through the real command."""

import contextlib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import xarray
from numpy.typing import NDArray
from PIL import Image

import flows.command.demo
from flows.command.cli import main
from tasks.labels.osm.scheme import load_scheme
from tasks.release.preview import SHOWN
from tests.integration.conftest import Ended

Here = Callable[..., Ended]

SIDE = 128
"""Pixels of a sample."""

POLYGON = {one.name: one.bit for one in load_scheme().polygon}


@dataclass(frozen=True)
class Demo:
    """A demo that was made."""

    folder: Path
    told: str

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Of the samples with pixels, in the order of the arrays."""
        rows = geopandas.read_parquet(self.corpus / "samples")
        return pd.DataFrame(rows[rows["missing"].isna()]).sort_values("sample")

    def array(self, group: str, name: str) -> NDArray[Any]:
        """Of the samples with pixels: (sample, ...)."""
        return xarray.open_zarr(self.corpus, group=group)[name].to_numpy()[self.rows["sample"]]

    def bit(self, name: str) -> NDArray[np.bool_]:
        """Where the polygons of a class are: (sample, y, x)."""
        return (self.array("labels", "osm_polygon") & np.uint32(POLYGON[name])) != 0


@pytest.fixture(scope="module")
def demo(prefect_here: None, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo of a smaller country than the user's, all of which is in its samples: of lakes it has but three."""
    folder = tmp_path_factory.mktemp("labelled") / "demo"
    folder.mkdir()
    (folder / "archive").symlink_to(archive)
    small = flows.command.demo.demo_spec

    def spec(folder: Path, seed: int) -> dict[str, object]:
        own = {
            "size": None,
            "places": {"cover": "archive/country.geojson"},
            "shard_size": 12,
            "patch": {"pixels": SIDE},
        }
        return {key: value for key, value in (small(folder, seed) | own).items() if value is not None}

    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(told):
        patch.setattr(flows.command.demo, "make_archive", lambda folder, seed, progress: progress("made"))
        patch.setattr(flows.command.demo, "demo_spec", spec)
        patch.setattr(sys, "argv", ["deepsentinel", "demo", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, told.getvalue()
    return Demo(folder, told.getvalue())


def test_the_demo_ingests_its_extract_builds_and_says_where_to_look(demo: Demo) -> None:
    for line in ("© OpenStreetMap contributors", "polygons with a class", "all 3 shards are there", "index.html"):
        assert line in demo.told


def test_water_of_the_map_is_dark_in_infrared_and_forest_brighter_there_than_in_red(demo: Demo) -> None:
    """Labels and imagery of one sample are of the same ground, to the pixel."""
    s2 = demo.array("demo", "s2")
    clear = (demo.rows["s2_cloud_cover"] == 0).to_numpy()[:, None, None] & (s2[:, 3] != 0)
    red, infrared = s2[:, 3].astype(int), s2[:, 7].astype(int)
    water, forest = demo.bit("water") & clear, demo.bit("forest or wood") & ~demo.bit("water") & clear
    assert min(water.sum(), forest.sum()) > 500
    assert np.mean(infrared[water] < 400) > 0.9
    assert np.mean(infrared[forest] > 2 * red[forest]) > 0.95
    corine = demo.array("labels", "corine")
    lakes = np.isin(corine, (40, 41)) & demo.bit("water") & clear
    assert np.mean(infrared[lakes] < 400) > 0.9
    assert np.mean(np.isin(corine[forest], (23, 24, 25))) > 0.7, "CORINE's hectares follow the map's forests"


def test_labels_that_were_a_few_pixels_off_would_be_noticed(demo: Demo) -> None:
    s2 = demo.array("demo", "s2")
    water, infrared = demo.bit("water"), s2[:, 7].astype(int)
    edge = water & ~np.roll(water, 3, axis=2) & (infrared != 0)
    assert np.mean(infrared[edge] < 400) > 0.8
    assert np.mean(infrared[np.roll(edge, -3, axis=2)] < 400) < 0.5


def test_the_rows_have_shares_counts_and_coverage(demo: Demo) -> None:
    rows = demo.rows
    shares = rows[[name for name in rows if str(name).startswith("corine_")]]
    assert np.allclose(shares.sum(axis=1).to_numpy(float), 1)
    corine = demo.array("labels", "corine")
    assert np.allclose(rows["corine_211"].to_numpy(float), (corine == 12).mean(axis=(1, 2)))
    assert (rows["osm_features"] > 0).to_numpy().any()
    assert (rows["osm_coverage"] == 1).to_numpy().all()


def test_the_legend_in_the_release_names_what_the_arrays_hold(demo: Demo) -> None:
    legend = json.loads((demo.corpus / "release" / "legend.json").read_text())
    corine = {one["index"]: one for one in legend["corine"]["arrays"]["labels/corine"]["classes"]}
    attributes = xarray.open_zarr(demo.corpus, group="labels").corine.attrs
    assert [*corine.values()] == attributes["legend"]
    assert {int(index) for index in np.unique(demo.array("labels", "corine"))} <= {0, *corine}
    for kind in ("point", "line", "polygon"):
        classes = legend["osm"]["arrays"][f"labels/osm_{kind}"]["classes"]
        known = np.bitwise_or.reduce([np.uint32(one["bit"]) for one in classes])
        assert not (demo.array("labels", f"osm_{kind}") & ~known).any()
    assert "OpenStreetMap contributors" in legend["osm"]["licence"]


def test_the_preview_shows_imagery_and_labels_in_the_legends_colours(demo: Demo) -> None:
    with Image.open(demo.corpus / "release" / "preview.png") as sheet:
        counts = {colour: count for count, colour in sheet.convert("RGB").getcolors(1 << 24) or []}
    shown = np.unique(np.linspace(0, len(demo.rows) - 1, SHOWN).round().astype(int))
    corine = demo.array("labels", "corine")[shown]
    for index, colour in ((12, (255, 255, 168)), (24, (0, 166, 0)), (44, (230, 242, 255))):
        expected = (corine == index).sum() * (250 / SIDE) ** 2
        assert expected > 1_000
        # The squares of the key come on top; and 250 pixels are no multiple of the sample's.
        assert counts[colour] == pytest.approx(expected, rel=0.02, abs=300), index


def test_status_and_verify_know_the_labels(demo: Demo, here: Here) -> None:
    assert "3 of 3 done" in here("status", demo.corpus).output
    assert here("verify", demo.corpus, "--deep").code == 0
    shard = next((demo.corpus / "labels" / "osm_polygon" / "c").rglob("0/0/0"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-9] + bytes(9))
    try:
        ended = here("verify", demo.corpus)
    finally:
        shard.write_bytes(whole)
    assert ended.code == 1
    assert "labels/osm_polygon" in ended.output


def test_a_second_demo_finds_all_there(demo: Demo, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.command.demo, "make_archive", lambda folder, seed, progress: None)
    before = {path: path.stat().st_mtime_ns for path in demo.corpus.rglob("*") if path.is_file()}
    ended = here("demo", demo.folder)
    assert ended.code == 0
    assert "nothing to do" in ended.output
    assert "starting Prefect" not in ended.output
    assert {path: path.stat().st_mtime_ns for path in demo.corpus.rglob("*") if path.is_file()} == before
    other = here("demo", demo.folder, "--seed", "5")
    assert other.code == 2
    assert "holds the demo of seed 2020, not of 5" in other.output
