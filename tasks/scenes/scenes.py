"""Scenes as columns: what is known of many acquisitions before a pixel is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.scenes.footprints import are_convex


@dataclass(frozen=True, kw_only=True)
class Given:
    """What files say of themselves that were published in groups, as columns of length n."""

    role: NDArray[np.object_]
    """The one role that a scene may serve, "" = any."""
    group: NDArray[np.int64]
    """Number that the scenes of one place and date share, of either sensor; -1 = none."""
    date: NDArray[np.int64]
    """Which of the dates of its place it is of, from 0."""


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """What both missions have in common, as columns of length n."""

    id: NDArray[np.object_]
    """The platform's own identifier."""
    time: NDArray[np.int64]
    """Start of the acquisition, microseconds since 1970 UTC."""
    footprint: NDArray[np.object_]
    """Outline of the data, polygons in WGS 84 degrees."""
    orbit: NDArray[np.int64]
    """Relative orbit, 0 = unknown."""
    dated: NDArray[np.bool_] | None = None
    """Whether `time` is known; where it is not, it is the start of a longer time that the acquisition lies in. None:
    all are."""
    given: Given | None = None
    """None: no scene says anything."""
    satellite: NDArray[np.object_] | None = None
    """Such as S2A or S1C, "" = unknown; None: of all of them."""

    def __len__(self) -> int:
        return len(self.id)

    @cached_property
    def convex(self) -> NDArray[np.bool_]:
        """Which footprints are convex, (n,)."""
        return are_convex(self.footprint)

    @cached_property
    def rank(self) -> NDArray[np.int64]:
        """Place of each scene in the order of the ids: what breaks ties."""
        rank = np.empty(len(self), np.int64)
        rank[np.argsort(self.id.astype(str), kind="stable")] = np.arange(len(self))
        return rank


@dataclass(frozen=True, kw_only=True)
class Sentinel2Scenes(Scenes):
    """Sentinel-2 products: one datatake on one tile, in one processing."""

    epsg: NDArray[np.int64]
    """UTM zone of the pixels."""
    tile: NDArray[np.object_]
    """MGRS tile such as 32UMA, "" = unknown."""
    datatake: NDArray[np.object_]
    """What all tiles and all processings of one pass share, e.g. S2A 20180503T104021; the id where unknown."""
    baseline: NDArray[np.object_]
    """Processing baseline such as 02.06, "" = unknown."""
    processed: NDArray[np.int64]
    """When the product was made, microseconds since 1970 UTC, 0 = unknown."""
    cloud_cover: NDArray[np.float64]
    """Percent of the whole scene, NaN = unknown."""
    sun_elevation: NDArray[np.float64] | None = None
    """Degrees above the horizon in the middle of the scene, NaN = unknown; None: of all of them."""

    @cached_property
    def acquisition(self) -> NDArray[np.int64]:
        """A number for each datatake and tile, shared by its processings."""
        keys = np.array([f"{d} {t}" for d, t in zip(self.datatake, self.tile, strict=True)], dtype=object)
        return np.unique(keys.astype(str), return_inverse=True)[1].astype(np.int64)

    @cached_property
    def newness(self) -> NDArray[np.int64]:
        """Place of each scene in the order of processings: baseline, then time of processing, then id."""
        baseline = np.array([_baseline(text) for text in self.baseline])
        newness = np.empty(len(self), np.int64)
        newness[np.lexsort((self.rank, self.processed, baseline))] = np.arange(len(self))
        return newness


@dataclass(frozen=True, kw_only=True)
class Sentinel1Scenes(Scenes):
    """Sentinel-1 ground range products in IW mode with VV and VH; others never get here."""

    product: NDArray[np.object_]
    """ESA's product name, the same on every platform."""
    direction: NDArray[np.object_]
    """ascending, descending, or "" = unknown."""
    incidence: NDArray[np.float64] | None = None
    """Degrees from the vertical in the middle of the scene, NaN = unknown; None: of all of them."""


@dataclass(frozen=True, kw_only=True)
class Nearby:
    """Scenes of one role that may serve draws, as rows (draw, scene).

    A row says only that the two are near each other; whether the scene qualifies is the rule's to decide.
    """

    scenes: Scenes
    draw: NDArray[np.int64]
    """Position of the draw, (m,)."""
    scene: NDArray[np.int64]
    """Position of the scene in `scenes`, (m,)."""


Candidates = Mapping[str, Nearby]
"""What a catalogue has for some draws, by role."""


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """One acquisition of a sample, with all that the row of the sample says of it."""

    scenes: Scenes
    scene: int
    """Position in `scenes`."""

    @property
    def id(self) -> str:
        """The platform's own identifier."""
        return str(self.scenes.id[self.scene])

    @property
    def time(self) -> int:
        """Start, microseconds since 1970 UTC."""
        return int(self.scenes.time[self.scene])

    @property
    def known_time(self) -> int | None:
        """The same; None where nobody knows when it was."""
        dated = self.scenes.dated
        return self.time if dated is None or dated[self.scene] else None


Acquisitions = Mapping[str, Acquisition]
"""The acquisitions of one sample, by role."""


def _baseline(text: Any) -> float:
    """05.10 -> 5.1; -1 where there is none."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return -1.0
