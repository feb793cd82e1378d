"""What a request is made of: the bands of every look, how many dates it holds, and how many rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tasks.errors import SpecError
from tasks.imagery.assets import Overlay
from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.places.patches import Patch
from tasks.scenes.looks import mask_of
from tasks.scenes.roles import Level, Rule, sensor_of

L2A = tuple(band for band in BANDS if band != "B10")
"""Level-2A has no cirrus band: B10 is of the L1C image."""

CLOUD, ANGLE = "cloud", "angle"
"""Channels beside the bands: the mask of a Sentinel-2 look, the angle of incidence of a Sentinel-1 look."""

MOST_BYTES = 50_331_648
"""Of an answer, before compression (Earth Engine, computePixels: 48 MB a request)."""

MOST_BANDS = 1024
"""Of an image that is computed (the same)."""

_LEAST_BYTES = 4 << 20
"""An answer that is smaller is not asked for in parts: what is refused of it is refused of its parts."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one look has in the image of a sample."""

    look: str
    path: str
    """Of the array that its pixels are for."""
    asset: str
    """Id of the image."""
    level: Level = "l2a"
    """Of a Sentinel-2 look."""
    twin: str = ""
    """Id of the L1C image of an L2A one, "" = there is none; then there is no B10."""
    mask: str = ""
    """Collection of the cloud masks of L1C images, "" = none is wanted."""

    @property
    def is_optical(self) -> bool:
        """Sentinel-2 rather than Sentinel-1."""
        return sensor_of(self.look) == "sentinel2"

    @property
    def mask_path(self) -> str:
        """Of the array that its mask is for."""
        return mask_of(self.path)

    @property
    def channels(self) -> tuple[str, ...]:
        """Bands or polarizations that are asked for."""
        if not self.is_optical:
            return POLARIZATIONS
        return BANDS if self.twin or self.level == "l1c" else L2A

    @property
    def types(self) -> Mapping[str, str]:
        """Its bands in the image with their types, as NPY writes them."""
        types = dict.fromkeys(map(self.band, self.channels), "<u2" if self.is_optical else "<f4")
        if not self.is_optical:
            types[self.band(ANGLE)] = "<u2"
        elif self.mask:
            types[self.band(CLOUD)] = "|u1"
        return types

    def band(self, channel: str) -> str:
        """Name of a channel in the image: several looks may have the same."""
        return f"{self.look}_{channel}"


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Whole rows of a patch: what one request asks for."""

    patch: Patch
    first: int
    """Row."""
    rows: int
    row_bytes: int
    """Of the answer, a row."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.rows, self.patch.pixels

    @property
    def is_divisible(self) -> bool:
        """Whether less might be answered where this is not."""
        return self.rows > 1 and self.rows * self.row_bytes > _LEAST_BYTES

    def parted(self, parts: int) -> "list[Strip]":
        """So many strips in its place, as even as they come."""
        edges = [self.first + self.rows * part // parts for part in range(parts + 1)]
        return [replace(self, first=first, rows=end - first) for first, end in pairwise(edges)]


def types_of(parts: Sequence[Part], overlays: Sequence[Overlay]) -> dict[str, str]:
    """The bands of a sample's image and their types."""
    types = {band: dtype for part in parts for band, dtype in part.types.items()}
    return types | {channel: overlay.dtype for overlay in overlays for channel in overlay.channels}


def bytes_of(types: Mapping[str, str]) -> int:
    """Of a pixel of such bands."""
    return sum(np.dtype(dtype).itemsize for dtype in types.values())


def strips(pixels: int, pixel_bytes: int) -> int:
    """How many strips hold a patch of so many pixels a side and bytes a pixel."""
    return -(-pixels // min(pixels, MOST_BYTES // (pixel_bytes * pixels)))


def strips_of(patch: Patch, types: Mapping[str, str]) -> list[Strip]:
    """As few strips as hold a patch of such bands."""
    whole = Strip(patch=patch, first=0, rows=patch.pixels, row_bytes=bytes_of(types) * patch.pixels)
    return whole.parted(strips(patch.pixels, bytes_of(types)))


def date_of(rule: Rule) -> dict[str, str]:
    """The bands of one date of a rule, all that there may be, with their types."""
    return types_of(
        [
            Part(look=name, path="", asset="", level=role.level, twin="x", mask="x" if role.mask else "")
            for name, role in rule.roles.items()
        ],
        (),
    )


def dates_together(date: Mapping[str, str], sent: Mapping[str, str], pixels: int) -> int:
    """Dates that one request holds of patches of so many pixels a side, at least one: that may take several strips.

    `date` and `sent` are the bands of one date, and of labels. Raises SpecError: more bands than an image has.
    """
    if len(date) + len(sent) > MOST_BANDS:
        raise SpecError(
            f"labels: {len(sent)} bands from earthengine and {len(date)} of images are more than the {MOST_BANDS} of a "
            "request. Use fewer bands of labels from earthengine."
        )
    by_bands = (MOST_BANDS - len(sent)) // len(date)
    by_bytes = (MOST_BYTES // max(1, pixels) ** 2 - bytes_of(sent)) // bytes_of(date)
    return max(1, min(by_bands, by_bytes))
