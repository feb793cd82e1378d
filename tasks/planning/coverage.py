"""Whether labels can be laid on the places, before a build begins."""

from collections.abc import Sequence

import numpy as np

from tasks.errors import SpecError
from tasks.labels.layer import Layer
from tasks.notices import told_if_slow
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.spec import CorpusSpec

Places = RandomPlaces | ListedPlaces

_PATCHES = 100_000
"""Places of a random corpus that are looked at, at most; of listed places all."""

_TRIED = 20
"""Patches of the first shard on which labels are laid as a trial."""


def refuse_unlabelled(spec: CorpusSpec, places: Places, layers: Sequence[Layer], shards: int) -> None:
    """See whether each label's source covers the first places, and whether it can be laid on some of them.

    Raises SpecError: places are not covered, and the spec does not accept it; counts them. LabelsError: a source is
    damaged, or holds what it must not; what layers raise.
    """
    if not layers:
        return
    if "uncovered" not in spec.accept:
        _refuse_uncovered(spec, places, layers, shards)
    patches = places.draws(0).patches
    some = patches.take(np.arange(min(_TRIED, len(patches))))
    for layer in layers:
        if layer.overlay is None:
            with told_if_slow(f"{spec.name}: trying the label {layer.name}"):
                layer.render(some, 0)


def _refuse_uncovered(spec: CorpusSpec, places: Places, layers: Sequence[Layer], shards: int) -> None:
    random = places.replaces
    tried, uncovered = 0, dict.fromkeys((layer.name for layer in layers), 0)
    where = dict.fromkeys(uncovered, "")
    with told_if_slow(f"{spec.name}: looking whether labels cover the places (shards)") as say:
        for shard in range(shards):
            draws = places.draws(shard)
            # Of a place's alternatives, the same ground on other grids, one is enough.
            patches = draws.patches.take(np.arange(0, len(draws), draws.alternatives))
            tried += len(patches)
            for layer in layers:
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
