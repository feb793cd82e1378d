"""Looking at the pixels of a few scenes, for a check: what their dark end says of units and of the +1000 offset.

A tile that cannot be is refused by `tasks.imagery.plausible`; what is said here is only likely.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import NotUnderstood, PixelsError, SceneUnavailable
from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.imagery.platform import Platform, Tiles, Traffic
from tasks.imagery.plausible import VISIBLE
from tasks.imagery.reflectance import OFFSET
from tasks.places.patches import Patch
from tasks.scenes.reasons import Reason
from tasks.scenes.scenes import Acquisitions

_SCENES = 3
"""That are looked at."""

_TRIED = 6
"""Pairs that are tried for them: a single scene may well be gone, and a build replaces it."""

_PIXELS = 64
"""Side of the patches; 640 m, in which something is dark nearly everywhere."""

_SECONDS = 20.0
"""After which no further scene is asked for."""

_DARK_BANDS = (*VISIBLE, BANDS.index("B11"), BANDS.index("B12"))
"""In which shade, water or vegetation is darker than 0.1; B01 and B09 are of the air as much as of the ground."""

_BLACK = 0.2
"""Of the visible pixels of an archive that may be 0 or below."""

_LEAST, _MOST = {"VV": -22.0, "VH": -30.0}, {"VV": -3.0, "VH": -9.5}
"""dB, of the median over land (Small, 2011; Bauer-Marschallinger et al., 2021: -15 to -5 in VV, -22 to -12 in VH)."""


def sounded(platform: Platform, pairs: Iterable[tuple[Patch, Acquisitions]]) -> str:
    """Read a few scenes and say what they look like, and what that suggests.

    Raises NotUnderstood: they are not what they are taken for; PixelsError: none can be had; what `fetch` raises.
    """
    tiles: list[Tiles] = []
    refused: SceneUnavailable | None = None
    began = time.monotonic()
    for patch, acquisitions in list(pairs)[:_TRIED]:
        if len(tiles) == _SCENES or (tiles and time.monotonic() - began > _SECONDS):
            break
        try:
            small = replace(patch, pixels=min(patch.pixels, _PIXELS))
            tiles.append(platform.fetch(small, acquisitions, Traffic()))
        except SceneUnavailable as error:
            refused = error
    if tiles or refused is None:
        return described(tiles)
    if refused.reason == Reason.NOT_UNDERSTOOD:
        raise NotUnderstood(str(refused))
    raise PixelsError(f"no pixels of the first pairs: {refused}. See that the files are where the catalogue says.")


def described(tiles: Sequence[Tiles]) -> str:
    """What the pixels of some tiles look like, and what that suggests, as text; "" of none."""
    optical = _pooled([values for one in tiles for values in one.arrays.values() if values.dtype == np.uint16])
    radar = _pooled([values for one in tiles for values in one.arrays.values() if values.dtype == np.float32])
    told: list[str] = []
    doubts: list[str] = []
    if optical is not None and (dark := _dark_ends(optical)):
        darkest = min(dark)
        visible = optical[list(VISIBLE)]
        black = np.count_nonzero(visible == 1) / max(1, np.count_nonzero(visible))
        told.append(f"1 % of the pixels are darker than {darkest / 10_000:.3f}")
        if darkest > OFFSET:
            doubts.append("nothing is darker than 0.1, so the +1000 offset may still be in the pixels")
        elif black > _BLACK:
            doubts.append(f"{black:.0%} of blue, green and red are 0 or below: the +1000 offset may be out twice")
    for name, values in zip(POLARIZATIONS, () if radar is None else radar, strict=False):
        if np.isnan(values).all():
            continue
        median = float(np.nanmedian(values))
        told.append(f"the median of {name} is {median:.1f} dB")
        if not _LEAST[name] <= median <= _MOST[name]:
            doubts.append(
                f"over land {name} is between {_LEAST[name]:g} and {_MOST[name]:g} dB: the unit may be another"
            )
    if not told:
        return ""
    scenes = f"{len(tiles)} scene{'s' if len(tiles) > 1 else ''}"
    return f"of {scenes} {', '.join(told)}" + (f". LOOK AT THIS: {'; '.join(doubts)}" if doubts else "")


def _pooled(tiles: list[NDArray[Any]]) -> NDArray[Any] | None:
    """Pixels of many tiles as (channel, pixels)."""
    return np.concatenate([one.reshape(len(one), -1) for one in tiles], axis=1) if tiles else None


def _dark_ends(optical: NDArray[np.uint16]) -> list[float]:
    """The first percentile of each dark band that has pixels."""
    return [float(np.percentile(band[band > 0], 1)) for band in optical[list(_DARK_BANDS)] if band.any()]
