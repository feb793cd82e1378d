"""Scenes of a collection and where they are, be it known as a whole or searched."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.imagery.platform import Traffic
from tasks.imagery.stac.cells import Asked
from tasks.imagery.stac.items import Records
from tasks.imagery.stac.searched import Searched
from tasks.scenes.index import SceneIndex
from tasks.scenes.roles import Rule
from tasks.scenes.scenes import Nearby, Scenes

S = TypeVar("S", bound=Scenes)


@dataclass(frozen=True)
class Shelf(Generic[S]):
    """Scenes of a collection."""

    scenes: S
    whole: bool
    """Whether these are all scenes of the collection; if not, then those of some places in some times, and others."""
    held: Records | Searched
    """Where they come from."""

    @cached_property
    def _index(self) -> SceneIndex:
        return SceneIndex(self.scenes)

    def expect(self, scenes: NDArray[np.int64], traffic: Traffic) -> None:
        """Have at hand what is needed to read scenes, by position; -1: none. Raises CatalogueError."""
        if isinstance(self.held, Searched):
            self.held.expect(self.scenes.id[np.unique(scenes[scenes >= 0])].tolist(), traffic)

    def near(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], preferred: NDArray[np.int64], role: str, rule: Rule
    ) -> Nearby:
        """The scenes that may serve a role at n places about n instants.

        Of a collection that is not known as a whole exactly those over the places within the reach of the role, so that
        it does not matter what else happens to be known.
        """
        scenes, reach = self.scenes, rule.reach(role)
        draw, scene = self._index.near(lon, lat, preferred, reach)
        if not self.whole and len(draw):
            time, footprint = scenes.time[scene], scenes.footprint[scene]
            # Either may be written beyond 180 degrees.
            turned = lon[draw] + 360 * np.round((shapely.bounds(footprint)[:, 0] - lon[draw]) / 360)
            first, end = times_of(role, preferred[draw], rule)
            over = (time >= first) & (time < end) & shapely.intersects_xy(footprint, turned, lat[draw])
            draw, scene = draw[over], scene[over]
        return Nearby(scenes=scenes, draw=draw, scene=scene)


class Shelves(Generic[S]):
    """The scenes of a collection. Safe to use from many threads."""

    def __init__(self, held: Records | Searched, scenes_of: Callable[[Records], S]) -> None:
        """Raises CatalogueError: an item is none."""
        self._held, self._scenes_of = held, scenes_of
        self.asset_keys = held.asset_keys
        self.whole = Shelf(scenes_of(held), True, held) if isinstance(held, Records) else None

    def over(self, asked: Asked, traffic: Traffic) -> Shelf[S]:
        """All scenes over places in their times, at least. Raises CatalogueError, PlatformUnreachable."""
        if isinstance(self._held, Searched):
            return Shelf(self._scenes_of(self._held.over(asked, traffic)), False, self._held)
        assert self.whole is not None
        return self.whole

    def close(self) -> None:
        """End connections; what is asked for afterwards opens new ones."""
        if isinstance(self._held, Searched):
            self._held.close()


def times_of(role: str, preferred: NDArray[np.int64], rule: Rule) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """From when to when scenes of a role are looked for about n instants: microseconds, the end exclusive."""
    reach, margin, (first, end) = rule.reach(role), rule.margin(role), rule.window
    # The rule's reach is inclusive.
    return np.maximum(preferred - reach, first - margin), np.minimum(preferred + reach + 1, end + margin)
