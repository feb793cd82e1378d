"""The preview: a contact sheet that shows what a corpus looks like."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

BRIGHTEST = 3000.0
"""Reflectance x 10,000 shown as white before the curve; clouds and snow are brighter."""

VV_RANGE, VH_RANGE, RATIO_RANGE = (-22.0, 2.0), (-28.0, -4.0), (-2.0, 20.0)
"""dB shown from black to full red, green and blue: VV, VH, VV minus VH."""

_SIDE, _MARGIN, _CAPTION = 250, 8, 34
_INK, _PAPER, _FAINT = (28, 34, 40), (250, 249, 246), (110, 118, 126)


@dataclass(frozen=True, kw_only=True)
class Quicklook:
    """One sample to show."""

    true_colour: NDArray[np.uint8]
    """(height, width, 3)."""
    backscatter: NDArray[np.uint8]
    """(height, width, 3)."""
    captions: tuple[str, str]


def true_colour(s2: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Red, green, blue of a sample, (13, h, w) reflectance to (h, w, 3); nodata is black."""
    reflectance = s2[[3, 2, 1]].astype(np.float32) / BRIGHTEST
    # A square-root-like curve: land lies in the lowest tenth of the range that clouds reach.
    return (255 * np.clip(reflectance, 0, 1) ** 0.6).astype(np.uint8).transpose(1, 2, 0)


def backscatter_composite(s1: NDArray[np.float32]) -> NDArray[np.uint8]:
    """VV, VH and their ratio of a sample, (2, h, w) dB to (h, w, 3); nodata is black."""
    vv, vh = s1
    channels = [
        (value - low) / (high - low) for value, (low, high) in ((vv, VV_RANGE), (vh, VH_RANGE), (vv - vh, RATIO_RANGE))
    ]
    return (255 * np.clip(np.nan_to_num(np.stack(channels, axis=-1)), 0, 1)).astype(np.uint8)


def contact_sheet(title: str, subtitle: str, quicklooks: list[Quicklook], columns: int = 4) -> bytes:
    """A PNG of samples: Sentinel-2 beside Sentinel-1, the dates below."""
    font, small, large = (ImageFont.load_default(size) for size in (13, 11, 20))
    columns = min(columns, len(quicklooks))
    rows = -(-len(quicklooks) // columns)
    cell = 2 * _SIDE + 2
    width = columns * (cell + _MARGIN) + _MARGIN
    top = 64
    sheet = Image.new("RGB", (width, top + rows * (_SIDE + _CAPTION + _MARGIN)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 8), title, _INK, font=large)
    draw.text((_MARGIN, 36), subtitle, _FAINT, font=font)
    for index, look in enumerate(quicklooks):
        x = _MARGIN + index % columns * (cell + _MARGIN)
        y = top + index // columns * (_SIDE + _CAPTION + _MARGIN)
        for offset, picture in ((0, look.true_colour), (_SIDE + 2, look.backscatter)):
            sheet.paste(Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), (x + offset, y))
        draw.text((x, y + _SIDE + 3), look.captions[0], _INK, font=small)
        draw.text((x, y + _SIDE + 17), look.captions[1], _FAINT, font=small)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=False)
    return file.getvalue()
