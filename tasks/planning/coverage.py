"""Whether the sources of labels cover the places, before a build begins."""

import numpy as np

from tasks.assembly.builder import Builder
from tasks.errors import SpecError
from tasks.notices import told_if_slow

_SHARDS, _PATCHES = 4, 1_000
"""What is looked at: so many shards of a random corpus, and at most so many patches; of listed places all."""


def refuse_uncovered(builder: Builder, shards: int) -> None:
    """See whether each label's source covers the first places. Where it does not, labels would be nodata unnoticed.

    Raises SpecError: some are not covered, and the spec does not accept it; counts them.
    """
    if not builder.layers or "uncovered" in builder.spec.accept:
        return
    random = builder.places.replaces
    tried, uncovered = 0, dict.fromkeys((layer.name for layer in builder.layers), 0)
    where = dict.fromkeys(uncovered, "")
    with told_if_slow(f"{builder.spec.name}: looking whether labels cover the places (shards)") as say:
        for shard in range(min(shards, _SHARDS) if random else shards):
            draws = builder.places.draws(shard)
            # Of a place's alternatives, the same ground on other grids, one is enough.
            patches = draws.patches.take(np.arange(0, len(draws), draws.alternatives))
            tried += len(patches)
            for layer in builder.layers:
                lacking = ~layer.covers(patches)
                if lacking.any() and not where[layer.name]:
                    lon, lat = patches.take(np.flatnonzero(lacking)[:1]).centres()
                    where[layer.name] = f"{lon[0]:.3f} E, {lat[0]:.3f} N"
                uncovered[layer.name] += int(lacking.sum())
            say(shard + 1, shards)
            if random and tried >= _PATCHES:
                break
    if wrong := {name: count for name, count in uncovered.items() if count}:
        told = "; ".join(f"{name} lacks {count:,}, the first at {where[name]}" for name, count in wrong.items())
        raise SpecError(
            f"labels: of the first {tried:,} places that would be tried, {told}. Give sources that cover the region, "
            "draw within what they cover, or write `accept: [uncovered]`, and these places have no labels."
        )
