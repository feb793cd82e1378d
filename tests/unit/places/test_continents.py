"""Continents that places are counted by."""

import numpy as np
import pytest

from tasks.places.continents import CONTINENTS, continents_of
from tasks.places.world import world

PLACES = {
    "Europe": [(2.3, 48.9), (-8.6, 37.1), (24.1, 35.2), (-21.9, 64.1), (58, 60), (14.4, 35.9)],
    "Africa": [(10.2, 36.8), (31.2, 30), (47, -19), (44.1, 10), (-16, 28.3), (55.5, -4.6)],
    "Asia": [(35.2, 31.8), (65, 61), (45, 13.2), (127, 38), (110, -7), (-171, 66), (32.9, 39.9)],
    "Oceania": [(133, -25), (145, -6), (174, -41), (-155.5, 19.6), (178, -18)],
    "North America": [(-99, 19), (-42, 72), (-79.5, 9), (-150, 64), (-61, 14.6)],
    "South America": [(-77, 7), (-74, 4.6), (-91, -0.7), (-61.4, 10.4), (-58, -52)],
    "Antarctica": [(0, -75), (-60, -64)],
}


@pytest.mark.parametrize("name", PLACES)
def test_places_are_counted_where_they_are(name: str) -> None:
    lon, lat = np.array(PLACES[name], float).T
    assert continents_of(lon, lat) == [name] * len(lon)


def test_nearly_every_country_is_somewhere() -> None:
    inside = world().geometry.representative_point()
    found = continents_of(inside.x.to_numpy(), inside.y.to_numpy())
    assert {*found} == {*CONTINENTS}
    assert found.count("elsewhere") <= 2


def test_nothing_is_nothing() -> None:
    assert continents_of(np.empty(0), np.empty(0)) == []
