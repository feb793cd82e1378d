"""The expression of a sample: one image with the bands of all looks and labels, for the server to compute."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import ee
from ee import serializer
from ee.encodable import Encodable

from tasks.imagery.assets import Overlay
from tasks.imagery.bands import POLARIZATIONS
from tasks.imagery.earthengine.parts import ANGLE, CLOUD, L2A, Part
from tasks.imagery.earthengine.settings import CLOUD_BANDS
from tasks.scenes.looks import role_of

NODATA = -9999.0
"""What the server is told to put where Sentinel-1 is masked: JSON has no NaN, and 0 dB is a value."""

UNMEASURED = -3e38
"""The same for measured values, of which any might be -9999: nearly the least that 32 bits hold."""

UNMASKED = 255
"""The same for cloud masks."""

_ASSET, _TWIN = "@asset", "@twin"
"""What stands for asset ids in an expression that is prepared."""


def sample_image(parts: Sequence[Part], overlays: tuple[Overlay, ...] = ()) -> Any:
    """The expression: Sentinel-2 as uint16, Sentinel-1 as float32 with its angle in hundredths of degrees as uint16,
    masks as uint8, and the bands of overlays."""
    written = [_filled(part) for part in parts] + [_laid(overlay) for overlay in overlays]
    return _Prepared(json.loads(_joined(written)))


class _Prepared(Encodable):
    """An expression in the form in which the client sends it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def encode_cloud_value(self, encoder: Any) -> Any:
        return self._value


def _joined(images: Sequence[str]) -> str:
    """Images as one. As a tree: in a chain of dozens they would lie deeper than the service reads, 100 levels."""
    if len(images) == 1:
        return images[0]
    half = len(images) // 2
    first, second = _joined(images[:half]), _joined(images[half:])
    arguments = f'{{"dstImg": {first}, "srcImg": {second}}}'
    return f'{{"functionInvocationValue": {{"functionName": "Image.addBands", "arguments": {arguments}}}}}'


def _filled(part: Part) -> str:
    role = role_of(part.look)
    text = _written(role, part.level, bool(part.twin), part.mask)
    if part.look != role:
        text = text.replace(f'"{role}_', f'"{part.look}_')
    return text.replace(json.dumps(_ASSET), json.dumps(part.asset)).replace(json.dumps(_TWIN), json.dumps(part.twin))


@lru_cache(maxsize=64)
def _written(role: str, level: Any, twin: bool, mask: str) -> str:
    """The image of a role as JSON: samples differ in ids and dates only, and building one takes the client 1 ms."""
    part = Part(look=role, path="", asset=_ASSET, level=level, twin=_TWIN if twin else "", mask=mask)
    return _serialized(_optical(part) if part.is_optical else _radar(part))


@lru_cache(maxsize=64)
def _laid(overlay: Overlay) -> str:
    return _serialized(_overlaid(overlay))


def _serialized(image: Any) -> str:
    return json.dumps(serializer.encode(image, is_compound=False))


def _optical(part: Part) -> Any:
    image = ee.Image(part.asset)
    own = [band for band in part.channels if part.level == "l1c" or band in L2A]
    bands = image.select([_name(band) for band in own], [part.band(band) for band in own])
    if part.twin:
        bands = bands.addBands(ee.Image(part.twin).select(["B10"], [part.band("B10")]))
    # Without sameFootprint=False nothing is filled beyond the footprint, and 0 dB comes back there.
    bands = bands.unmask(0, False).toUint16()
    return bands.addBands(_mask(part)) if part.mask else bands


def _mask(part: Part) -> Any:
    """Probability of cloud in percent; masks bear the names of L1C images, and not every image has one."""
    band = CLOUD_BANDS[part.mask]
    linked = ee.Image(part.twin or part.asset).linkCollection(ee.ImageCollection(part.mask), [band])
    mask = linked.select([band], [part.band(CLOUD)])
    if band != "probability":  # 1 is clear
        mask = mask.multiply(-100).add(100)
    return mask.round().unmask(UNMASKED, False).toUint8()


def _radar(part: Part) -> Any:
    image = ee.Image(part.asset)
    bands = image.select(list(POLARIZATIONS), [part.band(name) for name in POLARIZATIONS])
    angle = image.select([ANGLE], [part.band(ANGLE)]).multiply(100).round()
    return bands.unmask(NODATA, False).toFloat().addBands(angle.unmask(0, False).toUint16())


def _overlaid(overlay: Overlay) -> Any:
    if overlay.kind == "features":
        return _painted(overlay)
    image = ee.Image(overlay.asset) if overlay.kind == "image" else ee.ImageCollection(overlay.asset).mosaic()
    image = image.select(list(overlay.bands), list(overlay.channels))
    if overlay.dtype == "<f4":
        return image.unmask(UNMEASURED, False).toFloat()
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


def _name(band: str) -> str:
    """As Earth Engine writes it: B1, B8A, B12."""
    return f"B{band[1:].lstrip('0')}"
