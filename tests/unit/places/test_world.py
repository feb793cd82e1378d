"""The countries of the world, and the codes that name them."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tasks.errors import PlacesError
from tasks.places.world import GROUPS, country_codes, world

EQUAL_AREA = "EPSG:6933"


def million_km2(table: gpd.GeoDataFrame) -> float:
    return table.to_crs(EQUAL_AREA).area.sum() / 1e12


def country(code: str) -> gpd.GeoDataFrame:
    return world()[world()["alpha2"] == code]


@pytest.mark.parametrize(
    ("code", "expected"),
    [("RU", 16.97), ("CA", 9.92), ("US", 9.46), ("CN", 9.37), ("BR", 8.47)],
)
def test_large_countries_have_their_area(code: str, expected: float):
    # Natural Earth 1:50m, measured apart from this file.
    assert million_km2(country(code)) == pytest.approx(expected, rel=0.01)


def test_land_without_antarctica_has_its_area():
    assert million_km2(world()[world()["alpha2"] != "AQ"]) == pytest.approx(134.4, rel=0.005)


def test_antarctica_reaches_the_pole_on_every_meridian():
    antarctica = shapely.union_all(country("AQ").geometry.to_numpy())
    assert shapely.intersects_xy(antarctica, np.linspace(-180, 180, 73), -89.0).all()
    assert million_km2(country("AQ")) == pytest.approx(12.36, rel=0.02)


def test_no_country_crosses_180_degrees_or_is_invalid():
    table = world()
    assert table.crs == "EPSG:4326"
    assert table.is_valid.all()
    assert not table.is_empty.any()
    west, _, east, _ = table.total_bounds
    assert (west, east) == (-180, 180)
    # What is cut at 180 reaches it but spans far less than the globe on either side.
    assert (table[table["alpha2"] != "AQ"].explode().bounds.eval("maxx - minx") < 180).all()


def test_countries_without_an_iso_code_have_none():
    code = world().set_index("name")["alpha2"]
    assert code["Kosovo"] == "XK"
    assert code[["Somaliland", "N. Cyprus", "Clipperton I."]].isna().all()
    assert world()["alpha2"].dropna().nunique() == 238


@pytest.mark.parametrize("group", GROUPS)
def test_every_member_of_a_group_has_a_shape(group: str):
    members = GROUPS[group]
    assert set(members) <= set(world()["alpha2"].dropna())
    assert len(set(members)) == len(members) == {"EU27": 27, "EFTA": 4, "EEA": 30, "EEA39": 39}[group]


def test_codes_are_expanded_in_order_and_each_once():
    assert country_codes(["no", "EFTA", "FR"]) == ("NO", "CH", "IS", "LI", "FR")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("UK", r"'UK' is no known country; expected ISO 3166-1 alpha-2.*EU27.*Closest: GB\."),
        ("Germny", r"Closest: DE \(Germany\)"),
        ("FRA", r"Closest: .*FR"),
        ("EU28", r"Closest: EU27"),
        ("Q9", r"Closest: "),
        ("GF", r"in FR\. Use your own polygons"),
        ("VA", r"no shape"),
        (False, r'Write "NO" in quotes'),
        (7, r"has 7; expected ISO"),
    ],
)
def test_an_unknown_code_names_the_value_and_the_remedy(value: object, message: str):
    with pytest.raises(PlacesError, match=message):
        country_codes(["FR", value])


def test_an_empty_list_is_refused():
    with pytest.raises(PlacesError, match="list of countries is empty"):
        country_codes([])
