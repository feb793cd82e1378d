"""Draws: which place and which instant each candidate of a shard gets.

A draw depends on nothing but spec and cell, whoever computes it, in whatever order.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.counters import ATTEMPT, CELLS, POINTS, to_instants, to_unit, words_of
from tasks.places.lattice import Lattice
from tasks.places.patches import Patches, in_neighbouring_zone, interleave, patches_around
from tasks.places.regions import Region
from tasks.places.strata import Stratum, strata_of


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
    dates: NDArray[np.int64] | None = None
    """Of places whose dates the catalogue numbers: the number of each, (n,)."""
    stratum: NDArray[np.int64] = field(default_factory=lambda: np.zeros((), np.int64))
    """Position in the list of strata, ascending; 0 where there are none."""

    def __post_init__(self) -> None:
        for name in ("outside", "stratum"):
            object.__setattr__(self, name, np.broadcast_to(getattr(self, name), self.cell.shape))

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
            dates=None if self.dates is None else self.dates[where],
            stratum=self.stratum[where],
        )


@dataclass(frozen=True, kw_only=True)
class RandomPlaces:
    """The cells of one region, or of several strata, in a seeded order, dealt out to shards."""

    lattice: Lattice
    seed: int
    window: tuple[int, int]
    """Microseconds since 1970 UTC, half open."""
    shard_size: int
    strata: tuple[Stratum, ...]
    """At least one; their cells are disjoint."""

    names = None
    attempts = 8
    """How often a shard draws in a cell that it could not use: in small regions few cells are all there are."""
    replaces = True
    """A candidate that cannot be served is replaced by the next one of its stratum."""

    @property
    def quotas(self) -> tuple[int, ...]:
        """Samples of each shard by stratum."""
        return tuple(stratum.quota for stratum in self.strata)

    @property
    def cells(self) -> NDArray[np.int64]:
        """All cells, each stratum's in the order of the seeded permutation."""
        return np.concatenate([stratum.cells for stratum in self.strata])

    def cells_of(self, shard: int) -> list[NDArray[np.int64]]:
        """The cells of a shard, stratum by stratum, in the order in which they are tried."""
        return [stratum.cells[shard :: self.capacity] for stratum in self.strata]

    @property
    def capacity(self) -> int:
        """Shards there are candidates for in every stratum."""
        return min(stratum.capacity for stratum in self.strata)

    def shards(self, size: int | None) -> int:
        """Shards of a corpus of `size` samples.

        Raises PlacesError: more than the region holds.
        """
        shards = (size or 0) // self.shard_size
        if shards > self.capacity:
            fits = self.capacity * self.shard_size
            least = min(self.strata, key=lambda stratum: stratum.capacity)
            cells = f"{len(least.cells)} cells of {self.lattice.side / 1000:g} km"
            if len(self.strata) == 1:
                held = f"the region holds: {cells}, 1.5 candidates a sample, give"
            else:
                held = (
                    f"the strata hold: {cells} in {least.region.name}, 1.5 candidates for each of its {least.quota} "
                    "samples a shard, give"
                )
            raise PlacesError(
                f"size: {size} samples are more than {held} {fits} samples in shards of {self.shard_size}. "
                f"Use size: {fits} or less, or a larger region."
            )
        return shards

    @property
    def digest(self) -> str:
        """What the region is, or the regions in their order and what they give, independent of where files lie."""
        if len(self.strata) == 1:
            return self.strata[0].region.digest
        told = " ".join(f"{stratum.region.digest} {stratum.quota}" for stratum in self.strata)
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = np.array([stratum.region.bounds for stratum in self.strata]).T
        return float(west.min()), float(south.min()), float(east.max()), float(north.max())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was mended, cut or left out of the region, with counts; of strata what each gives."""
        if len(self.strata) == 1:
            return self.strata[0].region.notes
        given = "; ".join(f"{one.quota} in {one.region.name}" for one in self.strata)
        notes = [f"{one.region.name}: {note}" for one in self.strata for note in one.region.notes]
        return f"of the {self.shard_size} samples of every shard: {given}", *notes

    def short_in(self, samples: int) -> str:
        """Which stratum lacks candidates where a shard has no more than so many samples; empty of a region alone."""
        if len(self.strata) == 1:
            return ""
        at = int(np.searchsorted(np.cumsum(self.quotas), samples, side="right"))
        return f", and no more of its {self.quotas[at]} in {self.strata[at].region.name}"

    def columns_of(self, shard: int, cells: Sequence[int]) -> dict[str, Any]:
        """What rows of a shard say besides, by column: of several strata the one that each cell belongs to."""
        if len(self.strata) == 1:
            return {}
        stratum = np.select([np.isin(cells, own) for own in self.cells_of(shard)], range(len(self.strata)))
        return {"stratum": pd.array(stratum, dtype="Int64")}

    def draws(self, shard: int, attempt: int = 0) -> Draws:
        """All candidates of a shard, in the order in which they are tried.

        Later attempts have another place and instant in each cell, without those whose place leaves the region. Cells
        are one shard's alone, so patches never overlap, whichever attempt they come from.
        """
        found = [self._draws(at, cells, attempt) for at, cells in enumerate(self.cells_of(shard))]
        cells, words, lon, lat, stratum = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Draws(
            cell=cells,
            preferred=to_instants(words[:, 3], self.window),
            patches=patches_around(lon, lat, self.lattice.pixels),
            stratum=stratum,
        )

    def _draws(self, at: int, cells: NDArray[np.int64], attempt: int) -> tuple[NDArray[Any], ...]:
        """Of cells of one stratum those whose place of this attempt lies in it: cell, words, lon, lat, stratum."""
        words = words_of(self.seed, CELLS + attempt * ATTEMPT, cells)
        lon, lat = self.lattice.places_in(cells, to_unit(words[:, 1]), to_unit(words[:, 2]))
        if attempt:
            inside = self.strata[at].region.contains(lon, lat)
            for before in self.strata[:at]:
                inside &= ~before.region.contains(lon, lat)
            cells, words, lon, lat = cells[inside], words[inside], lon[inside], lat[inside]
        return cells, words, lon, lat, np.full(len(cells), at)


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
    columns: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the rows keep of the user's file, by column, and the split where it goes by one: pandas' arrays, (n,)."""
    may_overlap: bool = True
    """False where patches are apart by construction."""

    attempts = 1
    replaces = False

    @property
    def quotas(self) -> tuple[int, ...]:
        """Samples of each shard: there is one stratum."""
        return (self.shard_size,)

    def columns_of(self, shard: int, cells: Sequence[int]) -> dict[str, Any]:
        """What rows say besides, by column."""
        at = np.array(cells, np.int64)
        return {name: values[at] for name, values in self.columns.items()}

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
    return draw_strata([region], [1], pixels=pixels, seed=seed, window=window, shard_size=shard_size, cache=cache)


def draw_strata(
    regions: Sequence[Region],
    shares: Sequence[float],
    *,
    pixels: int,
    seed: int,
    window: tuple[int, int],
    shard_size: int,
    cache: Path | None = None,
) -> RandomPlaces:
    """The same of several regions, each with its share of every shard; a cell belongs to the first that holds it.

    Raises PlacesError: one has no cell, or no sample of a shard.
    """
    lattice = Lattice(pixels=pixels)
    strata = strata_of(regions, shares, lattice=lattice, seed=seed, shard_size=shard_size, cache=cache)
    return RandomPlaces(lattice=lattice, seed=seed, window=window, shard_size=shard_size, strata=strata)


def instants_of_points(count: int, seed: int, window: tuple[int, int]) -> NDArray[np.int64]:
    """Preferred instants of listed places that bring none: uniform in the window, microseconds since 1970 UTC."""
    return to_instants(words_of(seed, POINTS, np.arange(count))[:, 3], window)
