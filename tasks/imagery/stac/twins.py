"""The Level-1C twin of each Level-2A scene, from which B10 comes."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import shapely

from tasks.scenes.scenes import Sentinel2Scenes

_ROUNDING = 0.01
"""Share of a scene that its twin may leave uncovered."""


def twins_of(scenes: Sentinel2Scenes, twins: Sentinel2Scenes, of: Iterable[int] | None = None) -> dict[int, int]:
    """The newest twin of each scene that covers what the scene does: by position in `scenes`, position in `twins`.

    Datastrips may split a tile, so one datatake and tile can have several scenes, each with a twin of its own. `of`:
    the scenes at these positions only.
    """
    by_acquisition: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index in np.argsort(-twins.newness):
        by_acquisition[str(twins.datatake[index]), str(twins.tile[index])].append(int(index))
    found: dict[int, int] = {}
    for scene in range(len(scenes)) if of is None else of:
        ground = scenes.footprint[scene]
        for twin in by_acquisition.get((str(scenes.datatake[scene]), str(scenes.tile[scene])), ()):
            # Footprints of the two levels are rounded, and need not be equal to the metre.
            if shapely.area(shapely.difference(ground, twins.footprint[twin])) <= _ROUNDING * shapely.area(ground):
                found[scene] = twin
                break
    return found
