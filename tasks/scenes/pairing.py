"""The pairing rule, with its three days: which acquisition of each role a draw gets. One pure function."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.places.patches import PIXEL, Patches
from tasks.scenes.footprints import covers
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import DATATAKE, Rule, sensor_of
from tasks.scenes.scenes import Acquisition, Candidates, Nearby, Scenes, Sentinel2Scenes


class Outcome(IntEnum):
    """How far the best scene of a draw got; only PAIRED has a pair."""

    NO_SENTINEL2 = 0
    NOT_COVERED = 1
    OTHER_ZONE = 2
    OUTSIDE_WINDOW = 3
    CLOUDY = 4
    TOO_FAR = 5
    NO_COMPANION = 6
    NO_SENTINEL1 = 7
    PAIRED = 8

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
    Outcome.NO_COMPANION: Reason.NO_COMPANION,
    Outcome.NO_SENTINEL1: Reason.NO_SENTINEL1,
}


_NONE = np.iinfo(np.int64).max
"""A distance in time that nobody knows, or of what is not there."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The outcome for n draws, as columns."""

    outcome: NDArray[np.int8]
    """Values of Outcome."""
    scene: dict[str, NDArray[np.int64]]
    """By role the position in the candidates' scenes, -1 without a pair."""
    smallest_gap: NDArray[np.int64]
    """Between any scene that qualifies for the role that the first Sentinel-1 role is near and the Sentinel-1 scene
    nearest to it, microseconds, whatever the limit; the largest integer where there is none. What the match rate under
    other limits follows from."""

    def acquisitions(self, candidates: Candidates, draw: int) -> dict[str, Acquisition]:
        """The acquisitions of a draw that has them, by role; `candidates` are those that were paired."""
        return {
            role: Acquisition(scenes=candidates[role].scenes, scene=int(scene[draw]))
            for role, scene in self.scene.items()
        }


def pair(
    patches: Patches,
    preferred: NDArray[np.int64],
    candidates: Candidates,
    rule: Rule,
    windows: NDArray[np.int64] | None = None,
    dates: NDArray[np.int64] | None = None,
) -> Pairs:
    """Find the acquisitions of all roles for n draws.

    Of the root's scenes that qualify the first, in order of preference (nearest to the preferred instant, or fewest
    clouds), for which every role near it can be filled, and every role near those; of each of these the scene nearest
    in time. Ties go to the smaller id. A scene qualifies if it covers the patch; one of Sentinel-2, if it is also in
    the patch's UTM zone, within its role's clouds, and the newest processing of its datatake and tile; one of the root,
    if it is also within window and search span. A role never takes the pass of the scene of its own sensor that it is
    near. A scene that says which role it serves serves no other. A role that is given takes the scene of the group of
    the scene that it is near, whenever both were; by time nothing is near what has no known one.

    `windows`, (n, 2) microseconds, half open, are the draws' own; without them all have the rule's. `dates`, (n,), are
    the numbers that the root's scenes are to have among the dates of their place; without them any will do.
    Since the roles make a tree, filtering from its leaves up decides without going back (Freuder 1982, JACM 29(1)).
    """
    # A footprint covers a patch if it covers the centres of its outermost pixels: footprints are rounded, and a scene
    # that ends exactly where the patch does still has all of its pixels.
    outlines = patches.vertices(inset=PIXEL / 2)
    best = np.zeros(len(patches), np.int8)
    windows = np.broadcast_to(np.array(rule.window), (len(patches), 2)) if windows is None else windows
    smallest_gap = np.full(len(patches), _NONE, np.int64)
    rows = {
        role: _qualifying(role, candidates[role], patches, outlines, rule, preferred, windows, dates, best)
        for role in rule.roles
    }
    taken: dict[str, NDArray[np.int64]] = {}
    """By role other than the root, for each row of the role that it is near the scene that it takes."""
    for role in reversed(list(rule.roles)):
        limits = rule.roles[role]
        if limits.near is None:
            continue
        own, anchor = candidates[role], candidates[limits.near]
        here, there = rows[role], rows[limits.near]
        draw = anchor.draw[there]
        if limits.given:
            position, gap, found = _of_groups(own, here, anchor, there)
        else:
            here = here[_dated(own, here)]
            position, gap = _Nearest.of(own, here).to(
                draw,
                anchor.scenes.time[anchor.scene[there]],
                DATATAKE + 1 if sensor_of(role) == sensor_of(limits.near) else 0,
            )
            gap[~_dated(anchor, there)] = _NONE
            found = gap <= limits.reach
        if (role, limits.near) == rule.first_pair:
            np.minimum.at(smallest_gap, draw, gap)
        otherwise = Outcome.NO_SENTINEL1 if sensor_of(role) == "sentinel1" else Outcome.NO_COMPANION
        near = _advance(best, draw, found, otherwise)
        rows[limits.near] = there[near]
        # What other roles took of rows that are gone is gone too.
        for other in (name for name in taken if rule.roles[name].near == limits.near):
            taken[other] = taken[other][near]
        taken[role] = here[position[near]]

    root, chosen = rule.root, rows[rule.root]
    near_root = candidates[root]
    draw, scene = near_root.draw[chosen], near_root.scene[chosen]
    order = np.lexsort(
        (near_root.scenes.rank[scene], _preference(near_root.scenes, scene, preferred[draw], rule), draw)
    )
    first = order[np.unique(draw[order], return_index=True)[1]]
    winners = draw[first]
    best[winners] = Outcome.PAIRED
    pairs = Pairs(
        outcome=best,
        scene={role: np.full(len(patches), -1, np.int64) for role in rule.roles},
        smallest_gap=smallest_gap,
    )
    at = {root: first}
    pairs.scene[root][winners] = scene[first]
    for role, limits in rule.roles.items():
        if limits.near is not None:
            row = taken[role][at[limits.near]]
            pairs.scene[role][winners] = candidates[role].scene[row]
            at[role] = np.searchsorted(rows[role], row)
    return pairs


def _qualifying(
    role: str,
    nearby: Nearby,
    patches: Patches,
    outlines: NDArray[np.float64],
    rule: Rule,
    preferred: NDArray[np.int64],
    windows: NDArray[np.int64],
    dates: NDArray[np.int64] | None,
    best: NDArray[np.int8],
) -> NDArray[np.int64]:
    """Rows of a role whose scene qualifies by itself, in rising order; of the root `best` takes how far draws got."""
    limits, scenes, draw, scene = rule.roles[role], nearby.scenes, nearby.draw, nearby.scene
    mine = _serving(role, nearby, dates if limits.near is None else None)
    rows = mine[covers(scenes.footprint[scene[mine]], outlines[draw[mine]], scenes.convex[scene[mine]])]
    if limits.near is not None and not isinstance(scenes, Sentinel2Scenes):
        return rows
    if not isinstance(scenes, Sentinel2Scenes):
        raise TypeError(f"the root {role!r} is to be a Sentinel-2 role")
    told = best if limits.near is None else np.zeros_like(best)
    _advance(told, draw[mine], np.isin(mine, rows), Outcome.NOT_COVERED)
    time, cloud = scenes.time[scene], scenes.cloud_cover[scene]
    within = (time >= windows[draw, 0]) & (time < windows[draw, 1]) if limits.near is None else np.ones(len(draw), bool)
    for passes, otherwise in (
        (scenes.epsg[scene] == patches.epsg[draw], Outcome.OTHER_ZONE),
        (within, Outcome.OUTSIDE_WINDOW),
    ):
        rows = rows[_advance(told, draw[rows], passes[rows], otherwise)]
    rows = _newest(rows, draw, scenes.acquisition[scene], scenes.newness[scene])
    least, most = limits.cloud_cover or (-np.inf, np.inf)
    clear = np.ones(len(draw), bool) if limits.cloud_cover is None else (cloud >= least) & (cloud <= most)
    near = np.abs(time - preferred[draw]) <= limits.reach if limits.near is None else np.ones(len(draw), bool)
    for passes, otherwise in ((clear, Outcome.CLOUDY), (near, Outcome.TOO_FAR)):
        rows = rows[_advance(told, draw[rows], passes[rows], otherwise)]
    return rows


def _serving(role: str, nearby: Nearby, dates: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Rows whose scene may serve a role, and is of the date of its draw, as far as scenes say it."""
    given, scene = nearby.scenes.given, nearby.scene
    if given is None:
        return np.arange(len(scene) if dates is None else 0)
    mine = ((given.role == role) | (given.role == ""))[scene]
    return np.flatnonzero(mine if dates is None else mine & (given.date[scene] == dates[nearby.draw]))


def _of_groups(
    own: Nearby, here: NDArray[np.int64], anchor: Nearby, there: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Of each row of an anchor the position among the rows `here` of a role of the one with its draw and group, of
    these the one of smallest id; their distance in time, where it is known; and whether there is one."""
    most = np.full(len(there), _NONE)
    if own.scenes.given is None or anchor.scenes.given is None:
        return np.full(len(there), -1), most, np.zeros(len(there), bool)
    scene, near = own.scene[here], anchor.scene[there]
    held, wanted = own.scenes.given.group[scene], anchor.scenes.given.group[near]
    # The first group that is not before the wanted one is the wanted one, if it is there at all.
    position, beyond, _ = _Following.of(own.draw[here], held, own.scenes.rank[scene]).first(
        anchor.draw[there], wanted, 0
    )
    found = (beyond == 0) & (wanted >= 0)
    known = np.flatnonzero(found)
    known = known[_dated(own, here[position[known]]) & _dated(anchor, there[known])]
    most[known] = np.abs(own.scenes.time[scene[position[known]]] - anchor.scenes.time[near[known]])
    return position, most, found


def _dated(nearby: Nearby, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the times of the scenes of some rows are known."""
    dated = nearby.scenes.dated
    return np.ones(len(rows), bool) if dated is None else dated[nearby.scene[rows]]


def _preference(scenes: Scenes, scene: NDArray[np.int64], preferred: NDArray[np.int64], rule: Rule) -> NDArray[Any]:
    """What the root's scenes are chosen by, the smallest first: (m,)."""
    if rule.roles[rule.root].clearest and isinstance(scenes, Sentinel2Scenes):
        return np.nan_to_num(scenes.cloud_cover[scene], nan=np.inf)  # unknown: last
    return np.abs(scenes.time[scene] - preferred)


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
    """Rows of a role, to look up the nearest in time of the same draw."""

    later: "_Following"
    earlier: "_Following"
    """Of times turned about, so that what precedes follows."""

    @classmethod
    def of(cls, nearby: Nearby, rows: NDArray[np.int64]) -> "_Nearest":
        draw, scene = nearby.draw[rows], nearby.scene[rows]
        time, rank = nearby.scenes.time[scene], nearby.scenes.rank[scene]
        return cls(later=_Following.of(draw, time, rank), earlier=_Following.of(draw, -time, rank))

    def to(
        self, draw: NDArray[np.int64], time: NDArray[np.int64], least: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each draw and time the position in the rows of the nearest one that is `least` microseconds away or more,
        of these the one of smallest id; and its distance in microseconds, the largest integer where none is."""
        after, to_after, rank_after = self.later.first(draw, time, least)
        before, to_before, rank_before = self.earlier.first(draw, -time, least)
        earlier = (to_before < to_after) | ((to_before == to_after) & (rank_before < rank_after))
        return np.where(earlier, before, after), np.where(earlier, to_before, to_after)


@dataclass(frozen=True, kw_only=True)
class _Following:
    """Rows sorted by draw, time and id, to look up the first that follows."""

    draw: NDArray[np.int64]
    time: NDArray[np.int64]
    rank: NDArray[np.int64]
    position: NDArray[np.int64]
    """Where each stood before it was sorted."""

    @classmethod
    def of(cls, draw: NDArray[np.int64], time: NDArray[np.int64], rank: NDArray[np.int64]) -> "_Following":
        order = np.lexsort((rank, time, draw))
        return cls(draw=draw[order], time=time[order], rank=rank[order], position=order)

    def first(
        self, draw: NDArray[np.int64], time: NDArray[np.int64], least: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Position, distance and rank of the first row of a draw at least so much after a time."""
        if not len(self.draw) or not len(draw):
            return np.full(len(draw), -1), np.full(len(draw), _NONE), np.full(len(draw), _NONE)
        at = _first_not_before(self.draw, self.time, draw, time + least)
        held = np.minimum(at, len(self.draw) - 1)
        there = (at < len(self.draw)) & (self.draw[held] == draw)
        return (
            np.where(there, self.position[held], -1),
            np.where(there, self.time[held] - time, _NONE),
            np.where(there, self.rank[held], _NONE),
        )


def _first_not_before(
    draw: NDArray[np.int64], time: NDArray[np.int64], wanted_draw: NDArray[np.int64], wanted_time: NDArray[np.int64]
) -> NDArray[np.int64]:
    """`searchsorted` on (draw, time): the position of the first row not before each wanted one."""
    # Times are replaced by their place among all times, so that one 64-bit integer holds draw and time.
    times = np.unique(time)
    width = len(times) + 1
    rows = draw * width + np.searchsorted(times, time)
    return np.searchsorted(rows, wanted_draw * width + np.searchsorted(times, wanted_time))
