"""Labels from sources of the spec's own, `NAME: {raster | vectors | earthengine: ...}`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SpecError
from tasks.labels.assets import OfPlatforms, open_asset
from tasks.labels.classes import ClassLayer, column_part
from tasks.labels.layer import Layer
from tasks.labels.legends import LabelClass
from tasks.labels.licences import told_of
from tasks.labels.measures import ValueLayer, measured, stepped, value_array
from tasks.labels.pins import pin, source_name
from tasks.labels.rasters import RasterSource, first_where, translate_at
from tasks.labels.vectors import VectorSource, everywhere
from tasks.places.patches import Patch
from tasks.spec import CorpusSpec
from tasks.spec.labels import MOST_CLASSES, LabelItem, LabelSource
from tasks.spec.locations import local_path

_MOST_FOUND = 256
"""Classes found in a raster beyond which it is taken for measured values; each becomes a column."""


def open_source(item: LabelItem, spec: CorpusSpec, of_platforms: OfPlatforms | None = None) -> Layer:
    """The layer of an item of `labels` that describes its source.

    Raises SpecError: absent, unreadable, finer than 10 m, or not of what the item says; of an asset what platforms
    raise.
    """
    source, key, pixels = item.source, f"labels: {item.name}", spec.patch.pixels
    if source is None:
        raise ValueError(f"{item.name}: has no source")
    if source.earthengine is not None:
        return open_asset(item, source, spec, of_platforms)
    location = str(source.raster or source.vectors)
    if source.vectors is not None:
        return _vector_classes(item.name, source, location, f"{key}: vectors", pixels)
    raster = RasterSource(location, f"{key}: raster", source.bands)
    if len(set(map(column_part, raster.band_names))) < len(raster.band_names):
        raise SpecError(f"{key}: bands: two are alike ({', '.join(raster.band_names)}). Give each one once.")
    facts = told_of(source, pin(location, f"{key}: raster"), {"source": source_name(location)})
    if source.kind == "values":
        return _raster_values(item.name, source, raster, facts, pixels)
    return _raster_classes(item.name, source, raster, facts, pixels)


def _raster_values(
    name: str, source: LabelSource, raster: RasterSource, facts: dict[str, Any], pixels: int
) -> ValueLayer:
    kind = value_array(name, raster.band_names, step=source.step or 1, pixels=pixels)

    def draw(patch: Patch) -> NDArray[Any]:
        values = raster.read(patch, fill=np.nan, dtype=np.float64, translate=lambda block: measured(block, raster))
        return stepped(values, kind, name, raster.location)

    return ValueLayer(kind, name=name, facts=facts, draw=draw, covers=raster.covers)


def _raster_classes(
    name: str, source: LabelSource, raster: RasterSource, facts: dict[str, Any], pixels: int
) -> ClassLayer:
    if raster.dtype.kind not in "iuf":
        raise SpecError(f"{raster.key}: {raster.location} holds {raster.dtype}, expected whole numbers.")
    given = [int(value) for value in source.values]
    values = [given] * len(raster.indexes) if given else _values_of(raster)
    schemes = {
        band: tuple(
            LabelClass(index=value, code=str(value), name=str(value), rgb=palette.get(value)) for value in sorted(own)
        )
        for band, own, palette in zip(raster.band_names, values, raster.palettes, strict=True)
    }
    allowed = [np.array([0, *own]) for own in values]

    def translate(block: NDArray[Any]) -> NDArray[Any]:
        classes = _whole_numbers(raster, block)
        for at, known in enumerate(allowed):
            unknown = ~np.isin(classes[at], known)
            if unknown.any():
                expected = (
                    f"labels: {name}: values has {', '.join(map(str, known[1:]))}. Add it, or correct the raster."
                )
                raise first_where(unknown[None], classes[at][None], expected)
        return classes

    return ClassLayer(
        name,
        schemes=schemes,
        pixels=pixels,
        facts=facts,
        draw=lambda patch: raster.read(patch, fill=0, dtype=np.uint16, translate=translate),
        covers=raster.covers,
    )


def _vector_classes(name: str, source: LabelSource, location: str, key: str, pixels: int) -> ClassLayer:
    texts = [str(value) for value in source.values]
    vectors = VectorSource(location, key, {text: at for at, text in enumerate(texts, 1)}, column=source.column)
    classes = tuple(LabelClass(index=at, code=text, name=text) for at, text in enumerate(texts or [name], 1))
    if not texts:
        classes = (LabelClass(index=1, code="1", name=name),)
    return ClassLayer(
        name,
        schemes={name: classes},
        pixels=pixels,
        facts=told_of(source, pin(location, key), {"source": source_name(location)}) | vectors.facts(),
        draw=vectors.draw,
        covers=everywhere,
    )


def _whole_numbers(raster: RasterSource, block: NDArray[Any]) -> NDArray[Any]:
    """Pixels as classes of 0 to 65535, nodata as 0. Raises WrongValue."""
    nodata = raster.nodata
    lacking = np.zeros(block.shape, bool)
    if block.dtype.kind == "f":
        lacking |= np.isnan(block)
    if nodata is not None and not np.isnan(nodata):
        lacking |= block == nodata
        if nodata != 0 and (zero := block == 0).any():
            expected = (
                f"0 is nodata in a corpus, and here {nodata:g} is. Add 1 to the classes, for instance with gdal_calc."
            )
            raise first_where(zero, block, expected)
    values = np.where(lacking, 0, block)
    wrong = (values < 0) | (values > MOST_CLASSES) | (values % 1 != 0)
    if wrong.any():
        raise first_where(wrong, block, f"expected whole numbers from 1 to {MOST_CLASSES}. Or use `kind: values`.")
    return values.astype(np.uint16)


def _values_of(raster: RasterSource) -> list[list[int]]:
    """The classes that each band of a local raster holds. Raises SpecError, LabelsError."""
    if local_path(raster.location) is None:
        raise SpecError(
            f"{raster.key}: {raster.location} is not on this machine, and would have to be fetched whole to know its "
            "classes. List them as `values`."
        )
    held = [np.zeros(MOST_CLASSES + 1, bool) for _ in raster.indexes]
    for left, top, block in raster.blocks():
        classes = translate_at(raster, lambda pixels: _whole_numbers(raster, pixels), block, left, top)
        for at, found in enumerate(held):
            found[classes[at].ravel()] = True
    values = [[int(value) for value in np.flatnonzero(found) if value] for found in held]
    if (most := max(map(len, values))) > _MOST_FOUND:
        raise SpecError(
            f"{raster.key}: {raster.location} has {most:,} different numbers, each of which would be a class. Use "
            "`kind: values` with a `step`, or list the classes as `values`."
        )
    if not all(values):
        raise SpecError(f"{raster.key}: {raster.location} holds nothing but nodata. Give another file.")
    return values
