"""The same acquisitions in another catalogue."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.scenes.footprints import covers
from tasks.scenes.products import product_key
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates, Scenes, Sentinel1Scenes, Sentinel2Scenes

_SAME_START = 2_000_000
"""Microseconds by which two catalogues may differ over the start of one Sentinel-1 acquisition."""


class _Finder(Protocol):
    """Looks up acquisitions of one role in one catalogue."""

    def find(self, wanted: Acquisition, outline: NDArray[np.float64]) -> Acquisition | str: ...


class Resolver:
    """Finds acquisitions in the scenes of one catalogue, whichever catalogue they were chosen in."""

    def __init__(self, scenes: dict[str, Scenes]) -> None:
        """`scenes` are the catalogue's, by role."""
        self._finders = {role: _finder(held) for role, held in scenes.items()}

    @classmethod
    def of(cls, candidates: Candidates) -> "Resolver":
        """Over the scenes of some candidates."""
        return cls({role: nearby.scenes for role, nearby in candidates.items()})

    def resolve(self, wanted: Acquisitions, outline: NDArray[np.float64]) -> Acquisitions | Rejection:
        """The acquisitions in this catalogue, or which one is not there; `outline` is the patch's ring, (vertices, 2)
        degrees.

        Sentinel-2: same datatake and tile, newest processing that covers the patch. Sentinel-1: same product or, where
        names differ, same start within 2 s and same orbit.
        """
        found: dict[str, Acquisition] = {}
        for role, acquisition in wanted.items():
            own = self._finders[role].find(acquisition, outline)
            if isinstance(own, str):
                return Rejection(reason=Reason.NOT_IN_CATALOGUE, scene=own)
            found[role] = own
        return found

    def resolve_all(
        self, wanted: Sequence[Acquisitions], outlines: NDArray[np.float64]
    ) -> list[Acquisitions | Rejection]:
        """As `resolve`, for the acquisitions of n places and their rings, (n, vertices, 2)."""
        return [self.resolve(one, outline) for one, outline in zip(wanted, outlines, strict=True)]


def _finder(scenes: Scenes) -> _Finder:
    if isinstance(scenes, Sentinel2Scenes):
        return _OpticalFinder(scenes)
    if isinstance(scenes, Sentinel1Scenes):
        return _RadarFinder(scenes)
    raise TypeError(f"scenes of an unknown sensor: {type(scenes).__name__}")


class _OpticalFinder:
    def __init__(self, scenes: Sentinel2Scenes) -> None:
        self._scenes = scenes
        self._at: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, key in enumerate(zip(scenes.datatake, scenes.tile, strict=True)):
            self._at[key].append(index)

    def find(self, wanted: Acquisition, outline: NDArray[np.float64]) -> Acquisition | str:
        """The newest processing that covers the outline, or the acquisition's name."""
        if not isinstance(wanted.scenes, Sentinel2Scenes):
            raise TypeError("a Sentinel-2 role holds a scene of another sensor")
        key = (str(wanted.scenes.datatake[wanted.scene]), str(wanted.scenes.tile[wanted.scene]))
        found = _covering(self._scenes, self._at.get(key, []), outline)
        if not found:
            return " ".join(key).strip()
        return Acquisition(scenes=self._scenes, scene=max(found, key=lambda i: self._scenes.newness[i]))


class _RadarFinder:
    def __init__(self, scenes: Sentinel1Scenes) -> None:
        self._scenes = scenes
        self._at: dict[str, list[int]] = defaultdict(list)
        for index, product in enumerate(scenes.product):
            self._at[product_key(product)].append(index)
        self._order = np.argsort(scenes.time)

    def find(self, wanted: Acquisition, outline: NDArray[np.float64]) -> Acquisition | str:
        """The product of the smallest id that covers the outline, or the product's name."""
        if not isinstance(wanted.scenes, Sentinel1Scenes):
            raise TypeError("a Sentinel-1 role holds a scene of another sensor")
        product = str(wanted.scenes.product[wanted.scene])
        same = self._at.get(product_key(product)) or self._same_start(wanted)
        found = _covering(self._scenes, same, outline)
        if not found:
            return product
        return Acquisition(scenes=self._scenes, scene=min(found, key=lambda i: self._scenes.rank[i]))

    def _same_start(self, wanted: Acquisition) -> list[int]:
        time, orbit = wanted.time, int(wanted.scenes.orbit[wanted.scene])
        times = self._scenes.time[self._order]
        near = self._order[
            np.searchsorted(times, time - _SAME_START) : np.searchsorted(times, time + _SAME_START, "right")
        ]
        orbits = self._scenes.orbit
        return [int(i) for i in near if not orbit or not orbits[i] or orbits[i] == orbit]


def _covering(scenes: Scenes, found: list[int], outline: NDArray[np.float64]) -> list[int]:
    outlines = np.repeat(outline[None], len(found), axis=0)
    covered = covers(scenes.footprint[found], outlines, scenes.convex[found])
    return [index for index, whole in zip(found, covered, strict=True) if whole]
