"""The seam for whatever is laid beside the images: labels and other rasters on the patch's grid."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.imagery.assets import Overlay
from tasks.places.patches import Patches
from tasks.shards.array_kinds import ArrayKind


class Layer(Protocol):
    """Something that is known of every patch without asking a platform. Pure: the same patches give the same pixels.

    Safe to use from many threads.
    """

    @property
    def name(self) -> str:
        """As the spec has it; `labels/<name>` is the usual path of its array."""
        ...

    @property
    def arrays(self) -> tuple[ArrayKind, ...]:
        """The arrays that it fills."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns that it adds to the rows, with their pandas types."""
        ...

    @property
    def overlay(self) -> Overlay | None:
        """What a platform sends with its images to fill the array; None: the layer renders its pixels itself."""
        ...

    def describe(self) -> dict[str, Any]:
        """What `corpus.json` says of it: sources with their digests, classes, licence. Compared when a corpus grows.

        Not compared is what stands under `named`: it follows from what the source is called.
        """
        ...

    def covers(self, patches: Patches) -> NDArray[np.bool_]:
        """Whether its source reaches over all of each of n patches, as far as that can be known: (n,)."""
        ...

    def render(self, patches: Patches, shard: int) -> Mapping[str, NDArray[Any]]:
        """The pixels on n patches of a shard by array path: (n, ..., height, width) as they are stored. Not asked of a
        layer whose pixels a platform sends.

        Raises LabelsError: its source is damaged, or holds what it must not.
        """
        ...

    def facts(self, patches: Patches, shard: int, pixels: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The values of the columns for n patches, each (n,), given their pixels as `render` gives them."""
        ...
