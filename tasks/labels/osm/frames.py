"""Frames: the boxes within which features are kept, one a place of the corpus.

A random corpus has one place a cell, and the patches of every attempt lie in that cell; so the cell is the frame, and
a feature is kept once however often a shard draws there. A listed place's frame holds its patch on every grid that it
may take.
Each frame reaches 50 m beyond, so that a line's band is whole at the patch's border.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.places.patches import Patches

MARGIN = 50.0
"""Metres around a place."""

_TILE = 0.1
"""Degrees: side of the tiles by which frames near a feature are found."""

_MANY = 64
"""Tiles that a feature reaches into, beyond which it is compared with every frame."""

_METRES = 110_000.0
"""A degree of latitude is at least as long."""

Boxes = NDArray[np.float64]
"""(n, 4) west, south, east, north in degrees."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Frames of some shards, as columns of length n. 50 bytes a place, and as much again for the index."""

    shard: NDArray[np.int32]
    place: NDArray[np.int64]
    """The lattice cell, or the position in the list of places."""
    boxes: Boxes
    """East beyond 180 where a listed place lies across the antimeridian."""

    def __len__(self) -> int:
        return len(self.place)

    def around(self, patches: Patches) -> NDArray[np.int64]:
        """For each patch the position of a frame that holds it, -1 where none does: (m,).

        Of several, as those of places near one another, the one that reaches farthest beyond the patch on every side:
        never less than a place's own frame does, so which places share a shard does not matter.
        """
        bounds = outline_bounds(patches)
        found = np.full(len(patches), -1, np.int64)
        least, most = self.boxes[:, :2], self.boxes[:, 2:]
        for index, box in enumerate(bounds):
            scale = np.array([np.cos(np.radians(np.abs(box[[1, 3]]).max())), 1])
            for turn in (0, 360, -360):
                shift = np.array([turn, 0])
                beyond = np.minimum(box[:2] + shift - least, most - box[2:] - shift)
                room = (beyond * scale).min(axis=1)
                if (room >= 0).any():
                    found[index] = room.argmax()
                    break
        return found


class FrameIndex:
    """Finds the frames that boxes touch: frames sorted by the tiles they touch, searched by bisection."""

    def __init__(self, frames: Frames) -> None:
        # A frame across the antimeridian stands a second time, a turn to the west.
        beyond = np.flatnonzero(frames.boxes[:, 2] > 180)
        before = np.flatnonzero(frames.boxes[:, 0] < -180)
        self.frame = np.concatenate([np.arange(len(frames)), beyond, before]).astype(np.int32)
        self.turn = np.concatenate([np.zeros(len(frames)), np.full(len(beyond), 360.0), np.full(len(before), -360.0)])
        self.boxes: Boxes = frames.boxes[self.frame] - self.turn[:, None] * np.array([1, 0, 1, 0])
        tiles, owner = _tiles(self.boxes)
        order = np.argsort(tiles, kind="stable")
        self._tiles, self._owner = tiles[order], owner[order].astype(np.int32)

    def touching(self, boxes: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of positions, of a box and of a row of this index, whose boxes touch: (m,) each, by box."""
        wide = _counts(boxes)
        small, large = np.flatnonzero(wide <= _MANY), np.flatnonzero(wide > _MANY)
        tiles, owner = _tiles(boxes[small])
        first = np.searchsorted(self._tiles, tiles, side="left")
        counts = np.searchsorted(self._tiles, tiles, side="right") - first
        rows = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        box = small[np.repeat(owner, counts)]
        row = self._owner[rows].astype(np.int64)
        for index in large:
            hit = np.flatnonzero(_touch(self.boxes, boxes[index]))
            box, row = np.concatenate([box, np.full(len(hit), index)]), np.concatenate([row, hit])
        near = _touch(self.boxes[row], boxes[box])
        pairs = np.unique(np.stack([box[near], row[near]]), axis=1)
        return pairs[0], pairs[1]


def frames_of(places: RandomPlaces | ListedPlaces, shards: Iterable[int]) -> Frames:
    """The frames of all candidates of some shards."""
    shard_of: list[NDArray[np.int32]] = []
    place: list[NDArray[np.int64]] = []
    boxes: list[Boxes] = []
    for shard in shards:
        if isinstance(places, RandomPlaces):
            cells = np.sort(np.concatenate(places.cells_of(shard)))
            found = _cell_boxes(places, cells)
        else:
            draws = places.draws(shard)
            cells = draws.cell[:: draws.alternatives]
            each = outline_bounds(draws.patches).reshape(-1, draws.alternatives, 4)
            # Both grids of one place lie within a few kilometres, but one may be told a turn away.
            each[..., [0, 2]] += np.round((each[:, :1, 0] - each[..., 0]) / 360)[..., None] * 360
            found = np.concatenate([each[..., :2].min(axis=1), each[..., 2:].max(axis=1)], axis=1)
        shard_of.append(np.full(len(cells), shard, np.int32))
        place.append(cells.astype(np.int64))
        boxes.append(_with_margin(found))
    return Frames(
        shard=np.concatenate([np.empty(0, np.int32), *shard_of]),
        place=np.concatenate([np.empty(0, np.int64), *place]),
        boxes=np.concatenate([np.empty((0, 4)), *boxes]),
    )


def outline_bounds(patches: Patches) -> Boxes:
    """The boxes of patches in degrees, east beyond 180 across the antimeridian."""
    vertices = patches.vertices()
    return np.concatenate([vertices.min(axis=1), vertices.max(axis=1)], axis=1)


def _cell_boxes(places: RandomPlaces, cells: NDArray[np.int64]) -> Boxes:
    lattice = places.lattice
    row = lattice.rows_of(cells)
    width = 360 / lattice.columns[row]
    west, south = -180 + width * (cells - lattice.first[row]), -90 + lattice.row_height * row
    return np.stack([west, south, west + width, south + lattice.row_height], axis=1).astype(np.float64, copy=False)


def _with_margin(boxes: Boxes) -> Boxes:
    up = MARGIN / _METRES
    poleward = np.minimum(np.maximum(np.abs(boxes[:, 1]), np.abs(boxes[:, 3])) + up, 89.0)
    along = up / np.cos(np.radians(poleward))
    return boxes + np.stack([-along, np.full_like(along, -up), along, np.full_like(along, up)], axis=1)


def _touch(a: Boxes, b: Boxes) -> NDArray[np.bool_]:
    return (a[..., 0] <= b[..., 2]) & (a[..., 2] >= b[..., 0]) & (a[..., 1] <= b[..., 3]) & (a[..., 3] >= b[..., 1])


def _corners(boxes: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low = np.floor((boxes[:, :2] + (400, 100)) / _TILE).astype(np.int64)
    high = np.floor((boxes[:, 2:] + (400, 100)) / _TILE).astype(np.int64)
    return low, high - low + 1


def _counts(boxes: Boxes) -> NDArray[np.int64]:
    return _corners(boxes)[1].prod(axis=1)


def _tiles(boxes: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tiles that each box touches, as numbers, and whose they are."""
    low, span = _corners(boxes)
    counts = span.prod(axis=1)
    owner = np.repeat(np.arange(len(boxes)), counts)
    inner = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    column, row = inner % span[owner, 0], inner // span[owner, 0]
    return (low[owner, 1] + row) * 10_000 + low[owner, 0] + column, owner
