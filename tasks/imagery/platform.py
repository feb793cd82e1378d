"""What every platform can do, whoever runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.places.draws import Draws
from tasks.places.patches import Patch, Patches
from tasks.scenes.reasons import Rejection
from tasks.scenes.scenes import Acquisitions, Candidates


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """The pixels of one sample from one platform, by the path of the array that they are for."""

    arrays: Mapping[str, NDArray[Any]]
    """Sentinel-2 roles: (13, height, width) uint16, reflectance x 10,000, 0 = nodata or absent band. Sentinel-1 roles:
    (2, height, width) float32, backscatter in dB, NaN = nodata. Masks: (height, width) uint8, probability of cloud in
    percent, 255 = nodata. Layers: as the layer says. Of a place with several dates a path ends like the look."""
    absent_bands: tuple[str, ...] = ()
    """Bands that this sample lacks although the platform has them elsewhere."""
    clipped: Mapping[str, int] = field(default_factory=dict[str, int])
    """By array path, how many pixels were below or beyond what the array holds and became its least or most."""
    incidence: Mapping[str, float] = field(default_factory=dict[str, float])
    """By look of Sentinel-1, the mean angle of incidence over the patch in degrees, where the pixels tell it."""


def nodata_fraction(values: NDArray[Any]) -> float:
    """Share of the pixels of (channels, height, width) that hold nothing.

    Reflectance: every band is 0; backscatter: a polarization is NaN.
    """
    if np.issubdtype(values.dtype, np.floating):
        return float(np.isnan(values).any(axis=0).mean())
    return float((~values.any(axis=0)).mean())


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


CLEAR = 40
"""Percent of cloud probability below which a pixel is clear (the threshold of s2cloudless)."""


def clear_fraction(mask: NDArray[np.uint8]) -> float:
    """Share of the pixels of a mask, (height, width), that are clear; nodata is not."""
    return float((mask < CLEAR).mean())


class Platform(Protocol):
    """A platform: its catalogue and its pixels. Safe to use from many threads."""

    name: str
    """As arrays and columns bear it."""
    bands: tuple[str, ...]
    """The bands that it has; the others are all 0 in every sample."""
    in_flight: int
    """Samples that may be fetched at once in this process."""
    dates_together: int
    """Dates of a place that one `fetch` takes at best; more are asked for by several, at the same time."""

    @property
    def reach(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of all its scenes in degrees, where it knows them all; None elsewhere."""
        ...

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        """Scenes near each draw by role, in few requests. Raises CatalogueError, PlatformUnreachable."""
        ...

    def resolve(
        self, wanted: Sequence[Acquisitions], patches: Patches, traffic: Traffic
    ) -> list[Acquisitions | Rejection]:
        """The same acquisitions in this platform's own catalogue, in few requests: its own, or which one is not there.

        The same Sentinel-2 datatake and tile, the same Sentinel-1 product; `wanted` may be of another platform.
        Raises CatalogueError, PlatformUnreachable.
        """
        ...

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        """The pixels of all acquisitions on the patch, and their masks; `acquisitions` are by look, of at most
        `dates_together` dates, and so are the paths of the tiles.

        Raises SceneUnavailable: never to be had, replace the candidate; PixelsError: damaged, the shard fails;
        PlatformUnreachable: no answer for the whole patience, the run stops.
        """
        ...

    def check(self, draws: Draws | None) -> str:
        """Log in and ask for a little, of the first of `draws` if it takes any: what is in order, as text.

        Raises DeepSentinelError: what is not, and what to do.
        """
        ...

    def close(self) -> None:
        """End connections and forget the login; what is asked for afterwards opens them again."""
        ...
