"""Whether the pixels of a tile can be what they are said to be, judged by what the physical unit allows.

Nothing here knows how pixels were read: it is the last look at a tile, whichever platform it came from.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SceneUnavailable
from tasks.scenes.reasons import Reason

BRIGHT = 20_000
"""Reflectance x 10,000: brighter than snow and cloud, of which at most single pixels are (sun glint, saturation)."""

DARK = 10
"""Reflectance x 10,000: nothing on Earth by day is as dark in all bands; reflectance of 0 to 1 that was rounded is."""

VISIBLE = (1, 2, 3)
"""B02, B03, B04 among the bands."""

_LEFT_BLACK = 0.5
"""Of the pixels of a tile that may be black in blue, green and red at once."""

FAINTEST, STRONGEST = -100.0, 100.0
"""dB. The noise of Sentinel-1 lies about -30 dB (ESA, Sentinel-1 product specification: NESZ at most -22 dB), and
subtracting it leaves single pixels down to some -80; ships and towers reach +40."""

_FAINT = -50.0
"""dB, below which no more than single pixels are."""

_POSITIVE = 0.95
"""Of the pixels of a tile that may be above 0 dB at most: only corner reflectors and steep slopes facing the sensor are
(Small, 2011, fig. 9: gamma nought of land is between -25 and 0 dB)."""


def refuse_implausible(values: NDArray[Any], *, scene: str, what: str, remedy: str) -> None:
    """Look at a tile as `tasks.imagery.platform.Tiles` holds it.

    `what` names it in messages, `remedy` says what its owner may have wrong. Raises SceneUnavailable.
    """
    wrong = backscatter_problem(values) if values.dtype.kind == "f" else reflectance_problem(values)
    if wrong:
        raise SceneUnavailable(Reason.NOT_UNDERSTOOD, scene, f"{what}: {wrong}. {remedy}")


def reflectance_problem(values: NDArray[np.uint16]) -> str:
    """What speaks against values (band, height, width) being reflectance x 10,000, 0 = nodata; "" if nothing does."""
    most = int(values.max(initial=0))
    if most == 0 or DARK < most <= BRIGHT:
        return ""
    if most <= DARK:
        return (
            f"no pixel of any band is brighter than {most}, where reflectance x 10,000 goes to thousands: they look "
            "like reflectance from 0 to 1"
        )
    for band in values:
        there, bright = np.count_nonzero(band), np.count_nonzero(band > BRIGHT)
        if bright > there / 2:
            return (
                f"{bright / there:.0%} of the pixels of a band are above {BRIGHT} (to {int(band.max())}), where "
                "reflectance x 10,000 of snow and cloud is about 10,000"
            )
    return ""


def backscatter_problem(values: NDArray[np.floating[Any]]) -> str:
    """What speaks against values of any shape being backscatter in dB, NaN = nodata; "" if nothing does."""
    low, high = bounds(values)
    if np.isnan(low):
        return ""
    there = values.size - np.count_nonzero(np.isnan(values))
    positive, faint = np.count_nonzero(values >= 0), np.count_nonzero(values < _FAINT)
    if positive > _POSITIVE * there:
        return (
            f"{positive / there:.0%} of the values are 0 or above ({low:.4g} to {high:.4g}), where backscatter in dB "
            "is below 0 nearly everywhere: they look like linear power, amplitudes or digital numbers"
        )
    if low < FAINTEST or high > STRONGEST:
        return (
            f"values from {low:.6g} to {high:.6g}, where backscatter is between {FAINTEST:g} and {STRONGEST:g} dB: "
            "they hold a value that stands for nothing and is not marked as such, or are in another unit"
        )
    if faint > there / 2:
        return f"{faint / there:.0%} of the values are below {_FAINT:g} dB, far below the noise of Sentinel-1"
    return ""


def refuse_removed_twice(
    below: Mapping[int, int], there: Mapping[int, int], *, scene: str, what: str, remedy: str
) -> None:
    """See that pixels from which the +1000 offset was taken did have it.

    By position among the bands how many pixels there are, and of how many nothing was left. Of pixels that have the
    offset that is so for single ones in the shade; without it the ground is darker than 0.1 in blue, green and red
    nearly everywhere. Raises SceneUnavailable.
    """
    visible = [index for index in VISIBLE if there.get(index)]
    share = min((below.get(index, 0) / there[index] for index in visible), default=0.0)
    if share > _LEFT_BLACK:
        raise SceneUnavailable(
            Reason.NOT_UNDERSTOOD,
            scene,
            f"{what}: at least {share:.0%} of the pixels of blue, green and red are 0 or below once the +1000 offset "
            f"is taken out, which seems to have been done before. {remedy}",
        )


def bounds(values: NDArray[Any]) -> tuple[float, float]:
    """Least and most, without NaN; NaN if there is nothing."""
    if not values.size:
        return float("nan"), float("nan")
    return float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))
