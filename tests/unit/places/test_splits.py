"""Splits: apart in space, in the shares asked for, and the same whoever computes them."""

import hashlib
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Philox
from pydantic import ValidationError
from pyproj import Geod

from tasks.errors import PlacesError, SpecError
from tasks.places.draws import ListedPlaces, draw_region
from tasks.places.opening import open_places
from tasks.places.regions import load_region
from tasks.places.splits import BLOCK, split_by, split_of
from tasks.spec import CorpusSpec, Splits, load_spec

NAMES = ("train", "validation", "test")
shares = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20)).filter(any).map(
    lambda parts: Splits(**dict(zip(NAMES, [part / sum(parts) for part in parts], strict=True)))
)  # fmt: skip
seeds = st.integers(0, 2**63 - 1)


def everywhere(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points uniform on the sphere."""
    random = np.random.default_rng(seed)
    return random.uniform(-180, 180, count), np.degrees(np.arcsin(random.uniform(-0.98, 0.98, count)))


def chi_squared(split: np.ndarray, expected: Splits) -> float:
    counts = [(split == name).sum() for name in NAMES]
    wanted = [len(split) * expected.shares[name] for name in NAMES]
    return sum((count - want) ** 2 / want for count, want in zip(counts, wanted, strict=True))


CHI_SQUARE = 13.8
"""Of 2 degrees of freedom, exceeded once in a thousand seeds; the seeds here are fixed."""


@given(st.floats(-180, 180), st.floats(-85, 85), seeds, shares)
def test_no_two_splits_share_a_block(lon: float, lat: float, seed: int, shares: Splits) -> None:
    random = np.random.default_rng(seed % 1000)
    # 1,000 points within some 300 km, so that there are many in each of a few blocks.
    lons = (lon + random.uniform(-1.5, 1.5, 1_000) / np.cos(np.radians(lat)) + 180) % 360 - 180
    lats = lat + random.uniform(-1.5, 1.5, 1_000)
    blocks, split = BLOCK.cells_at(lons, lats), split_of(lons, lats, seed, shares)
    for block in np.unique(blocks):
        assert len(set(split[blocks == block])) == 1


def test_blocks_are_about_100_km_wide_and_high() -> None:
    geod = Geod(ellps="WGS84")
    for lat in (-60.0, -20.0, 0.0, 45.0, 70.0):
        lons, lats = np.arange(0, 10, 0.01), np.arange(-2, 2, 0.01) + lat
        across = np.flatnonzero(np.diff(BLOCK.cells_at(lons, np.full(len(lons), lat))))
        down = np.flatnonzero(np.diff(BLOCK.cells_at(np.full(len(lats), 0.01), lats)))
        width = geod.line_length([0, np.diff(across).mean() * 0.01], [lat, lat])
        height = geod.line_length([0, 0], [lat, lat + np.diff(down).mean() * 0.01])
        assert 90_000 < width < 112_000
        assert 97_000 < height < 103_000


@given(st.integers(0, 2**31), seeds, shares)
def test_a_share_of_nothing_never_occurs(points: int, seed: int, shares: Splits) -> None:
    split = set(split_of(*everywhere(2_000, points), seed, shares))
    assert split <= {name for name, share in shares.shares.items() if share > 0}


@pytest.mark.parametrize("only", NAMES)
def test_a_share_of_all_is_all(only: str) -> None:
    shares = Splits(**{name: float(name == only) for name in NAMES})
    assert set(split_of(*everywhere(5_000, 1), 3, shares)) == {only}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shares", [Splits(), Splits(train=0.2, validation=0.3, test=0.5)])
def test_blocks_have_the_shares_asked_for(seed: int, shares: Splits) -> None:
    lon, lat = everywhere(60_000, seed)
    _, first = np.unique(BLOCK.cells_at(lon, lat), return_index=True)
    assert len(first) > 30_000
    assert chi_squared(split_of(lon[first], lat[first], seed, shares), shares) < CHI_SQUARE


def test_the_cells_of_the_land_have_about_the_default_shares() -> None:
    region = load_region("land")
    for seed in (0, 2020):
        places = draw_region(region, pixels=1024, seed=seed, window=(0, 1), shard_size=1000)
        lon, lat = places.draws(0).patches.centres()
        split = split_of(lon, lat, seed, Splits())
        for name, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
            assert (split == name).mean() == pytest.approx(share, abs=0.04)


def test_another_seed_puts_the_blocks_elsewhere() -> None:
    lon, lat = everywhere(20_000, 4)
    first, second = split_of(lon, lat, 1, Splits()), split_of(lon, lat, 2, Splits())
    # Independent draws agree with 0.7^2 + 0.1^2 + 0.2^2.
    assert (first == second).mean() == pytest.approx(0.54, abs=0.03)


@given(st.integers(0, 2**31), seeds, shares)
def test_a_point_has_its_split_alone_as_among_others(points: int, seed: int, shares: Splits) -> None:
    lon, lat = everywhere(50, points)
    together = split_of(lon, lat, seed, shares)
    alone = [split_of(lon[i : i + 1], lat[i : i + 1], seed, shares)[0] for i in range(50)]
    assert together.tolist() == alone
    assert split_of(lon[::-1], lat[::-1], seed, shares).tolist() == alone[::-1]


def test_no_points_have_no_splits() -> None:
    assert len(split_of(np.empty(0), np.empty(0), 0, Splits())) == 0


# The key of the spec


def values(**changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny", "size": 500, "places": {"random": "land"}, "window": ["2018-01-01", "2021-01-01"],
        "destinations": ["out"],
    } | changes  # fmt: skip


def test_the_default_is_70_10_20() -> None:
    spec = CorpusSpec.model_validate(values())
    assert spec.splits.shares == {"train": 0.7, "validation": 0.1, "test": 0.2}


def test_the_spec_says_the_shares() -> None:
    spec = CorpusSpec.model_validate(values(splits={"train": 0.5, "validation": 0.5, "test": 0}))
    assert spec.splits.shares == {"train": 0.5, "validation": 0.5, "test": 0}


@pytest.mark.parametrize("parts", [(0.7, 0.2, 0.2), (0.5, 0.1, 0.2), (1, 0, 1e-6), (0, 0, 0)])
def test_shares_that_do_not_add_up_to_1_are_refused(parts: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="add up to"):
        Splits(**dict(zip(NAMES, parts, strict=True)))


def test_rounded_thirds_of_a_decimal_add_up() -> None:
    assert Splits(train=0.1 + 0.2, validation=0.6, test=0.1).train == pytest.approx(0.3)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValidationError):
        Splits(train=share, validation=1 - share, test=0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("splits: {train: 0.8}", "line 6: splits: train, validation and test add up to 1.1, expected 1"),
        ("splits: {train: 0.7, valid: 0.1, test: 0.2}", "splits.valid: unknown key"),
        ("splits: {train: much}", "splits.train"),
    ],
)
def test_a_wrong_key_is_told_with_its_line(tmp_path: Any, line: str, told: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(
        "name: tiny\nsize: 500\nplaces: {random: land}\nwindow: [2018-01-01, 2021-01-01]\ndestinations: [out]\n"
        + line
        + "\n"
    )
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert told in str(caught.value)
    assert "line 6" in str(caught.value)


# By a column


def sites(folder: Path, groups: list[Any], *, splits: dict[str, Any], seed: int = 3) -> ListedPlaces:
    """Points in a row, each with a group."""
    points = gpd.GeoSeries.from_xy(np.linspace(1, 20, len(groups)), np.full(len(groups), 45.0), crs=4326)
    gpd.GeoDataFrame({"roi": groups}, geometry=points).to_parquet(folder / "sites.parquet")
    places = {"points": str(folder / "sites.parquet"), "columns": ["roi"]}
    content = {key: value for key, value in values(places=places, splits=splits, seed=seed).items() if key != "size"}
    found = open_places(CorpusSpec.model_validate(content))
    assert isinstance(found, ListedPlaces)
    return found


def dealt(found: ListedPlaces) -> list[str]:
    return found.columns_of(0, range(len(found.patches)))["split"].tolist()


GROUPED = {"by": "roi", "validation": 0.2, "test": 0.3}


def test_a_column_alone_is_the_split(tmp_path: Path) -> None:
    given = ["test", "train", "validation", "train"]
    assert dealt(sites(tmp_path, given, splits={"by": "roi"})) == given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            ["train", "val", "test"],
            "the column 'roi' holds 'val'; expected train, validation, test (write validation ",
        ),
        (
            ["Train", "test", "test"],
            "the column 'roi' holds 'Train'; expected train, validation, test (write train ",
        ),
        ([1, 2, 2], "the column 'roi' holds '1', '2'; expected train, validation, test. Or give shares"),
        (["train", None, "test"], "1 of 3 places have nothing in the column 'roi', the first is place 1"),
        ([0.5, 1.0, 2.0], "the column 'roi' holds numbers; expected text or whole numbers"),
    ],
)
def test_a_column_that_holds_no_splits_is_refused_with_what_it_holds(
    tmp_path: Path, given: list[Any], told: str
) -> None:
    with pytest.raises(PlacesError) as caught:
        sites(tmp_path, given, splits={"by": "roi"})
    assert f"places.points: splits: by: {told}" in str(caught.value)
    assert caught.value.exit_code == 2


@given(st.lists(st.text(max_size=5) | st.text("ab", max_size=2), min_size=1, max_size=30), seeds)
def test_groups_are_whole_and_a_group_has_its_split_alone_as_among_others(groups: list[str], seed: int) -> None:
    splits = Splits.model_validate(GROUPED)
    together = split_by(pd.array(groups, dtype="string"), seed, splits, "places.points")
    alone = [split_by(pd.array([group], dtype="string"), seed, splits, "places.points")[0] for group in groups]
    assert together.tolist() == alone


def test_groups_have_about_their_shares_and_another_seed_deals_them_anew() -> None:
    splits = Splits.model_validate(GROUPED)
    groups = pd.array([f"region {number}" for number in range(5_000)], dtype="string")
    first, second = (split_by(groups, seed, splits, "") for seed in (1, 2))
    assert chi_squared(first, splits) < CHI_SQUARE
    # Independent draws agree with 0.5^2 + 0.2^2 + 0.3^2.
    assert (first == second).mean() == pytest.approx(0.38, abs=0.03)


def test_groups_may_be_whole_numbers(tmp_path: Path) -> None:
    texts = dealt(sites(tmp_path, ["7", "8", "7", "9"], splits=GROUPED))
    assert dealt(sites(tmp_path, [7, 8, 7, 9], splits=GROUPED)) == texts
    assert texts[0] == texts[2]


def test_a_group_is_drawn_by_its_name_and_the_seed_alone() -> None:
    # Written down here so that a change of the scheme, which would move groups of every corpus, cannot pass unseen.
    counter = int.from_bytes(hashlib.sha256(b"roi 7").digest()[:8], "little")
    drawn = (Philox(key=[11, 4], counter=counter).random_raw() >> 11) * 2.0**-53
    expected = "train" if drawn < 0.5 else "validation" if drawn < 0.7 else "test"
    assert split_by(pd.array(["roi 7"], dtype="string"), 11, Splits.model_validate(GROUPED), "")[0] == expected
