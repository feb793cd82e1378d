"""Files of a published set: where they lie, and what their headers say."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import CatalogueError, PixelsError
from tasks.imagery.stac.cogs.facts import Facts
from tasks.imagery.stac.cogs.local import local_facts
from tasks.places.patches import PIXEL
from tasks.published.layout import Layout, Name, channels

_ENDINGS = (".tif", ".tiff")

_AT_ONCE = 8
"""Headers read at once: what disks and file servers of a network like."""

_SHOWN = 3
"""Names that a message tells."""


@dataclass(kw_only=True)
class Told:
    """What was left out, by reason, with the first few files of each."""

    counts: Counter[str] = field(default_factory=Counter[str])
    first: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, why: str, name: str) -> None:
        """Count one."""
        self.counts[why] += 1
        if len(held := self.first.setdefault(why, [])) < _SHOWN:
            held.append(name)

    def lines(self) -> list[str]:
        """A line a reason, the most frequent first."""
        return [
            f"{count:,} {why}: {', '.join(self.first[why])}{', ...' if count > len(self.first[why]) else ''}"
            for why, count in self.counts.most_common()
        ]


@dataclass(frozen=True, kw_only=True)
class Folders:
    """The folders of a set that have files of it, by region, and how many files there are."""

    by_roi: dict[str, list[Path]]
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """The pixel grid of a file."""

    epsg: int
    xmin: float
    ymax: float
    pixels: int

    def is_on(self, other: "Grid") -> bool:
        """Whether it is the other one to a tenth of a pixel, so that nearest copies pixels as they are."""
        near = PIXEL / 10
        return (
            (self.epsg, self.pixels) == (other.epsg, other.pixels)
            and abs(self.xmin - other.xmin) < near
            and abs(self.ymax - other.ymax) < near
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A file of a set."""

    path: Path
    name: Name
    grid: Grid


def find_folders(layout: Layout, root: Path, told: Told) -> Folders:
    """Look where files of a set lie, however its archives were unpacked; only names are read.

    Raises CatalogueError: there is no such folder, or it has no file of the set.
    """
    if not root.is_dir():
        raise CatalogueError(f"{root}: is no folder; expected the one of {layout.title}, with {layout.example}.")
    by_roi: defaultdict[str, list[Path]] = defaultdict(list)
    count, others = 0, list[str]()
    for folder, folders, names in os.walk(root):
        folders.sort()
        rois = set[str]()
        for name in sorted(names):
            if found := layout.parse(name):
                rois.add(found.roi)
                count += 1
            elif name.lower().endswith(_ENDINGS):
                told.add(f"files whose names are none of {layout.title} left out", name)
            else:
                others = [*others, name][:_SHOWN]
        for roi in rois:
            by_roi[roi].append(Path(folder))
    if not count:
        seen = told.lines() or [f"files: {', '.join(others)}" if others else "no files"]
        raise CatalogueError(
            f"{root}: holds no file of {layout.title}; expected such as {layout.example}; found {'; '.join(seen)}. "
            "Give the folder in which its archives were unpacked, and the set that it is."
        )
    return Folders(by_roi=dict(by_roi), count=count)


class Headers:
    """Reads the headers of a set's files, a region at a time, many at once."""

    def __init__(self, layout: Layout, told: Told) -> None:
        self._layout, self._told = layout, told
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="headers")
        self._pixels: int | None = None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)

    def of_region(self, roi: str, folders: Sequence[Path], advance: Callable[[int], None]) -> list[Found]:
        """The files of a region that can be used, in the order of their names; `advance` takes how many were read."""
        named = dict[str, tuple[Path, Name]]()
        for folder in folders:
            for path in sorted(folder.iterdir()):
                name = self._layout.parse(path.name)
                if name is None or name.roi != roi:
                    continue
                if path.name in named:
                    self._told.add("files that stand in several folders taken from the first", path.name)
                named.setdefault(path.name, (path, name))
        ordered = [named[entry] for entry in sorted(named)]
        facts = self._threads.map(_facts, (path for path, _ in ordered))
        found = list[Found]()
        for (path, name), one in zip(ordered, facts, strict=True):
            advance(1)
            grid = one if isinstance(one, str) else self._grid(one, name.role)
            if isinstance(grid, str):
                self._told.add(f"files left out, {grid}", path.name)
            else:
                found.append(Found(path=path, name=name, grid=grid))
        return found

    def _grid(self, facts: Facts, role: str) -> Grid | str:
        """The grid of a file, or why it cannot be used."""
        expected, transform = len(channels(role)), facts.transform
        if facts.bands != expected:
            return f"which have {facts.bands} bands and not the {expected} of {role}"
        code = facts.crs.removeprefix("EPSG:")
        if not code.isdecimal() or int(code) // 100 not in (326, 327):
            return "which are in no UTM zone"
        if transform.b or transform.d or abs(transform.a - PIXEL) > 1e-6 or abs(transform.e + PIXEL) > 1e-6:
            return f"whose pixels are not {PIXEL} m, north up"
        self._pixels = self._pixels or facts.width
        if (facts.width, facts.height) != (self._pixels, self._pixels):
            return f"which are not {self._pixels} pixels a side, as the first one is"
        return Grid(epsg=int(code), xmin=transform.c, ymax=transform.f, pixels=facts.width)


def _facts(path: Path) -> Facts | str:
    """What a file says of its pixels, or why it does not."""
    try:
        return local_facts(path)
    except (OSError, PixelsError):
        return "which cannot be read as georeferenced rasters"


def by_place(found: Sequence[Found]) -> Iterator[list[Found]]:
    """The files of each place, in the order of the places' names by number: p2 before p10."""
    places: defaultdict[str, list[Found]] = defaultdict(list)
    for one in found:
        places[one.name.place].append(one)
    for place in sorted(places, key=lambda name: (len(name), name)):
        yield places[place]
