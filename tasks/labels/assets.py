"""Labels that a platform has itself and sends with its images: assets of Earth Engine."""

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import LabelsError, SpecError
from tasks.imagery.assets import Asset, AssetBand, Overlay
from tasks.imagery.registry import platform_settings, room_of
from tasks.labels.classes import ClassLayer, column_part
from tasks.labels.laid import Covers
from tasks.labels.layer import Layer
from tasks.labels.legends import LabelClass
from tasks.labels.licences import told_of
from tasks.labels.measures import ValueLayer, stepped, value_array
from tasks.labels.rasters import FINEST, finer_message
from tasks.labels.vectors import everywhere
from tasks.places.patches import Patches
from tasks.settings import PlatformSettings
from tasks.spec import CorpusSpec
from tasks.spec.labels import EARTHENGINE, MOST_CLASSES, LabelItem, LabelSource

OfPlatforms = tuple[PlatformSettings, ...]
"""The settings of a spec's platforms, in its order."""


def look_up(
    spec: CorpusSpec, asset: str, key: str, of_platforms: OfPlatforms | None = None, column: str | None = None
) -> Asset:
    """What Earth Engine tells of an asset, under the spec's settings, else those of the environment.

    Raises SpecError: it is not among the spec's platforms, or has no such asset; CredentialsError, PixelsError,
    PlatformUnreachable, SettingsError.
    """
    if EARTHENGINE not in spec.platform_names:
        raise SpecError(
            f"{key}: {asset} comes with the images of {EARTHENGINE}, which is not among the platforms. Add it there, "
            "or export the asset and give the file as `raster` or `vectors`."
        )
    settings = of_platforms or platform_settings(spec)
    own = next(one for item, one in zip(spec.platform_items, settings, strict=True) if item.kind == EARTHENGINE)
    ask = room_of(EARTHENGINE).look_up
    if ask is None:
        raise TypeError(f"{EARTHENGINE}: has no assets")
    return ask(own, asset, key, column)


def open_asset(item: LabelItem, source: LabelSource, spec: CorpusSpec, of_platforms: OfPlatforms | None) -> Layer:
    """The layer of an item of `labels` that names an asset.

    Raises SpecError: it is not of what the item says; what `look_up` raises.
    """
    key, name = f"labels: {item.name}: earthengine", str(source.earthengine)
    asset = look_up(spec, name, key, of_platforms, source.column)
    facts = told_of(source, {"asset": asset.id, **asset.version}, {"source": asset.id}, asset.id)
    if asset.kind == "features":
        return _features(item.name, source, asset, key, facts, spec.patch.pixels)
    if source.column is not None:
        raise SpecError(f"{key}: {asset.id} is an image and has no columns. Use `bands` instead of `column`.")
    bands = _bands(asset, source, key)
    if source.kind == "values":
        return _values(item.name, source, asset, bands, facts, spec.patch.pixels)
    return _classes(item.name, source, asset, bands, facts, spec.patch.pixels)


def overlay_of(
    name: str, asset: Asset, bands: tuple[AssetBand, ...], *, dtype: str, translate: Callable[[NDArray[Any]], Any]
) -> Overlay:
    """What Earth Engine sends of images for the label `name`."""
    return Overlay(
        platform=EARTHENGINE,
        path=f"labels/{name}",
        asset=asset.id,
        kind=asset.kind,
        bands=tuple(band.name for band in bands),
        dtype=dtype,
        translate=translate,
    )


def bands_of(asset: Asset, wanted: tuple[str | int, ...], key: str) -> tuple[AssetBand, ...]:
    """Bands by name, or number from 1; without any the first one. Raises SpecError: absent, or finer than 10 m."""
    names = {**dict(enumerate(asset.bands, 1)), **{band.name: band for band in asset.bands}}
    if unknown := [band for band in wanted or (1,) if band not in names]:
        there = ", ".join(band.name for band in asset.bands) or "none"
        raise SpecError(f"{key}: {asset.id} has no band {unknown[0]!r}. Use some of its bands: {there}.")
    bands = tuple(names[band] for band in wanted or (1,))
    for band in bands:
        if band.metres < FINEST:
            raise SpecError(finer_message(f"{key}: {asset.id}", band.metres))
    return bands


def within(asset: Asset) -> Covers:
    """Whether an asset reaches over all of each patch, by its footprint; everywhere where none is told."""
    footprint = asset.footprint
    if footprint is None:
        return everywhere
    shapely.prepare(footprint)

    def covers(patches: Patches) -> NDArray[np.bool_]:
        return np.asarray(shapely.covers(footprint, patches.outlines()))

    return covers


def _bands(asset: Asset, source: LabelSource, key: str) -> tuple[AssetBand, ...]:
    bands = bands_of(asset, source.bands, key)
    if len({column_part(band.name) for band in bands}) < len(bands):
        raise SpecError(f"{key}: bands: two are alike ({', '.join(band.name for band in bands)}). Give each one once.")
    return bands


def _classes(
    name: str, source: LabelSource, asset: Asset, bands: tuple[AssetBand, ...], facts: dict[str, Any], pixels: int
) -> ClassLayer:
    schemes = {band.name: _legend(source, band, f"labels: {name}", asset.id) for band in bands}
    known = [np.array([0, *(one.index for one in classes)]) for classes in schemes.values()]
    most = max(one.index for classes in schemes.values() for one in classes)

    def translate(values: NDArray[Any]) -> NDArray[Any]:
        values = np.nan_to_num(values)
        for own, band, held in zip(known, bands, values, strict=True):
            if (wrong := ~np.isin(held, own)).any():
                raise LabelsError(
                    f"labels: {name}: {asset.id} has the value {held[wrong][0]:g} in its band {band.name}, which is no "
                    "class of it. Add it to `values`, or use `kind: values`."
                )
        return (values if len(values) > 1 else values[0]).astype(np.uint8 if most < 256 else np.uint16)

    # The widest that one of them needs: they are sent alike.
    dtype = max((band.dtype for band in bands), key=("<u2", "<i4", "<f4").index)
    overlay = overlay_of(name, asset, bands, dtype=dtype, translate=translate)
    return ClassLayer(
        name, schemes=schemes, pixels=pixels, facts=facts, draw=None, covers=within(asset), overlay=overlay
    )


def _legend(source: LabelSource, band: AssetBand, key: str, asset: str) -> tuple[LabelClass, ...]:
    """The classes of a band: those that the spec lists, else its owner. Raises SpecError: nobody does; or one is 0."""
    told = {one.value: one for one in band.classes}
    values = sorted({int(value) for value in source.values} or told)
    if not values:
        raise SpecError(
            f"{key}: earthengine does not tell which classes the band {band.name} of {asset} has. List them as "
            "`values`, or use `kind: values` with a `step`."
        )
    if values[0] < 1 or values[-1] > MOST_CLASSES:
        wrong = values[0] if values[0] < 1 else values[-1]
        raise SpecError(
            f"{key}: {asset} has the class {wrong} in its band {band.name}; expected 1 to {MOST_CLASSES}, 0 is nodata. "
            "List the others as `values`, and it becomes nodata if it is 0; or export the asset with other numbers."
        )
    return tuple(
        LabelClass(
            index=value,
            code=str(value),
            name=told[value].name if value in told else str(value),
            rgb=told[value].rgb if value in told else None,
        )
        for value in values
    )


def _values(
    name: str, source: LabelSource, asset: Asset, bands: tuple[AssetBand, ...], facts: dict[str, Any], pixels: int
) -> ValueLayer:
    kind = value_array(name, tuple(band.name for band in bands), step=source.step or 1, pixels=pixels)

    def translate(values: NDArray[Any]) -> NDArray[Any]:
        return stepped(values.astype(np.float64), kind, name, asset.id).reshape(kind.shape)

    overlay = overlay_of(name, asset, bands, dtype="<f4", translate=translate)
    return ValueLayer(kind, name=name, facts=facts, draw=None, covers=within(asset), overlay=overlay)


def _features(name: str, source: LabelSource, asset: Asset, key: str, facts: dict[str, Any], pixels: int) -> ClassLayer:
    if source.bands or source.kind == "values":
        wrong = "bands" if source.bands else "kind"
        raise SpecError(f"{key}: {asset.id} is of features, of which `{wrong}` cannot be asked. Use `column`.")
    if lacking := [value for value in source.values if not asset.values.get(str(value))]:
        found = ", ".join(map(repr, sorted(asset.values, key=lambda value: -asset.values[value])[:10]))
        raise SpecError(
            f"{key}: no feature of {asset.id} has {lacking[0]!r} in its column {source.column}, which has {found}. "
            "Correct `values`."
        )
    texts = [str(value) for value in source.values] or ["1"]
    names = texts if source.values else [name]
    classes = tuple(
        LabelClass(index=at, code=text, name=called)
        for at, (text, called) in enumerate(zip(texts, names, strict=True), 1)
    )
    narrow = np.uint8 if len(classes) < 256 else np.uint16
    overlay = Overlay(
        platform=EARTHENGINE,
        path=f"labels/{name}",
        asset=asset.id,
        kind="features",
        column=source.column,
        values=source.values,
        dtype="<u2",
        translate=lambda values: values[0].astype(narrow),
    )
    told = facts if source.column is None else facts | {"column": source.column}
    return ClassLayer(
        name, schemes={name: classes}, pixels=pixels, facts=told, draw=None, covers=everywhere, overlay=overlay
    )
