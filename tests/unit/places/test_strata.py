"""Strata: disjoint, each with its exact share of every shard, whoever computes it and in whatever order."""

import re
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.assembly.filling import Filling
from tasks.errors import CandidatesExhausted, PlacesError, SceneUnavailable
from tasks.labels.osm.frames import frames_of
from tasks.places.draws import RandomPlaces, draw_region, draw_strata
from tasks.places.opening import open_places
from tasks.places.patches import Patch
from tasks.places.regions import Region
from tasks.places.strata import MOST_CANDIDATES, quotas_of
from tasks.scenes.reasons import Reason
from tasks.spec import CorpusSpec
from tests.unit.builders import MadeUp, made_up_builder

WINDOW = (0, 10**15)


def region(name: str, *box: float) -> Region:
    return Region(name=name, polygons=np.array([shapely.box(*box)], dtype=object), digest=name)


CITY, COUNTY, COUNTRY = (
    region("city", 8.3, 49.3, 8.7, 49.7),
    region("county", 8, 49, 9, 50),
    region("country", 6, 48, 12, 52),
)


def drawn(
    regions: list[Region], shares: list[float], *, shard_size: int = 20, seed: int = 1, **more: Any
) -> RandomPlaces:
    return draw_strata(regions, shares, pixels=250, seed=seed, window=WINDOW, shard_size=shard_size, **more)


@pytest.fixture(scope="module")
def nested() -> RandomPlaces:
    return drawn([CITY, COUNTY, COUNTRY], [1, 1, 2])


# Shares


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=8), st.integers(1, 4_096))
def test_quotas_fill_a_shard_and_differ_from_the_exact_share_by_less_than_a_sample(parts: list[int], size: int) -> None:
    quotas = quotas_of(parts, size)
    exact = [Fraction(part * size, sum(parts)) for part in parts]
    assert sum(quotas) == size
    assert all(abs(quota - share) < 1 for quota, share in zip(quotas, exact, strict=True))
    # Who got more had the larger remainder, or stood before an equal one.
    up = [(share % 1, -at) for at, (quota, share) in enumerate(zip(quotas, exact, strict=True)) if quota > share]
    down = [(share % 1, -at) for at, (quota, share) in enumerate(zip(quotas, exact, strict=True)) if quota < share]
    assert not up or not down or min(up) > max(down)


def test_only_the_proportion_of_shares_counts() -> None:
    assert quotas_of([1, 2], 256) == quotas_of([0.1, 0.2], 256) == (85, 171)
    assert quotas_of([1, 1, 1], 250) == (84, 83, 83)


# Cells


def test_a_cell_belongs_to_the_first_region_that_holds_its_centre(nested: RandomPlaces) -> None:
    for shard in range(nested.capacity):
        draws = nested.draws(shard)
        lon, lat = draws.patches.centres()
        held = np.stack([one.region.contains(lon, lat) for one in nested.strata])
        # Snapping to 10 m may move a centre over a border.
        assert (held.argmax(axis=0) == draws.stratum).mean() > 0.98
        assert (np.diff(draws.stratum) >= 0).all()


@given(st.lists(st.tuples(*[st.integers(0, 8)] * 4), min_size=2, max_size=4), st.integers(0, 2**63 - 1))
@settings(max_examples=15)
def test_strata_are_disjoint_whatever_regions_overlap(boxes: list[tuple[int, ...]], seed: int) -> None:
    tenths = [(6 + x / 10, 48 + y / 10, 6.4 + (x + w) / 10, 48.3 + (y + h) / 10) for x, y, w, h in boxes]
    regions = [region(str(at), *box) for at, box in enumerate(tenths)]
    try:
        places = drawn(regions, [1] * len(regions), shard_size=8, seed=seed)
    except PlacesError as error:
        assert re.search("stand before it|cells of 5 km that are its own, and every shard takes", str(error))
        return
    every = places.cells
    assert len(np.unique(every)) == len(every)
    for shard in range(places.capacity if places.capacity > 1 else 0):
        for cells, one in zip(places.cells_of(shard), places.strata, strict=True):
            assert len(cells) >= 3 * one.quota // 2


def test_a_stratum_does_not_depend_on_those_after_it_nor_on_shares(nested: RandomPlaces) -> None:
    alone, other = drawn([CITY], [1]), drawn([CITY, COUNTRY], [3, 1])
    least = min(len(one.cells) for one in (nested.strata[0], alone.strata[0], other.strata[0]))
    assert least > 30
    assert nested.strata[0].cells[:least].tolist() == alone.strata[0].cells[:least].tolist()
    assert nested.strata[0].cells[:least].tolist() == other.strata[0].cells[:least].tolist()


def test_one_stratum_is_the_region_alone() -> None:
    alone = draw_region(COUNTY, pixels=250, seed=1, window=WINDOW, shard_size=20)
    listed = drawn([COUNTY], [7])
    assert (listed.digest, listed.capacity, listed.notes) == (alone.digest, alone.capacity, alone.notes)
    assert listed.draws(0).cell.tolist() == alone.draws(0).cell.tolist()
    assert listed.columns_of(0, listed.draws(0).cell.tolist()) == {}


def test_a_shard_is_the_same_in_whatever_order_shards_are_computed(nested: RandomPlaces) -> None:
    again = drawn([CITY, COUNTY, COUNTRY], [1, 1, 2])
    for shard in reversed(range(nested.capacity)):
        first, second = nested.draws(shard), again.draws(shard)
        assert first.cell.tolist() == second.cell.tolist()
        assert first.preferred.tolist() == second.preferred.tolist()


def test_later_attempts_stay_in_the_stratum(nested: RandomPlaces) -> None:
    # Snapping to 10 m may move a centre over a border, not 20 m beyond it.
    inner, outer = ([shapely.buffer(one.region.polygons[0], by) for one in nested.strata] for by in (-2e-4, 2e-4))
    for shard, attempt in product(range(nested.capacity), range(1, nested.attempts)):
        draws = nested.draws(shard, attempt)
        centres = shapely.points(*draws.patches.centres())
        for at in range(len(nested.strata)):
            own = centres[draws.stratum == at]
            assert shapely.intersects(outer[at], own).all()
            assert not any(shapely.intersects(before, own).any() for before in inner[:at])
        assert nested.columns_of(shard, draws.cell.tolist())["stratum"].tolist() == draws.stratum.tolist()


def test_beside_a_small_stratum_a_large_one_gives_no_more_candidates_than_are_of_use(nested: RandomPlaces) -> None:
    for one, cells in zip(nested.strata, nested.cells_of(0), strict=True):
        assert 1.5 * one.quota <= len(cells) <= MOST_CANDIDATES * one.quota


def test_the_smallest_stratum_says_how_many_samples_there_can_be(nested: RandomPlaces) -> None:
    assert nested.quotas == (5, 5, 10)
    assert nested.capacity == len(nested.strata[0].cells) // 7.5
    with pytest.raises(PlacesError) as caught:
        nested.shards((nested.capacity + 1) * 20)
    assert "cells of 5 km in city, 1.5 candidates for each of its 5 samples a shard" in str(caught.value)
    assert f"Use size: {nested.capacity * 20} or less" in str(caught.value)


def test_the_digest_covers_every_region_in_order_and_what_it_gives() -> None:
    digests = [drawn(list(one), [1, 1]).digest for one in ((CITY, COUNTRY), (CITY, COUNTY))]
    overlapping = region("b", 8.5, 49, 9.5, 50)
    digests += [drawn(list(one), [1, 1]).digest for one in ((COUNTY, overlapping), (overlapping, COUNTY))]
    assert len({*digests, COUNTRY.digest, drawn([CITY, COUNTRY], [1, 3]).digest}) == 6
    assert drawn([CITY, COUNTRY], [2, 2]).digest == digests[0]


def test_what_each_stratum_gives_is_told(nested: RandomPlaces) -> None:
    assert nested.notes[0] == "of the 20 samples of every shard: 5 in city; 5 in county; 10 in country"


def test_labels_are_cut_out_for_the_cells_of_every_stratum(nested: RandomPlaces) -> None:
    assert frames_of(nested, [2]).place.tolist() == sorted(nested.draws(2).cell.tolist())


# What is refused


def test_a_region_wholly_within_those_before_it_is_refused() -> None:
    with pytest.raises(
        PlacesError, match=r"all cells of the region city \(item 1\) lie in regions that stand before it"
    ):
        drawn([COUNTY, CITY], [1, 1])


def test_a_share_that_is_no_whole_sample_of_a_shard_is_refused() -> None:
    with pytest.raises(
        PlacesError, match=r"a share of 1 of 1001 in city \(item 0\) is no whole sample of a shard of 20"
    ):
        drawn([CITY, COUNTRY], [1, 1000])


def test_a_region_with_fewer_cells_than_a_shard_takes_is_refused() -> None:
    small = region("small", 8.3, 49.3, 8.5, 49.4)
    with pytest.raises(PlacesError, match=r"small \(item 0\) holds \d cells of 5 km that are its own, and every shard"):
        drawn([small, COUNTRY], [1, 1], shard_size=40)


def test_a_region_without_a_cell_is_refused() -> None:
    with pytest.raises(PlacesError, match="the region dot holds no patch centre"):
        drawn([COUNTRY, region("dot", 0, 0, 0.0001, 0.0001)], [1, 1])


# Of a spec, and in a shard


def specified(folder: Path) -> dict[str, Any]:
    for name, box in (("inner", (9.0, 45.0, 9.06, 45.06)), ("outer", (8.9, 44.9, 9.2, 45.2))):
        gpd.GeoDataFrame(geometry=[shapely.box(*box)], crs=4326).to_file(folder / f"{name}.gpkg")
    strata = [{"region": str(folder / "inner.gpkg"), "share": 1}, {"region": str(folder / "outer.gpkg"), "share": 2}]
    return {"places": {"random": strata}, "size": 14, "shard_size": 7}


def test_a_region_of_a_stratum_is_whatever_a_region_is_alone(tmp_path: Path) -> None:
    gpd.GeoDataFrame(geometry=[shapely.box(6, 49.4, 6.6, 50.2)], crs=4326).to_file(tmp_path / "own.gpkg")
    spec = CorpusSpec.model_validate({
        "name": "x", "size": 12, "shard_size": 6, "window": ["2018-01-01", "2021-01-01"], "destinations": ["out"],
        "places": {"random": [
            {"region": str(tmp_path / "own.gpkg"), "share": 1}, {"region": ["LU"], "share": 0.5},
            {"region": ["BE", "NL"], "share": 1.5},
        ]},
    })  # fmt: skip
    places = open_places(spec)
    assert isinstance(places, RandomPlaces)
    assert [one.region.name for one in places.strata] == ["own.gpkg", "LU", "BE+NL"]
    assert places.quotas == (2, 1, 3)


def test_every_shard_has_exact_shares_and_replaces_within_a_stratum(tmp_path: Path) -> None:
    fetched = iter(range(1_000))

    def refuse_some(_: Patch) -> None:
        if next(fetched) % 3 == 0:
            raise SceneUnavailable(Reason.REFUSED, "stac-s2", "")

    builder = made_up_builder(tmp_path, MadeUp(on_fetch=refuse_some), **specified(tmp_path))
    places = builder.places
    assert isinstance(places, RandomPlaces)
    for shard in range(2):
        filling = Filling(builder=builder, shard=shard, traffic=builder.traffic())
        filling.fill()
        assert filling.columns["stratum"].tolist() == [0] * 2 + [1] * 5
        own = places.cells_of(shard)
        assert all(np.isin([one.cell for one in filling.samples[:2]], own[0]))
        assert all(np.isin([one.cell for one in filling.samples[2:]], own[1]))
        assert len(filling.replaced) >= 2
        planned = Filling(builder=builder, shard=shard, traffic=builder.traffic()).plan()
        assert planned["stratum"].tolist() == [0] * 2 + [1] * 5


def test_a_stratum_that_runs_out_of_candidates_takes_none_of_another(tmp_path: Path) -> None:
    def refuse_inside(patch: Patch) -> None:
        if patch.xmin < 506_000 and patch.ymin < 4_990_000:
            raise SceneUnavailable(Reason.REFUSED, "stac-s2", "")

    builder = made_up_builder(tmp_path, MadeUp(on_fetch=refuse_inside), **specified(tmp_path))
    filling = Filling(builder=builder, shard=0, traffic=builder.traffic())
    with pytest.raises(CandidatesExhausted, match=r"0 of 7 samples can be had, and no more of its 2 in inner\.gpkg\. "):
        filling.fill()
