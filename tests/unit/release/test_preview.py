"""The preview: a contact sheet of quicklooks."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.release.keys import Key, draw_keys
from tasks.release.quicklooks import VH_RANGE, VV_RANGE, Quicklook, backscatter_composite, contact_sheet, true_colour

IMAGERY = ("Sentinel-2", "Sentinel-1")


def look(shade: int = 100, *labels: np.ndarray) -> Quicklook:
    picture = np.full((64, 64, 3), shade, np.uint8)
    return Quicklook(imagery=(picture, 255 - picture), labels=labels, captions=("S2 2018-05-03", "tiny-00000-0000"))


def sheet(*looks: Quicklook, heads: tuple[str, ...] = IMAGERY, **more: Any) -> Image.Image:
    return Image.open(io.BytesIO(contact_sheet("tiny", "a corpus", looks, heads=heads, **more))).convert("RGB")


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
    content = contact_sheet("tiny", "a corpus", [look()] * count, heads=IMAGERY)
    image = Image.open(io.BytesIO(content))
    image.load()
    assert image.format == "PNG"
    columns, rows = min(count, 4), -(-count // 4)
    assert columns * 500 <= image.width < columns * 500 + 100, "and none for a key that it does not have"
    assert image.height >= rows * 250


def test_a_sheet_shows_the_pictures() -> None:
    image = np.asarray(sheet(look(200), look(30)))
    for shade in (200, 55, 30, 225):
        assert (image == shade).all(axis=2).sum() >= 250 * 250


def test_the_same_quicklooks_give_the_same_bytes() -> None:
    one, two = (contact_sheet("tiny", "x", [look(), look(9)], heads=IMAGERY) for _ in range(2))
    assert one == two


def test_labels_stand_beside_the_imagery_and_keep_their_colours() -> None:
    classes = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8).repeat(32, axis=1).repeat(64, axis=0)
    found = sheet(look(100, classes), heads=(*IMAGERY, "CORINE"))
    counts = {colour: count for count, colour in found.getcolors(1 << 20) or []}
    assert counts[(255, 0, 0)] == counts[(0, 0, 255)] == 250 * 125, "nothing between two classes"
    assert found.width < 3 * 252 + 100


def test_a_key_stands_on_the_right_with_a_square_for_every_class() -> None:
    plain = sheet(look())
    keys = [Key(title="CORINE Land Cover", entries=(("112  Urban fabric", (255, 0, 0)), ("512  Water", (0, 255, 0))))]
    found = sheet(look(), keys=keys, footnotes=["made by somebody"])
    assert found.height == plain.height
    assert np.array_equal(np.asarray(found)[:, : plain.width], np.asarray(plain))
    right = Image.fromarray(np.asarray(found)[:, plain.width :])
    counts = {colour: count for count, colour in right.getcolors(1 << 20) or []}
    assert counts[(255, 0, 0)] == counts[(0, 255, 0)] == 100


@pytest.mark.parametrize("count", [1, 40, 107])
def test_a_long_key_takes_as_many_columns_as_it_needs(count: int) -> None:
    entries = tuple(
        (f"{number}  a class whose name is too long for one line", (number, 255, 0)) for number in range(count)
    )
    drawn = draw_keys([Key(title="Classes", entries=entries)], ["told"], 300)
    counts = {colour for _, colour in drawn.getcolors(1 << 20) or []}
    assert {colour for _, colour in entries} <= counts, "none is cut off"
    assert drawn.height <= 300
