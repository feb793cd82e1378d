"""Areas: every sample in one, none with more than so many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.release.page.areas import areas
from tasks.release.page.facts import DEGREE

PLACES = st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=200)


def steps(places: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    lon, lat = np.round(np.array(places) * DEGREE).astype(np.int32).T
    return lon, lat


@given(places=PLACES, most=st.integers(1, 50))
def test_every_sample_lies_in_one_area_and_in_its_square(places: list[tuple[float, float]], most: int) -> None:
    lon, lat = steps(places)
    found = areas(lon, lat, most)
    assert sorted(np.concatenate([area.members for area in found])) == list(range(len(places)))
    for area in found:
        side = 360 * DEGREE / 2**area.depth
        assert 1 <= len(area.members) <= most
        # The easternmost meridian belongs to the last square.
        assert (lon[area.members] + 180 * DEGREE - area.x * side >= 0).all()
        assert (lon[area.members] + 180 * DEGREE - (area.x + 1) * side <= (lon[area.members] == 180 * DEGREE)).all()
        assert (lat[area.members] + 90 * DEGREE - area.y * side >= 0).all()
        assert (lat[area.members] + 90 * DEGREE - (area.y + 1) * side < 1).all()


@pytest.mark.parametrize(("samples", "most", "sizes"), [(10, 4, [4, 4, 2]), (4, 4, [4]), (0, 4, [])])
def test_many_samples_at_one_place_are_several_areas(samples: int, most: int, sizes: list[int]) -> None:
    place = np.full(samples, 700_000, np.int32)
    assert [len(area.members) for area in areas(place, place, most)] == sizes
