"""What a release says of strata, of columns of the user's file, and of tiles that overlap."""

import json
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from tasks.release.page.facts import Scheme
from tasks.shards.description import need_description
from tasks.shards.destinations import Destination
from tasks.write_release import write_release
from tests.archive import EPSG, LEFT, TOP
from tests.unit.release.made import speckled_corpus


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Destination:
    """Two regions a patch's side apart, tiled with half of the side."""
    folder = tmp_path_factory.mktemp("overlap")
    left, top = LEFT // 160 * 160 + 160, TOP // 160 * 160
    boxes = [shapely.box(left + x, top - 320, left + x + 320, top) for x in (0, 480)]
    table = gpd.GeoDataFrame(
        {"roi": ["west", "east"], "n": [7, 8], "split": ["train", "test"]}, geometry=boxes, crs=EPSG
    )
    table.to_parquet(folder / "regions.parquet")
    places = {"cover": str(folder / "regions.parquet"), "columns": ["roi", "n", "split"], "stride": 8}
    made = speckled_corpus(folder, places=places, size=None, splits={"by": "split"})
    write_release.fn((made.location,))
    return made


def card(corpus: Destination) -> str:
    return (corpus.get("release/README.md") or b"").decode()


def test_rows_of_a_release_keep_the_columns_and_the_splits_of_the_file(series: Destination) -> None:
    rows = gpd.read_parquet(Path(series.location, "release", "samples.parquet"))
    assert {*zip(rows["roi"], rows["n"], rows["split"], strict=True)} == {("west", 7, "train"), ("east", 8, "test")}
    assert len(rows) > 2 * 9
    first, second = shapely.STRtree(rows.geometry).query(rows.geometry, predicate="overlaps")
    assert len(first)
    assert (rows["split"].to_numpy()[first] == rows["split"].to_numpy()[second]).all()


def test_the_card_says_that_tiles_overlap_and_where_splits_come_from(series: Destination) -> None:
    told = card(series)
    assert "tiles that cover the polygons of regions.parquet, one every 8 pixels, so that neighbours overlap" in told
    assert (
        "They are what the column `split` of the file of places says. No sample overlaps one of another split." in told
    )
    assert "Blocks of 100 km" not in told
    assert "by: split" in told


def test_other_tools_are_told_of_the_columns(series: Destination) -> None:
    told = json.loads(series.get("release/croissant.json") or b"")
    (samples,) = (one for one in told["recordSet"] if one["@id"] == "samples")
    fields = {one["name"]: one for one in samples["field"]}
    assert fields["roi"]["description"] == "Kept from the user's file of places."
    assert (fields["roi"]["dataType"], fields["n"]["dataType"]) == ("sc:Text", "sc:Integer")
    assert Scheme(description=need_description(series)).splits == ("train", "validation", "test")


def test_the_card_says_what_strata_there_are(tmp_path: Path) -> None:
    for name, width in (("inner", 700), ("outer", 1_600)):
        box = shapely.box(LEFT, TOP - 1_600, LEFT + width, TOP)
        gpd.GeoDataFrame(geometry=[box], crs=EPSG).to_file(tmp_path / f"{name}.gpkg")
    strata = [
        {"region": str(tmp_path / f"{name}.gpkg"), "share": share} for name, share in (("inner", 2), ("outer", 3))
    ]
    corpus = speckled_corpus(tmp_path, places={"random": strata}, size=5)
    write_release.fn((corpus.location,))
    assert "of every shard 40.0 % in inner.gpkg and 60.0 % in outer.gpkg" in card(corpus)
    rows = gpd.read_parquet(Path(corpus.location, "release", "samples.parquet"))
    assert rows["stratum"].tolist() == [0, 0, 1, 1, 1]
