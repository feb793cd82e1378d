"""Earth Engine's bodies of pixels, and what is asked for, without a server."""

import io
from typing import Any

import numpy as np
import pytest

from tasks.errors import PixelsError, SpecError
from tasks.imagery.bands import BANDS
from tasks.imagery.earthengine.parts import Part, Strip, dates_together, strips_of
from tasks.imagery.earthengine.pixels import read, room_for, tiles_of
from tasks.imagery.earthengine.refusals import Transient
from tasks.imagery.platform import Tiles
from tasks.places.patches import Patch

PATCH = Patch(epsg=32632, xmin=0, ymax=0, pixels=4)

WHOLE = Strip(patch=PATCH, first=0, rows=4, row_bytes=4)

S2 = Part(look="s2", path="earthengine/s2", asset="A/SR/a", twin="A/TOA/a")
S1 = Part(look="s1", path="earthengine/s1", asset="A/GRD/x")
PARTS = (S2, S1)


def tiles_from(body: bytes, *parts: Part) -> Tiles:
    arrays = room_for(parts, PATCH.pixels)
    read(body, WHOLE, parts, (), arrays)
    return tiles_of(arrays, parts)


def test_every_cut_is_damage() -> None:
    body = body_of()
    tiles = tiles_from(body, *PARTS)
    assert {path: array.shape for path, array in tiles.arrays.items()} == {
        "earthengine/s2": (13, 4, 4), "earthengine/s1": (2, 4, 4),
    }  # fmt: skip
    assert [array.dtype for array in tiles.arrays.values()] == [np.uint16, np.float32]
    for length in range(len(body)):
        with pytest.raises(Transient):
            tiles_from(body[:length], *PARTS)
    with pytest.raises(Transient):
        tiles_from(body + b"x", *PARTS)


def test_bands_are_told_by_name() -> None:
    tiles = tiles_from(body_of(order=-1), *PARTS)
    assert tiles.arrays[S2.path][:, 0, 0].tolist() == list(range(13))
    assert tiles.arrays[S1.path][:, 0, 0].tolist() == [20, 21]
    assert tiles.absent_bands == ()


def test_looks_of_one_sensor_are_told_apart() -> None:
    cloudy = Part(look="s2_cloudy__003", path="earthengine/s2_cloudy__003", asset="A/SR/b")
    fields = [(f"s2_{band}", "<u2") for band in BANDS] + [(f"s2_cloudy__003_{b}", "<u2") for b in BANDS if b != "B10"]
    array = np.zeros((4, 4), fields)
    array["s2_B04"], array["s2_cloudy__003_B04"] = 3, 7
    tiles = tiles_from(saved(array), S2, cloudy)
    assert tiles.arrays[S2.path][3].tolist() == [[3] * 4] * 4
    assert tiles.arrays[cloudy.path][3].tolist() == [[7] * 4] * 4
    assert tiles.absent_bands == ("B10",)


def test_what_is_masked_is_nodata() -> None:
    array = np.zeros((4, 4), RADAR)
    array["s1_VV"] = np.array([-9999, np.nan, 0, -45])
    values = tiles_from(saved(array), S1).arrays[S1.path]
    np.testing.assert_array_equal(values[0, 0], [np.nan, np.nan, 0, -45])
    assert not values[1].any()


def test_the_angle_is_the_mean_of_what_is_there() -> None:
    array = np.zeros((4, 4), RADAR)
    assert tiles_from(saved(array), S1).incidence == {}
    array["s1_angle"][:2] = 3001
    array["s1_angle"][0, 0] = 3105
    assert tiles_from(saved(array), S1).incidence == {"s1": 30.14}  # (7 x 30.01 + 31.05) / 8


RADAR = [("s1_VV", "<f4"), ("s1_VH", "<f4"), ("s1_angle", "<u2")]


def test_l1c_is_of_one_image_and_its_mask_lies_beside_it() -> None:
    one = Part(look="s2__001", path="earthengine/s2__001", asset="A/TOA/a", level="l1c", mask="CLOUDS")
    array = np.zeros((4, 4), [*((f"s2__001_{band}", "<u2") for band in BANDS), ("s2__001_cloud", "|u1")])
    array["s2__001_cloud"] = [0, 40, 100, 255]
    tiles = tiles_from(saved(array), one)
    assert sorted(tiles.arrays) == ["earthengine/s2__001", "earthengine/s2_cloud__001"]
    mask = tiles.arrays["earthengine/s2_cloud__001"]
    assert mask.dtype == np.uint8 and mask[0].tolist() == [0, 40, 100, 255] and tiles.absent_bands == ()


def test_strips_are_put_together_as_if_they_had_come_at_once() -> None:
    whole = tiles_from(body_of(numbered=True), *PARTS)
    arrays = room_for(PARTS, PATCH.pixels)
    rows = np.load(io.BytesIO(body_of(numbered=True)))
    for strip in WHOLE.parted(3):
        some = saved(rows[strip.first : strip.first + strip.rows])
        read(some, strip, PARTS, (), arrays)
    together = tiles_of(arrays, PARTS)
    assert together.incidence == whole.incidence
    for path, values in whole.arrays.items():
        np.testing.assert_array_equal(together.arrays[path], values)


@pytest.mark.parametrize(("pixels", "strips"), [(250, 1), (1182, 1), (1183, 2), (1920, 3), (2048, 4)])
def test_strips_follow_from_the_bytes(pixels: int, strips: int) -> None:
    patch = Patch(epsg=32632, xmin=0, ymax=0, pixels=pixels)
    found = strips_of(patch, {**S2.types, **S1.types})
    assert len(found) == strips and sum(strip.rows for strip in found) == pixels
    assert max(strip.rows * strip.row_bytes for strip in found) <= 50_331_648
    assert [strip.first for strip in found] == [sum(strip.rows for strip in found[:at]) for at in range(strips)]


@pytest.mark.parametrize(
    ("pixels", "labels", "dates"), [(256, 0, 21), (250, 0, 22), (32, 0, 64), (1182, 0, 1), (2048, 0, 1), (256, 20, 20)]
)
def test_dates_of_a_request_follow_from_bytes_and_bands(pixels: int, labels: int, dates: int) -> None:
    sent = {str(label): "<u2" for label in range(labels)}
    assert dates_together({**S2.types, **S1.types}, sent, pixels) == dates


def test_more_bands_than_an_image_has_are_refused() -> None:
    with pytest.raises(SpecError, match="1020 bands from earthengine and 16 of images are more than the 1024"):
        dates_together({**S2.types, **S1.types}, {str(label): "<u2" for label in range(1020)}, 32)


@pytest.mark.parametrize("changed", [{"s1": "<f8"}, {"s2": "<i4"}, {"pixels": 5}, {"name": "B01"}])
def test_another_array_is_not_asked_for_again(changed: dict[str, Any]) -> None:
    with pytest.raises(PixelsError, match="asked for"):
        tiles_from(body_of(**changed), *PARTS)


def test_an_array_without_fields_is_another_one() -> None:
    with pytest.raises(PixelsError, match="asked for"):
        tiles_from(saved(np.zeros((4, 4), "<u2")), *PARTS)


def test_b10_that_was_not_asked_for() -> None:
    with pytest.raises(PixelsError, match="asked for"):
        tiles_from(body_of(), Part(look="s2", path=S2.path, asset=S2.asset), S1)


def body_of(
    *, order: int = 1, s2: str = "<u2", s1: str = "<f4", pixels: int = 4, name: str = "s2_B01", numbered: bool = False
) -> bytes:
    names = [name, *(f"s2_{band}" for band in BANDS[1:])]
    fields = [*((band, s2) for band in names), ("s1_VV", s1), ("s1_VH", s1), ("s1_angle", "<u2")][::order]
    array = np.zeros((pixels, pixels), fields)
    for index, band in enumerate(names):
        array[band] = index
    array["s1_VV"], array["s1_VH"] = 20, 21
    if numbered:
        for field in array.dtype.names or ():
            array[field] += np.arange(pixels * pixels).reshape(pixels, pixels).astype(array[field].dtype)
    return saved(array)


def saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()
