"""A label of measured values: elevation, night light, biomass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import LabelsError
from tasks.labels.classes import SHARE
from tasks.labels.rasters import RasterSource
from tasks.places.patches import Patches
from tasks.shards.array_kinds import ArrayKind

NODATA = -32768


class ValueLayer:
    """Values of a raster in whole steps, NaN = nodata: one array (y, x), or (scheme, y, x) of several bands.

    Its column is `<name>_nodata`, the share of pixels that lack a value in some band.
    """

    platform: str | None = None

    def __init__(self, name: str, *, source: RasterSource, step: float, pixels: int, facts: Mapping[str, Any]) -> None:
        self.name, self._source, self._step, self._facts = name, source, step, facts
        bands = source.band_names
        alone, axis = len(bands) == 1, f"{name}_scheme"
        self.arrays = (
            ArrayKind(
                path=f"labels/{name}",
                dimensions=("y", "x") if alone else (axis, "y", "x"),
                shape=(pixels, pixels) if alone else (len(bands), pixels, pixels),
                dtype="int16",
                fill=NODATA,
                step=step,
                names={} if alone else {axis: bands},
                attributes={"long_name": name, "scale_factor": step, "_FillValue": NODATA},
            ),
        )
        self.columns: Mapping[str, str] = {f"{name}_nodata": SHARE}

    def describe(self) -> dict[str, Any]:
        """Source, licence, attribution."""
        return dict(self._facts)

    def covers(self, patches: Patches) -> NDArray[np.bool_]:
        """Whether the source reaches over all of each patch."""
        return self._source.covers(patches)

    def render(self, patches: Patches, shard: int) -> Mapping[str, NDArray[Any]]:
        """The values on n patches, NaN = nodata. Raises LabelsError: unreadable, or beyond what the steps hold."""
        (kind,) = self.arrays
        pixels = np.full((len(patches), *kind.shape), np.nan, np.float64)
        for index in range(len(patches)):
            read = self._source.read(patches[index], fill=np.nan, dtype=np.float64, translate=self._values)
            pixels[index] = read.reshape(kind.shape)
        most = np.nanmax(np.abs(pixels), initial=0)
        if round(most / self._step) > np.iinfo(kind.dtype).max:
            raise LabelsError(
                f"labels: {self.name}: {self._source.location} has the value {most:g} in shard {shard}, and 16 bits "
                f"of step {self._step:g} hold {32767 * self._step:g} at most. Use `step: {most / 32767:.2g}` or more."
            )
        return {kind.path: pixels}

    def facts(self, patches: Patches, shard: int, pixels: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The share of pixels without a value on n patches."""
        (kind,) = self.arrays
        lacking = np.isnan(pixels[kind.path]).reshape(len(patches), len(self._source.indexes), -1)
        return {f"{self.name}_nodata": lacking.any(axis=1).mean(axis=1)}

    def _values(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Source pixels as measured values."""
        values = pixels.astype(np.float64)
        nodata = self._source.nodata
        if nodata is not None and not np.isnan(nodata):
            values[pixels == nodata] = np.nan
        values[~np.isfinite(values)] = np.nan
        return values * self._source.scales[:, None, None] + self._source.offsets[:, None, None]
