"""Channels of one scene, as read, put together to the tile that a corpus holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.imagery.plausible import VISIBLE, refuse_implausible, refuse_removed_twice
from tasks.imagery.stac.assets import SCL
from tasks.imagery.stac.classes import SceneClasses
from tasks.imagery.stac.meaning import CALIBRATION, Backscatter, Reflectance

Channels = Mapping[str, tuple[Reflectance | Backscatter | SceneClasses, NDArray[Any]]]
"""By band or polarization, or alone for a mask, what its pixels mean, and they as read, (height, width)."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """What a corpus holds of one scene."""

    values: NDArray[Any]
    """As `tasks.imagery.platform.Tiles` has them."""
    clipped: int
    """Pixels that were below or beyond what the array holds."""


def tile_of(channels: Channels, shape: tuple[int, int], *, scene: str, what: str) -> Tile:
    """The tile of a scene from its channels. Raises SceneUnavailable: they are not what they are said to be."""
    if set(channels) == {SCL}:
        meant, pixels = channels[SCL]
        assert isinstance(meant, SceneClasses)
        return Tile(values=meant.percent(pixels), clipped=0)
    if set(channels) <= set(BANDS):
        return _optical(channels, shape, scene=scene, what=what)
    return _radar(channels, shape, scene=scene, what=what)


def _optical(channels: Channels, shape: tuple[int, int], *, scene: str, what: str) -> Tile:
    values, clipped = np.zeros((len(BANDS), *shape), np.uint16), 0
    darkened: dict[int, int] = {}
    for band, (meant, pixels) in channels.items():
        assert isinstance(meant, Reflectance)
        index = BANDS.index(band)
        values[index], cut, darkened[index] = meant.stored(pixels)
        clipped += cut
    if any(darkened.values()):
        refuse_removed_twice(
            darkened,
            {index: int(np.count_nonzero(values[index])) for index in VISIBLE},
            scene=scene,
            what=what,
            remedy="Have the items say `boa_offset_applied: true`, or use another collection (of Earth Search "
            "sentinel-2-c1-l2a)",
        )
    refuse_implausible(
        values,
        scene=scene,
        what=what,
        remedy="Say what the values are to be multiplied with to be reflectance with `reflectance_scale` of the "
        "platform in the spec",
    )
    return Tile(values=values, clipped=clipped)


def _radar(channels: Channels, shape: tuple[int, int], *, scene: str, what: str) -> Tile:
    values = np.empty((len(POLARIZATIONS), *shape), np.float32)
    units: set[str] = set()
    for polarization, (meant, pixels) in channels.items():
        assert isinstance(meant, Backscatter)
        values[POLARIZATIONS.index(polarization)] = meant.decibels(pixels)
        units.add(meant.unit)
    names = ", ".join(f"{meant.meaning.file.name} ({meant.meaning.dtype})" for meant, _ in channels.values())
    remedy = f"If it is linear power, set `backscatter: power` of the platform in the spec. {CALIBRATION}"
    told = f"{what}: {names}, taken for {' and '.join('dB' if unit == 'db' else unit for unit in sorted(units))}"
    refuse_implausible(values, scene=scene, what=told, remedy=CALIBRATION if "power" in units else remedy)
    return Tile(values=values, clipped=0)
