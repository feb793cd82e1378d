"""Columns of the user's file: kept in the rows as they are, and part of what the places are."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.assembly.filling import Filling
from tasks.errors import PlacesError
from tasks.places.draws import ListedPlaces
from tasks.places.opening import open_places
from tasks.shards.rows import decode_rows, encode_rows, sample_rows
from tasks.spec import CorpusSpec
from tests.unit.builders import MadeUp, made_up_builder

COLUMNS = {
    "city": ["Köln", None, "Bonn"],
    "label": [3, 17, 1],
    "height": [1.5, float("nan"), -2.0],
    "kind": pd.Categorical(["a", "b", "a"]),
}


def points(folder: Path, name: str = "sites.parquet", **columns: Any) -> str:
    geometry = [shapely.Point(9.01 + 0.05 * at, 45.0) for at in range(3)]
    gpd.GeoDataFrame(columns or COLUMNS, geometry=geometry, crs=4326).to_parquet(folder / name)
    return str(folder / name)


def opened(places: dict[str, Any], **changes: Any) -> ListedPlaces:
    spec = CorpusSpec.model_validate(
        {"name": "x", "window": ["2018-01-01", "2021-01-01"], "patch": {"pixels": 100}, "destinations": ["out"]}
        | {"places": places}
        | changes
    )
    found = open_places(spec)
    assert isinstance(found, ListedPlaces)
    return found


def refusal(places: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(PlacesError) as caught:
        opened(places, **changes)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_rows_keep_text_whole_numbers_and_numbers_as_they_are(tmp_path: Path) -> None:
    places = {"points": points(tmp_path), "columns": [*COLUMNS]}
    builder = made_up_builder(tmp_path, MadeUp(), places=places, size=None, shard_size=2)
    rows: list[Any] = []
    for shard in range(2):
        filling = Filling(builder=builder, shard=shard, traffic=builder.traffic())
        filling.fill()
        rows.append(decode_rows(encode_rows(sample_rows(filling.samples, builder.spec, shard, filling.columns))))
        planned = Filling(builder=builder, shard=shard, traffic=builder.traffic()).plan()
        assert planned["label"].tolist() == rows[-1]["label"].tolist()
    assert [one["label"].tolist() for one in rows] == [[3, 17], [1]]
    first = rows[0]
    assert first["city"].tolist()[0] == "Köln"
    assert pd.isna(first["city"][1])
    assert first["height"].tolist()[0] == 1.5
    assert np.isnan(first["height"][1])
    assert [one["kind"].tolist() for one in rows] == [["a", "b"], ["a"]]
    for one in rows:
        assert [str(one[name].dtype) for name in COLUMNS] == ["string", "Int64", "float64", "string"]
        assert one["split"].notna().all()
        assert one.columns.tolist().index("kind") < one.columns.tolist().index("split")


def test_they_are_part_of_the_digest(tmp_path: Path) -> None:
    path = points(tmp_path)
    digests = [opened({"points": path} | more).digest for more in (
        {}, {"columns": ["city"]}, {"columns": ["label"]}, {"columns": ["city", "label"]},
    )]  # fmt: skip
    changed = points(tmp_path, "b.parquet", city=["Köln", None, "Bern"])
    renamed = points(tmp_path, "c.parquet", town=["Köln", None, "Bonn"])
    digests += [opened({"points": changed, "columns": ["city"]}).digest]
    digests += [opened({"points": renamed, "columns": ["town"]}).digest]
    assert len({*digests}) == 6
    assert opened({"points": changed}).digest == digests[0], "what is not kept does not count"
    assert opened({"points": path, "columns": ["city"]}, seed=0).digest == digests[1]


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    message = refusal({"points": points(tmp_path), "columns": ["City"]})
    assert "places.points: " in message
    assert "has no column 'City', which `columns` names; it has city (text), label (whole numbers)" in message
    assert "height (numbers), kind (text)." in message


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([True, False, True], "true and false"),
        (pd.to_datetime(["2018-01-01"] * 3), "datetime64"),
        ([[1], [2], [3]], "ndarray"),
        ([b"a", b"b", b"c"], "bytes"),
        (np.array([1, 2, 2**63], np.uint64), "whole numbers beyond 63 bits"),
    ],
)
def test_a_column_of_another_type_is_refused_with_what_it_holds(tmp_path: Path, values: Any, held: str) -> None:
    message = refusal({"points": points(tmp_path, odd=values, good=[1, 2, 3]), "columns": ["odd"]})
    assert f"the column 'odd' holds {held}" in message
    assert "expected text, whole numbers or numbers" in message
    assert "good (whole numbers)" in message


def test_a_file_that_has_only_geometry_says_so(tmp_path: Path) -> None:
    gpd.GeoDataFrame(geometry=[shapely.Point(9, 45)], crs=4326).to_file(tmp_path / "bare.gpkg")
    assert "it has no columns." in refusal({"points": str(tmp_path / "bare.gpkg"), "columns": "label"})


# Of polygons


def test_a_tile_has_the_columns_of_the_polygon_that_takes_up_most_of_it(tmp_path: Path) -> None:
    # 1 km tiles from 500 km east: west has the first one and a half, east the rest, and a strip lies over both.
    boxes = [(500_000, 501_400), (501_400, 504_000)]
    geometry = [shapely.box(west, 5_000_000, east, 5_001_000) for west, east in boxes]
    geometry += [shapely.box(500_000, 5_000_000, 504_000, 5_000_300)]
    frame = gpd.GeoDataFrame({"roi": ["west", "east", "strip"]}, geometry=geometry, crs=32632)
    frame.to_parquet(tmp_path / "a.parquet")
    found = opened({"cover": str(tmp_path / "a.parquet"), "columns": ["roi"]})
    assert found.columns["roi"].tolist() == ["west", "east", "east", "east"]
    # Of equal shares the first feature's; the order of features is otherwise of no account.
    frame.iloc[[1, 2, 0, 0]].assign(roi=["east", "strip", "west", "last"]).to_parquet(tmp_path / "b.parquet")
    again = opened({"cover": str(tmp_path / "b.parquet"), "columns": ["roi"]})
    assert again.columns["roi"].tolist() == ["west", "east", "east", "east"]


def test_tiles_of_parcels_none_of_which_fills_half_a_tile_have_the_largest(tmp_path: Path) -> None:
    edges = [500_000, 500_300, 500_700, 501_000]
    geometry = [shapely.box(a, 5_000_000, b, 5_001_000) for a, b in pairwise(edges)]
    gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=geometry, crs=32632).to_parquet(tmp_path / "a.parquet")
    assert opened({"cover": str(tmp_path / "a.parquet"), "columns": ["n"]}).columns["n"].tolist() == [2]


@given(st.lists(st.tuples(*[st.integers(0, 40)] * 4), min_size=1, max_size=6), st.sampled_from([3, 31, 60]))
@settings(max_examples=25)
def test_every_tile_has_the_polygon_with_the_largest_share(
    tmp_path_factory: pytest.TempPathFactory, corners: list[tuple[int, ...]], zone: int
) -> None:
    geometry = [
        shapely.box(480_000 + 230 * x, 5_000_000 + 230 * y, 480_000 + 230 * (x + 5 + w), 5_000_000 + 230 * (y + 5 + h))
        for x, y, w, h in corners
    ]
    path = tmp_path_factory.mktemp("cover") / "a.parquet"
    gpd.GeoDataFrame({"n": range(len(geometry))}, geometry=geometry, crs=32600 + zone).to_parquet(path)
    found = opened({"cover": str(path), "columns": ["n"]})
    for at, n in enumerate(found.columns["n"].tolist()):
        patch = found.patches[at]
        tile = shapely.box(patch.xmin, patch.ymin, patch.xmax, patch.ymax)
        shares = shapely.area(shapely.intersection(np.array(geometry), tile))
        assert shares[n] > shares.max() - 2_000, "to a metre or so along a side of 1 km"


def test_across_zones_and_the_antimeridian_tiles_find_their_polygons(tmp_path: Path) -> None:
    boxes = [shapely.box(5.4, 45, 6.6, 45.1), shapely.box(179.9, 10, 180.1, 10.1), shapely.box(20, -0.05, 20.1, 0.05)]
    gpd.GeoDataFrame({"n": [10, 20, 30]}, geometry=boxes, crs=4326).to_parquet(tmp_path / "a.parquet")
    found = opened({"cover": str(tmp_path / "a.parquet"), "columns": ["n"]})
    lon, _ = found.patches.centres()
    expected = np.where(np.abs(lon) > 179, 20, np.where(lon > 15, 30, 10))
    assert found.columns["n"].tolist() == expected.tolist()
    assert {*expected.tolist()} == {10, 20, 30}


def test_without_columns_a_cover_has_the_digest_that_it_had(tmp_path: Path) -> None:
    geometry = [shapely.box(500_000, 5_000_000, 503_000, 5_002_000)]
    gpd.GeoDataFrame({"n": [1]}, geometry=geometry, crs=32632).to_parquet(tmp_path / "a.parquet")
    places = {"cover": str(tmp_path / "a.parquet")}
    # Written down here so that a change of it, which would refuse every cover there is, cannot pass unseen.
    assert opened(places, seed=3).digest == DIGEST
    assert opened(places | {"columns": ["n"]}, seed=3).digest != DIGEST


DIGEST = "11364c0a4787dd50dfdbf221c34e0b1e287d984965da0a27583509c60628d003"
