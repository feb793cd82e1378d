"""Tiles that overlap because it was asked for: never across splits."""

import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import PlacesError
from tasks.places.draws import ListedPlaces
from tasks.places.opening import open_places
from tasks.places.overlaps import corners, overlap_counts, overlapping
from tasks.places.patches import Patches, patches_around
from tasks.spec import CorpusSpec

SIDE = 1_000
"""Metres of a tile of 100 pixels."""


def regions(folder: Path, boxes: dict[str, tuple[float, ...]], crs: int = 32632, **columns: Any) -> str:
    path = folder / "regions.parquet"
    geometry = [shapely.box(*box) for box in boxes.values()]
    gpd.GeoDataFrame({"roi": [*boxes], **columns}, geometry=geometry, crs=crs).to_parquet(path)
    return str(path)


def opened(path: str, *, stride: int | None = 50, splits: Any = None, **places: Any) -> ListedPlaces:
    spec = CorpusSpec.model_validate({
        "name": "x", "window": ["2018-01-01", "2021-01-01"], "patch": {"pixels": 100}, "destinations": ["out"],
        "seed": 3, "places": {"cover": path, "stride": stride, "columns": ["roi"]} | places,
        "splits": {"by": "roi", "validation": 0.3, "test": 0.3} if splits is None else splits,
    })  # fmt: skip
    found = open_places(spec)
    assert isinstance(found, ListedPlaces)
    return found


def tiles(found: ListedPlaces) -> set[tuple[int, int]]:
    _, x, y = corners(found.patches)
    return set(zip(x.tolist(), y.tolist(), strict=True))


# Which tiles there are


@pytest.mark.parametrize("stride", [25, 40, 50, 70, 100])
def test_tiles_begin_at_every_multiple_of_the_stride_and_are_kept_if_more_than_half_inside(
    tmp_path: Path, stride: int
) -> None:
    box = (500_130, 5_000_000, 503_330, 5_002_000)
    found = opened(regions(tmp_path, {"a": box}), stride=stride)
    step, region = 10 * stride, shapely.box(*box)
    expected = {
        (x, y)
        for x in range(500_000 // step * step - 1_000 // step * step, 504_000, step)
        for y in range(5_000_000 // step * step - 1_000 // step * step, 5_003_000, step)
        if region.intersection(shapely.box(x, y, x + SIDE, y + SIDE)).area > SIDE**2 / 2 + 1
    }
    assert {tile for tile in tiles(found) if tile in expected} == expected
    # Edges in degrees are off by a metre: only a tile that is half inside to a metre may be either.
    for x, y in tiles(found) - expected:
        assert region.intersection(shapely.box(x, y, x + SIDE, y + SIDE)).area == pytest.approx(SIDE**2 / 2, rel=0.01)
    assert len(tiles(found)) == len(found.patches)


def test_a_stride_of_the_side_is_no_stride_at_all(tmp_path: Path) -> None:
    path = regions(tmp_path, {"a": (500_130, 5_000_000, 503_330, 5_002_000)})
    one, other = opened(path, stride=100, splits={}), opened(path, stride=None, splits={})
    assert (one.digest, one.notes) == (other.digest, other.notes)
    assert not one.may_overlap


def test_the_order_is_north_to_south_and_west_to_east(tmp_path: Path) -> None:
    found = opened(regions(tmp_path, {"a": (500_000, 5_000_000, 503_000, 5_002_000)})).patches
    order = list(zip((-found.ymax).tolist(), found.xmin.tolist(), strict=True))
    assert order == sorted(order)
    assert len(order) >= 5 * 3


def test_across_the_equator_a_tile_has_the_hemisphere_of_its_centre(tmp_path: Path) -> None:
    found = opened(regions(tmp_path, {"a": (20.0, -0.03, 20.03, 0.03)}, crs=4326)).patches
    _, lat = found.centres()
    assert ((found.epsg == 32734) == (lat < 0)).all()
    _, _, y = corners(found)
    assert {0, -500, -1_000, 500} <= {*y.tolist()}


def test_how_much_they_overlap_is_told(tmp_path: Path) -> None:
    path = regions(tmp_path, {"a": (500_000, 5_000_000, 503_000, 5_002_000)})
    (note,) = opened(path).notes
    assert note.startswith(
        "neighbouring tiles overlap by 50% of their side (places.stride), as asked for: about 4 times"
    )
    assert opened(path, stride=None).notes == ()


# Never across splits


def apart(places: ListedPlaces) -> bool:
    split = np.array(places.columns["split"].tolist(), object)
    return all((split[first] == split[second]).all() for first, second in overlapping(places.patches))


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), min_size=2, max_size=5), st.integers(0, 10**6))
@settings(max_examples=25)
def test_overlapping_tiles_of_different_splits_are_refused_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, at: list[tuple[int, int]], seed: int
) -> None:
    boxes = {str(n): (500_000 + 700 * x, 5_000_000 + 700 * y, 502_000 + 700 * x, 5_002_000 + 700 * y) for n, (x, y) in
             enumerate(at)}  # fmt: skip
    words = ["train", "validation", "test"]
    split = [words[(seed // 3**n) % 3] for n in range(len(at))]
    path = regions(tmp_path_factory.mktemp("cover"), boxes, split=split)
    whole = opened(path, splits={"by": "roi", "train": 1})
    of = dict(zip(boxes, split, strict=True))
    expected = np.array([of[roi] for roi in whole.columns["roi"].tolist()], object)
    wrong = any((expected[a] != expected[b]).any() for a, b in overlapping(whole.patches))
    try:
        found = opened(path, columns=["roi", "split"], splits={"by": "split"})
    except PlacesError as error:
        assert wrong
        assert "tiles overlap one of another split, such as '" in str(error)
        return
    assert not wrong
    assert apart(found)
    assert found.columns["split"].tolist() == expected.tolist()


def test_the_refusal_names_groups_splits_places_and_remedy(tmp_path: Path) -> None:
    boxes = {"a": (500_000, 5_000_000, 502_000, 5_002_000), "b": (502_000, 5_000_000, 504_000, 5_002_000)}
    path = regions(tmp_path, boxes, split=["train", "test"])
    with pytest.raises(PlacesError) as caught:
        opened(path, columns=["roi", "split"], splits={"by": "split"})
    message = str(caught.value)
    assert "places.cover: " in message
    assert re.search(r"such as 'train' at 9\.\d+ E, 45\.\d+ N \(train\) and 'test' at 9\.", message)
    assert "(test) by 'split'" in message
    assert "leave a patch's side between them" in message
    assert caught.value.exit_code == 2
    # A tile's width apart they are no neighbours.
    boxes["b"] = (503_000, 5_000_000, 505_000, 5_002_000)
    path = regions(tmp_path, boxes, split=["train", "test"])
    assert apart(opened(path, columns=["roi", "split"], splits={"by": "split"}))


def test_tiles_of_two_zones_do_not_overlap_even_so(tmp_path: Path) -> None:
    found = opened(regions(tmp_path, {"a": (5.4, 45.0, 6.6, 45.05)}, crs=4326))
    outlines = gpd.GeoSeries(found.patches.outlines(), crs=4326).to_crs(32631).to_numpy()
    zone = found.patches.epsg
    assert {*zone.tolist()} == {32631, 32632}
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    across = zone[first] != zone[second]
    assert shapely.area(shapely.intersection(outlines[first[across]], outlines[second[across]])).max(initial=0) < 1


# Points


def test_points_that_overlap_are_counted_and_told_and_kept(tmp_path: Path) -> None:
    geometry = gpd.GeoSeries.from_xy([500_000, 500_500, 505_000, 505_000], [5_000_000] * 4, crs=32632)
    frame = gpd.GeoDataFrame({"split": ["train", "test", "train", "train"]}, geometry=geometry)
    frame.to_parquet(tmp_path / "a.parquet")
    points = {"cover": None, "points": str(tmp_path / "a.parquet"), "stride": None}
    found = opened("", **points, columns=["split"], splits={"by": "split"})
    assert found.notes == ("4 of 4 places overlap another one, 2 one of another split",)
    assert opened("", **points, columns=None, splits={}).notes == ("4 of 4 places overlap another one",)
    frame.iloc[[0, 2]].to_parquet(tmp_path / "a.parquet")
    assert opened("", **points, columns=["split"], splits={"by": "split"}).notes == ()


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=1, max_size=30))
@settings(max_examples=40)
def test_overlaps_are_those_of_the_squares_on_both_sides_of_the_equator(at: list[tuple[int, int]]) -> None:
    x, y = np.array(at).T * 100
    south = y < -500
    patches = Patches(
        epsg=np.where(south, 32734, 32634).astype(np.int32), xmin=x + 500_000,
        ymax=y + SIDE + 10_000_000 * south, pixels=100,
    )  # fmt: skip
    split = np.array(["train" if x % 2 else "test" for x, _ in at], object)
    shared = (np.abs(x[:, None] - x) < SIDE) & (np.abs(y[:, None] - y) < SIDE) & ~np.eye(len(at), dtype=bool)
    parted = shared & (split[:, None] != split)
    overlap, across, pair = overlap_counts(patches, split)
    assert (overlap, across) == (shared.any(axis=1).sum(), parted.any(axis=1).sum())
    assert (pair is None) == (not parted.any())
    if pair is not None:
        assert parted[pair]


def test_patches_that_only_touch_do_not_overlap() -> None:
    patches = patches_around(np.array([9.0]), np.array([45.0]), 100)
    beside = Patches(epsg=patches.epsg, xmin=patches.xmin + SIDE, ymax=patches.ymax, pixels=100)
    both = Patches(
        epsg=np.concatenate([patches.epsg, beside.epsg]),
        xmin=np.concatenate([patches.xmin, beside.xmin]),
        ymax=np.concatenate([patches.ymax, beside.ymax]),
        pixels=100,
    )
    assert overlap_counts(both, np.array(["train", "test"], object)) == (0, 0, None)
