"""Upper left corners out of six values whose order and meaning nobody wrote down.

The set's README calls them the parameters of a world file; its scripts disagree. That of 2025 takes GDAL's order (x,
width, 0, y, 0, height), those of 2026 that of a world file (width, 0, 0, height, x, y): the pixel's size tells which.
By its definition a world file tells the centre of the upper left pixel, but the scripts of 2026 take it for the corner.
One patch decides: the corner that was printed in 2025 with the centre of the patch, 160 m from it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.places.patches import PIXEL

KNOWN_ROW, KNOWN_CORNER = 10_020, (550_335.858, 4_183_214.43)
"""Row of validation and the corner of its patch, EPSG:32610 (zhu-xlab/So2Sat-LCZ42, demo_geotiff.ipynb)."""

_NEAR = 0.1
"""Metres by which a known corner may be off: printed digits."""

_SAME = 1e-3
"""Metres by which the size of a pixel may be off: 3 cm over a patch."""


@dataclass(frozen=True, kw_only=True)
class Corners:
    """What values in the order of a world file stand for."""

    shift: float = PIXEL / 2
    """Metres from the corner to the point that is told, east and south."""
    notes: tuple[str, ...] = ()

    @classmethod
    def told_by(cls, first: NDArray[np.float64], known: NDArray[np.float64] | None) -> "Corners":
        """What the known patch tells; `first` is any row, (1, 6), and `known` validation's row, if there is one."""
        if not _of_world_file(first)[0]:
            return cls()
        if known is not None and _of_world_file(known)[0]:
            x, y = known[0, 4] - KNOWN_CORNER[0], known[0, 5] - KNOWN_CORNER[1]
            for shift, point in ((0.0, "corner"), (PIXEL / 2, "centre")):
                if abs(x - shift) < _NEAR and abs(y + shift) < _NEAR:
                    told = f"tfw tells the {point} of the upper left pixel, as the known patch of validation shows"
                    return cls(shift=shift, notes=(told,))
        return cls(
            notes=(
                "tfw is taken for the centre of the upper left pixel, as in world files; whether it is its corner, "
                f"half a pixel off, row {KNOWN_ROW:,} of validation would tell, a known patch, which is not there",
            )
        )


def corners_of(
    tfw: NDArray[np.float64], corners: Corners
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Upper left corners of rows of six values, (n, 6): x, y in metres, and whether a row can be used; (n,) each."""
    world = _of_world_file(tfw)
    gdal = _is_pixel(tfw[:, 1], tfw[:, 5], tfw[:, 2], tfw[:, 4])
    x = np.where(world, tfw[:, 4] - corners.shift, tfw[:, 0])
    y = np.where(world, tfw[:, 5] + corners.shift, tfw[:, 3])
    # Of UTM: no more than a few zones' width, and from the equator to a pole. NaN is in no range.
    good = (world | gdal) & (x > 0) & (x < 1_000_000) & (y > 0) & (y <= 10_000_000)
    return x, y, good


def _of_world_file(tfw: NDArray[np.float64]) -> NDArray[np.bool_]:
    return _is_pixel(tfw[:, 0], tfw[:, 3], tfw[:, 1], tfw[:, 2])


def _is_pixel(
    width: NDArray[np.float64], height: NDArray[np.float64], *turned: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether values are a pixel's size and no rotation: (n,). The height may be told with either sign."""
    sized = (np.abs(width - PIXEL) < _SAME) & (np.abs(np.abs(height) - PIXEL) < _SAME)
    return sized & (np.abs(turned[0]) < _SAME) & (np.abs(turned[1]) < _SAME)
