"""What an API is asked for: cells that hold all that is wanted, and few searches for them."""

import hypothesis.strategies as st
import numpy as np
import pytest
import shapely
from hypothesis import given

from tasks.imagery.stac.cells import DAYS, SIDE, Asked, Cell, Search, searches
from tasks.scenes.roles import DAY

YEAR_2018 = 1_514_764_800_000_000


def asked(*rows: tuple[float, float, int, int]) -> Asked:
    """Longitude, latitude, first and last day of 2018."""
    lon, lat, first, end = np.array(rows, float).reshape(-1, 4).T
    days = [(column * DAY).astype(np.int64) + YEAR_2018 for column in (first, end)]
    return Asked(lon=lon, lat=lat, first=days[0], end=days[1])


def placed(search: Search) -> int:
    return len({cell[:2] for cell in search.cells})


def test_a_place_and_a_time_are_the_cells_that_hold_them() -> None:
    cells = asked((9.1, 45.1, 10, 35)).cells()
    assert {cell[:2] for cell in cells} == {(round(189 / SIDE), round(135 / SIDE))}
    assert [cell.time * DAYS for cell in cells] == [17_540, 17_550, 17_560], "2018 began on day 17,532"


def test_nothing_is_wanted_of_an_empty_time() -> None:
    assert asked((9.1, 45.1, 10, 10), (9.1, 45.1, 12, 3)).cells() == []


@pytest.mark.parametrize(("lon", "lat"), [(180.0, 10.0), (-180.0, 10.0), (179.999, -89.99), (-540.0, 90.0), (200, 0)])
def test_a_place_lies_in_the_area_of_its_search(lon: float, lat: float) -> None:
    (search,) = searches(asked((lon, lat, 0, 5)).cells(), together=8)
    area = search.area
    assert area.is_valid
    assert area.covers(shapely.Point((lon + 180) % 360 - 180, lat))
    west, south, east, north = area.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90


def test_a_cell_at_180_degrees_is_asked_for_on_both_sides() -> None:
    (search,) = searches(asked((179.9, 10, 0, 5)).cells(), together=8)
    assert search.area.covers(shapely.Point(-179.995, 10))


def test_places_of_one_time_share_a_search_wherever_they_lie() -> None:
    rng = np.random.default_rng(1)
    rows = [(rng.uniform(-180, 180), rng.uniform(-60, 80), 100, 160) for _ in range(8)]
    (search,) = searches(asked(*rows).cells(), together=64)
    assert placed(search) == 8


def test_a_country_over_a_summer_is_one_search() -> None:
    rng = np.random.default_rng(2)
    rows = [(rng.uniform(13.4, 16.5), rng.uniform(45.4, 46.9), 150, 220) for _ in range(50)]
    assert len(list(searches(asked(*rows).cells(), together=64))) == 1


def test_scenes_are_found_in_their_cells_also_across_180_degrees() -> None:
    here, beyond = Cell(0, 400, 5), Cell(1439, 400, 5)
    search = Search(cells=(here, beyond, Cell(720, 400, 5), Cell(0, 400, 6)))
    time = np.array([5 * DAYS * DAY + 1, 5 * DAYS * DAY + 1, 6 * DAYS * DAY])
    bounds = np.array([[179.9, 10, 180.1, 11], [-180.1, 10, -179.9, 11], [-179.9, 10, -179.8, 11]])
    found = search.sorted_in(bounds, time)
    assert {cell: positions.tolist() for cell, positions in found.items()} == {
        here: [0, 1], beyond: [0, 1], Cell(720, 400, 5): [], Cell(0, 400, 6): [2],
    }  # fmt: skip


@given(
    rows=st.lists(
        st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.integers(0, 1000), st.integers(1, 80)),
        min_size=1,
        max_size=40,
    ),
    together=st.integers(1, 64),
)
def test_searches_hold_every_cell_once_and_not_much_more(
    rows: list[tuple[float, float, int, int]], together: int
) -> None:
    cells = asked(*((lon, lat, first, first + days) for lon, lat, first, days in rows)).cells()
    found = list(searches(cells, together=together))
    assert sorted(cell for search in found for cell in search.cells) == cells
    for search in found:
        assert placed(search) <= together
        first, end = search.span
        covered = placed(search) * (end - first) / (DAYS * DAY)
        assert covered <= max(70, 1.5 * len(search.cells) + 10)
        assert search.area.is_valid
