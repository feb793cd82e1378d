"""A label of classes: its arrays, and the shares of the classes as columns."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SpecError
from tasks.imagery.assets import Overlay
from tasks.labels.laid import SHARE, Covers, Draw, LaidLayer
from tasks.labels.legends import LabelClass
from tasks.places.patches import Patches
from tasks.shards.array_kinds import ArrayKind


class ClassLayer(LaidLayer):
    """Classes from 1 on, 0 = nodata: one array (y, x), or (scheme, y, x) where the source has several schemes.

    Its columns are `<name>_<code>`, or `<name>_<scheme>_<code>`: the share that the class has of all pixels of the
    patch, those without a class included; and `<name>[_<scheme>]_nodata`, the share of these. So they add up to 1.
    """

    def __init__(
        self,
        name: str,
        *,
        schemes: Mapping[str, tuple[LabelClass, ...]],
        pixels: int,
        facts: Mapping[str, Any],
        draw: Draw | None,
        covers: Covers,
        overlay: Overlay | None = None,
        long_name: str = "",
    ) -> None:
        """`schemes` are the classes by scheme, whose name is of no account if it is alone; `draw` is None where
        a platform sends the classes, `overlay`, with its images."""
        self.name, self._alone, self._schemes = name, len(schemes) == 1, schemes
        legends = [[one.to_json() for one in classes] for classes in schemes.values()]
        most = max((one.index for classes in schemes.values() for one in classes), default=1)
        shape = (pixels, pixels)
        axis = (
            f"{name}_scheme"  # not `scheme`: the labels of a corpus open as one data set, where a name has one length
        )
        kind = ArrayKind(
            path=f"labels/{name}",
            dimensions=("y", "x") if self._alone else (axis, "y", "x"),
            shape=shape if self._alone else (len(schemes), *shape),
            dtype="uint8" if most < 256 else "uint16",
            fill=0,
            codec="zstd",
            names={} if self._alone else {axis: tuple(schemes)},
            attributes={
                "long_name": long_name or name,
                "nodata": 0,
                "legend": legends[0] if self._alone else dict(zip(schemes, legends, strict=True)),
            },
        )
        columns = [column for scheme, classes in schemes.items() for column in self._columns_of(scheme, classes)]
        if twice := [column for column, count in Counter(columns).items() if count > 1]:
            raise SpecError(
                f"labels: two classes of {name} would write the column {twice[0]}, which is named after letters and "
                "digits in lower case, with `nodata` for pixels without a class. Rename one in the source."
            )
        super().__init__(
            name,
            kind,
            columns=dict.fromkeys(columns, SHARE),
            facts=facts,
            draw=draw,
            covers=covers,
            overlay=overlay,
        )

    def facts(self, patches: Patches, shard: int, pixels: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The shares of the classes on n patches, (n,) each."""
        (kind,) = self.arrays
        found = pixels[kind.path].reshape(len(patches), len(self._schemes), -1)
        columns: dict[str, NDArray[Any]] = {}
        for at, (scheme, classes) in enumerate(self._schemes.items()):
            most = max((one.index for one in classes), default=0)
            counts = np.array([np.bincount(one[at], minlength=most + 1) for one in found])
            shares = counts[:, [one.index for one in classes] + [0]] / found.shape[2]
            columns |= dict(zip(self._columns_of(scheme, classes), shares.T, strict=True))
        return columns

    def _columns_of(self, scheme: str, classes: tuple[LabelClass, ...]) -> list[str]:
        start = self.name if self._alone else f"{self.name}_{column_part(scheme)}"
        return [f"{start}_{column_part(one.code)}" for one in classes] + [f"{start}_nodata"]


def column_part(text: str) -> str:
    """A class' code or a band's name as part of a column's name: small letters, digits and '_'."""
    return "".join(character if character.isalnum() else "_" for character in text.lower())
