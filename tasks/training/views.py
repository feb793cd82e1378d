"""What is read of a sample: all of it, or some dates of it and a square; and which chunks have that."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from tasks.shards.array_kinds import ArrayKind


@dataclass(frozen=True, kw_only=True)
class View:
    """Some of a sample's pixels; of arrays without dates, and of those without pixels, what applies to them."""

    dates: tuple[int, ...] | None = None
    """Numbers of the dates that are wanted, in the order wanted; None: all."""
    square: tuple[int, int, int] | None = None
    """First row, first column and side in pixels of a square; None: the whole patch."""


WHOLE = View()


@dataclass(frozen=True, kw_only=True)
class Part:
    """A chunk of a sample, and where its pixels go."""

    chunk: int
    """Its number within the sample."""
    taken: tuple[slice, ...]
    """Which pixels of it."""
    into: tuple[slice, ...]
    """Where they are in what is read."""
    whole: bool = field(default=False)
    """Whether it is all that is read, as it is."""


def chunks_of(kind: ArrayKind) -> int:
    """How many chunks a sample of an array has: one a date and tile."""
    return math.prod(_grid(kind))


def shape_of(kind: ArrayKind, view: View) -> tuple[int, ...]:
    """Of what a view shows of a sample."""
    sizes = zip(kind.dimensions, kind.shape, strict=True)
    return tuple(
        sum(taken.stop - taken.start for _, taken, _ in _along(name, size, size, view)) for name, size in sizes
    )


@lru_cache(maxsize=1024)
def _parts(dimensions: tuple[str, ...], shape: tuple[int, ...], chunk: tuple[int, ...], view: View) -> tuple[Part, ...]:
    grid = [-(-size // part) for size, part in zip(shape, chunk, strict=True)]
    axes = [list(_along(*axis, view)) for axis in zip(dimensions, shape, chunk, strict=True)]
    wholly = [[slice(0, part)] for part in shape]
    found: list[Part] = []
    for some in product(*axes):
        number = 0
        for (at, _, _), count in zip(some, grid, strict=True):
            number = number * count + at
        taken, into = tuple(one for _, one, _ in some), tuple(one for _, _, one in some)
        whole = shape == chunk and [[one] for one in taken] == wholly
        found.append(Part(chunk=number, taken=taken, into=into, whole=whole))
    return tuple(found)


def parts_of(kind: ArrayKind, view: View) -> tuple[Part, ...]:
    """The chunks that a view of a sample needs, in C order of what is read."""
    return _parts(kind.dimensions, kind.shape, kind.chunk, view)


def _grid(kind: ArrayKind) -> list[int]:
    return [-(-size // part) for size, part in zip(kind.shape, kind.chunk, strict=True)]


def _along(name: str, size: int, chunk: int, view: View) -> Iterator[tuple[int, slice, slice]]:
    """Along an axis: the number of each chunk that is needed, what of it is taken, and where that goes."""
    if name == "time" and view.dates is not None:
        for place, date in enumerate(view.dates):
            yield date // chunk, slice(date % chunk, date % chunk + 1), slice(place, place + 1)
        return
    first, end = 0, size
    if view.square is not None and name in ("y", "x"):
        first = view.square[name == "x"]
        end = first + view.square[2]
    for at in range(first // chunk, -(-end // chunk)):
        low, high = max(first, at * chunk), min(end, (at + 1) * chunk)
        yield at, slice(low - at * chunk, high - at * chunk), slice(low - first, high - first)
