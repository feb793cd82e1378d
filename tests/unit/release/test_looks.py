"""A release of a corpus with more than a pair and a date: everything in it is what rows and pixels say."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pystac.validation import validate_dict
from stac_geoparquet.arrow import stac_table_to_items

from flows.command.status import show_status
from tasks.imagery.platform import CLEAR
from tasks.release.batch_page import batch_page
from tasks.release.preview import preview
from tasks.release.quicklooks import picture_of
from tasks.release.rules import first_gap, of_a_sample, rule_words, spread, subject
from tasks.release.sample_table import SampleTable
from tasks.release.sheets import panels_of, sheet_layout
from tasks.shards.array_kinds import CLOUD_NODATA
from tasks.shards.layout import quicklooks_object
from tests.unit.looked import Dated, Looked, look_at
from tests.unit.release.extension_fields import faults
from tests.unit.shards.made import small

ALONE: dict[str, Any] = {"acquisitions": {"s2_clear": {"prefer": "clearest", "level": "l1c"}}}
"""A spec of Sentinel-2 alone, called otherwise."""


def items_of(corpus: Looked) -> list[dict[str, Any]]:
    return list(stac_table_to_items(pq.read_table(io.BytesIO(corpus.released("items.parquet")))))


def listed(rows: pd.DataFrame, column: str) -> np.ndarray[Any, Any]:
    """A column of lists, (rows, dates)."""
    return np.stack([np.asarray(one, float) for one in rows[column]])


# Words


def test_a_corpus_is_told_by_its_roles_and_dates(triplets: Looked, series: Looked) -> None:
    alone = small(**ALONE)
    assert [subject(one.description) for one in (triplets, series)] == [
        "Sentinel-2 and Sentinel-1 imagery",
        "Sentinel-2 and Sentinel-1 time series",
    ]
    assert (subject(small()), subject(alone)) == ("paired Sentinel-1 and Sentinel-2 imagery", "Sentinel-2 imagery")
    assert of_a_sample(small()) == "one acquisition of Sentinel-2 and one of Sentinel-1"
    assert of_a_sample(alone) == "one acquisition of Sentinel-2 (`s2_clear`)"
    assert of_a_sample(triplets.description).startswith("two acquisitions of Sentinel-2 (`s2_clear`, `s2_cloudy`) and")
    assert of_a_sample(series.description).endswith("at each of 3 dates")
    assert rule_words(triplets.description, "s2_cloudy") == (
        "nearest to that of `s2_clear`, at most 14 days from it, 40 to 100 % cloud"
    )
    assert rule_words(alone, "s2_clear") == (
        "the clearest scene about an instant drawn in the window, at most 30 days from it, Level-1C"
    )


def test_the_gap_that_speaks_for_a_sample_is_that_of_the_first_radar(triplets: Looked) -> None:
    both = small(acquisitions={"s2": {}, "s2_other": {"near": "s2", "max_days": 9}})
    assert first_gap(triplets.description) == ("gap_hours", "s1", "s2_clear")
    assert first_gap(both) == ("s2_other_gap_hours", "s2_other", "s2")
    assert first_gap(small(**ALONE)) is None


@pytest.mark.parametrize(("count", "most", "found"), [(3, 8, [0, 1, 2]), (30, 4, [0, 10, 19, 29]), (5, 1, [0])])
def test_of_many_dates_some_are_shown_evenly_spread(count: int, most: int, found: list[int]) -> None:
    assert spread(count, most) == found


# Statistics and rows


@pytest.mark.parametrize("name", ["triplets", "series"])
def test_statistics_are_those_of_all_dates(name: str, request: pytest.FixtureRequest) -> None:
    corpus: Looked = request.getfixturevalue(name)
    told = json.loads(corpus.released("statistics.json"))
    train = corpus.served.loc[lambda rows: rows["split"] == "train", "sample"].tolist()
    assert told["samples"] == len(train)
    assert set(told["arrays"]) == {kind.path for kind in corpus.description.imagery}, "no masks"
    for kind in corpus.description.imagery:
        stored = corpus.pixels(kind.path)[train]
        for number, band in enumerate(kind.bands):
            pixels = stored[..., number, :, :]
            values = pixels[pixels != kind.fill] * (kind.step or 1.0)
            found = told["arrays"][kind.path]["bands"][band]
            assert (found["valid"], found["nodata"]) == (values.size, pixels.size - values.size)
            assert found["mean"] == pytest.approx(values.mean())
            assert found["percentiles"]["50"] == pytest.approx(np.percentile(values, 50))


@pytest.mark.parametrize("name", ["triplets", "series"])
def test_the_rows_of_a_release_are_those_of_the_shards(name: str, request: pytest.FixtureRequest) -> None:
    corpus: Looked = request.getfixturevalue(name)
    found = pd.read_parquet(io.BytesIO(corpus.released("samples.parquet")))
    rows = corpus.rows.reset_index(drop=True)
    assert list(found.columns) == list(rows.columns)
    for column in ("s1_time", "gap_hours", "s1_direction", "split", "missing"):
        assert [str(one) for one in found[column]] == [str(one) for one in rows[column]]


# The card


def test_the_card_tells_roles_masks_and_dates(triplets: Looked, series: Looked) -> None:
    roles, dates = (corpus.released("README.md").decode() for corpus in (triplets, series))
    cells = {
        key.strip(): value.strip() for key, value in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", roles, re.MULTILINE)
    }
    assert cells["role `s2_clear`"].endswith("cloud mask in `s2_clear_cloud`")
    assert "Clouds of up to 100 % of a scene" in roles
    clear = triplets.rows["s2_clear_clear"].mean()
    assert f"`s2_clear_cloud`: {100 * clear:.1f} % of the pixels are clear" in roles
    assert "Hours between the starts of `s2_clear` and `s1`, samples, share" in roles
    assert "3 equal parts of the window, from 2018-01-01, 2018-05-02, 2018-09-01" in dates
    assert "1 of 15 dates of places that have others" in dates
    assert "| no Sentinel-2 scene within the window | `outside-window` |" in re.sub(" +", " ", dates)
    assert "at 3 dates" in dates
    counted = re.search(r"18-24 h .*?(\d+) +100", dates)
    assert counted
    assert int(counted[1]) == 14, "every date of every sample"


def test_a_mask_is_clear_below_the_threshold(series: Looked) -> None:
    for sample, shares in series.served["s2_clear"].items():
        mask = series.pixels("stac/s2_cloud")[sample]
        for date, share in enumerate(shares):
            gone = series.rows.loc[sample, "missing_dates"][date] is not None
            assert np.isnan(share) if gone else share == pytest.approx((mask[date] < CLEAR).mean())
            assert gone == bool((mask[date] == CLOUD_NODATA).all())


# Items, collection, Croissant


def test_an_item_of_several_roles_has_an_asset_each_and_one_a_mask(triplets: Looked) -> None:
    for item in items_of(triplets):
        validate_dict(item, extensions=[])
        assert faults(item) == []
        row = triplets.rows.loc[item["properties"]["deepsentinel:sample"]]
        assert set(item["assets"]) == {kind.path for kind in triplets.description.arrays}
        for role in ("s2_clear", "s2_cloudy", "s1"):
            asset = item["assets"][f"stac/{role}"]
            assert pd.Timestamp(asset["datetime"]) == row[f"{role}_time"]
            assert asset["deepsentinel:scene"] == row[f"stac_{role}_id"]
        assert item["assets"]["stac/s2_cloudy"]["eo:cloud_cover"] == 60
        mask = item["assets"]["stac/s2_clear_cloud"]
        assert (mask["roles"], mask["nodata"], mask["data_type"]) == (["cloud"], 255, "uint8")
        assert mask["deepsentinel:clear"] == pytest.approx(row["s2_clear_clear"])
        told = item["properties"]
        assert (told["deepsentinel:gap_hours"], told["deepsentinel:s2_cloudy_gap_hours"]) == (19, 120)
        assert pd.Timestamp(told["start_datetime"]) == row["s2_clear_time"]
        assert pd.Timestamp(told["end_datetime"]) == row["s2_cloudy_time"]


def test_an_item_of_a_series_reaches_from_its_first_date_to_its_last(series: Looked) -> None:
    items = items_of(series)
    assert len(items) == 5
    for item in items:
        validate_dict(item, extensions=[])
        assert faults(item) == []
        row = series.rows.loc[item["properties"]["deepsentinel:sample"]]
        told, asset = item["properties"], item["assets"]["stac/s1"]
        assert told["datetime"] is None
        times = {role: pd.Series(row[f"{role}_time"]).dropna().dt.tz_localize("UTC") for role in ("s2", "s1")}
        assert pd.Timestamp(told["start_datetime"]) == times["s2"].min()
        assert pd.Timestamp(told["end_datetime"]) == times["s1"].max()
        assert pd.Timestamp(asset["start_datetime"]) == times["s1"].min()
        assert asset["deepsentinel:scene"] == row["stac_s1_id"].tolist()
        assert not [name for name in told if name.startswith(("eo:", "sat:"))]
    assert items[4]["properties"]["deepsentinel:missing_dates"] == [None, "outside-window", None]


def test_the_collection_and_croissant_know_lists(series: Looked, triplets: Looked) -> None:
    collection = json.loads(series.released("collection.json"))
    assert collection["extent"]["temporal"]["interval"] == [
        ["2018-03-01T10:00:00.000000Z", "2018-11-02T05:00:00.000000Z"]
    ]
    assert "one of Sentinel-1 at each of 3 dates" in collection["description"]
    assert set(collection["item_assets"]) == {"stac/s2", "stac/s1", "stac/s2_cloud"}
    croissant = json.loads(series.released("croissant.json"))
    fields = {one["name"]: one for one in croissant["recordSet"][1]["field"]}
    assert (fields["s2_time"]["isArray"], fields["s2_time"]["dataType"]) == (True, "sc:DateTime")
    assert fields["s2_clear"]["description"] == "Fraction of the pixels that the mask says are clear. One a date."
    assert "isArray" not in fields["missing"]
    own = {one["name"]: one for one in json.loads(triplets.released("croissant.json"))["recordSet"][1]["field"]}
    assert own["gap_hours"]["description"] == "The acquisition of s1 minus that of s2_clear, hours."
    assert own["s2_clear_cloud_cover"]["description"] == "Of the whole scene, percent."


# Pictures


def sheet_of(corpus: Looked, shard: int) -> np.ndarray[Any, Any]:
    content = corpus.destination.get(quicklooks_object(shard))
    return np.asarray(Image.open(io.BytesIO(content or b"")).convert("RGB")).astype(int)


@pytest.mark.parametrize(("name", "count"), [("triplets", 3), ("series", 6)])
def test_the_sheet_of_a_shard_has_a_picture_a_role_and_date(
    name: str, count: int, request: pytest.FixtureRequest
) -> None:
    corpus: Looked = request.getfixturevalue(name)
    here = corpus.description
    layout, panels = sheet_layout(here), panels_of(here)
    assert len(panels) == len(layout.panels) == count
    for row, sample in enumerate(corpus.rows[corpus.rows["shard"] == 1]["sample"]):
        left, top = layout.corner(row)
        for at, panel in enumerate(panels):
            stored = corpus.pixels(f"stac/{panel.role}")[sample]
            wanted = picture_of(stored[panel.date] if here.dates > 1 else stored).astype(int)
            found = sheet_of(corpus, 1)[top : top + 32, left + at * 32 : left + at * 32 + 32]
            # JPEG blurs noise; what is alike is alike on the mean.
            assert abs(found[1:-1, 1:-1].mean() - wanted[1:-1, 1:-1].mean()) < 4
    assert panels_of(here)[0].title == ("s2_clear" if name == "triplets" else "Sentinel-2 true colour, 2018-01-01")


def test_of_many_dates_a_sheet_shows_some() -> None:
    many = small(acquisitions={"s2": {}, "s1": {"near": "s2", "max_days": 3}}, instants={"slices": 30})
    assert [panel.date for panel in panels_of(many)] == [0, 10, 19, 29] * 2
    assert [panel.title for panel in panels_of(small(**ALONE))] == ["Sentinel-2 true colour"]


def test_the_preview_of_a_series_is_a_strip_of_dates(series: Looked, triplets: Looked) -> None:
    strip = np.asarray(Image.open(io.BytesIO(series.released("preview.png"))).convert("RGB"))
    wide, high = 3 * 252, 2 * 252
    assert strip.shape[1] > 2 * wide, "two samples beside each other"
    assert strip.shape[0] > 3 * high, "five samples, each two lines high"
    black = (strip == 0).all(axis=2)
    # Of the fifth sample both roles are black at the second date alone.
    assert black.sum() > 2 * 250 * 250
    roles = Image.open(io.BytesIO(triplets.released("preview.png")))
    assert roles.width > 2 * 3 * 252
    assert preview(series.destination) == series.released("preview.png"), "the same bytes again"


def test_the_page_of_a_batch_shows_any_roles(triplets: Looked, series: Looked) -> None:
    roles, dates = (batch_page(corpus.destination, [0, 1], {}) for corpus in (triplets, series))
    assert "From left to right s2_clear, s2_cloudy, s1." in roles
    assert "From left to right s2, s1, at the first date that has pixels." in dates
    assert roles.count("![sample]") == 6


# Whoever opens it


@pytest.mark.parametrize("name", ["triplets", "series"])
def test_what_the_card_says_of_opening_the_corpus_can_be_run(name: str, request: pytest.FixtureRequest) -> None:
    corpus: Looked = request.getfixturevalue(name)
    code = re.search(r"```python\n(.*?)```", corpus.released("README.md").decode(), re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1].replace("CORPUS", corpus.destination.location), names)
    for kind in corpus.description.arrays:
        assert names["corpus"][kind.name].dims == ("sample", *kind.dimensions)
    assert len(names["train"]) == 4


def test_a_list_of_nothing_but_nulls_is_unknown(tmp_path: Path) -> None:
    rows = {
        "orbit": pa.array([[None, None]], pa.list_(pa.int64())),
        "time": pa.array([[None, 1]], pa.list_(pa.int64())),
    }
    pq.write_table(pa.table(rows), tmp_path / "samples.parquet")
    assert SampleTable.open(tmp_path / "samples.parquet").known == {"time"}


def test_sentinel_2_alone_is_released_like_any_other(tmp_path: Path) -> None:
    alone = look_at(
        tmp_path,
        Dated({"2018-05-03": 5.0}, masks=["s2_clear"]),
        size=3,
        acquisitions={"s2_clear": {"search_days": 400, "mask": "cloud"}},
    )
    card = alone.released("README.md").decode()
    assert "**3 samples** of Sentinel-2 imagery" in card
    assert "Time between" not in card
    assert "sar" not in card.split("---")[1]
    assert "the land may have changed" not in card
    (item, *_) = items_of(alone)
    assert set(item["assets"]) == {"stac/s2_clear", "stac/s2_clear_cloud"}
    assert not [name for name in item["properties"] if name.startswith("sar:")]
    show_status(alone.destination.location)
