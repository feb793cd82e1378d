"""The pixels of a sample: which are asked for, and what the answers must be."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import PixelsError
from tasks.imagery.assets import Overlay
from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.imagery.earthengine.images import NODATA, UNMEASURED
from tasks.imagery.earthengine.npy import read_header
from tasks.imagery.earthengine.parts import ANGLE, CLOUD, Part, Strip, types_of
from tasks.imagery.earthengine.refusals import Transient
from tasks.imagery.platform import Tiles
from tasks.places.patches import PIXEL

_CACHED = 256 << 10
"""Bytes."""

Arrays = dict[str, NDArray[Any]]
"""By path, and the angles of Sentinel-1 in hundredths of degrees by the name of their band: (..., height, width)."""


def request_of(image: Any, strip: Strip) -> dict[str, Any]:
    """Parameters of `ee.data.computePixels` for an image on exactly a patch's grid, or on rows of it."""
    patch = strip.patch
    return {
        "expression": image,
        "fileFormat": "NPY",
        "grid": {
            "dimensions": {"width": patch.pixels, "height": strip.rows},
            # translateX and translateY are the upper left corner of the upper left pixel, not its centre.
            "affineTransform": {
                "scaleX": PIXEL, "shearX": 0, "translateX": patch.xmin,
                "shearY": 0, "scaleY": -PIXEL, "translateY": patch.ymax - PIXEL * strip.first,
            },
            "crsCode": patch.crs,
        },
    }  # fmt: skip


def room_for(parts: Sequence[Part], pixels: int) -> Arrays:
    """Arrays for all looks at a patch of so many pixels a side: 0, what no band is read into stays so."""
    arrays: Arrays = {}
    for part in parts:
        if part.is_optical:
            arrays[part.path] = np.zeros((len(BANDS), pixels, pixels), np.uint16)
        else:
            arrays[part.path] = np.zeros((len(POLARIZATIONS), pixels, pixels), np.float32)
            arrays[part.band(ANGLE)] = np.zeros((pixels, pixels), np.uint16)
        if part.mask:
            arrays[part.mask_path] = np.zeros((pixels, pixels), np.uint8)
    return arrays


def read(body: bytes, strip: Strip, parts: Sequence[Part], overlays: Sequence[Overlay], arrays: Arrays) -> None:
    """Put the pixels of a strip where they belong, from an NPY body: a structured array (height, width) with a field a
    band.

    Raises Transient: damaged or cut short; PixelsError: a sound array, but not the one that was asked for;
    LabelsError: an overlay holds what it must not.
    """
    sent = _structured(body, strip, types_of(parts, overlays))
    # A field is spread over all of the array. A few rows at a time stay in the processor's cache for all fields.
    rows = max(1, _CACHED // (sent.dtype.itemsize * strip.shape[1]))
    for first in range(0, strip.rows, rows):
        some = sent[first : first + rows]
        where = slice(strip.first + first, strip.first + first + len(some))
        for part in parts:
            _read(some, part, where, arrays)
    for overlay in overlays:
        values = overlay.translate(_laid(sent, overlay))
        if overlay.path not in arrays:
            arrays[overlay.path] = np.zeros((*values.shape[:-2], *strip.patch.shape), values.dtype)
        arrays[overlay.path][..., strip.first : strip.first + strip.rows, :] = values


def _read(sent: NDArray[Any], part: Part, rows: slice, arrays: Arrays) -> None:
    values, order = arrays[part.path], BANDS if part.is_optical else POLARIZATIONS
    for channel in part.channels:
        values[order.index(channel), rows] = sent[part.band(channel)]
    if part.mask:
        arrays[part.mask_path][rows] = sent[part.band(CLOUD)]
    if not part.is_optical:
        arrays[part.band(ANGLE)][rows] = sent[part.band(ANGLE)]
        some = values[:, rows]
        some[~(some > NODATA)] = np.nan


def tiles_of(whole: Arrays, parts: Sequence[Part]) -> Tiles:
    """The pixels of a patch as every platform gives them."""
    angles = {part.look: whole[part.band(ANGLE)] for part in parts if not part.is_optical}
    beside = {part.band(ANGLE) for part in parts}
    return Tiles(
        arrays={path: values for path, values in whole.items() if path not in beside},
        absent_bands=("B10",) if any(part.is_optical and "B10" not in part.channels for part in parts) else (),
        incidence={look: round(mean, 2) for look, values in angles.items() if (mean := _degrees(values))},
    )


def _degrees(angles: NDArray[np.uint16]) -> float:
    """Mean of what is there; 0: nothing is."""
    there = int(np.count_nonzero(angles))
    return int(angles.sum(dtype=np.int64)) / there / 100 if there else 0.0


def _laid(sent: NDArray[Any], overlay: Overlay) -> NDArray[Any]:
    """(band, height, width), 0 or NaN where masked."""
    values = np.stack([sent[channel] for channel in overlay.channels])
    if values.dtype.kind == "f":
        values[~(values > UNMEASURED / 2)] = np.nan
    return values


def _structured(body: bytes, strip: Strip, expected: Mapping[str, str]) -> NDArray[Any]:
    try:
        header = read_header(body)
    except ValueError as error:
        raise Transient(f"the body of {len(body)} bytes is not an array: {error}") from None
    # Bands are told by name, whichever comes first.
    if sorted(header.fields) != sorted(expected.items()) or header.shape != strip.shape or header.fortran:
        raise PixelsError(
            f"earthengine: asked for {strip.shape} pixels with {dict(expected)}, but {header.shape} with "
            f"{dict(header.fields)} came. Report it."
        )
    there, needed = len(body) - header.offset, header.dtype.itemsize * strip.shape[0] * strip.shape[1]
    if there != needed:
        raise Transient(f"the body has {there} bytes of {needed}")
    return np.frombuffer(body, header.dtype, offset=header.offset).reshape(header.shape)
