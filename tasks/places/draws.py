"""Draws: which place and which instant each candidate of a shard gets.

A draw depends on nothing but spec and cell, whoever computes it, in whatever order.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.capacity import capacity_in_shards
from tasks.places.cells import cells_of
from tasks.places.counters import ATTEMPT, CELLS, POINTS, to_instants, to_unit, words_of
from tasks.places.lattice import Lattice
from tasks.places.patches import Patches, in_neighbouring_zone, interleave, patches_around
from tasks.places.regions import Region


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
    outside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((), bool))
    """True where the preferred instant lies outside the window, which only a listed place's own `datetime` may."""
    windows: NDArray[np.int64] | None = None
    """Of places that are looked at in several parts of the window: the part of each, (n, 2) microseconds, half open."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "outside", np.broadcast_to(self.outside, self.cell.shape))

    def __len__(self) -> int:
        return len(self.cell)

    def take(self, indices: NDArray[Any] | slice) -> "Draws":
        """The draws at `indices`, in that order."""
        where = np.arange(len(self))[indices]
        return replace(
            self,
            cell=self.cell[where],
            preferred=self.preferred[where],
            patches=self.patches.take(where),
            outside=self.outside[where],
            windows=None if self.windows is None else self.windows[where],
        )


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
        return capacity_in_shards(len(self.cells), self.shard_size)

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
        words = words_of(self.seed, CELLS + attempt * ATTEMPT, cells)
        lon, lat = self.lattice.places_in(cells, to_unit(words[:, 1]), to_unit(words[:, 2]))
        if attempt:
            inside = self.region.contains(lon, lat)
            cells, words, lon, lat = cells[inside], words[inside], lon[inside], lat[inside]
        return Draws(
            cell=cells,
            preferred=to_instants(words[:, 3], self.window),
            patches=patches_around(lon, lat, self.lattice.pixels),
        )


@dataclass(frozen=True, kw_only=True)
class ListedPlaces:
    """Given places, each used once and in order; one that cannot be served keeps its row."""

    patches: Patches
    preferred: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    window: tuple[int, int]
    """Microseconds since 1970 UTC, half open."""
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
    def outside(self) -> NDArray[np.bool_]:
        """True where the preferred instant lies outside the window: (n,)."""
        first, end = self.window
        return (self.preferred < first) | (self.preferred >= end)

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
        patches = self.patches.take(rows)
        if self.alternatives == 2:
            rows, patches = np.repeat(rows, 2), interleave(patches, in_neighbouring_zone(patches))
        return Draws(
            cell=rows.astype(np.int64),
            preferred=self.preferred[rows],
            patches=patches,
            alternatives=self.alternatives,
            outside=self.outside[rows],
        )


def draw_region(
    region: Region, *, pixels: int, seed: int, window: tuple[int, int], shard_size: int, cache: Path | None = None
) -> RandomPlaces:
    """Find the region's cells and put them in their seeded order.

    A cell belongs to the region if the centre of its patch does. `cache` is a folder where the cells of large regions
    are kept.
    Raises PlacesError: the region has no cell.
    """
    lattice = Lattice(pixels=pixels)
    cells = cells_of(region, lattice, seed, cache)
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


def instants_of_points(count: int, seed: int, window: tuple[int, int]) -> NDArray[np.int64]:
    """Preferred instants of listed places that bring none: uniform in the window, microseconds since 1970 UTC."""
    return to_instants(words_of(seed, POINTS, np.arange(count))[:, 3], window)
