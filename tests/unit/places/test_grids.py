"""Files of points that give their places' grids: patches that are not snapped."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import PlacesError
from tasks.places.draws import ListedPlaces
from tasks.places.patches import Patches
from tasks.places.points import load_points
from tasks.shards.rows import patches_of

WINDOW = (0, 1_000_000)
EPSG, XMIN, YMAX = [32632, 32733], [500_002.339, 312_342.339], [5_000_002.836, 7_812_342.836]


def saved(folder: Path, pixels: int = 32, **columns: Any) -> Path:
    """Points at the centres of the grids, unless columns say otherwise."""
    grids = Patches(epsg=np.array(EPSG, np.int32), xmin=np.array(XMIN), ymax=np.array(YMAX), pixels=pixels)
    geometry = shapely.points(*grids.centres())
    columns = {"epsg": EPSG, "xmin": XMIN, "ymax": YMAX} | columns
    frame = gpd.GeoDataFrame({name: value for name, value in columns.items() if value is not None}, geometry=geometry)
    path = folder / "places.parquet"
    frame.set_crs(4326).to_parquet(path)
    return path


def loaded(path: Path, pixels: int = 32) -> ListedPlaces:
    return load_points(path, pixels=pixels, seed=0, window=WINDOW, shard_size=4)


def test_patches_lie_where_the_file_says_to_the_last_digit(tmp_path: Path) -> None:
    places = loaded(saved(tmp_path))
    found = [places.patches[index] for index in range(2)]
    assert [(one.epsg, one.xmin, one.ymax) for one in found] == list(zip(EPSG, XMIN, YMAX, strict=True))
    assert found[0].transform.c == XMIN[0]
    assert found[0].xmax == XMIN[0] + 320


def test_a_grid_that_is_given_has_no_alternative_in_the_neighbouring_zone(tmp_path: Path) -> None:
    places = loaded(saved(tmp_path))
    assert (places.alternatives, len(places.draws(0))) == (1, 2)


def test_grids_are_part_of_what_the_places_are(tmp_path: Path) -> None:
    first = loaded(saved(tmp_path)).digest
    assert loaded(saved(tmp_path, xmin=[XMIN[0] + 1, XMIN[1]])).digest != first


def test_whole_metres_stay_whole_numbers(tmp_path: Path) -> None:
    patches = loaded(saved(tmp_path, xmin=[500_000.0, 312_340.0], ymax=[5_000_000, 7_812_340])).patches
    assert (patches.xmin.dtype, type(patches[0].xmin)) == (np.int64, int)
    assert patches_of([patches[0]]).xmin.dtype == np.int64


@pytest.mark.parametrize("column", ["epsg", "xmin", "ymax"])
def test_without_all_three_columns_patches_are_centred_on_the_points(tmp_path: Path, column: str) -> None:
    patches = loaded(saved(tmp_path, **{column: None})).patches
    assert not (patches.xmin % 10).any()


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {"epsg": [32632, 4326]},
            "the grid of feature 1 is epsg 4326, xmin 312342.339, ymax 7812342.836 (1 of 2",
        ),
        ({"xmin": [np.nan, 1.0]}, "the grid of feature 0 is epsg 32632, xmin nan"),
        ({"ymax": ["north", "south"]}, "expected a UTM zone such as 32632 and metres of the upper left corner"),
        ({"xmin": [XMIN[0] + 500, XMIN[1]]}, "feature 0 lies at 9.00207, 45.15206, and the centre of "),
    ],
)
def test_grids_that_cannot_be_are_told(tmp_path: Path, columns: dict[str, Any], told: str) -> None:
    with pytest.raises(PlacesError) as caught:
        loaded(saved(tmp_path, **columns))
    assert told in str(caught.value)


def test_another_size_of_patches_than_the_grids_are_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlacesError, match="for patches of 256 pixels"):
        loaded(saved(tmp_path), pixels=256)


@given(st.lists(st.floats(200_000, 800_000), min_size=1, max_size=4))
def test_patches_in_columns_and_one_by_one_are_the_same(edges: list[float]) -> None:
    xmin = np.array(edges)
    patches = Patches(epsg=np.full(len(xmin), 32632, np.int32), xmin=xmin, ymax=xmin + 5e6, pixels=16)
    back = patches_of([patches[index] for index in range(len(xmin))])
    np.testing.assert_array_equal(back.xmin, xmin)
    np.testing.assert_array_equal(back.ymax, xmin + 5e6)
