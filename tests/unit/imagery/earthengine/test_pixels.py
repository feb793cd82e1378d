"""Earth Engine's bodies of pixels, and what is asked for, without a server."""

import io
from typing import Any

import numpy as np
import pytest

from tasks.errors import PixelsError
from tasks.imagery.bands import BANDS
from tasks.imagery.earthengine.pixels import Part, tiles_of
from tasks.imagery.earthengine.refusals import Transient
from tasks.places.patches import Patch

PATCH = Patch(epsg=32632, xmin=0, ymax=0, pixels=4)

S2 = Part(role="s2", path="earthengine/s2", asset="A/SR/a", twin="A/TOA/a")
S1 = Part(role="s1", path="earthengine/s1", asset="A/GRD/x")
PARTS = (S2, S1)


def test_every_cut_is_damage() -> None:
    body = body_of()
    tiles = tiles_of(body, PATCH, PARTS)
    assert {path: array.shape for path, array in tiles.arrays.items()} == {
        "earthengine/s2": (13, 4, 4), "earthengine/s1": (2, 4, 4),
    }  # fmt: skip
    assert [array.dtype for array in tiles.arrays.values()] == [np.uint16, np.float32]
    for length in range(len(body)):
        with pytest.raises(Transient):
            tiles_of(body[:length], PATCH, PARTS)
    with pytest.raises(Transient):
        tiles_of(body + b"x", PATCH, PARTS)


def test_bands_are_told_by_name() -> None:
    tiles = tiles_of(body_of(order=-1), PATCH, PARTS)
    assert tiles.arrays[S2.path][:, 0, 0].tolist() == list(range(13))
    assert tiles.arrays[S1.path][:, 0, 0].tolist() == [20, 21]
    assert tiles.absent_bands == ()


def test_roles_of_one_sensor_are_told_apart() -> None:
    cloudy = Part(role="s2_cloudy", path="earthengine/s2_cloudy", asset="A/SR/b")
    fields = [(f"s2_{band}", "<u2") for band in BANDS] + [(f"s2_cloudy_{b}", "<u2") for b in BANDS if b != "B10"]
    array = np.zeros((4, 4), fields)
    array["s2_B04"], array["s2_cloudy_B04"] = 3, 7
    tiles = tiles_of(saved(array), PATCH, (S2, cloudy))
    assert tiles.arrays[S2.path][3].tolist() == [[3] * 4] * 4
    assert tiles.arrays[cloudy.path][3].tolist() == [[7] * 4] * 4
    assert tiles.absent_bands == ("B10",)


def test_what_is_masked_is_nodata() -> None:
    array = np.zeros((4, 4), [("s1_VV", "<f4"), ("s1_VH", "<f4")])
    array["s1_VV"] = np.array([-9999, np.nan, 0, -45])
    values = tiles_of(saved(array), PATCH, (S1,)).arrays[S1.path]
    np.testing.assert_array_equal(values[0, 0], [np.nan, np.nan, 0, -45])
    assert not values[1].any()


@pytest.mark.parametrize("changed", [{"s1": "<f8"}, {"s2": "<i4"}, {"pixels": 5}, {"name": "B01"}])
def test_another_array_is_not_asked_for_again(changed: dict[str, Any]) -> None:
    with pytest.raises(PixelsError, match="asked for"):
        tiles_of(body_of(**changed), PATCH, PARTS)


def test_an_array_without_fields_is_another_one() -> None:
    with pytest.raises(PixelsError, match="asked for"):
        tiles_of(saved(np.zeros((4, 4), "<u2")), PATCH, PARTS)


def test_b10_that_was_not_asked_for() -> None:
    with pytest.raises(PixelsError, match="asked for"):
        tiles_of(body_of(), PATCH, (Part(role="s2", path=S2.path, asset=S2.asset), S1))


def body_of(*, order: int = 1, s2: str = "<u2", s1: str = "<f4", pixels: int = 4, name: str = "s2_B01") -> bytes:
    names = [name, *(f"s2_{band}" for band in BANDS[1:])]
    fields = [*((band, s2) for band in names), ("s1_VV", s1), ("s1_VH", s1)][::order]
    array = np.zeros((pixels, pixels), fields)
    for index, band in enumerate(names):
        array[band] = index
    array["s1_VV"], array["s1_VH"] = 20, 21
    return saved(array)


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
