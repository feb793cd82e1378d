"""The pairing rule, with its three days: which acquisition of each role a draw gets. One pure function."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tasks.places.patches import PIXEL, Patches
from tasks.scenes.footprints import covers
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import Rule
from tasks.scenes.scenes import Acquisition, Candidates, Nearby, Sentinel2Scenes


class Outcome(IntEnum):
    """How far the best scene of a draw got; only PAIRED has a pair."""

    NO_SENTINEL2 = 0
    NOT_COVERED = 1
    OTHER_ZONE = 2
    OUTSIDE_WINDOW = 3
    CLOUDY = 4
    TOO_FAR = 5
    NO_SENTINEL1 = 6
    PAIRED = 7

    @property
    def reason(self) -> Reason:
        """Why there is no pair. Raises KeyError: there is one."""
        return _REASONS[self]


_REASONS = {
    Outcome.NO_SENTINEL2: Reason.NO_SENTINEL2,
    Outcome.NOT_COVERED: Reason.NOT_COVERED,
    Outcome.OTHER_ZONE: Reason.OTHER_ZONE,
    Outcome.OUTSIDE_WINDOW: Reason.OUTSIDE_WINDOW,
    Outcome.CLOUDY: Reason.TOO_CLOUDY,
    Outcome.TOO_FAR: Reason.TOO_FAR,
    Outcome.NO_SENTINEL1: Reason.NO_SENTINEL1,
}


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The outcome for n draws, as columns."""

    outcome: NDArray[np.int8]
    """Values of Outcome."""
    scene: dict[str, NDArray[np.int64]]
    """By role the position in the candidates' scenes, -1 without a pair."""
    smallest_gap: NDArray[np.int64]
    """Between any Sentinel-2 scene that qualifies and the Sentinel-1 scene nearest to it, microseconds, whatever the
    limit; the largest integer where there is none. What the match rate under other limits follows from."""

    def acquisitions(self, candidates: Candidates, draw: int) -> dict[str, Acquisition]:
        """The acquisitions of a draw that has them, by role; `candidates` are those that were paired."""
        return {
            role: Acquisition(scenes=candidates[role].scenes, scene=int(scene[draw]))
            for role, scene in self.scene.items()
        }


def pair(patches: Patches, preferred: NDArray[np.int64], candidates: Candidates, rule: Rule) -> Pairs:
    """Pair n draws.

    The Sentinel-2 scene nearest to the preferred instant that qualifies (covers the patch, in its UTM zone, within
    window, cloud limit and search span, newest processing of its datatake and tile) and has a qualifying Sentinel-1
    scene (covers the patch) within the gap; of those Sentinel-1 scenes the nearest. Ties go to the smaller id.
    """
    # A footprint covers a patch if it covers the centres of its outermost pixels: footprints are rounded, and a scene
    # that ends exactly where the patch does still has all of its pixels.
    outlines = patches.vertices(inset=PIXEL / 2)
    root, leaf = rule.roles
    limits, gap_limit = rule.roles[root], rule.roles[leaf].reach
    near_s1 = candidates[leaf]
    s1 = near_s1.scenes
    s1_covers = covers(s1.footprint[near_s1.scene], outlines[near_s1.draw], s1.convex[near_s1.scene])
    nearest = _Nearest.of(near_s1, np.flatnonzero(s1_covers))

    s2, draw, scene = candidates[root].scenes, candidates[root].draw, candidates[root].scene
    if not isinstance(s2, Sentinel2Scenes):
        raise TypeError(f"the root {root!r} is to be a Sentinel-2 role")
    best = np.zeros(len(patches), np.int8)
    s2_covers = covers(s2.footprint[scene], outlines[draw], s2.convex[scene])
    rows = np.flatnonzero(_advance(best, draw, s2_covers, Outcome.NOT_COVERED))
    time = s2.time[scene]
    distance = np.abs(time - preferred[draw])
    cloud = s2.cloud_cover[scene]
    clear = np.ones(len(scene), bool) if limits.max_cloud_cover is None else cloud <= limits.max_cloud_cover
    for passes, otherwise in (
        (s2.epsg[scene] == patches.epsg[draw], Outcome.OTHER_ZONE),
        ((time >= rule.window[0]) & (time < rule.window[1]), Outcome.OUTSIDE_WINDOW),
    ):
        rows = rows[_advance(best, draw[rows], passes[rows], otherwise)]
    rows = _newest(rows, draw, s2.acquisition[scene], s2.newness[scene])
    for passes, otherwise in ((clear, Outcome.CLOUDY), (distance <= limits.reach, Outcome.TOO_FAR)):
        rows = rows[_advance(best, draw[rows], passes[rows], otherwise)]
    s1_scene, gap = nearest.to(draw[rows], time[rows])
    smallest_gap = np.full(len(patches), np.iinfo(np.int64).max, np.int64)
    np.minimum.at(smallest_gap, draw[rows], gap)
    near = _advance(best, draw[rows], gap <= gap_limit, Outcome.NO_SENTINEL1)
    rows, s1_scene = rows[near], s1_scene[near]

    order = np.lexsort((s2.rank[scene[rows]], distance[rows], draw[rows]))
    first = order[np.unique(draw[rows][order], return_index=True)[1]]
    pairs = Pairs(
        outcome=best,
        scene={role: np.full(len(patches), -1, np.int64) for role in (root, leaf)},
        smallest_gap=smallest_gap,
    )
    winners = draw[rows][first]
    pairs.outcome[winners] = Outcome.PAIRED
    pairs.scene[root][winners] = scene[rows][first]
    pairs.scene[leaf][winners] = s1_scene[first]
    return pairs


def _advance(
    best: NDArray[np.int8], draw: NDArray[np.int64], passes: NDArray[np.bool_], otherwise: Outcome
) -> NDArray[np.bool_]:
    """Note for the draws of failing scenes that one got as far as `otherwise`; returns `passes`."""
    np.maximum.at(best, draw[~passes], np.int8(otherwise))
    return passes


def _newest(
    rows: NDArray[np.int64], draw: NDArray[np.int64], acquisition: NDArray[np.int64], newness: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Of the rows of one draw and one acquisition, the one with the newest processing."""
    order = rows[np.lexsort((newness[rows], acquisition[rows], draw[rows]))]
    if not len(order):
        return order
    last = np.ones(len(order), bool)
    last[:-1] = (draw[order][1:] != draw[order][:-1]) | (acquisition[order][1:] != acquisition[order][:-1])
    return np.sort(order[last])


@dataclass(frozen=True, kw_only=True)
class _Nearest:
    """Sentinel-1 scenes sorted by draw, time and id, to look up the nearest in time."""

    draw: NDArray[np.int64]
    time: NDArray[np.int64]
    scene: NDArray[np.int64]
    rank: NDArray[np.int64]

    @classmethod
    def of(cls, nearby: Nearby, rows: NDArray[np.int64]) -> "_Nearest":
        draw, scene = nearby.draw[rows], nearby.scene[rows]
        time, rank = nearby.scenes.time[scene], nearby.scenes.rank[scene]
        order = np.lexsort((rank, time, draw))
        # Of scenes of one draw and one instant only the smallest id can be chosen.
        draw, time, scene, rank = draw[order], time[order], scene[order], rank[order]
        keep = np.ones(len(draw), bool)
        keep[1:] = (draw[1:] != draw[:-1]) | (time[1:] != time[:-1])
        return cls(draw=draw[keep], time=time[keep], scene=scene[keep], rank=rank[keep])

    def to(self, draw: NDArray[np.int64], time: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Nearest scene of the same draw, and its distance in microseconds (the largest integer where none is)."""
        scene = np.full(len(draw), -1, np.int64)
        gap = np.full(len(draw), np.iinfo(np.int64).max, np.int64)
        if not len(self.draw) or not len(draw):
            return scene, gap
        after = _first_not_before(self.draw, self.time, draw, time)
        before = after - 1
        best_rank = np.full(len(draw), np.iinfo(np.int64).max, np.int64)
        for position in (before, after):
            at = np.clip(position, 0, len(self.draw) - 1)
            same = (position == at) & (self.draw[at] == draw)
            distance = np.where(same, np.abs(self.time[at] - time), np.iinfo(np.int64).max)
            better = same & ((distance < gap) | ((distance == gap) & (self.rank[at] < best_rank)))
            scene[better], gap[better], best_rank[better] = (
                self.scene[at][better],
                distance[better],
                self.rank[at][better],
            )
        return scene, gap


def _first_not_before(
    draw: NDArray[np.int64], time: NDArray[np.int64], wanted_draw: NDArray[np.int64], wanted_time: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`searchsorted` on (draw, time): the position of the first row not before each wanted one."""
    # Times are replaced by their place among all times, so that one 64-bit integer holds draw and time.
    times = np.unique(time)
    width = len(times) + 1
    rows = draw * width + np.searchsorted(times, time)
    return np.searchsorted(rows, wanted_draw * width + np.searchsorted(times, wanted_time))
