"""Match rates of a plan by continent and year."""

import geopandas as gpd
import pandas as pd

from tasks.planning.skew import told_rates


def rows(*told: tuple[float, float, str, str | None]) -> gpd.GeoDataFrame:
    lon, lat, when, missing = zip(*told, strict=True)
    return gpd.GeoDataFrame(
        {
            "lon": lon,
            "lat": lat,
            "preferred_time": pd.to_datetime(when, utc=True),
            "missing": pd.Series(missing, dtype="string"),
        },
        geometry=gpd.points_from_xy(lon, lat),
    )  # fmt: skip


def test_a_continent_and_a_year_that_pair_less_are_seen() -> None:
    plan = rows(
        (20, 0, "2018-05-01", "no-sentinel2"), (20, 1, "2019-05-01", None), (10, 50, "2018-06-01", None),
        (11, 50, "2018-07-01", None),
    )  # fmt: skip
    assert told_rates(plan) == [
        "paired by continent: Africa 50% of 2, Europe 100% of 2",
        "paired by year: 2018 67% of 3, 2019 100% of 1",
    ]


def test_of_one_continent_and_one_year_nothing_is_told() -> None:
    assert told_rates(rows((10, 50, "2019-01-01", None), (11, 50, "2019-12-31", "too-cloudy"))) == []
