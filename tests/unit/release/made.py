"""Corpora of a few shards, built from a made-up platform or put together from pixels that tests know."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.labels.layer import Layer
from tasks.places.patches import Patch
from tasks.scenes.roles import sensor_of
from tasks.shards.destinations import Destination
from tasks.spec import Splits
from tests.unit.builders import MadeUp, described, made_up_builder


class Speckled(MadeUp):
    """Pixels that are not all alike, some of them nodata; B10 is nodata throughout."""

    def _pixels(self, patch: Patch, role: str) -> NDArray[Any]:
        random = np.random.default_rng(patch.xmin + patch.ymax)
        if sensor_of(role) == "sentinel2":
            made = random.gamma(3, 400, (len(BANDS), *patch.shape)).astype(np.uint16)
            made[BANDS.index("B10")] = 0
            return made
        made = random.normal(-12, 4, (len(POLARIZATIONS), *patch.shape)).astype(np.float32)
        made[:, 0, :3] = np.nan
        return made


def speckled_corpus(folder: Path, *, layers: Sequence[Layer] = (), **changes: Any) -> Destination:
    """A whole corpus of two shards of five samples, 16 pixels a side, unless `changes` of the spec say otherwise.

    The rows of a shard are in the splits by turns: the region is smaller than one block of them.
    """

    def by_turns(lon: NDArray[Any], lat: NDArray[Any], seed: int, shares: Splits) -> NDArray[np.object_]:
        names = [name for name, share in shares.shares.items() if share]
        return np.resize(np.array(names, object), len(lon))

    builder = made_up_builder(folder, Speckled(), layers=tuple(layers), **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.shards.rows.split_of", by_turns)
        for shard in range(described(builder).shards):
            make_shard(builder, shard)
    return builder.destinations[0]
