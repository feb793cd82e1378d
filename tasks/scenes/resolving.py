"""The same acquisitions in another catalogue."""

import re
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from tasks.scenes.footprints import covers
from tasks.scenes.scenes import ScenePair, Scenes, Sentinel1Scenes, Sentinel2Scenes

_SAME_START = 2_000_000
"""Microseconds by which two catalogues may differ over the start of one Sentinel-1 acquisition."""

_PRODUCT = re.compile(r"(S1[A-D]).*_(\d{8}T\d{6})_(\d{8}T\d{6})_(\d{6})_")
"""Mission, start, stop and absolute orbit in ESA's product name; the rest of it differs between processings."""


class Resolver:
    """Finds acquisitions in the scenes of one catalogue, whichever catalogue they were chosen in."""

    def __init__(self, s2: Sentinel2Scenes, s1: Sentinel1Scenes) -> None:
        self._s2, self._s1 = s2, s1
        self._by_acquisition: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index, key in enumerate(zip(s2.datatake, s2.tile, strict=True)):
            self._by_acquisition[key].append(index)
        self._by_product: dict[str, list[int]] = defaultdict(list)
        for index, product in enumerate(s1.product):
            self._by_product[product_key(product)].append(index)
        self._order = np.argsort(s1.time)

    def resolve(self, pair: ScenePair, outline: NDArray[np.float64]) -> ScenePair | str:
        """The pair in this catalogue, or why it is not there; `outline` is the patch's ring, (vertices, 2)
        degrees.

        Sentinel-2: same datatake and tile, newest processing that covers the patch. Sentinel-1: same product or, where
        names differ, same start within 2 s and same orbit.
        """
        key = (pair.s2.datatake[pair.s2_scene], pair.s2.tile[pair.s2_scene])
        s2 = self._covering(self._s2, self._by_acquisition.get(key, []), outline)
        if not s2:
            return f"{key[0]} {key[1]}: not in its catalogue"
        s1 = self._covering(self._s1, self._radar(pair), outline)
        if not s1:
            return f"{pair.s1.product[pair.s1_scene]}: not in its catalogue"
        return ScenePair(
            s2=self._s2,
            s2_scene=max(s2, key=lambda i: self._s2.newness[i]),
            s1=self._s1,
            s1_scene=min(s1, key=lambda i: self._s1.rank[i]),
        )

    @staticmethod
    def _covering(scenes: Scenes, found: list[int], outline: NDArray[np.float64]) -> list[int]:
        outlines = np.repeat(outline[None], len(found), axis=0)
        return [
            i
            for i, covered in zip(found, covers(scenes.footprint[found], outlines, scenes.convex[found]), strict=True)
            if covered
        ]

    def _radar(self, pair: ScenePair) -> list[int]:
        found = self._by_product.get(product_key(pair.s1.product[pair.s1_scene]))
        if found:
            return found
        time, orbit = int(pair.s1.time[pair.s1_scene]), int(pair.s1.orbit[pair.s1_scene])
        times = self._s1.time[self._order]
        near = self._order[
            np.searchsorted(times, time - _SAME_START) : np.searchsorted(times, time + _SAME_START, "right")
        ]
        return [int(i) for i in near if not orbit or not self._s1.orbit[i] or self._s1.orbit[i] == orbit]


def product_key(product: str) -> str:
    """What all processings of one Sentinel-1 acquisition share, from ESA's product name; other names as they are."""
    found = _PRODUCT.search(product)
    return " ".join(found.groups()) if found else product
