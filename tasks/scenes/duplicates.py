"""Reprocessed products: which are superseded, and by what."""

from dataclasses import dataclass

import numpy as np
import shapely

from tasks.scenes.scenes import Sentinel2Scenes

MOST = 0.5
"""A product is another part of its tile, not a repetition, if less than this share of it is in newer ones."""


@dataclass(frozen=True, kw_only=True)
class Superseded:
    """A product that a newer one replaces."""

    scene: int
    by: int
    reason: str


def superseded(scenes: Sentinel2Scenes) -> list[Superseded]:
    """Products of which a newer processing exists: same datatake, same tile, mostly the same ground.

    Datastrips of one datatake may split a tile: two products, each a part of it, both kept
    (as stactools-packages/sentinel2#5 and cirrus-geo/cirrus-earth-search#4 ask for).
    """
    order = np.lexsort((-scenes.newness, scenes.acquisition))
    groups = np.split(order, np.flatnonzero(np.diff(scenes.acquisition[order])) + 1) if len(order) else []
    found: list[Superseded] = []
    for group in groups:
        kept: list[int] = []
        for scene in group:
            ground = scenes.footprint[scene]
            shares = [shapely.area(shapely.intersection(ground, scenes.footprint[other])) for other in kept]
            best = int(np.argmax(shares)) if shares else -1
            if shares and shares[best] > MOST * shapely.area(ground):
                other = kept[best]
                found.append(
                    Superseded(
                        scene=int(scene),
                        by=other,
                        reason=(
                            f"{scenes.id[scene]} (baseline {scenes.baseline[scene] or 'unknown'}) is superseded by "
                            f"{scenes.id[other]} (baseline {scenes.baseline[other] or 'unknown'})"
                        ),
                    )
                )
            else:
                kept.append(int(scene))
    return found
