"""The quicklooks that a shard records: one JPEG, a small picture of every sample at its row's place."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tasks.release.quicklooks import backscatter_composite, true_colour
from tasks.release.sheets import draw_sheet, sheet_layout
from tasks.shards.array_kinds import CENTIBEL, S1_NODATA, ArrayKind
from tasks.shards.description import Description, LayerDescription
from tests.unit.shards.made import small

COVER = LayerDescription(
    arrays=(
        ArrayKind(
            path="labels/cover", dimensions=("y", "x"), shape=(32, 32), dtype="uint8", fill=0,
            attributes={"legend": [{"index": 1, "code": "1", "name": "water", "rgb": [0, 0, 255]},
                                   {"index": 2, "code": "2", "name": "wood", "rgb": [0, 160, 0]}]},
        ),
    ),
    facts={},
)  # fmt: skip

HEIGHT = LayerDescription(
    arrays=(
        ArrayKind(
            path="labels/height", dimensions=("s", "y", "x"), shape=(2, 32, 32), dtype="int16", fill=-32768, step=0.5
        ),
    ),
    facts={},
)


def described(pixels: int = 32, **layers: LayerDescription) -> Description:
    return small(patch={"pixels": pixels}, layers=layers)


def pixels_of(description: Description) -> dict[str, NDArray[Any]]:
    """A shade a sample, so that one in another's place is seen."""
    arrays = {kind.path: kind.empty(description.shard_size) for kind in description.arrays}
    for row in range(description.shard_size):
        arrays["zulu/s2"][row] = 300 + 500 * row
        arrays["zulu/s1"][row] = -1800 + 300 * row
    return arrays


def drawn(description: Description, arrays: dict[str, NDArray[Any]], rows: list[int]) -> NDArray[np.int64]:
    image = Image.open(io.BytesIO(draw_sheet(description, arrays, rows)))
    assert image.format == "JPEG"
    return np.asarray(image.convert("RGB")).astype(np.int64)


def cut(sheet: NDArray[np.int64], description: Description, row: int) -> list[NDArray[np.int64]]:
    """The pictures of a row, without the line at their edges that decoders mix with the neighbours' colours."""
    layout = sheet_layout(description)
    left, top = layout.corner(row)
    side = layout.side
    starts = [left + at * side for at in range(len(layout.panels))]
    return [sheet[top + 1 : top + side - 1, start + 1 : start + side - 1] for start in starts]


def test_every_sample_has_its_imagery_at_its_rows_place_in_the_colours_of_the_preview() -> None:
    here = described()
    arrays = pixels_of(here)
    sheet = drawn(here, arrays, list(range(5)))
    for row in range(5):
        optical, radar = cut(sheet, here, row)
        assert np.abs(optical - true_colour(arrays["zulu/s2"][row])[1:-1, 1:-1]).max() <= 3
        wanted = backscatter_composite((arrays["zulu/s1"][row] * CENTIBEL).astype(np.float32))
        assert np.abs(radar - wanted[1:-1, 1:-1]).max() <= 3


def test_rows_without_pixels_stay_blank() -> None:
    here = described(cover=COVER)
    sheet = drawn(here, pixels_of(here), [0, 3])
    shown = [max(int(picture.max()) for picture in cut(sheet, here, row)) > 9 for row in range(5)]
    assert shown == [True, False, False, True, False]


def test_nodata_is_black_even_beside_pixels_that_have_data() -> None:
    here = described()
    arrays = pixels_of(here)
    arrays["zulu/s1"][4, :, :, :16] = S1_NODATA
    radar = cut(drawn(here, arrays, [4]), here, 4)[1]
    assert radar[:, :12].max() <= 12
    assert radar[:, 18:].max() >= 50


def test_the_first_label_stands_beside_the_imagery_in_its_own_colours() -> None:
    here = described(cover=COVER, height=HEIGHT)
    arrays = pixels_of(here)
    arrays["labels/cover"][2, :16], arrays["labels/cover"][2, 16:] = 1, 2
    assert sheet_layout(here).panels[2:] == ("cover",)
    cover = cut(drawn(here, arrays, [2]), here, 2)[2]
    assert np.abs(cover[:14] - (0, 0, 255)).max() <= 4
    assert np.abs(cover[16:] - (0, 160, 0)).max() <= 4


def test_measured_values_go_from_dark_to_bright_in_every_sample() -> None:
    here = described(height=HEIGHT)
    arrays = pixels_of(here)
    for row, most in ((0, 10), (1, 10_000)):
        arrays["labels/height"][row, 0] = np.linspace(0, most, 32).astype(np.int16)
    sheet = drawn(here, arrays, [0, 1])
    for row in (0, 1):
        shades = cut(sheet, here, row)[2].sum(axis=2)
        assert shades[:, 0].max() < 250 < 500 < shades[:, -1].min()


def test_the_same_pixels_give_the_same_bytes_and_nothing_of_the_host() -> None:
    here = described()
    one, two = (draw_sheet(here, pixels_of(here), [0, 1]) for _ in range(2))
    assert one == two
    assert set(Image.open(io.BytesIO(one)).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(("pixels", "side"), [(250, 96), (96, 96), (95, 80), (32, 32), (20, 16), (16, 16)])
def test_pictures_are_whole_blocks_no_larger_than_the_patch(pixels: int, side: int) -> None:
    here = described(pixels)
    assert sheet_layout(here).side == side
    sheet = drawn(here, pixels_of(here), [4])
    assert cut(sheet, here, 4)[0].shape == (side - 2, side - 2, 3)
    assert cut(sheet, here, 3)[0].max() <= 3, "no picture runs into its neighbour"


@pytest.mark.parametrize("samples", [1, 2, 250, 2_777, 4_096])
def test_sheets_of_the_largest_shards_are_jpegs_still(samples: int) -> None:
    here = described(250, cover=COVER)
    layout = sheet_layout(replace(here, spec=here.spec | {"shard_size": samples}))
    corners = {layout.corner(row) for row in range(samples)}
    assert len(corners) == samples
    assert max(left + 3 * layout.side for left, _ in corners) <= layout.columns * 3 * layout.side <= 65_535
    assert max(top + layout.side for _, top in corners) == layout.rows * layout.side <= 65_535
