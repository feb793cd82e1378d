"""Areas: squares of the map with at most some thousands of samples each, loaded when somebody looks there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.release.page.facts import DEGREE

MOST = 2_000
"""Samples of an area: some 50 kB."""

_DEPTH = 16
"""Times that the square of 360 degrees is halved: to 600 m."""


@dataclass(frozen=True, kw_only=True)
class Area:
    """One square, or a part of its samples where it cannot be halved any more."""

    depth: int
    """The square of 360 degrees, from 180 W and 90 S, is halved so many times."""
    x: int
    """The square's place from the west, counted in squares of that depth."""
    y: int
    """From the south."""
    members: NDArray[np.int64]
    """Which samples lie in it, in order."""


def areas(lon: NDArray[np.int32], lat: NDArray[np.int32], most: int = MOST) -> list[Area]:
    """All samples by area, from places in steps of 1 / DEGREE of a degree, (n,) each."""
    if not len(lon):
        return []
    side = 360 * DEGREE / (1 << _DEPTH)
    x, y = (
        np.clip((values.astype(np.int64) + start * DEGREE) // side, 0, (1 << _DEPTH) - 1).astype(np.uint32)
        for values, start in ((lon, 180), (lat, 90))
    )
    codes = _spread(x) | _spread(y) << np.uint32(1)
    order = np.argsort(codes, kind="stable")
    return list(_halved(codes[order], order, 0, 0, 0, most))


def _halved(
    codes: NDArray[np.uint32], members: NDArray[np.int64], depth: int, x: int, y: int, most: int
) -> Iterator[Area]:
    """The areas of a square with some samples, whose codes are sorted."""
    if len(members) <= most or depth == _DEPTH:
        for start in range(0, len(members), most):
            yield Area(depth=depth, x=x, y=y, members=np.sort(members[start : start + most]))
        return
    shift = np.uint32(2 * (_DEPTH - depth - 1))
    ends = np.searchsorted((codes >> shift) & np.uint32(3), [0, 1, 2, 3, 4])
    for quarter in range(4):
        part = slice(ends[quarter], ends[quarter + 1])
        if ends[quarter] < ends[quarter + 1]:
            yield from _halved(codes[part], members[part], depth + 1, 2 * x + quarter % 2, 2 * y + quarter // 2, most)


def _spread(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """16 bits to every second of 32 (Morton)."""
    values = values.astype(np.uint32)
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        values = (values | values << np.uint32(shift)) & np.uint32(mask)
    return values
