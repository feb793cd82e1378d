"""Rules and candidates of today's two roles, for tests of what decides by them."""

from typing import Any

import numpy as np

from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Candidates, Nearby, Sentinel1Scenes, Sentinel2Scenes

NOON = 17_654 * DAY
"""2018-05-03 00:00, around which the instants of tests lie."""


def objects(values: list[Any]) -> np.ndarray:
    """A column of any Python objects."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def rule(
    *,
    window: tuple[int, int] = (NOON - 20 * DAY, NOON + 20 * DAY),
    max_gap: int = 3 * DAY,
    search: int = 10 * DAY,
    max_cloud_cover: float | None = None,
) -> Rule:
    """A Sentinel-2 scene near the instant, and a Sentinel-1 scene near that."""
    return Rule(
        window=window,
        roles={
            "s2": Role(
                near=None, reach=search, cloud_cover=None if max_cloud_cover is None else (0.0, max_cloud_cover)
            ),
            "s1": Role(near="s2", reach=max_gap),
        },
    )


def all_near_all(s2: Sentinel2Scenes, s1: Sentinel1Scenes, draws: int) -> Candidates:
    """Every scene near every draw, in rows whose order is neither's."""
    random = np.random.default_rng(len(s2) * 31 + len(s1))

    def near(scenes: Sentinel2Scenes | Sentinel1Scenes) -> Nearby:
        rows = random.permutation(len(scenes) * draws)
        return Nearby(scenes=scenes, draw=rows % draws, scene=rows // draws)

    return {"s2": near(s2), "s1": near(s1)}
