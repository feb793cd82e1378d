"""The pairing rule: which Sentinel-2 and which Sentinel-1 acquisition a draw gets. One pure function."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.places import PIXEL, Patches, window_of
from tasks.scenes.scenes import Candidates
from tasks.spec import CorpusSpec

DAY = 86_400_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The limits of a pair."""

    window: tuple[int, int]
    """Acquisition times, microseconds since 1970 UTC, half open."""
    max_gap: int
    """Between the starts of the two acquisitions, microseconds, inclusive."""
    search: int
    """Between the Sentinel-2 acquisition and the preferred instant, microseconds, inclusive."""
    max_cloud_cover: float | None
    """Percent, inclusive."""

    @classmethod
    def of(cls, spec: CorpusSpec) -> "Rule":
        """A spec's window and pairing."""
        return cls(
            window=window_of(spec),
            max_gap=round(spec.pairing.max_gap_days * DAY),
            search=round(spec.pairing.search_days * DAY),
            max_cloud_cover=spec.pairing.max_cloud_cover,
        )


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
    def reason(self) -> str:
        """In words, for records and messages."""
        return _REASONS[self]


_REASONS = {
    Outcome.NO_SENTINEL2: "no Sentinel-2 scene near the patch",
    Outcome.NOT_COVERED: "no Sentinel-2 scene covers the patch",
    Outcome.OTHER_ZONE: "Sentinel-2 only in another UTM zone",
    Outcome.OUTSIDE_WINDOW: "no Sentinel-2 scene within the window",
    Outcome.CLOUDY: "every Sentinel-2 scene above the cloud limit",
    Outcome.TOO_FAR: "no Sentinel-2 scene within search_days of the preferred instant",
    Outcome.NO_SENTINEL1: "no Sentinel-1 scene within max_gap_days of a Sentinel-2 scene",
    Outcome.PAIRED: "paired",
}


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The outcome for n draws, as columns."""

    outcome: NDArray[np.int8]
    """Values of Outcome."""
    s2_scene: NDArray[np.int64]
    """Position in the candidates' Sentinel-2 scenes, -1 without a pair."""
    s1_scene: NDArray[np.int64]
    """Position in the candidates' Sentinel-1 scenes, -1 without a pair."""


def pair(patches: Patches, preferred: NDArray[np.int64], candidates: Candidates, rule: Rule) -> Pairs:
    """Pair n draws.

    The Sentinel-2 scene nearest to the preferred instant that qualifies (covers the patch, in its UTM zone, within
    window, cloud limit and search span, newest processing of its datatake and tile) and has a qualifying Sentinel-1
    scene (covers the patch) within the gap; of those Sentinel-1 scenes the nearest. Ties go to the smaller id.
    """
    # A footprint covers a patch if it covers the centres of its outermost pixels: footprints are rounded, and a scene
    # that ends exactly where the patch does still has all of its pixels.
    outlines = patches.outlines(inset=PIXEL / 2)
    s1 = candidates.sentinel1
    s1_covers = shapely.covers(s1.footprint[candidates.s1_scene], outlines[candidates.s1_draw])
    nearest = _Nearest.of(candidates, np.flatnonzero(s1_covers))

    s2, draw, scene = candidates.sentinel2, candidates.s2_draw, candidates.s2_scene
    best = np.zeros(len(patches), np.int8)
    rows = np.flatnonzero(
        _advance(best, draw, shapely.covers(s2.footprint[scene], outlines[draw]), Outcome.NOT_COVERED)
    )
    time = s2.time[scene]
    distance = np.abs(time - preferred[draw])
    cloud = s2.cloud_cover[scene]
    clear = np.ones(len(scene), bool) if rule.max_cloud_cover is None else cloud <= rule.max_cloud_cover
    for passes, otherwise in (
        (s2.epsg[scene] == patches.epsg[draw], Outcome.OTHER_ZONE),
        ((time >= rule.window[0]) & (time < rule.window[1]), Outcome.OUTSIDE_WINDOW),
    ):
        rows = rows[_advance(best, draw[rows], passes[rows], otherwise)]
    rows = _newest(rows, draw, s2.acquisition[scene], s2.newness[scene])
    for passes, otherwise in ((clear, Outcome.CLOUDY), (distance <= rule.search, Outcome.TOO_FAR)):
        rows = rows[_advance(best, draw[rows], passes[rows], otherwise)]
    s1_scene, gap = nearest.to(draw[rows], time[rows])
    near = _advance(best, draw[rows], gap <= rule.max_gap, Outcome.NO_SENTINEL1)
    rows, s1_scene = rows[near], s1_scene[near]

    order = np.lexsort((s2.rank[scene[rows]], distance[rows], draw[rows]))
    first = order[np.unique(draw[rows][order], return_index=True)[1]]
    pairs = Pairs(
        outcome=best, s2_scene=np.full(len(patches), -1, np.int64), s1_scene=np.full(len(patches), -1, np.int64)
    )
    winners = draw[rows][first]
    pairs.outcome[winners] = Outcome.PAIRED
    pairs.s2_scene[winners] = scene[rows][first]
    pairs.s1_scene[winners] = s1_scene[first]
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
    """Sentinel-1 scenes sorted by draw, time and descending id, to look up the nearest in time."""

    draw: NDArray[np.int64]
    time: NDArray[np.int64]
    scene: NDArray[np.int64]
    rank: NDArray[np.int64]

    @classmethod
    def of(cls, candidates: Candidates, rows: NDArray[np.int64]) -> "_Nearest":
        draw, scene = candidates.s1_draw[rows], candidates.s1_scene[rows]
        time, rank = candidates.sentinel1.time[scene], candidates.sentinel1.rank[scene]
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
