"""Labels as pictures in the colours of their legends, and the keys to these."""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.labels.legends import Colour, LabelClass
from tasks.release.keys import Key
from tasks.release.legends import BitLegend, Legend, legends_of
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import LayerDescription

NOTHING: Colour = (255, 255, 255)
"""Where there is no class or value."""

_LOW, _HIGH = np.array((44, 52, 90)), np.array((250, 231, 130))
"""Colours of the least and the most of the values shown."""

_STEPS = 5
"""Values in the key of measured ones."""

_GOLDEN = 0.618034
"""Of the circle of hues: steps by which any number of them stay apart."""

Pixels = Mapping[str, NDArray[Any]]
"""Of the samples shown, by array path: (n, ..., height, width), as stored."""


@dataclass(frozen=True, kw_only=True)
class LabelPictures:
    """One label of all samples shown."""

    title: str
    pictures: NDArray[np.uint8]
    """(n, height, width, 3)."""
    keys: tuple[Key, ...]


def label_pictures(layer: LayerDescription, pixels: Pixels) -> LabelPictures:
    """Draw a layer: classes in their colours, with several bits a pixel the one drawn last, values from low to high.

    The arrays of a layer of bits are drawn over each other, the last one first; of several schemes the first is shown.
    """
    bits = [(kind, legend) for kind in layer.arrays if isinstance(legend := legends_of(kind), BitLegend)]
    if bits:
        return _bits(bits, pixels)
    (kind,) = layer.arrays
    match legends_of(kind):
        case (Legend() as legend, *_):
            return _classes(kind, legend, pixels[kind.path])
        case _:
            return _values(kind, pixels[kind.path])


def _classes(kind: ArrayKind, legend: Legend, stored: NDArray[Any]) -> LabelPictures:
    shown = stored if legend.scheme is None else stored[:, 0]
    title = _title(kind) if legend.scheme is None else f"{_title(kind)}: {legend.scheme}"
    present = {int(index) for index in np.unique(shown)}
    colours = np.full((max([0, *present]) + 1, 3), NOTHING, np.uint8)
    occurring = [one for one in legend.classes if one.index in present]
    for one in occurring:
        colours[one.index] = colour_of(one)
    entries = [_entry(one) for one in occurring]
    if 0 in present:
        entries.append(("no class", NOTHING))
    return LabelPictures(title=title, pictures=colours[shown], keys=(Key(title=title, entries=tuple(entries)),))


def _bits(arrays: Sequence[tuple[ArrayKind, BitLegend]], pixels: Pixels) -> LabelPictures:
    pictures = np.full((*pixels[arrays[0][0].path].shape, 3), NOTHING, np.uint8)
    keys: list[Key] = []
    # Points, lines, polygons: as a map is drawn, from the last to the first.
    for kind, legend in reversed(arrays):
        seen: set[int] = set()
        occurring = int(np.bitwise_or.reduce(pixels[kind.path], axis=None))
        for one in legend.drawn:
            if not occurring & 1 << (one.index - 1):
                continue
            there = (pixels[kind.path] & np.uint32(1 << (one.index - 1))) != 0
            pictures[there] = colour_of(one)
            seen.add(one.index)
        entries = tuple(_entry(one) for one in legend.classes if one.index in seen)
        if entries:
            keys.append(Key(title=_title(kind), entries=entries))
    return LabelPictures(title="OpenStreetMap", pictures=pictures, keys=tuple(keys))


def _values(kind: ArrayKind, stored: NDArray[Any]) -> LabelPictures:
    shown = stored if stored.ndim == 3 else stored[:, 0]
    values = np.where(shown == kind.fill, np.nan, shown * (kind.step or 1))
    low, high = (float(edge(values)) if np.isfinite(values).any() else 0.0 for edge in (np.nanmin, np.nanmax))
    share = np.nan_to_num((values - low) / (high - low or 1))[..., None]
    pictures = np.where(np.isnan(values)[..., None], NOTHING, _LOW + share * (_HIGH - _LOW)).astype(np.uint8)
    steps = np.linspace(0, 1, _STEPS if high > low else 1)
    entries = tuple((f"{low + at * (high - low):.6g}", _ramp(at)) for at in steps)
    return LabelPictures(title=_title(kind), pictures=pictures, keys=(Key(title=_title(kind), entries=entries),))


def _entry(one: LabelClass) -> tuple[str, Colour]:
    return one.name if one.name == one.code else f"{one.code}  {one.name}", colour_of(one)


def _ramp(share: float) -> Colour:
    red, green, blue = (int(part) for part in _LOW + share * (_HIGH - _LOW))
    return red, green, blue


def colour_of(one: LabelClass) -> Colour:
    """Its own colour, or where the source has none one that differs from its neighbours'."""
    if one.rgb is not None:
        return one.rgb
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(one.index * _GOLDEN % 1, 0.55, 0.9))
    return red, green, blue


def _title(kind: ArrayKind) -> str:
    """What an array is, without what follows on how it is stored."""
    return str(kind.attributes.get("long_name", kind.name)).replace(":", ",").partition(",")[0]
