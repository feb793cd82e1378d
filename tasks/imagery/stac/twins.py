"""The twin of each scene in the other level: of Level 2A the one that B10 comes from, of Level 1C the one that has a
scene classification."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.imagery.platform import Traffic
from tasks.imagery.stac.cells import Asked
from tasks.imagery.stac.scenes import OpticalScenes
from tasks.imagery.stac.shelves import Shelves
from tasks.places.patches import Patch, to_degrees
from tasks.scenes.roles import DATATAKE
from tasks.scenes.scenes import Sentinel2Scenes

_ROUNDING = 0.01
"""Share of a scene that its twin may leave uncovered."""


class Twins:
    """Twins of the scenes of one collection in another. Safe to use from many threads."""

    def __init__(self, scenes: Shelves[OpticalScenes], twins: Shelves[OpticalScenes]) -> None:
        self._shelves = twins
        self._known: dict[int, int] | None = None
        if scenes.whole and twins.whole:
            self._known = twins_of(scenes.whole.scenes, twins.whole.scenes)

    @property
    def none(self) -> bool:
        """Whether it is known that no scene has one."""
        return self._known == {}

    def expect(
        self,
        scenes: OpticalScenes,
        scene: NDArray[np.int64],
        lon: NDArray[np.float64],
        lat: NDArray[np.float64],
        traffic: Traffic,
    ) -> None:
        """Have the twins of scenes over n places at hand, by position in `scenes`; -1: none. Raises as `find`."""
        if self._known is not None:
            return
        there = np.flatnonzero(scene >= 0)
        time = scenes.time[scene[there]]
        asked = Asked(lon=lon[there], lat=lat[there], first=time - DATATAKE, end=time + DATATAKE + 1)
        shelf = self._shelves.over(asked, traffic)
        found = twins_of(scenes, shelf.scenes, np.unique(scene[there]).tolist())
        shelf.expect(np.array([*found.values()], np.int64), traffic)

    def find(
        self, patch: Patch, scenes: OpticalScenes, scene: int, traffic: Traffic
    ) -> tuple[OpticalScenes, int] | None:
        """The twin of a scene that holds a patch. Raises CatalogueError, PlatformUnreachable: of an API."""
        found, time = self._known, scenes.time[scene : scene + 1]
        middle = np.array([[patch.xmin + patch.xmax], [patch.ymin + patch.ymax]]) / 2
        lon, lat = to_degrees(np.array([patch.epsg]), *middle)
        asked = Asked(lon=lon, lat=lat, first=time - DATATAKE, end=time + DATATAKE + 1)
        shelf = self._shelves.over(asked, traffic)
        if found is None:
            found = twins_of(scenes, shelf.scenes, [scene])
        return (shelf.scenes, found[scene]) if scene in found else None


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
