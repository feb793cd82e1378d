"""Quicklooks: imagery as pictures, and the contact sheet that shows what a corpus looks like."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.release.keys import PAPER, Key, draw_keys

BRIGHTEST = 3000.0
"""Reflectance x 10,000 shown as white before the curve; clouds and snow are brighter."""

VV_RANGE, VH_RANGE, RATIO_RANGE = (-22.0, 2.0), (-28.0, -4.0), (-2.0, 20.0)
"""dB shown from black to full red, green and blue: VV, VH, VV minus VH."""

_SIDE, _GAP, _MARGIN, _HEAD, _TOP, _CAPTION = 250, 2, 8, 18, 64, 34
_INK, _FAINT = (28, 34, 40), (110, 118, 126)

_ACROSS = 8
"""Pictures beside each other, as far as they are of whole samples."""

Picture = NDArray[np.uint8]
"""(height, width, 3)."""


@dataclass(frozen=True, kw_only=True)
class Quicklook:
    """One sample to show."""

    imagery: tuple[Picture, ...]
    labels: tuple[Picture, ...] = ()
    """Shown beside the imagery, pixel by pixel: between the colours of two classes there is nothing."""
    captions: tuple[str, str]


def true_colour(s2: NDArray[np.uint16] | NDArray[np.float32]) -> Picture:
    """Red, green, blue of a sample, (13, h, w) reflectance or its first bands, to (h, w, 3); nodata is black."""
    reflectance = s2[[3, 2, 1]].astype(np.float32) / BRIGHTEST
    # A square-root-like curve: land lies in the lowest tenth of the range that clouds reach.
    return (255 * np.clip(reflectance, 0, 1) ** 0.6).astype(np.uint8).transpose(1, 2, 0)


def backscatter_composite(s1: NDArray[np.float32]) -> Picture:
    """VV, VH and their ratio of a sample, (2, h, w) dB to (h, w, 3); nodata is black."""
    vv, vh = s1
    channels = [
        (value - low) / (high - low) for value, (low, high) in ((vv, VV_RANGE), (vh, VH_RANGE), (vv - vh, RATIO_RANGE))
    ]
    return (255 * np.clip(np.nan_to_num(np.stack(channels, axis=-1)), 0, 1)).astype(np.uint8)


def contact_sheet(
    title: str,
    subtitle: str,
    quicklooks: Sequence[Quicklook],
    *,
    heads: Sequence[str],
    keys: Sequence[Key] = (),
    footnotes: Sequence[str] = (),
    columns: int | None = None,
) -> bytes:
    """A PNG of samples: all pictures of one beside each other, its dates below, the keys to labels on the right.

    `heads` are titles of the pictures of a sample. Without `columns`, as many samples as suit a wide screen.
    """
    small, large = ImageFont.load_default(11), ImageFont.load_default(20)
    cell = len(heads) * (_SIDE + _GAP) - _GAP
    columns = min(columns or max(1, _ACROSS // len(heads)), len(quicklooks))
    row_height = _SIDE + _CAPTION + _MARGIN
    width = columns * (cell + _MARGIN) + _MARGIN
    height = _TOP + _HEAD + -(-len(quicklooks) // columns) * row_height
    legend = draw_keys(keys, footnotes, height - _TOP - _MARGIN)
    sheet = Image.new("RGB", (width + legend.width, max(height, _TOP + legend.height + _MARGIN)), PAPER)
    sheet.paste(legend, (width, _TOP))
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 8), title, _INK, font=large)
    draw.text((_MARGIN, 36), subtitle, _FAINT, font=ImageFont.load_default(13))
    for column in range(columns):
        for at, head in enumerate(heads):
            x = _MARGIN + column * (cell + _MARGIN) + at * (_SIDE + _GAP)
            draw.text((x, _TOP), head, _INK, font=small)
    for index, look in enumerate(quicklooks):
        x = _MARGIN + index % columns * (cell + _MARGIN)
        y = _TOP + _HEAD + index // columns * row_height
        for at, picture in enumerate((*look.imagery, *look.labels)):
            way = Image.Resampling.BILINEAR if at < len(look.imagery) else Image.Resampling.NEAREST
            shown = Image.fromarray(picture).resize((_SIDE, _SIDE), way)
            sheet.paste(shown, (x + at * (_SIDE + _GAP), y))
        draw.text((x, y + _SIDE + 3), look.captions[0], _INK, font=small)
        draw.text((x, y + _SIDE + 17), look.captions[1], _FAINT, font=small)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=False)
    return file.getvalue()
