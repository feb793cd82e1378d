"""The cells of a region, in their seeded order."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.notices import told_if_slow
from tasks.places.counters import CELLS, to_unit, words_of
from tasks.places.lattice import Lattice
from tasks.places.patches import MAX_LATITUDE, MIN_LATITUDE
from tasks.places.regions import Region

WORTH_KEEPING = 100_000
"""Cells of a region that take a second to find."""

_VERSION = 1
"""Of lattice and draws: raise it with every change that changes a cell or the order, or kept cells are wrong."""

_DIGEST = 32
"""Bytes of a SHA-256 before kept cells."""


def cells_of(region: Region, lattice: Lattice, seed: int, cache: Path | None = None) -> NDArray[np.int64]:
    """The cells in which the patch's centre lies in the region, in the order of a seeded permutation: (n,).

    With `cache`, a folder, those of large regions are kept there under a name made of all that they depend on.
    """
    kept = cache / f"cells-{_VERSION}-{region.digest[:16]}-{lattice.pixels}-{seed}" if cache else None
    cells = _load(kept) if kept else None
    if cells is None:
        cells = _cells(region, lattice, seed)
        if kept and len(cells) >= WORTH_KEEPING:
            _keep(kept, cells)
    return cells


def _cells(region: Region, lattice: Lattice, seed: int) -> NDArray[np.int64]:
    """The region's cells in their seeded order."""
    west, south, east, north = region.bounds
    reach = 20 * lattice.pixels / 111_000  # a patch must lie inside the latitudes where UTM is defined
    south, north = max(south, MIN_LATITUDE + reach), min(north, MAX_LATITUDE - reach)
    found: list[NDArray[np.int64]] = []
    keys: list[NDArray[np.uint64]] = []
    rows = lattice.rows_between(south, north) if south < north else range(0)
    with told_if_slow(f"places: finding the cells of {region.name}, by rows of the lattice") as say:
        for some in batches(rows, lattice, west, east):
            words = words_of(seed, CELLS, some)
            lon, lat = lattice.places_in(some, to_unit(words[:, 1]), to_unit(words[:, 2]))
            inside = region.contains(lon, lat) & (lat > south - reach) & (lat < north + reach)
            found.append(some[inside])
            keys.append(words[inside, 0])
            say(int(lattice.rows_of(some[-1:])[0]) - rows.start + 1, len(rows))
    if not found:
        return np.empty(0, np.int64)
    cells = np.concatenate(found)
    return cells[np.lexsort((cells, np.concatenate(keys)))]


def _load(path: Path) -> NDArray[np.int64] | None:
    """What `_keep` wrote; None where there is nothing, or not all of it: other cells would be another corpus."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, cells = content[:_DIGEST], content[_DIGEST:]
    return np.frombuffer(cells, "<i8").astype(np.int64) if hashlib.sha256(cells).digest() == digest else None


def _keep(path: Path, cells: NDArray[np.int64]) -> None:
    """Keep cells for other processes. A cache that cannot be written costs time, nothing else."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        content = cells.astype("<i8").tobytes()
        partial.write_bytes(hashlib.sha256(content).digest() + content)
        partial.replace(path)


def batches(
    rows: range, lattice: Lattice, west: float, east: float, at_least: int = 1_000_000
) -> Iterator[NDArray[np.int64]]:
    """Cells of `rows` in batches large enough for vectorised work and small enough for memory."""
    batch: list[NDArray[np.int64]] = []
    held = 0
    for row in rows:
        batch.append(lattice.cells_between(row, west, east))
        held += len(batch[-1])
        if held >= at_least:
            yield np.concatenate(batch)
            batch, held = [], 0
    if batch:
        yield np.concatenate(batch)
