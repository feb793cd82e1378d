"""The preview: a contact sheet of quicklooks."""

import io

import numpy as np
import pytest
from PIL import Image

from tasks.release.quicklooks import VH_RANGE, VV_RANGE, Quicklook, backscatter_composite, contact_sheet, true_colour


def look(shade: int = 100) -> Quicklook:
    picture = np.full((64, 64, 3), shade, np.uint8)
    return Quicklook(true_colour=picture, backscatter=255 - picture, captions=("S2 2018-05-03", "tiny-00000-0000"))


def test_true_colour_is_red_green_blue_and_nodata_black() -> None:
    s2 = np.zeros((13, 8, 9), np.uint16)
    s2[3, 0, 0], s2[2, 0, 1], s2[1, 0, 2] = 3_000, 3_000, 3_000
    s2[1:4, 1] = 12_000
    found = true_colour(s2)
    assert (found.shape, found.dtype) == ((8, 9, 3), np.uint8)
    assert found[0, :3].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert (found[1] == 255).all()
    assert (found[2:] == 0).all()


def test_brighter_reflectance_is_never_darker() -> None:
    s2 = np.zeros((13, 1, 4_000), np.uint16)
    s2[3, 0] = np.arange(4_000)
    shades = true_colour(s2)[0, :, 0].astype(int)
    assert (np.diff(shades) >= 0).all()


@pytest.mark.filterwarnings("error")
def test_a_composite_of_backscatter_is_vv_vh_and_their_ratio_and_nodata_black() -> None:
    s1 = np.full((2, 4, 5), np.nan, np.float32)
    s1[:, 0, 0] = VV_RANGE[1], VH_RANGE[1]
    s1[:, 0, 1] = VV_RANGE[0], VH_RANGE[0]
    s1[0, 0, 2] = -5
    found = backscatter_composite(s1)
    assert (found.shape, found.dtype) == ((4, 5, 3), np.uint8)
    assert found[0, 0].tolist()[:2] == [255, 255]
    assert found[0, 1].tolist()[:2] == [0, 0]
    assert found[0, 2].tolist()[1:] == [0, 0]
    assert (found[1:] == 0).all()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 12])
def test_a_sheet_is_a_png_with_room_for_every_quicklook(count: int) -> None:
    image = Image.open(io.BytesIO(contact_sheet("tiny", "a corpus", [look()] * count)))
    image.load()
    assert image.format == "PNG"
    columns, rows = min(count, 4), -(-count // 4)
    assert image.width >= columns * 500
    assert image.height >= rows * 250


def test_a_sheet_shows_the_pictures() -> None:
    image = np.asarray(Image.open(io.BytesIO(contact_sheet("tiny", "a corpus", [look(200), look(30)]))))
    for shade in (200, 55, 30, 225):
        assert (image == shade).all(axis=2).sum() >= 250 * 250


def test_the_same_quicklooks_give_the_same_bytes() -> None:
    assert contact_sheet("tiny", "x", [look(), look(9)]) == contact_sheet("tiny", "x", [look(), look(9)])
