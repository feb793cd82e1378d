"""Draws: which place and which instant each candidate of a shard gets.

All randomness is counter-based (Philox, Salmon et al. 2011): keyed by the seed and counted by the cell, so a draw
depends on nothing but spec and cell, whoever computes it, in whatever order.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.lattice import Lattice
from tasks.places.patches import (
    MAX_LATITUDE,
    MIN_LATITUDE,
    Patches,
    in_neighbouring_zone,
    interleave,
    patches_around,
)
from tasks.places.regions import Region

CANDIDATES_PER_SAMPLE = 1.5
"""A shard's share of the region's cells: candidates beyond its size replace those that cannot be served."""

_WORTH_KEEPING = 100_000
"""Cells of a region that take a second to find."""

_CELL_STREAM, _POINT_STREAM = 1, 2
"""Second half of the Philox key: what the counter counts."""

_VERSION = 1
"""Of lattice and draws: raise it with every change that changes a cell or the order, or kept cells are wrong."""

_DIGEST = 32
"""Bytes of a SHA-256 before kept cells."""

_ATTEMPT = 16
"""Step of the stream between two attempts at a cell."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Candidates in the order in which they are tried, as columns of length n."""

    cell: NDArray[np.int64]
    """Lattice cell, or position in the list of places."""
    preferred: NDArray[np.int64]
    """Preferred instant, microseconds since 1970 UTC."""
    patches: Patches
    alternatives: int = 1
    """So many neighbouring rows are the same place on different grids, best first; one of them is used."""

    def __len__(self) -> int:
        return len(self.cell)

    def take(self, indices: NDArray[Any] | slice) -> "Draws":
        """The draws at `indices`, in that order."""
        where = np.arange(len(self))[indices]
        return replace(self, cell=self.cell[where], preferred=self.preferred[where], patches=self.patches.take(where))


@dataclass(frozen=True, kw_only=True)
class RandomPlaces:
    """The region's cells in a seeded order, dealt out to shards."""

    lattice: Lattice
    seed: int
    window: tuple[int, int]
    """Microseconds since 1970 UTC, half open."""
    shard_size: int
    cells: NDArray[np.int64]
    """Cells of the region in the order of the seeded permutation."""
    region: Region

    names = None
    attempts = 8
    """How often a shard draws in a cell that it could not use: in small regions few cells are all there are."""
    replaces = True
    """A candidate that cannot be served is replaced by the next one."""

    @property
    def capacity(self) -> int:
        """Shards the region has candidates for."""
        return max(1, int(len(self.cells) // (CANDIDATES_PER_SAMPLE * self.shard_size)))

    def shards(self, size: int | None) -> int:
        """Shards of a corpus of `size` samples.

        Raises PlacesError: more than the region holds.
        """
        shards = (size or 0) // self.shard_size
        if shards > self.capacity:
            fits = self.capacity * self.shard_size
            raise PlacesError(
                f"size: {size} samples are more than the region holds: {len(self.cells)} cells of "
                f"{self.lattice.side / 1000:g} km, 1.5 candidates a sample, give {fits} samples in shards of "
                f"{self.shard_size}. Use size: {fits} or less, or a larger region."
            )
        return shards

    @property
    def digest(self) -> str:
        """What the region is, independent of where its file lies."""
        return self.region.digest

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        return self.region.bounds

    @property
    def notes(self) -> tuple[str, ...]:
        """What was mended, cut or left out of the region, with counts."""
        return self.region.notes

    def draws(self, shard: int, attempt: int = 0) -> Draws:
        """All candidates of a shard, in the order in which they are tried.

        Later attempts have another place and instant in each cell, without those whose place leaves the region. Cells
        are one shard's alone, so patches never overlap, whichever attempt they come from.
        """
        cells = self.cells[shard :: self.capacity]
        words = _words(self.seed, _CELL_STREAM + attempt * _ATTEMPT, cells)
        lon, lat = self.lattice.places_in(cells, _unit(words[:, 1]), _unit(words[:, 2]))
        if attempt:
            inside = self.region.contains(lon, lat)
            cells, words, lon, lat = cells[inside], words[inside], lon[inside], lat[inside]
        return Draws(
            cell=cells,
            preferred=_instants(words[:, 3], self.window),
            patches=patches_around(lon, lat, self.lattice.pixels),
        )


@dataclass(frozen=True, kw_only=True)
class ListedPlaces:
    """Given places, each used once and in order; one that cannot be served keeps its row."""

    patches: Patches
    preferred: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    shard_size: int
    digest: str
    names: NDArray[np.object_] | None = None
    """What the user's file calls the places, (n,)."""
    alternatives: int = 2
    """2: a place may take the grid of the neighbouring zone where its own has no pair."""
    notes: tuple[str, ...] = ()
    """What was mended, cut or left out, with counts."""

    attempts = 1
    replaces = False

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the centres in degrees."""
        lon, lat = self.patches.centres()
        return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())

    @property
    def capacity(self) -> int:
        """Shards of the corpus."""
        return -(-len(self.patches) // self.shard_size)

    def shards(self, size: int | None) -> int:
        """Shards of the corpus; `size`, if the spec gives one, must be the number of places.

        Raises PlacesError: it is not.
        """
        if size is not None and size != len(self.patches):
            raise PlacesError(
                f"size: {size}, but the file lists {len(self.patches)} places, and each is used once. Leave `size` out."
            )
        return self.capacity

    def draws(self, shard: int, attempt: int = 0) -> Draws:
        """The places of a shard, in order, the same in every attempt.

        With two alternatives each stands twice, in its own UTM zone and in the neighbouring one: near the border of two
        zones an archive may hold the scenes of one of them only, and a listed place cannot be replaced.
        """
        start = shard * self.shard_size
        rows = np.arange(start, min(start + self.shard_size, len(self.patches)))
        own = self.patches.take(rows)
        if self.alternatives == 1:
            return Draws(cell=rows.astype(np.int64), preferred=self.preferred[rows], patches=own)
        both = np.repeat(rows, 2)
        return Draws(
            cell=both,
            preferred=self.preferred[both],
            patches=interleave(own, in_neighbouring_zone(own)),
            alternatives=2,
        )


def draw_region(
    region: Region, *, pixels: int, seed: int, window: tuple[int, int], shard_size: int, cache: Path | None = None
) -> RandomPlaces:
    """Find the region's cells and put them in their seeded order.

    A cell belongs to the region if the centre of its patch does. With `cache`, a folder, the cells of large regions are
    kept there under a name made of all that they depend on.
    Raises PlacesError: the region has no cell.
    """
    lattice = Lattice(pixels=pixels)
    kept = cache / f"cells-{_VERSION}-{region.digest[:16]}-{pixels}-{seed}" if cache else None
    cells = _load(kept) if kept else None
    if cells is None:
        cells = _cells(region, lattice, seed)
        if kept and len(cells) >= _WORTH_KEEPING:
            _keep(kept, cells)
    if not len(cells):
        raise PlacesError(
            f"places: the region {region.name} holds no patch centre of the lattice (cells of "
            f"{lattice.side / 1000:g} km). Use a larger region, smaller patches, or list places with {{points: ...}}."
        )
    return RandomPlaces(
        lattice=lattice,
        seed=seed,
        window=window,
        shard_size=shard_size,
        cells=cells,
        region=region,
    )


def _cells(region: Region, lattice: Lattice, seed: int) -> NDArray[np.int64]:
    """The region's cells in their seeded order."""
    west, south, east, north = region.bounds
    reach = 20 * lattice.pixels / 111_000  # a patch must lie inside the latitudes where UTM is defined
    south, north = max(south, MIN_LATITUDE + reach), min(north, MAX_LATITUDE - reach)
    found: list[NDArray[np.int64]] = []
    keys: list[NDArray[np.uint64]] = []
    rows = lattice.rows_between(south, north) if south < north else range(0)
    for some in _batches(rows, lattice, west, east):
        words = _words(seed, _CELL_STREAM, some)
        lon, lat = lattice.places_in(some, _unit(words[:, 1]), _unit(words[:, 2]))
        inside = region.contains(lon, lat) & (lat > south - reach) & (lat < north + reach)
        found.append(some[inside])
        keys.append(words[inside, 0])
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


def instants_of_points(count: int, seed: int, window: tuple[int, int]) -> NDArray[np.int64]:
    """Preferred instants of listed places that bring none: uniform in the window, microseconds since 1970 UTC."""
    return _instants(_words(seed, _POINT_STREAM, np.arange(count))[:, 3], window)


def _batches(rows: range, lattice: Lattice, west: float, east: float, at_least: int = 1_000_000) -> Any:
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


def _words(seed: int, stream: int, counters: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Four random 64-bit words a counter: order, jitter east, jitter north, instant. (n, 4)."""
    words = np.empty((len(counters), 4), np.uint64)
    if not len(counters):
        return words
    # Philox yields one block of four words a counter value: a run of neighbours is one call.
    starts = np.flatnonzero(np.diff(counters, prepend=counters[0] - 2) != 1)
    for start, end in zip(starts, [*starts[1:], len(counters)], strict=True):
        generator = Philox(key=[seed, stream], counter=int(counters[start]))
        words[start:end] = generator.random_raw(4 * (end - start)).reshape(-1, 4)
    return words


def _unit(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Words to [0, 1), 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _instants(words: NDArray[np.uint64], window: tuple[int, int]) -> NDArray[np.int64]:
    first, end = window
    return first + np.floor(_unit(words) * (end - first)).astype(np.int64)
