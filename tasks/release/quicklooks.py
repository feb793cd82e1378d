"""Quicklooks: imagery as pictures, and the contact sheet that shows what a corpus looks like."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.release.keys import PAPER, Key, draw_keys
from tasks.shards.array_kinds import CENTIBEL, S1_NODATA

BRIGHTEST = 3000.0
"""Reflectance x 10,000 shown as white before the curve; clouds and snow are brighter."""

VV_RANGE, VH_RANGE, RATIO_RANGE = (-22.0, 2.0), (-28.0, -4.0), (-2.0, 20.0)
"""dB shown from black to full red, green and blue: VV, VH, VV minus VH."""

_SIDE, _GAP, _MARGIN, _HEAD, _TOP, _CAPTION = 250, 2, 8, 18, 64, 34
_INK, _FAINT = (28, 34, 40), (110, 118, 126)

_LEAST, _STRIP = 72, 1000
"""Pixels of a picture's side at least, and of all dates beside each other where they are not smaller than that."""

_SMOOTH = Image.Resampling.BILINEAR

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


def picture_of(stored: NDArray[Any]) -> Picture:
    """An acquisition on a patch as it is stored, (13, h, w) uint16 of Sentinel-2 or (2, h, w) int16 of Sentinel-1."""
    if stored.dtype == np.uint16:
        picture = true_colour(stored[:4])
    else:
        picture = backscatter_composite(np.where(stored == S1_NODATA, np.nan, stored * CENTIBEL).astype(np.float32))
    # What is large is brought to the size in which it is shown, so that many of them fit into memory.
    return (
        picture if len(picture) <= 2 * _SIDE else np.asarray(Image.fromarray(picture).resize((_SIDE, _SIDE), _SMOOTH))
    )


def contact_sheet(
    title: str,
    subtitle: str,
    quicklooks: Sequence[Quicklook],
    *,
    heads: Sequence[str],
    lines: Sequence[str] = (),
    keys: Sequence[Key] = (),
    footnotes: Sequence[str] = (),
    columns: int | None = None,
) -> bytes:
    """A PNG of samples: all pictures of one beside each other, its dates below, the keys to labels on the right.

    `heads` are titles of the pictures of a sample. With `lines` these stand below each other, as many in each line, and
    `heads` are those of the first line, labels included. Without `columns`, as many samples as suit a wide screen.
    """
    small, large = ImageFont.load_default(11), ImageFont.load_default(20)
    labels = len(quicklooks[0].labels)
    across = len(heads) - labels
    side = max(_LEAST, min(_SIDE, _STRIP // across)) if lines else _SIDE
    aside = max((round(small.getlength(line)) + _GAP for line in lines), default=0)
    cell = aside + len(heads) * (side + _GAP) - _GAP
    columns = min(columns or max(1, _ACROSS * _SIDE // (len(heads) * side)), len(quicklooks))
    high = max(1, len(lines)) * (side + _GAP) - _GAP
    row_height = high + _CAPTION + _MARGIN
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
            x = _MARGIN + column * (cell + _MARGIN) + aside + at * (side + _GAP)
            draw.text((x, _TOP), head, _INK, font=small)
    for index, look in enumerate(quicklooks):
        x = _MARGIN + index % columns * (cell + _MARGIN)
        y = _TOP + _HEAD + index // columns * row_height
        for number, line in enumerate(lines):
            draw.text((x, y + number * (side + _GAP)), line, _FAINT, font=small)
        for at, picture in enumerate(look.imagery):
            down, right = divmod(at, across)
            shown = Image.fromarray(picture).resize((side, side), _SMOOTH)
            sheet.paste(shown, (x + aside + right * (side + _GAP), y + down * (side + _GAP)))
        for at, picture in enumerate(look.labels):
            shown = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(shown, (x + aside + (across + at) * (side + _GAP), y))
        draw.text((x, y + high + 3), look.captions[0], _INK, font=small)
        draw.text((x, y + high + 17), look.captions[1], _FAINT, font=small)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=False)
    return file.getvalue()
