"""Strata: disjoint parts of the lattice, each with its share of every shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.capacity import CANDIDATES_PER_SAMPLE, capacity_in_shards
from tasks.places.cells import cells_of
from tasks.places.lattice import Lattice
from tasks.places.regions import Region

MOST_CANDIDATES = 2 * CANDIDATES_PER_SAMPLE
"""A shard's candidates for each of its samples in a stratum, at most: what a region alone never exceeds once it holds a
shard. Beside a small stratum a large one would give every shard thousands."""


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """A region and the cells in it that no stratum before it has."""

    region: Region
    cells: NDArray[np.int64]
    """In the order of the seeded permutation: (n,)."""
    quota: int
    """Samples of each shard."""

    @property
    def capacity(self) -> int:
        """Shards that it has candidates for."""
        return capacity_in_shards(len(self.cells), self.quota)


def quotas_of(shares: Sequence[float], shard_size: int) -> tuple[int, ...]:
    """Samples of each shard by stratum, `shard_size` in all, in proportion to shares by largest remainder.

    Of equal remainders the stratum that stands first gets the sample.
    """
    exact = np.array(shares) / sum(shares) * shard_size
    whole = np.floor(exact).astype(np.int64)
    # Rounded, lest thirds that are equal on paper differ by the last bit.
    by_remainder = np.argsort(-np.round(exact - whole, 9), kind="stable")
    whole[by_remainder[: shard_size - int(whole.sum())]] += 1
    return tuple(whole.tolist())


def strata_of(
    regions: Sequence[Region],
    shares: Sequence[float],
    *,
    lattice: Lattice,
    seed: int,
    shard_size: int,
    cache: Path | None = None,
) -> tuple[Stratum, ...]:
    """Deal the cells out to regions: each belongs to the first one that holds the centre of its patch.

    Cells are in one order by seed and cell, of which each stratum's is a part: none depends on the others' order.
    Raises PlacesError: a region holds no cell, or none or too few that those before it leave; a share is no sample of a
    shard.
    """
    quotas = quotas_of(shares, shard_size)
    strata: list[Stratum] = []
    for at, (region, share, quota) in enumerate(zip(regions, shares, quotas, strict=True)):
        if not quota:
            raise PlacesError(
                f"places: random: a share of {share:g} of {sum(shares):g} in {region.name} (item {at}) is no whole "
                f"sample of a shard of {shard_size}. Use a larger share or shard_size."
            )
        cells = cells_of(region, lattice, seed, cache)
        if not len(cells):
            raise PlacesError(
                f"places: the region {region.name} holds no patch centre of the lattice (cells of "
                f"{lattice.side / 1000:g} km). Use a larger region, smaller patches, or list places "
                "with {points: ...}."
            )
        for before in strata:
            cells = cells[~np.isin(cells, before.cells)]
        if not len(cells):
            raise PlacesError(
                f"places: random: all cells of the region {region.name} (item {at}) lie in regions that stand before "
                "it, and a cell belongs to the first one. Put it before those that hold it, or leave it out."
            )
        if len(regions) > 1 and len(cells) < quota:
            raise PlacesError(
                f"places: random: {region.name} (item {at}) holds {len(cells)} cells of {lattice.side / 1000:g} km "
                f"that are its own, and every shard takes {quota}. Use a larger region, a smaller share or shard_size."
            )
        strata.append(Stratum(region=region, cells=cells, quota=quota))
    if len(strata) == 1:
        return tuple(strata)
    capacity = min(one.capacity for one in strata)
    return tuple(
        Stratum(region=one.region, cells=one.cells[: round(capacity * MOST_CANDIDATES * one.quota)], quota=one.quota)
        for one in strata
    )
