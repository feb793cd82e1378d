"""Listed places: files of points, in any format and CRS, with or without instants."""

import datetime as dt
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import Point

from tasks.errors import PlacesError
from tasks.places.draws import ListedPlaces, instants_of_points
from tasks.places.patches import patches_around
from tasks.places.points import load_points

WINDOW = (1_514_764_800_000_000, 1_609_459_200_000_000)
LON, LAT = np.array([9.0, 151.2, -78.5, 15.6]), np.array([45.0, -33.9, -0.2, 78.2])
POINTS = [Point(x, y) for x, y in zip(LON, LAT, strict=True)]


def saved(folder: Path, geometries: list[Any], *, crs: Any = 4326, name: str = "sites.gpkg", **columns: Any) -> Path:
    path = folder / name
    frame = gpd.GeoDataFrame(columns, geometry=geometries, crs=crs)
    if name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


def loaded(path: Path, seed: int = 3) -> ListedPlaces:
    return load_points(path, pixels=64, seed=seed, window=WINDOW, shard_size=3)


def refusal(path: Path) -> str:
    with pytest.raises(PlacesError) as caught:
        loaded(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def micro(*instant: int) -> int:
    return round(dt.datetime(*instant, tzinfo=dt.UTC).timestamp() * 1e6)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sites.gpkg", "sites.geojson", "sites.parquet", "sites.shp", "sites.fgb"])
def test_points_of_any_format_are_the_centres_of_patches_in_their_order(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, POINTS, name=name, site=["a", "b", "c", "d"])
    found = loaded(path)
    expected = patches_around(LON, LAT, 64)
    got = {found.patches[i] for i in range(4)}
    assert got == {expected[i] for i in range(4)}
    if name != "sites.fgb":  # which sorts its features in space
        assert [found.patches[i] for i in range(4)] == [expected[i] for i in range(4)]
    assert found.capacity == 2


@pytest.mark.parametrize("name", ["p.geoparquet", "P.PARQUET"])
def test_geoparquet_is_read_whatever_its_suffix(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, POINTS, name="sites.parquet").rename(tmp_path / name)
    assert len(loaded(path).patches) == 4


def test_of_several_layers_the_one_of_points_is_read_and_two_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sites.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file(path, layer="fields")
    gpd.GeoDataFrame(geometry=POINTS, crs=4326).to_file(path, layer="wells")
    assert len(loaded(path).patches) == 4
    gpd.GeoDataFrame(geometry=POINTS, crs=4326).to_file(path, layer="towers")
    assert "several layers of points (wells, towers)" in refusal(path)


def test_points_in_another_crs_are_the_same_places(tmp_path: Path) -> None:
    metres = gpd.GeoSeries(POINTS, crs=4326).to_crs(3857)
    found = loaded(saved(tmp_path, list(metres), crs=3857))
    expected = patches_around(LON, LAT, 64)
    assert np.abs(found.patches.xmin - expected.xmin).max() <= 10
    assert np.array_equal(found.patches.epsg, expected.epsg)


def test_points_with_a_height_are_points(tmp_path: Path) -> None:
    assert len(loaded(saved(tmp_path, [Point(9, 45, 300)])).patches) == 1


# Instants


def test_places_without_instants_get_seeded_ones(tmp_path: Path) -> None:
    found = loaded(saved(tmp_path, POINTS))
    assert np.array_equal(found.preferred, instants_of_points(4, 3, WINDOW))
    assert not np.array_equal(found.preferred, loaded(tmp_path / "sites.gpkg", seed=4).preferred)


@pytest.mark.parametrize("name", ["sites.gpkg", "sites.geojson", "sites.parquet"])
def test_an_instant_is_the_preferred_one_and_those_without_get_a_seeded_one(tmp_path: Path, name: str) -> None:
    given = pd.to_datetime(pd.Series(["2019-05-01T10:20:30Z", None, "2019-06-01T00:00:00Z", None]), utc=True)
    found = loaded(saved(tmp_path, POINTS, name=name, datetime=given))
    seeded = instants_of_points(4, 3, WINDOW)
    assert found.preferred.tolist() == [micro(2019, 5, 1, 10, 20, 30), seeded[1], micro(2019, 6, 1), seeded[3]]


@pytest.mark.parametrize("name", ["sites.gpkg", "sites.geojson", "sites.parquet"])
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2019-05-01"] * 4, [micro(2019, 5, 1)] * 4),
        (["2019-05-01T10:00:00"] * 4, [micro(2019, 5, 1, 10)] * 4),
        (["2019-05-01T10:00:00+02:00"] * 4, [micro(2019, 5, 1, 8)] * 4),
    ],
)
def test_text_is_read_as_an_instant_in_utc_unless_it_says_otherwise(
    tmp_path: Path, name: str, texts: list[str], expected: list[int]
) -> None:
    assert loaded(saved(tmp_path, POINTS, name=name, datetime=texts)).preferred.tolist() == expected


@pytest.mark.parametrize("name", ["sites.gpkg", "sites.parquet"])
def test_iso_8601_may_be_of_different_precision_from_place_to_place(tmp_path: Path, name: str) -> None:
    texts = ["2019-05-01", "2019-05-01T10:00:00Z", "2019-05-01T10:00:00.5", None]
    found = loaded(saved(tmp_path, POINTS, name=name, datetime=texts))
    assert found.preferred[:3].tolist() == [
        micro(2019, 5, 1), micro(2019, 5, 1, 10), micro(2019, 5, 1, 10) + 500_000,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["sites.gpkg", "sites.parquet"])
@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["soon"] * 4, "the datetime of feature 0 is 'soon' (4 of 4 are no instants)"),
        (["2019-05-01", "soon", None, None], "the datetime of feature 1 is 'soon' (1 of 4 are no instants)"),
        (["", "nan", "2019-05-01", "2019-13-01"], "the datetime of feature 3 is '2019-13-01' (1 of 4 are no instants)"),
    ],
)
def test_text_that_is_no_instant_is_told_with_what_was_expected(
    tmp_path: Path, name: str, values: list[str], told: str
) -> None:
    message = refusal(saved(tmp_path, POINTS, name=name, datetime=values))
    assert told in message
    assert "expected ISO 8601 such as 2019-05-01 or 2019-05-01T10:20:30Z, or nothing" in message
    assert "format" not in message


@pytest.mark.parametrize("text", ["now", "today"])
def test_the_clock_is_no_instant(tmp_path: Path, text: str) -> None:
    # Pandas reads it, and every day would be another corpus.
    assert f"is '{text}'" in refusal(saved(tmp_path, POINTS, datetime=["2019-05-01", None, None, text]))


def test_text_that_stands_for_nothing_is_a_missing_instant(tmp_path: Path) -> None:
    found = loaded(saved(tmp_path, POINTS, name="a.parquet", datetime=["", "NaT", "nan", "2019-05-01"]))
    assert found.preferred.tolist() == [*instants_of_points(4, 3, WINDOW)[:3], micro(2019, 5, 1)]


@pytest.mark.parametrize("name", ["sites.gpkg", "sites.parquet"])
@pytest.mark.parametrize("values", [[2018, 2019, 2020, 2018], [2018.0, None, None, None], [True, False, True, True]])
def test_numbers_are_no_instants(tmp_path: Path, name: str, values: list[Any]) -> None:
    # Read as nanoseconds they would all lie in 1970, where there is no Sentinel.
    assert "the datetime of feature 0 is" in refusal(saved(tmp_path, POINTS, name=name, datetime=values))


def test_durations_and_lists_are_no_instants(tmp_path: Path) -> None:
    durations = pd.to_timedelta([1, 2, 3, 4], unit="D")
    assert "the datetime of feature 0 is" in refusal(saved(tmp_path, POINTS, name="a.parquet", datetime=durations))
    lists = [["2019-05-01"], None, None, None]
    assert "the datetime of feature 0 is" in refusal(saved(tmp_path, POINTS, name="b.parquet", datetime=lists))


def test_a_column_of_dates_is_read(tmp_path: Path) -> None:
    dates = [dt.date(2019, 5, 1), None, dt.date(2019, 6, 1), dt.date(2018, 1, 1)]
    found = loaded(saved(tmp_path, POINTS, name="a.parquet", datetime=dates))
    assert found.preferred[[0, 2, 3]].tolist() == [micro(2019, 5, 1), micro(2019, 6, 1), micro(2018, 1, 1)]


def test_an_instant_outside_the_window_is_known_and_told(tmp_path: Path) -> None:
    texts = ["2017-12-31T23:59:59.999999Z", "2018-01-01", "2020-12-31T23:59:59.999999Z", "2021-01-01"]
    found = loaded(saved(tmp_path, POINTS, name="a.parquet", datetime=texts))
    assert found.outside.tolist() == [True, False, False, True]
    assert found.notes == ("2 of 4 places have a datetime outside the window",)
    first, second = found.draws(0), found.draws(1)
    assert first.outside.tolist() == [True, True, False, False, False, False], "in both zones"
    assert second.outside.tolist() == [True, True]
    within = loaded(saved(tmp_path, POINTS, name="b.parquet"))
    assert not within.outside.any()
    assert within.notes == ()


# Names


@pytest.mark.parametrize("column", ["id", "place_id", "name"])
@pytest.mark.parametrize("file", ["sites.gpkg", "sites.geojson", "sites.parquet"])
def test_what_the_file_calls_a_place_is_kept(tmp_path: Path, column: str, file: str) -> None:
    path = tmp_path / file
    frame = gpd.GeoDataFrame({column: ["a", "07", "ä b", "a"]}, geometry=POINTS, crs=4326)
    frame.to_parquet(path) if file.endswith("parquet") else frame.to_file(path)
    found = loaded(path)
    assert found.names is not None
    assert found.names.tolist() == ["a", "07", "ä b", "a"]


def test_numbers_are_names_too_and_missing_ones_stay_missing(tmp_path: Path) -> None:
    numbers = loaded(saved(tmp_path, POINTS, name="a.parquet", id=[1, 2, 3, 10**12])).names
    assert numbers is not None
    assert numbers.tolist() == ["1", "2", "3", "1000000000000"]
    texts = loaded(saved(tmp_path, POINTS, name="b.parquet", id=["a", None, "", "d"])).names
    assert texts is not None
    assert texts.tolist() == ["a", None, "", "d"]


def test_numbers_of_which_some_are_missing_are_whole_still(tmp_path: Path) -> None:
    names = loaded(saved(tmp_path, POINTS, name="a.parquet", id=[1, 2, None, 4])).names
    assert names is not None
    assert names.tolist() == ["1", "2", None, "4"]


def test_the_column_id_comes_before_the_others(tmp_path: Path) -> None:
    names = loaded(saved(tmp_path, POINTS, name="a.parquet", place_id=list("efgh"), id=list("abcd"))).names
    assert names is not None
    assert names.tolist() == list("abcd")


def test_a_file_without_such_a_column_has_no_names(tmp_path: Path) -> None:
    assert loaded(saved(tmp_path, POINTS, site=list("abcd"))).names is None


def test_other_names_are_another_corpus(tmp_path: Path) -> None:
    first = loaded(saved(tmp_path, POINTS, name="a.parquet", id=list("abcd")))
    second = loaded(saved(tmp_path, POINTS, name="b.parquet", id=list("abce")))
    assert first.digest != second.digest != loaded(saved(tmp_path, POINTS, name="c.parquet")).digest


# The digest


def test_the_digest_is_of_places_and_instants_not_of_the_file(tmp_path: Path) -> None:
    first = loaded(saved(tmp_path, POINTS, name="a.parquet"))
    assert first.digest == loaded(saved(tmp_path, POINTS, name="b.parquet", site=[1, 2, 3, 4])).digest
    assert first.digest != loaded(saved(tmp_path, POINTS[::-1], name="c.parquet")).digest
    assert first.digest != loaded(saved(tmp_path, POINTS, name="d.parquet", datetime=["2019-05-01"] * 4)).digest


# What is refused


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "none.gpkg")
    refusal(tmp_path / "none.parquet")


@pytest.mark.parametrize("name", ["sites.gpkg", "sites.parquet", "sites.geojson"])
def test_a_file_that_is_damaged_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"no points at all")
    assert "cannot be read" in refusal(path)


def test_a_table_without_geometry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text("name,lon,lat\na,9,45\n")
    refusal(path)
    path = tmp_path / "plain.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(path)
    refusal(path)


def test_a_file_without_a_crs_is_refused(tmp_path: Path) -> None:
    assert "has no CRS" in refusal(saved(tmp_path, POINTS, crs=None, name="sites.parquet"))


def test_a_file_without_points_is_refused(tmp_path: Path) -> None:
    assert "holds no points" in refusal(saved(tmp_path, [], name="sites.parquet"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (shapely.box(0, 0, 1, 1), "feature 1 is a Polygon"),
        (shapely.LineString([(0, 0), (1, 1)]), "feature 1 is a LineString"),
        (shapely.MultiPoint([(0, 0), (1, 1)]), "feature 1 is a MultiPoint"),
        (None, "feature 1 is without geometry"),
        (Point(), "feature 1 is"),
    ],
)
def test_a_feature_that_is_no_point_is_refused_and_counted(tmp_path: Path, wrong: Any, told: str) -> None:
    message = refusal(saved(tmp_path, [POINTS[0], wrong], name="sites.parquet"))
    assert told in message
    assert "1 of 2 are not" in message


@pytest.mark.parametrize("lon_lat", [(9.0, 84.0), (9.0, -80.0), (181.0, 45.0), (9.0, 91.0), (500_000.0, 5_000_000.0)])
def test_a_point_where_utm_is_not_defined_is_refused_with_its_coordinates(
    tmp_path: Path, lon_lat: tuple[float, float]
) -> None:
    message = refusal(saved(tmp_path, [POINTS[0], Point(*lon_lat)], name="sites.parquet"))
    assert f"feature 1 lies at longitude {lon_lat[0]}, latitude {lon_lat[1]}" in message
    assert "1 of 2 are outside" in message


def test_an_infinite_point_is_refused(tmp_path: Path) -> None:
    refusal(saved(tmp_path, [Point(float("inf"), 45)], name="sites.parquet"))
