"""Corpora of published sets, built as any other: their pixels are the files', on the files' grids, and no date is made
up."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import zarr
from numpy.typing import NDArray

from tasks.assembly.builder import Builder, close_builders, open_builder
from tasks.assembly.shard import make_shard
from tasks.errors import CatalogueError
from tasks.published.cataloguing import Cataloguing
from tasks.release.making import make_release
from tasks.release.pairing_report import pairing_report
from tasks.shards.commits import read_commit
from tasks.shards.description import describe_everywhere
from tasks.shards.layout import commit_object, samples_object
from tasks.shards.rows import decode_rows
from tasks.shards.verification import verify_shard
from tasks.spec import load_spec
from tests.unit.published.made import ORIGINS, PIXELS, STRIDE, pixels_of, series, triplet


@dataclass(frozen=True)
class Built:
    """A corpus of one shard, and the files that it was made of."""

    files: list[Any]
    """By place."""
    rows: gpd.GeoDataFrame
    arrays: zarr.Group
    builder: Builder

    def array(self, path: str) -> NDArray[Any]:
        found = self.arrays[path]
        assert isinstance(found, zarr.Array)
        return np.asarray(found[:])


def built(folder: Path, name: str, files: list[Any]) -> Built:
    made = Cataloguing(name, folder / "set", folder / "out").write(lambda _: None)
    builder = open_builder(load_spec(made.spec))
    describe_everywhere(builder.destinations, builder.description)
    make_shard(builder, 0)
    destination = builder.destinations[0]
    assert not verify_shard(destination, builder.description, 0, deep=True)
    content = destination.get(samples_object(0))
    assert content is not None
    return Built(files, decode_rows(content), zarr.open_group(destination.store(), mode="r"), builder)


@pytest.fixture(scope="module")
def triplets(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Six places of two regions and seasons; neighbours overlap by half."""
    folder = tmp_path_factory.mktemp("triplets")
    regions = (("ROIs1158_1", "spring"), ("ROIs1868_7", "winter"))
    files = [triplet(folder / "set", roi, season, patch) for roi, season in regions for patch in (0, 1, 2)]
    return built(folder, "sen12mscr", files)


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Two places with thirty dates each, but for one image that the second lacks."""
    folder = tmp_path_factory.mktemp("thirty")
    files = [series(folder / "set", "ROIs1158_1", patch) for patch in (0, 2)]
    files[1][4]["s1"].unlink()
    return built(folder, "sen12mscrts", files)


# A clear and a cloudy image and one of Sentinel-1


def test_pixels_are_those_of_the_files(triplets: Built) -> None:
    for row, files in enumerate(triplets.files):
        for role in ("s2", "s2_cloudy"):
            np.testing.assert_array_equal(triplets.array(f"sen12mscr/{role}")[row], pixels_of(files[role]))
        stored = triplets.array("sen12mscr/s1")[row]
        np.testing.assert_allclose(stored * 0.01, pixels_of(files["s1"]), atol=0.005 + 1e-6)


def test_rows_have_the_grids_of_the_files_to_the_millimetre(triplets: Built) -> None:
    epsg, left, top = ORIGINS["ROIs1158_1"]
    row = triplets.rows.iloc[1]
    side = 10 * PIXELS
    xmin = left + 10 * STRIDE
    assert row["crs"] == f"EPSG:{epsg}"
    assert row[["xmin", "ymin", "xmax", "ymax"]].tolist() == [xmin, top - side, xmin + side, top]
    assert {str(triplets.rows[name].dtype) for name in ("xmin", "ymin", "xmax", "ymax")} == {"float64"}


def test_no_date_and_no_gap_is_told_where_nobody_published_one(triplets: Built) -> None:
    times = [name for name in triplets.rows.columns if name.endswith(("_time", "gap_hours"))]
    assert {*times} >= {"preferred_time", "s2_time", "s2_cloudy_time", "s1_time", "gap_hours", "s2_cloudy_gap_hours"}
    assert triplets.rows[times].isna().all(axis=None)
    commit = read_commit(triplets.builder.destinations[0], 0)
    assert commit is not None
    assert commit.pairing.tried == 6
    assert commit.pairing.within.total() == commit.pairing.gaps.total() == 0


def test_rows_keep_place_region_season_and_files(triplets: Built) -> None:
    row = triplets.rows.iloc[4]
    assert row[["place_id", "roi", "season"]].tolist() == ["ROIs1868_winter_7_p1", "ROIs1868_7", "winter"]
    assert row["sen12mscr_s2_cloudy_id"] == "ROIs1868_winter_s2_cloudy_7_p1"
    assert triplets.rows["missing"].isna().all()
    assert triplets.rows.groupby("roi")["split"].nunique().tolist() == [1, 1], "a region is in one split"


# Thirty dates


def test_the_dates_of_a_place_come_in_the_order_of_their_numbers(thirty: Built) -> None:
    for row, files in enumerate(thirty.files):
        for date, pair in enumerate(files):
            if (row, date) == (1, 4):
                continue
            np.testing.assert_array_equal(thirty.array("sen12mscrts/s2")[row, date], pixels_of(pair["s2"]))
            stored = thirty.array("sen12mscrts/s1")[row, date]
            np.testing.assert_allclose(stored * 0.01, pixels_of(pair["s1"]), atol=0.005 + 1e-6)


def test_times_are_the_days_in_the_names_and_the_gaps_whole_days(thirty: Built) -> None:
    row = thirty.rows.iloc[0]
    days = {
        role: [dt.datetime.fromisoformat(pair[role].stem.split("_")[5]) for pair in thirty.files[0]]
        for role in ("s2", "s1")
    }
    for role, told in days.items():
        found = pd.to_datetime(pd.Series(row[f"{role}_time"]), utc=True).dt.tz_localize(None)
        assert [stamp.to_pydatetime() for stamp in found] == told
    gaps = [(one - near).days * 24 for one, near in zip(days["s1"], days["s2"], strict=True)]
    assert list(row["gap_hours"]) == gaps
    assert pd.isna(row["preferred_time"]).all(), "no instant was drawn"


def test_a_date_that_lacks_an_image_is_empty_with_its_reason(thirty: Built) -> None:
    assert not thirty.array("sen12mscrts/s2")[1, 4].any()
    assert [date for date, why in enumerate(thirty.rows.iloc[1]["missing_dates"]) if why is not None] == [4]
    assert pd.isna(pd.Series(thirty.rows.iloc[1]["s2_time"])[4])


def test_dates_are_numbered_where_no_part_of_the_window_is_theirs(thirty: Built) -> None:
    assert thirty.array("sen12mscrts/time").tolist() == [f"{date:03d}" for date in range(30)]


# As any corpus


@pytest.mark.parametrize("name", ["triplets", "thirty"])
def test_a_second_build_gives_the_same_record(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    first: Built = request.getfixturevalue(name)
    close_builders()
    again = open_builder(first.builder.spec.changed(destinations=[str(tmp_path / "again")]))
    describe_everywhere(again.destinations, again.description)
    make_shard(again, 0)
    records = [builder.destinations[0].get(commit_object(0)) for builder in (first.builder, again)]
    assert records[0] == records[1] is not None


def released(corpus: Built, folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Items, the collection and the card of a release."""
    made = make_release(corpus.builder.destinations[0], folder)
    assert made.samples == len(corpus.files)
    card = made.files["release/README.md"]
    assert isinstance(card, bytes)
    collection = json.loads((folder / "collection.json").read_bytes())
    return pq.read_table(folder / "items.parquet").to_pylist(), collection, card.decode()


def test_a_release_tells_of_undated_samples_that_they_are_within_the_window(triplets: Built, tmp_path: Path) -> None:
    items, collection, card = released(triplets, tmp_path)
    for item in items:
        assert item["datetime"] is None
        assert [item["start_datetime"].year, item["end_datetime"].year] == [2018, 2019]
    assert items[1]["proj:transform"][2] == triplets.rows["xmin"].iloc[1]
    interval = ["2018-01-01T00:00:00.000000Z", "2019-01-01T00:00:00.000000Z"]
    assert collection["extent"]["temporal"]["interval"] == [interval]
    assert "what the catalogue groups with that of `s2`, Level-1C" in card
    report = json.loads(pairing_report(triplets.builder.destinations[0]))
    assert report["match_rate_by_gap_limit_days"] == {}, "nobody knows a gap"


def test_a_release_of_a_series_tells_its_first_and_last_day(thirty: Built, tmp_path: Path) -> None:
    items, _, card = released(thirty, tmp_path)
    assert f"{items[0]['start_datetime']:%Y-%m-%d}" == "2018-01-02"
    assert "30, as the catalogue numbers them" in card


def test_a_catalogue_that_groups_nothing_is_told_before_anything_is_built(tmp_path: Path) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 0)
    made = Cataloguing("sen12mscr", tmp_path / "set", tmp_path / "out").write(lambda _: None)
    items = tmp_path / "out" / "items.parquet"
    table = pq.read_table(items)
    pq.write_table(table.drop_columns([name for name in table.column_names if name.startswith("deepsentinel:")]), items)
    with pytest.raises(CatalogueError, match="the items for role s1 have no property deepsentinel:group"):
        open_builder(load_spec(made.spec))
