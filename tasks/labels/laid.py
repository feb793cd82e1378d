"""What labels of classes and of measured values have in common: one array, drawn or sent by a platform."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.imagery.assets import Overlay
from tasks.places.patches import Patch, Patches
from tasks.shards.array_kinds import ArrayKind

SHARE = "Float64"
"""The type of columns of shares, null where a place has no pixels."""

Draw = Callable[[Patch], NDArray[Any]]
"""What is on a patch, as it is stored: (scheme, height, width)."""

Covers = Callable[[Patches], NDArray[np.bool_]]
"""Whether a source reaches over all of each patch, (n,)."""


class LaidLayer:
    """One array, laid on patches from one source."""

    def __init__(
        self,
        name: str,
        kind: ArrayKind,
        *,
        columns: Mapping[str, str],
        facts: Mapping[str, Any],
        draw: Draw | None,
        covers: Covers,
        overlay: Overlay | None,
    ) -> None:
        """`draw` is None where a platform sends the pixels, `overlay`, with its images."""
        self.name, self.arrays, self.columns, self.overlay = name, (kind,), columns, overlay
        self._facts, self._draw, self._covers = facts, draw, covers

    def describe(self) -> dict[str, Any]:
        """Source, licence, attribution; classes are in the array's attributes."""
        return dict(self._facts)

    def covers(self, patches: Patches) -> NDArray[np.bool_]:
        """Whether the source reaches over all of each patch, (n,)."""
        return self._covers(patches)

    def render(self, patches: Patches, shard: int) -> Mapping[str, NDArray[Any]]:
        """The pixels on n patches, (n, [scheme,] height, width) as stored.

        Raises LabelsError: unreadable, or what the array cannot hold.
        """
        (kind,) = self.arrays
        if self._draw is None:
            raise TypeError(f"{self.name}: comes with the images of a platform, and is not drawn")
        pixels = kind.empty(len(patches))
        for index in range(len(patches)):
            pixels[index] = self._draw(patches[index]).reshape(kind.shape)
        return {kind.path: pixels}
