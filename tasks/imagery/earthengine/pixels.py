"""The pixels of a sample: one image of fifteen bands, computed on the patch's grid and sent as one array."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ee
import numpy as np
from ee import serializer
from ee.encodable import Encodable
from numpy.typing import NDArray

from tasks.errors import PixelsError, SpecError
from tasks.imagery.assets import Overlay
from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.imagery.earthengine.npy import read_header
from tasks.imagery.earthengine.refusals import Transient
from tasks.imagery.platform import Tiles
from tasks.places.patches import PIXEL, Patch
from tasks.scenes.roles import sensor_of

_L2A = tuple(band for band in BANDS if band != "B10")
"""Level-2A has no cirrus band: B10 is of the L1C image."""

_NODATA = -9999.0
"""What the server is told to put where Sentinel-1 is masked: JSON has no NaN, and 0 dB is a value."""

_UNMEASURED = -3e38
"""The same for measured values, of which any might be -9999: nearly the least that 32 bits hold."""

MOST_BYTES = 50_331_648
"""Of an answer, before compression (Earth Engine, computePixels: 48 MB a request)."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one role has in the image of a sample."""

    role: str
    path: str
    """Of the array that its pixels are for."""
    asset: str
    """Id of the image."""
    twin: str = ""
    """Id of the L1C image of a Sentinel-2 role, "" = there is none; then there is no B10."""

    @property
    def is_optical(self) -> bool:
        """Sentinel-2 rather than Sentinel-1."""
        return sensor_of(self.role) == "sentinel2"

    @property
    def channels(self) -> tuple[str, ...]:
        """Bands or polarizations that are asked for."""
        if not self.is_optical:
            return POLARIZATIONS
        return BANDS if self.twin else _L2A

    @property
    def dtype(self) -> str:
        """Type of its pixels, as NPY writes it."""
        return "<u2" if self.is_optical else "<f4"

    def band(self, channel: str) -> str:
        """Name of a channel in the image: several roles may have the same."""
        return f"{self.role}_{channel}"


def sample_image(parts: Sequence[Part], overlays: tuple[Overlay, ...] = ()) -> Any:
    """The expression: an image with the bands of all parts, Sentinel-2 as uint16, Sentinel-1 as float32, and those of
    overlays."""
    text = _written(tuple((part.role, bool(part.twin)) for part in parts), overlays)
    for part in parts:
        for place, asset in zip(_places(part.role), (part.asset, part.twin), strict=True):
            text = text.replace(json.dumps(place), json.dumps(asset))
    return _Prepared(json.loads(text))


class _Prepared(Encodable):
    """An expression in the form in which the client sends it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def encode_cloud_value(self, encoder: Any) -> Any:
        return self._value


def _places(role: str) -> tuple[str, str]:
    """What stands for the asset ids of a role, its image's and its twin's."""
    return f"@{role}", f"@twin of {role}"


@lru_cache(maxsize=64)
def _written(parts: tuple[tuple[str, bool], ...], overlays: tuple[Overlay, ...]) -> str:
    """The expression as JSON, of roles and whether they have a twin.

    All samples' are the same but for the ids, and building one takes the client 1 ms.
    """
    images = [_image(role, twin=twin) for role, twin in parts] + [_overlaid(overlay) for overlay in overlays]
    whole = images[0]
    for image in images[1:]:
        whole = whole.addBands(image)
    return json.dumps(serializer.encode(whole, is_compound=False))


def _image(role: str, *, twin: bool) -> Any:
    asset, l1c = _places(role)
    part = Part(role=role, path="", asset=asset, twin=l1c if twin else "")
    image, bands = ee.Image(asset), [part.band(channel) for channel in part.channels]
    # Without sameFootprint=False nothing is filled beyond the footprint, and 0 dB comes back there.
    if not part.is_optical:
        return image.select(list(POLARIZATIONS), bands).unmask(_NODATA, False).toFloat()
    image = image.select([_name(band) for band in _L2A], [part.band(band) for band in _L2A])
    if twin:
        image = image.addBands(ee.Image(l1c).select(["B10"], [part.band("B10")]))
    return image.unmask(0, False).toUint16()


def _overlaid(overlay: Overlay) -> Any:
    if overlay.kind == "features":
        return _painted(overlay)
    image = ee.Image(overlay.asset) if overlay.kind == "image" else ee.ImageCollection(overlay.asset).mosaic()
    image = image.select(list(overlay.bands), list(overlay.channels))
    if overlay.dtype == "<f4":
        return image.unmask(_UNMEASURED, False).toFloat()
    image = image.unmask(0, False)
    return image.toUint16() if overlay.dtype == "<u2" else image.toInt32()


def _painted(overlay: Overlay) -> Any:
    """Features burnt in the order of their values."""
    image, features = ee.Image.constant(0).toUint16(), ee.FeatureCollection(overlay.asset)
    if overlay.column is None:
        return image.paint(features, 1).rename(list(overlay.channels))
    for index, value in enumerate(overlay.values, 1):
        image = image.paint(features.filter(ee.Filter.eq(overlay.column, value)), index)
    return image.rename(list(overlay.channels))


def refuse_too_large(roles: Sequence[str], overlays: Sequence[Overlay], pixels: int) -> None:
    """See that one request holds a sample of patches of so many pixels a side. Raises SpecError."""
    parts = [Part(role=role, path="", asset="", twin="x") for role in roles]
    a_pixel = sum(np.dtype(dtype).itemsize for dtype in _types(parts, overlays).values())
    if a_pixel * pixels**2 > MOST_BYTES:
        fits = int((MOST_BYTES / a_pixel) ** 0.5)
        raise SpecError(
            f"patch.pixels: {pixels} px with the labels of earthengine are {a_pixel * pixels**2 / 1e6:.1f} MB a "
            f"request, {MOST_BYTES / 1e6:.1f} MB at most. Use {fits} px, or fewer bands of labels from earthengine."
        )


def request_of(image: Any, patch: Patch) -> dict[str, Any]:
    """Parameters of `ee.data.computePixels` for an image on exactly a patch's grid."""
    return {
        "expression": image,
        "fileFormat": "NPY",
        "grid": {
            "dimensions": {"width": patch.pixels, "height": patch.pixels},
            # translateX and translateY are the upper left corner of the upper left pixel, not its centre.
            "affineTransform": {
                "scaleX": PIXEL, "shearX": 0, "translateX": patch.xmin,
                "shearY": 0, "scaleY": -PIXEL, "translateY": patch.ymax,
            },
            "crsCode": patch.crs,
        },
    }  # fmt: skip


def tiles_of(body: bytes, patch: Patch, parts: Sequence[Part], overlays: Sequence[Overlay] = ()) -> Tiles:
    """Pixels from an NPY body: a structured array (height, width) with a field a band.

    Raises Transient: damaged or cut short; PixelsError: a sound array, but not the one that was asked for;
    LabelsError: an overlay holds what it must not.
    """
    array = _array(body, patch, _types(parts, overlays))
    images = {part.path: _optical(array, part) if part.is_optical else _radar(array, part) for part in parts}
    return Tiles(
        arrays=images | {overlay.path: overlay.translate(_sent(array, overlay)) for overlay in overlays},
        absent_bands=("B10",) if any(part.is_optical and not part.twin for part in parts) else (),
    )


def _types(parts: Sequence[Part], overlays: Sequence[Overlay]) -> dict[str, str]:
    """The bands of a sample's image and their types."""
    images = {part.band(channel): part.dtype for part in parts for channel in part.channels}
    return images | {channel: overlay.dtype for overlay in overlays for channel in overlay.channels}


def _sent(array: NDArray[Any], overlay: Overlay) -> NDArray[Any]:
    """(band, height, width), 0 or NaN where masked."""
    values = np.stack([array[channel] for channel in overlay.channels])
    if values.dtype.kind == "f":
        values[~(values > _UNMEASURED / 2)] = np.nan
    return values


def _optical(array: NDArray[Any], part: Part) -> NDArray[np.uint16]:
    """(13, height, width), 0 where a band is absent."""
    values = np.zeros((len(BANDS), *array.shape), np.uint16)
    for index, band in enumerate(BANDS):
        if band in part.channels:
            values[index] = array[part.band(band)]
    return values


def _radar(array: NDArray[Any], part: Part) -> NDArray[np.float32]:
    """(2, height, width) dB, NaN = nodata."""
    values = np.stack([array[part.band(polarization)] for polarization in POLARIZATIONS])
    values[~(values > _NODATA)] = np.nan
    return values


def _array(body: bytes, patch: Patch, expected: dict[str, str]) -> NDArray[Any]:
    try:
        header = read_header(body)
    except ValueError as error:
        raise Transient(f"the body of {len(body)} bytes is not an array: {error}") from None
    # Bands are told by name, whichever comes first.
    if sorted(header.fields) != sorted(expected.items()) or header.shape != patch.shape or header.fortran:
        raise PixelsError(
            f"earthengine: asked for {patch.shape} pixels with {expected}, but {header.shape} with "
            f"{dict(header.fields)} came. Report it."
        )
    there, needed = len(body) - header.offset, header.dtype.itemsize * patch.pixels**2
    if there != needed:
        raise Transient(f"the body has {there} bytes of {needed}")
    return np.frombuffer(body, header.dtype, offset=header.offset).reshape(header.shape)


def _name(band: str) -> str:
    """As Earth Engine writes it: B1, B8A, B12."""
    return f"B{band[1:].lstrip('0')}"
