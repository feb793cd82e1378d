"""Pixels of one scene on a patch's grid: what is asked of the raster service, and what its answer must be."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from earthdaily.earthone.core.catalog.scaling import properties_for_band
from earthdaily.earthone.geo import AOI
from numpy.typing import NDArray

from tasks.errors import CatalogueError, PixelsError, SceneUnavailable
from tasks.imagery.descarteslabs.gate import Gate
from tasks.imagery.descarteslabs.refusals import DamagedBody, explained
from tasks.imagery.descarteslabs.services import RasterService
from tasks.places.patches import PIXEL, Patch
from tasks.scenes.reasons import Reason

ALPHA = "alpha"
"""The band that masks pixels outside the data, in every product that has one."""

_DAMAGED = (RuntimeError, ValueError, KeyError, TypeError, IndexError, struct.error)
"""What the client raises on bodies that are cut short or garbled: it checks little, and there is no checksum."""

Scale = tuple[float, float, float, float] | None
"""From the first range to the second; None, values as they are kept."""


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What is asked of every scene of a product."""

    bands: tuple[str, ...]
    scales: tuple[Scale, ...]
    """One a band."""
    data_type: str
    """UInt16 or Float32."""
    level: str | None
    """The processing level."""
    alpha: bool
    """Whether the product has an alpha band."""


def rendering_of(
    held: dict[str, Any], bands: tuple[str, ...], *, level: str | None, data_type: str, times: float, setting: str
) -> Rendering:
    """What to ask of a product with the bands `held` so that values are `times` their physical ones.

    Raises CatalogueError: it lacks a band; names the setting.
    """
    missing = [band for band in bands if band not in held]
    if missing:
        raise CatalogueError(
            f"descarteslabs: the product has no band {', '.join(missing)}; it has {', '.join(sorted(held))}. Correct "
            f"{setting}."
        )
    return Rendering(
        bands=bands,
        scales=tuple(_scale(properties_for_band(band, held[band], level), times) for band in bands),
        data_type=data_type,
        level=level,
        alpha=ALPHA in held,
    )


def _scale(properties: dict[str, Any], times: float) -> Scale:
    data = [float(v) for v in properties["data_range"]]
    physical = [float(v) * times for v in properties["physical_range"]]
    if properties["physical_range"] == properties["data_range"] and data[1] > 1:
        # No physical range of its own: what is kept is what is meant.
        return None
    return None if data == physical else (data[0], data[1], physical[0], physical[1])


def render(
    raster: RasterService, gate: Gate, asked: Rendering, patch: Patch, scene: str
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values and mask (True = nodata) of a scene on a patch: (bands, height, width) each.

    Raises SceneUnavailable, PixelsError, PlatformUnreachable, CredentialsError.
    """
    # `shape`, because a resolution would be snapped to multiples of itself, and no geometry, because it would clip.
    grid = AOI(
        bounds=(patch.xmin, patch.ymin, patch.xmax, patch.ymax), bounds_crs=patch.crs, crs=patch.crs, shape=patch.shape
    )

    def call() -> tuple[NDArray[Any], NDArray[np.bool_]]:
        refused = SceneUnavailable(Reason.REFUSED, scene, "the platform cannot render this scene on this patch")
        with explained(f"the pixels of {scene}", refused):
            try:
                answer = _post(raster, asked, grid, scene)
                received, left = raster.finish()
            except BaseException:  # an interrupt too: the rest of this body would be read as the next answer
                raster.drop()
                raise
            gate.traffic.add(bytes=received)
            if left:
                raise DamagedBody(f"a body {left} bytes longer than it says")
            return _checked(answer, asked, patch, scene)

    return gate.send(call, f"descarteslabs: {scene}: its pixels")


def _post(raster: RasterService, asked: Rendering, grid: AOI, scene: str) -> Any:
    # What `Image.ndarray` asks for, without its band cache: that one is not made for threads and runs out every ten
    # minutes, upon which all of them would fetch the bands again.
    placed: dict[str, Any] = grid.raster_params
    try:
        return raster.ndarray(
            inputs=[scene],
            bands=[*asked.bands, *([ALPHA] if asked.alpha else [])],
            scales=[*asked.scales, *([None] if asked.alpha else [])] if any(asked.scales) else None,
            data_type=asked.data_type,
            resampler="near",
            processing_level=asked.level,
            order="gdal",
            masked=True,
            mask_nodata=True,
            mask_alpha=asked.alpha,
            drop_alpha=asked.alpha,
            progress=False,
            # The gate is the one retry layer; the client's own would hide attempts for a minute.
            _retry=lambda send, headers=None: send(headers=headers or {}),
            **placed,
        )
    except _DAMAGED as error:
        raise DamagedBody(f"a damaged body ({type(error).__name__})") from None


def _checked(answer: Any, asked: Rendering, patch: Patch, scene: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    array, facts = answer
    expected = ((len(asked.bands), *patch.shape), np.dtype(asked.data_type.lower()))
    if (array.shape, array.dtype) != expected:
        raise DamagedBody(f"an array {array.shape} of {array.dtype}, expected {expected[0]} of {expected[1]}")
    placed = facts.get("geoTransform") if isinstance(facts, dict) else None
    if placed and not np.allclose(placed, (patch.xmin, PIXEL, 0, patch.ymax, 0, -PIXEL), rtol=0, atol=1e-3):
        raise PixelsError(
            f"{scene}: the platform rendered another grid than asked for: geotransform {placed}, expected upper left "
            f"({patch.xmin}, {patch.ymax}) and pixels of {PIXEL} m in {patch.crs}. Report it to the platform."
        )
    return np.asarray(array.data), np.ma.getmaskarray(array)
