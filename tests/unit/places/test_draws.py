"""Draws: a function of seed and cell, whoever computes them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Philox

from tasks.errors import PlacesError
from tasks.places import cells as cells_module
from tasks.places import counters
from tasks.places.capacity import CANDIDATES_PER_SAMPLE
from tasks.places.draws import Draws, ListedPlaces, RandomPlaces, draw_region, instants_of_points
from tasks.places.lattice import Lattice
from tasks.places.opening import open_places
from tasks.places.patches import patches_around
from tasks.places.regions import Region, load_region
from tasks.spec import CorpusSpec

WINDOW = (1_514_764_800_000_000, 1_609_459_200_000_000)
"""2018-01-01 to 2021-01-01."""


def region(*polygons: shapely.Polygon) -> Region:
    return Region(name="test", polygons=np.array(polygons, dtype=object), digest="test")


SQUARE = region(shapely.box(6.0, 48.0, 12.0, 52.0))
"""Some 7,500 cells of 5 km."""


def drawn(seed: int = 1, *, where: Region = SQUARE, shard_size: int = 50, pixels: int = 250) -> RandomPlaces:
    return draw_region(where, pixels=pixels, seed=seed, window=WINDOW, shard_size=shard_size)


@pytest.fixture(scope="module")
def places() -> RandomPlaces:
    return drawn()


def same(first: Draws, second: Draws) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("cell", "preferred")) and all(
        np.array_equal(getattr(first.patches, name), getattr(second.patches, name)) for name in ("epsg", "xmin", "ymax")
    )


def evenness(values: np.ndarray, bins: int = 20) -> float:
    """Chi-square of values in [0, 1) against evenness, with `bins` - 1 degrees of freedom."""
    counts = np.bincount((values * bins).astype(int), minlength=bins)
    assert len(counts) == bins
    expected = len(values) / bins
    return float(((counts - expected) ** 2 / expected).sum())


CHI_SQUARE = 43.8
"""Of 19 degrees of freedom, exceeded once in a thousand seeds; the seeds here are fixed."""


# The permutation


def test_every_cell_of_the_region_is_drawn_once(places: RandomPlaces) -> None:
    assert len(np.unique(places.cells)) == len(places.cells)
    lattice = places.lattice
    every = np.concatenate([lattice.cells_between(row, 6.0, 12.0) for row in lattice.rows_between(48.0, 52.0)])
    assert np.isin(places.cells, every).all()
    # Those at the border belong to it only if their patch's centre does.
    assert len(every) - 700 < len(places.cells) < len(every)


def test_a_cell_belongs_to_the_region_if_its_patch_centre_does(places: RandomPlaces) -> None:
    for shard in range(0, places.capacity, 10):
        lon, lat = places.draws(shard).patches.centres()
        # Snapping moves a centre by 7 m at most.
        assert (lon > 6.0 - 1e-4).all()
        assert (lon < 12.0 + 1e-4).all()
        assert (lat > 48.0 - 1e-4).all()
        assert (lat < 52.0 + 1e-4).all()


@pytest.mark.parametrize("at_least", [1, 100, 3_333, 10**9])
def test_the_permutation_is_independent_of_the_batches_it_is_computed_in(
    monkeypatch: pytest.MonkeyPatch, places: RandomPlaces, at_least: int
) -> None:
    whole = cells_module.batches
    monkeypatch.setattr(cells_module, "batches", lambda *given: whole(*given, at_least=at_least))
    assert np.array_equal(drawn().cells, places.cells)


def test_a_cell_has_the_same_draw_in_every_region(places: RandomPlaces) -> None:
    smaller = drawn(where=region(shapely.box(8.0, 49.0, 9.0, 50.0)))
    small = {int(c): i for i, c in enumerate(smaller.draws(0).cell)}
    found = 0
    for shard in range(places.capacity):
        for index, cell in enumerate(places.draws(shard).cell):
            if int(cell) in small:
                found += 1
                other = smaller.draws(0)
                assert places.draws(shard).patches[index] == other.patches[small[int(cell)]]
                assert places.draws(shard).preferred[index] == other.preferred[small[int(cell)]]
        if found > 5:
            return
    raise AssertionError("the smaller region lies in the larger one")


def test_cells_common_to_two_regions_keep_their_order(places: RandomPlaces) -> None:
    smaller = drawn(where=region(shapely.box(8.0, 49.0, 9.0, 50.0)))
    common = places.cells[np.isin(places.cells, smaller.cells)]
    assert np.array_equal(common, smaller.cells[np.isin(smaller.cells, places.cells)])
    assert len(common) == len(smaller.cells)


def test_the_order_has_nothing_to_do_with_the_place(places: RandomPlaces) -> None:
    position = np.arange(len(places.cells))
    assert abs(np.corrcoef(position, places.cells)[0, 1]) < 0.04
    neighbours = np.abs(np.diff(places.cells))
    assert (neighbours == 1).mean() < 0.005


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
@settings(max_examples=15)
def test_different_seeds_give_different_draws(first: int, second: int) -> None:
    small = region(shapely.box(8.0, 49.0, 9.0, 50.0))
    one, other = drawn(first, where=small), drawn(second, where=small)
    if first == second:
        assert np.array_equal(one.cells, other.cells)
    else:
        assert not np.array_equal(one.cells, other.cells)
        shared = np.intersect1d(one.cells, other.cells)
        a, b = (dict(zip(p.draws(0).cell.tolist(), p.draws(0).preferred.tolist(), strict=True)) for p in (one, other))
        both = [cell for cell in shared.tolist() if cell in a and cell in b]
        assert sum(a[cell] == b[cell] for cell in both) < max(1, len(both))


# Shards


def test_shard_k_takes_every_capacity_th_position_from_k(places: RandomPlaces) -> None:
    assert places.capacity == len(places.cells) // 75
    for shard in (0, 1, 17, places.capacity - 1):
        expected = [places.cells[i] for i in range(len(places.cells)) if i % places.capacity == shard]
        assert places.draws(shard).cell.tolist() == expected


def test_all_shards_together_are_all_cells_each_once(places: RandomPlaces) -> None:
    cells = np.concatenate([places.draws(shard).cell for shard in range(places.capacity)])
    assert np.array_equal(np.sort(cells), np.sort(places.cells))


def test_every_shard_has_half_as_many_candidates_again_as_samples(places: RandomPlaces) -> None:
    for shard in range(places.capacity):
        assert len(places.draws(shard)) >= CANDIDATES_PER_SAMPLE * places.shard_size


def test_a_shard_is_the_same_whoever_computes_it_and_in_whatever_order(places: RandomPlaces) -> None:
    shards = list(np.random.default_rng(3).permutation(places.capacity)[:30])
    forwards = [places.draws(int(shard)) for shard in shards]
    other = drawn()
    with ThreadPoolExecutor(4) as threads:
        backwards = list(threads.map(lambda shard: other.draws(int(shard)), reversed(shards)))
    assert all(same(first, second) for first, second in zip(forwards, reversed(backwards), strict=True))


def test_a_larger_size_changes_nothing_of_the_shards_there_are() -> None:
    def opened(size: int) -> RandomPlaces:
        spec = CorpusSpec.model_validate({
            "name": "x", "seed": 5, "size": size, "shard_size": 50, "places": {"random": ["BE"]},
            "window": ["2018-01-01", "2021-01-01"], "destinations": ["out"],
        })  # fmt: skip
        found = open_places(spec)
        assert isinstance(found, RandomPlaces)
        assert found.shards(size) == size // 50
        return found

    small, large = opened(50), opened(500)
    assert small.capacity == large.capacity
    assert all(same(small.draws(shard), large.draws(shard)) for shard in range(small.capacity))


def test_a_draw_is_a_block_of_philox_at_its_cell(places: RandomPlaces) -> None:
    # Written down here so that a change of the scheme, which would change every corpus, cannot pass unseen.
    draws = places.draws(3)
    for index in (0, 7, len(draws) - 1):
        cell = int(draws.cell[index])
        words = Philox(key=[1, 1], counter=cell).random_raw(4)
        _, u, v, when = ((int(word) >> 11) / 2**53 for word in words)
        assert draws.preferred[index] == WINDOW[0] + int(when * (WINDOW[1] - WINDOW[0]))
        lon, lat = places.lattice.places_in(np.array([cell]), np.array([u]), np.array([v]))
        assert draws.patches[index] == patches_around(lon, lat, 250)[0]


def test_runs_of_neighbouring_cells_give_the_words_of_each() -> None:
    cells = np.array([5, 6, 7, 100, 2**40, 2**40 + 1, 3, 2, 1, 0, 0])
    together = counters.words_of(9, 1, cells)
    for index, cell in enumerate(cells):
        assert np.array_equal(together[index], counters.words_of(9, 1, np.array([cell]))[0])
    assert counters.words_of(9, 1, np.array([], dtype=np.int64)).shape == (0, 4)


# Jitter and instants


def test_jitter_is_uniform_in_both_directions() -> None:
    # Four words a cell: order, east, north, instant.
    words = counters.words_of(11, 1, np.arange(40_000))
    for column in range(4):
        assert evenness(counters.to_unit(words[:, column])) < CHI_SQUARE
    independent = np.corrcoef(counters.to_unit(words), rowvar=False) - np.eye(4)
    assert np.abs(independent).max() < 0.02


def test_jitter_fills_the_room_in_the_cells(places: RandomPlaces) -> None:
    cells = np.sort(places.cells)
    words = counters.words_of(1, 1, cells)
    low = places.lattice.places_in(cells, np.zeros(len(cells)), np.zeros(len(cells)))
    high = places.lattice.places_in(cells, np.ones(len(cells)), np.ones(len(cells)))
    at = places.lattice.places_in(cells, counters.to_unit(words[:, 1]), counters.to_unit(words[:, 2]))
    for axis in (0, 1):
        assert evenness((at[axis] - low[axis]) / (high[axis] - low[axis])) < CHI_SQUARE


def test_preferred_instants_are_uniform_in_the_window(places: RandomPlaces) -> None:
    instants = np.concatenate([places.draws(shard).preferred for shard in range(places.capacity)])
    assert evenness((instants - WINDOW[0]) / (WINDOW[1] - WINDOW[0])) < CHI_SQUARE


@given(st.integers(-(10**15), 2 * 10**15), st.integers(1, 10**16))
def test_preferred_instants_lie_in_the_half_open_window_even_at_the_largest_word(first: int, length: int) -> None:
    words = np.array([0, 2**64 - 1], dtype=np.uint64)
    earliest, latest = counters.to_instants(words, (first, first + length))
    assert earliest == first
    assert first <= latest < first + length
    if length < 2**52:
        assert latest == first + length - 1


def test_instants_of_points_do_not_depend_on_how_many_there_are() -> None:
    assert np.array_equal(instants_of_points(1_000, 4, WINDOW)[:10], instants_of_points(10, 4, WINDOW))
    assert not np.array_equal(instants_of_points(10, 4, WINDOW), instants_of_points(10, 5, WINDOW))


# Capacity


def test_more_samples_than_the_region_holds_are_refused_with_the_number_that_fits(places: RandomPlaces) -> None:
    fits = places.capacity * 50
    assert places.shards(fits) == places.capacity
    with pytest.raises(PlacesError) as caught:
        places.shards(fits + 50)
    message = str(caught.value)
    assert f"size: {fits + 50} samples" in message
    assert f"{len(places.cells)} cells of 5 km" in message
    assert f"Use size: {fits} or less" in message
    assert caught.value.exit_code == 2


def test_a_region_smaller_than_a_shard_holds_one() -> None:
    small = drawn(where=region(shapely.box(8.0, 49.0, 8.5, 49.5)), shard_size=1_000)
    assert small.capacity == 1
    assert same(small.draws(0), small.draws(0).take(slice(None)))
    assert len(small.draws(0)) == len(small.cells)


def test_a_region_without_a_cell_is_refused_with_what_to_do() -> None:
    with pytest.raises(PlacesError, match="holds no patch centre") as caught:
        drawn(where=region(shapely.box(8.0, 49.0, 8.0001, 49.0001)))
    assert "points" in str(caught.value)


@pytest.mark.parametrize("box", [shapely.box(0, 85, 20, 90), shapely.box(0, -90, 20, -81)])
def test_a_region_where_utm_is_not_defined_is_refused(box: shapely.Polygon) -> None:
    with pytest.raises(PlacesError):
        drawn(where=region(box))


@pytest.mark.parametrize("box", [shapely.box(10, 83, 20, 90), shapely.box(0, -90, 10, -79)])
def test_patches_lie_inside_the_latitudes_of_utm(box: shapely.Polygon) -> None:
    found = drawn(where=region(box))
    bounds = np.array([o.bounds for shard in range(found.capacity) for o in found.draws(shard).patches.outlines()])
    assert bounds[:, 1].min() >= -80
    assert bounds[:, 3].max() <= 84


def test_a_region_across_the_antimeridian_has_cells_on_both_sides() -> None:
    found = drawn(where=region(shapely.box(179.5, 60, 180, 61), shapely.box(-180, 60, -179.5, 61)))
    lon, _ = found.draws(0).patches.centres()
    assert (lon > 0).any()
    assert (lon < 0).any()
    assert (np.abs(lon) > 179.4).all()


@pytest.mark.parametrize("name", ["LU", "FJ"])
def test_countries_have_cells(name: str) -> None:
    found = drawn(where=load_region([name]), shard_size=10)
    lon, lat = found.draws(0).patches.centres()
    assert load_region([name]).contains(lon, lat).mean() > 0.99


def test_draws_are_taken_in_the_order_asked(places: RandomPlaces) -> None:
    draws = places.draws(0)
    some = draws.take(np.array([5, 2]))
    assert some.cell.tolist() == [draws.cell[5], draws.cell[2]]
    assert [some.patches[0], some.patches[1]] == [draws.patches[5], draws.patches[2]]
    assert len(draws.take(slice(0, 7))) == 7


# Listed places


def listed(count: int = 7, shard_size: int = 3) -> ListedPlaces:
    lon, lat = np.linspace(8.0, 11.9, count), np.linspace(44.0, 46.0, count)
    return ListedPlaces(
        patches=patches_around(lon, lat, 64),
        preferred=np.arange(count) + 100,
        window=(100, 10_000),
        shard_size=shard_size,
        digest="x",
    )


def test_listed_places_come_in_order_shard_by_shard() -> None:
    places = listed()
    assert places.capacity == places.shards(None) == places.shards(7) == 3
    cells = [places.draws(shard).cell[::2].tolist() for shard in range(3)]
    assert cells == [[0, 1, 2], [3, 4, 5], [6]]


def test_only_a_listed_place_lies_outside_the_window(places: RandomPlaces) -> None:
    draws = places.draws(0)
    assert draws.outside.tolist() == [False] * len(draws)
    given = listed()
    preferred = given.preferred.copy()
    preferred[[0, 4]] = 99, 10_000
    taken = replace(given, preferred=preferred).draws(1).take(slice(1, 4))
    assert taken.outside.tolist() == [False, True, True]


def test_each_listed_place_stands_in_its_own_zone_and_then_in_the_next() -> None:
    places = listed()
    for shard in range(3):
        draws = places.draws(shard)
        assert draws.alternatives == 2
        assert draws.cell[::2].tolist() == draws.cell[1::2].tolist()
        assert (draws.preferred == draws.cell + 100).all()
        for index, cell in enumerate(draws.cell[::2]):
            assert draws.patches[2 * index] == places.patches[int(cell)]
        assert (draws.patches.epsg[::2] != draws.patches.epsg[1::2]).all()


def test_a_size_that_is_not_the_number_of_listed_places_is_refused() -> None:
    with pytest.raises(PlacesError, match=r"size: 8, but the file lists 7 places"):
        listed().shards(8)


def test_the_lattice_of_small_patches_is_finer() -> None:
    assert Lattice(pixels=64).side == 1_280
    fine, coarse = drawn(pixels=125), drawn(pixels=250)
    assert len(fine.cells) == pytest.approx(4 * len(coarse.cells), rel=0.05)
