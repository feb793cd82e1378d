"""Corpora of a few shards, built from a made-up platform or put together from pixels that tests know."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.labels.classes import ClassLayer
from tasks.labels.layer import Layer
from tasks.labels.legends import LabelClass
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


def speckled_corpus(
    folder: Path, *, platform: MadeUp | None = None, layers: Sequence[Layer] = (), **changes: Any
) -> Destination:
    """A whole corpus of two shards of five samples, 16 pixels a side, unless `changes` of the spec say otherwise.

    The rows of a shard are in the splits by turns: the region is smaller than one block of them.
    """

    def by_turns(lon: NDArray[Any], lat: NDArray[Any], seed: int, shares: Splits) -> NDArray[np.object_]:
        names = [name for name, share in shares.shares.items() if share]
        return np.resize(np.array(names, object), len(lon))

    folder.mkdir(exist_ok=True)
    builder = made_up_builder(folder, platform or Speckled(), layers=tuple(layers), **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.shards.rows.split_of", by_turns)
        for shard in range(described(builder).shards):
            make_shard(builder, shard)
    return builder.destinations[0]


CLASSES = (
    LabelClass(index=1, code="W", name="Water | ice", rgb=(0, 0, 255)),
    LabelClass(index=2, code="L", name="Land", rgb=(0, 255, 0)),
    LabelClass(index=3, code="S", name="Snow"),
)


def cover() -> Layer:
    """A label of classes on patches of 16 pixels: water as wide as the patch's place tells, some no class, no snow."""

    def draw(patch: Patch) -> NDArray[Any]:
        pixels = np.full((1, 16, 16), 2, np.uint8)
        pixels[:, : 1 + patch.xmin // 10 % 8] = 1
        pixels[:, 15, :3] = 0
        return pixels

    return ClassLayer(
        "cover",
        schemes={"cover": CLASSES},
        pixels=16,
        facts={"licence": "CC BY 4.0", "attribution": "the surveyors"},
        draw=draw,
        covers=lambda patches: np.ones(len(patches), bool),
    )
