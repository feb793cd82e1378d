"""A label of measured values: elevation, night light, biomass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import LabelsError
from tasks.imagery.assets import Overlay
from tasks.labels.laid import SHARE, Covers, Draw, LaidLayer
from tasks.labels.rasters import RasterSource
from tasks.places.patches import Patches
from tasks.shards.array_kinds import ArrayKind

NODATA = -32768


class ValueLayer(LaidLayer):
    """Values in whole steps: one array (y, x), or (scheme, y, x) of several bands.

    Its column is `<name>_nodata`, the share of pixels that lack a value in some band.
    """

    def __init__(
        self,
        kind: ArrayKind,
        *,
        name: str,
        facts: Mapping[str, Any],
        draw: Draw | None,
        covers: Covers,
        overlay: Overlay | None = None,
    ) -> None:
        """`kind` is of `value_array`; `draw` gives steps, and is None where a platform sends them, `overlay`."""
        columns = {f"{name}_nodata": SHARE}
        super().__init__(name, kind, columns=columns, facts=facts, draw=draw, covers=covers, overlay=overlay)

    def facts(self, patches: Patches, shard: int, pixels: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The share of pixels without a value on n patches."""
        (kind,) = self.arrays
        schemes = 1 if len(kind.shape) == 2 else kind.shape[0]
        lacking = (pixels[kind.path] == kind.fill).reshape(len(patches), schemes, -1)
        return {f"{self.name}_nodata": lacking.any(axis=1).mean(axis=1)}


def value_array(name: str, bands: tuple[str, ...], *, step: float, pixels: int) -> ArrayKind:
    """The array of a label of values."""
    alone, axis = len(bands) == 1, f"{name}_scheme"
    return ArrayKind(
        path=f"labels/{name}",
        dimensions=("y", "x") if alone else (axis, "y", "x"),
        shape=(pixels, pixels) if alone else (len(bands), pixels, pixels),
        dtype="int16",
        fill=NODATA,
        step=step,
        names={} if alone else {axis: bands},
        attributes={"long_name": name, "scale_factor": step, "_FillValue": NODATA},
    )


def stepped(values: NDArray[Any], kind: ArrayKind, name: str, source: str) -> NDArray[np.int16]:
    """Measured values, NaN = none, any shape, in steps. Raises LabelsError: beyond what the steps hold."""
    step, most = kind.step or 1, float(np.nanmax(np.abs(values), initial=0))
    if round(most / step) > np.iinfo(kind.dtype).max:
        raise LabelsError(
            f"labels: {name}: {source} has the value {most:g}, and 16 bits of step {step:g} hold {32767 * step:g} at "
            f"most. Use `step: {most / 32767:.2g}` or more."
        )
    return kind.stored(values)


def measured(pixels: NDArray[Any], source: RasterSource) -> NDArray[np.float64]:
    """Pixels of a raster (band, rows, columns) as measured values, NaN = nodata."""
    values = pixels.astype(np.float64)
    nodata = source.nodata
    if nodata is not None and not np.isnan(nodata):
        values[pixels == nodata] = np.nan
    values[~np.isfinite(values)] = np.nan
    return values * source.scales[:, None, None] + source.offsets[:, None, None]
