"""What every platform can do, whoever runs it."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.places import Draws, Patch, Patches
from tasks.scenes import Candidates, ScenePair

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Sentinel-2 bands in the order in which every array holds them."""

POLARIZATIONS = ("VV", "VH")
"""Sentinel-1 polarizations in the order in which every array holds them."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """The pixels of one sample from one platform."""

    s2: NDArray[np.uint16]
    """(13, height, width): reflectance x 10,000, 0 = nodata or absent band."""
    s1: NDArray[np.float32]
    """(2, height, width): backscatter in dB, NaN = nodata."""
    absent: tuple[str, ...] = ()
    """Bands that this sample lacks although the platform has them elsewhere."""


@dataclass(kw_only=True)
class Traffic:
    """What was asked of a platform for one shard; counted from many threads."""

    requests: int = 0
    retries: int = 0
    throttles: int = 0
    bytes: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, *, requests: int = 0, retries: int = 0, throttles: int = 0, bytes: int = 0) -> None:
        """Count."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.throttles += throttles
            self.bytes += bytes

    def counts(self) -> dict[str, int]:
        """As the run record holds them."""
        return {"requests": self.requests, "retries": self.retries, "throttles": self.throttles, "bytes": self.bytes}


class Platform(Protocol):
    """A platform: its catalogue and its pixels."""

    name: str
    """As arrays and columns bear it."""
    bands: tuple[str, ...]
    """The bands that it has; the others are all 0 in every sample."""
    in_flight: int
    """Samples that may be fetched at once in this process."""

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near each draw, in few requests. Raises CatalogueError."""
        ...

    def resolve(self, pairs: list[ScenePair], patches: Patches, traffic: Traffic) -> list[ScenePair | str]:
        """The same acquisitions in this platform's own catalogue, in few requests: own pairs, or why there is none.

        The same Sentinel-2 datatake and tile, the same Sentinel-1 product; `pairs` may be of another platform.
        Raises CatalogueError.
        """
        ...

    def fetch(self, patch: Patch, pair: ScenePair, traffic: Traffic) -> Tiles:
        """The pixels of both scenes on the patch.

        Raises SceneUnavailable: never to be had, replace the candidate; PixelsError: damaged, the shard fails.
        """
        ...
