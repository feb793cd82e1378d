"""The pixels of a sample: one image of fifteen bands, computed on the patch's grid and sent as one array."""

import io
import json
from functools import lru_cache
from typing import Any

import ee
import numpy as np
from ee import serializer
from ee.encodable import Encodable
from numpy.typing import NDArray

from tasks.errors import PixelsError
from tasks.imagery.earthengine.refusals import Transient
from tasks.imagery.platform import BANDS, POLARIZATIONS, Tiles
from tasks.places import PIXEL, Patch

_L2A = tuple(band for band in BANDS if band != "B10")
"""Level-2A has no cirrus band: B10 is of the L1C image."""

_NODATA = -9999.0
"""What the server is told to put where Sentinel-1 is masked: JSON has no NaN, and 0 dB is a value."""


def sample_image(s2: str, twin: str, s1: str) -> Any:
    """The expression: an image with the Sentinel-2 bands as uint16, then VV and VH as float32.

    `twin` is "" where there is no L1C image; then there is no B10.
    """
    text = _written(twin=bool(twin))
    for place, asset in zip(_PLACES, (s2, twin, s1), strict=True):
        text = text.replace(json.dumps(place), json.dumps(asset))
    return _Prepared(json.loads(text))


class _Prepared(Encodable):
    """An expression in the form in which the client sends it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def encode_cloud_value(self, encoder: Any) -> Any:
        return self._value


_PLACES = ("@sentinel2", "@twin", "@sentinel1")
"""Stand for asset ids."""


@lru_cache(maxsize=2)
def _written(*, twin: bool) -> str:
    """The expression as JSON. All samples' are the same but for the ids, and building one takes the client 1 ms."""
    s2, l1c, s1 = _PLACES
    return json.dumps(serializer.encode(_image(s2, l1c if twin else "", s1), is_compound=False))


def _image(s2: str, twin: str, s1: str) -> Any:
    optical = ee.Image(s2).select([_name(band) for band in _L2A], list(_L2A))
    if twin:
        optical = optical.addBands(ee.Image(twin).select(["B10"]))
    radar = ee.Image(s1).select(list(POLARIZATIONS))
    # Without sameFootprint=False nothing is filled beyond the footprint, and 0 dB comes back there.
    return optical.unmask(0, False).toUint16().addBands(radar.unmask(_NODATA, False).toFloat())


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


def tiles_of(body: bytes, patch: Patch, *, twin: bool) -> Tiles:
    """Pixels from an NPY body: a structured array (height, width) with a field a band.

    Raises Transient: damaged or cut short; PixelsError: a sound array, but not the one that was asked for.
    """
    array = _array(body, patch, twin=twin)
    s2 = np.zeros((len(BANDS), *patch.shape), np.uint16)
    for index, band in enumerate(BANDS):
        if twin or band != "B10":
            s2[index] = array[band]
    s1 = np.empty((len(POLARIZATIONS), *patch.shape), np.float32)
    for index, polarization in enumerate(POLARIZATIONS):
        s1[index] = array[polarization]
    s1[~(s1 > _NODATA)] = np.nan
    return Tiles(s2=s2, s1=s1, absent=() if twin else ("B10",))


def _array(body: bytes, patch: Patch, *, twin: bool) -> NDArray[Any]:
    stream = io.BytesIO(body)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("not version 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, EOFError) as error:
        raise Transient(
            f"the body of {len(body)} bytes is not an array: {' '.join(str(error).split())[:100]}"
        ) from None
    expected = {**{band: "<u2" for band in BANDS if twin or band != "B10"}, **dict.fromkeys(POLARIZATIONS, "<f4")}
    found = {name: dtype[name].str for name in dtype.names or ()}
    if found != expected or shape != patch.shape or fortran:
        raise PixelsError(
            f"earthengine: asked for {patch.shape} pixels with {expected}, but {shape} with {found or dtype} came. "
            "Report it."
        )
    if len(body) - stream.tell() != dtype.itemsize * patch.pixels**2:
        raise Transient(f"the body has {len(body) - stream.tell()} bytes of {dtype.itemsize * patch.pixels**2}")
    return np.frombuffer(body, dtype, offset=stream.tell()).reshape(shape)


def _name(band: str) -> str:
    """As Earth Engine writes it: B1, B8A, B12."""
    return f"B{band[1:].lstrip('0')}"
