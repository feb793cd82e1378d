"""What an API is asked for: places and times as cells of a lattice, and few searches for many of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.scenes.roles import DATATAKE, DAY

SIDE = 0.25
"""Degrees of a cell: of scenes of 110 km that meet it, three of five also hold any one place in it; a country has some
hundred cells."""

DAYS = 10
"""Of a cell: a sixth of what is searched around an instant in most specs."""

_SLACK = 0.01
"""Degrees by which a cell is asked for wider, for servers that round or draw edges as great circles."""

_WASTE = 1.3
"""How many times as many cells a search may cover as are wanted, to save requests."""

_PAGEFUL = 64
"""Cells that are some page of items, however few of them are wanted."""

_LARGEST = 2048
"""Cells of one search at most."""

_LENGTH = DAYS * DAY


class Cell(NamedTuple):
    """A place and a time: SIDE degrees across, DAYS days long."""

    column: int
    """From 180 degrees west."""
    row: int
    """From 90 degrees south."""
    time: int
    """In spans of DAYS days since 1970."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """n places and the time in which scenes are wanted over each."""

    lon: NDArray[np.float64]
    """Degrees, any turn of the globe."""
    lat: NDArray[np.float64]
    first: NDArray[np.int64]
    """Acquisition starts from here on, microseconds since 1970 UTC."""
    end: NDArray[np.int64]
    """Exclusive; where it is not after `first`, nothing is wanted."""

    @classmethod
    def all_of(cls, parts: Sequence["Asked"]) -> "Asked":
        """Several as one."""
        return cls(
            lon=np.concatenate([part.lon for part in parts]),
            lat=np.concatenate([part.lat for part in parts]),
            first=np.concatenate([part.first for part in parts]),
            end=np.concatenate([part.end for part in parts]),
        )

    def cells(self) -> list[Cell]:
        """The cells that hold the places in their times, each once, in order."""
        wanted = np.flatnonzero(self.first < self.end)
        columns, rows = _at(self.lon[wanted], self.lat[wanted])
        first, last = self.first[wanted] // _LENGTH, (self.end[wanted] - 1) // _LENGTH
        found = {
            Cell(column, row, time)
            for column, row, since, until in zip(
                columns.tolist(), rows.tolist(), first.tolist(), last.tolist(), strict=True
            )
            for time in range(since, until + 1)
        }
        return sorted(found)


def _at(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns and rows of places."""
    columns = np.floor((lon + 180) % 360 / SIDE).astype(np.int64) % round(360 / SIDE)
    rows = np.clip(np.floor((lat + 90) / SIDE).astype(np.int64), 0, round(180 / SIDE) - 1)
    return columns, rows


@dataclass(frozen=True, kw_only=True)
class Search:
    """One question that finds all scenes of some cells, and others between them."""

    cells: tuple[Cell, ...]

    @property
    def span(self) -> tuple[int, int]:
        """First and last instant, microseconds since 1970 UTC: wider than the cells, for servers go by an instant of a
        scene that need not be its start.
        """
        times = [cell.time for cell in self.cells]
        return min(times) * _LENGTH - DATATAKE, (max(times) + 1) * _LENGTH + DATATAKE

    @property
    def area(self) -> Any:
        """What the cells cover: a polygon or polygons, degrees within 180 and 90."""
        places = np.array(sorted({cell[:2] for cell in self.cells}))
        west, south = places[:, 0] * SIDE - 180, places[:, 1] * SIDE - 90
        # Beyond 180 degrees the slack of a cell lies at the other end of the map.
        for at, turn in ((np.flatnonzero(west == -180), 360), (np.flatnonzero(west + SIDE == 180), -360)):
            west, south = np.concatenate([west, west[at] + turn]), np.concatenate([south, south[at]])
        whole = shapely.union_all(
            shapely.box(west - _SLACK, south - _SLACK, west + SIDE + _SLACK, south + SIDE + _SLACK)
        )
        return shapely.set_precision(shapely.intersection(whole, shapely.box(-180, -90, 180, 90)), 1e-6)

    def sorted_in(self, bounds: NDArray[np.float64], time: NDArray[np.int64]) -> dict[Cell, NDArray[np.int64]]:
        """Which of n scenes lie in each cell, by their bounds (n, 4) west, south, east, north, and their starts.

        What lies in a cell does not depend on the others of the search, but for scenes near its edges only.
        """
        west, south, east, north = bounds.T
        times = time // _LENGTH
        found: dict[Cell, NDArray[np.int64]] = {}
        by_place: dict[tuple[int, int], list[Cell]] = defaultdict(list)
        for cell in self.cells:
            by_place[cell[:2]].append(cell)
        for (column, row), cells in by_place.items():
            left, low = column * SIDE - 180, row * SIDE - 90
            # Either may be written beyond 180 degrees: compared as eastward distances.
            beside = ((left - west) % 360 <= east - west) | ((west - left) % 360 <= SIDE)
            here = np.flatnonzero(beside & (south <= low + SIDE) & (north >= low))
            for cell in cells:
                found[cell] = here[times[here] == cell.time]
        return found


def searches(cells: Iterable[Cell], *, together: int) -> Iterator[Search]:
    """Searches that cover some cells, each of them once: of at most so many places each.

    Cells that are near each other in time share a search, wherever on the globe they lie.
    """
    waiting: list[Sequence[Cell]] = []
    places: set[tuple[int, int]] = set()
    first = last = wanted = 0
    for run in sorted(_runs(cells), key=lambda run: (run[0].time, run[-1].time, run[0])):
        since, until = min(first, run[0].time), max(last, run[-1].time)
        with_it = {*places, run[0][:2]}
        covered = len(with_it) * (until - since + 1)
        if waiting and (
            len(with_it) > together or covered > max(_PAGEFUL, min(_LARGEST, _WASTE * (wanted + len(run))))
        ):
            yield Search(cells=tuple(cell for one in waiting for cell in one))
            waiting, places, wanted = [], set(), 0
        if not waiting:
            first, last = run[0].time, run[-1].time
        waiting.append(run)
        places.add(run[0][:2])
        first, last, wanted = min(first, run[0].time), max(last, run[-1].time), wanted + len(run)
    if waiting:
        yield Search(cells=tuple(cell for one in waiting for cell in one))


def _runs(cells: Iterable[Cell]) -> Iterator[list[Cell]]:
    """Cells of one place that follow each other in time, together."""
    run: list[Cell] = []
    for cell in sorted(cells):
        if run and (cell[:2] != run[-1][:2] or cell.time != run[-1].time + 1):
            yield run
            run = []
        run.append(cell)
    if run:
        yield run
