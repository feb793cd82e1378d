"""Assets beside the images: what the service tells of one, so that a corpus can say which version it is of."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import ee
import numpy as np
import shapely
from ee import data
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException

from tasks.errors import SpecError
from tasks.imagery.assets import Asset, AssetBand, AssetClass
from tasks.imagery.earthengine.refusals import Refused
from tasks.imagery.earthengine.session import Session, open_session
from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.imagery.platform import Traffic

T = TypeVar("T")

_DEGREE = 111_195
"""Metres of latitude."""


def look_up(settings: EarthEngineSettings, asset: str, key: str, column: str | None = None) -> Asset:
    """What the service tells of an image, a collection of images or a collection of features: one to three requests.

    `key` is where the spec names it; of features the values in `column` are counted. Raises SpecError: there is no such
    asset, it is of another kind, or nothing tells its version; CredentialsError, PixelsError, PlatformUnreachable.
    """
    where = f"{key}: {asset}"
    session = open_session(settings)
    with session.in_use(Traffic()):
        told = _ask(session, where, lambda: data.getAsset(asset))
        if not isinstance(told, Mapping) or not told.get("updateTime"):
            raise SpecError(f"{where}: nothing tells its version. Export it, and give the file.")
        updated = {"updated": str(told["updateTime"])}
        match told.get("type"):
            case "IMAGE":
                return Asset(
                    id=asset, kind="image", version=updated, bands=_bands(told, where), footprint=_footprint(told)
                )
            case "IMAGE_COLLECTION":
                counts = _ask(session, where, lambda: data.computeValue(_counts(asset)))
                if not counts["images"]:
                    raise SpecError(f"{where}: holds no image. Give another asset.")
                image = f"{asset}/{counts.pop('first')}"
                first = _ask(session, where, lambda: data.getAsset(image))
                return Asset(id=asset, kind="images", version=updated | counts, bands=_bands(first, where))
            case "TABLE":
                held = {} if column is None else _ask(session, where, lambda: _values(asset, column))
                if column is not None and not held:
                    raise SpecError(f"{where}: no feature has a column {column!r}. Correct `column`.")
                return Asset(id=asset, kind="features", version=updated, values=held)
            case other:
                raise SpecError(
                    f"{where}: is of the kind {other}. Give an image, or a collection of images or features."
                )


def _ask(session: Session, where: str, call: Callable[[], T]) -> T:
    try:
        return session.ask(call, Traffic(), f"earthengine: {where}")
    except Refused as refusal:
        raise SpecError(f"{where}: earthengine refuses it ({refusal}). Correct the asset's id.") from None


def _counts(asset: str) -> Any:
    """Of a collection: how many images, their newest version and their times, and how one of them is called."""
    images = ee.ImageCollection(asset)
    return ee.Dictionary({
        "images": images.size(),
        "newest": images.aggregate_max("system:version"),
        "from": images.aggregate_min("system:time_start"),
        "to": images.aggregate_max("system:time_start"),
        "first": images.aggregate_first("system:index"),
    })  # fmt: skip


def _values(asset: str, column: str) -> dict[str, int]:
    counted = data.computeValue(ee.FeatureCollection(asset).aggregate_histogram(column))
    # Numbers come as 3 or 3.0, whatever the column's type.
    return {str(value).removesuffix(".0"): int(count) for value, count in counted.items()}


def _bands(told: Mapping[str, Any], where: str) -> tuple[AssetBand, ...]:
    properties = told.get("properties") or {}
    return tuple(
        AssetBand(
            name=str(band["id"]),
            dtype=_dtype(band.get("dataType") or {}),
            metres=_metres(band.get("grid") or {}, f"{where}: {band['id']}"),
            classes=_classes(properties, str(band["id"])),
        )
        for band in told.get("bands") or ()
    )


def _dtype(told: Mapping[str, Any]) -> str:
    """The type in which all values of a band fit."""
    bounds = told.get("range") or {}
    if told.get("precision") not in ("INT", "INTEGER"):
        return "<f4"
    least, most = float(bounds.get("min", 0)), float(bounds.get("max", np.inf))
    return "<u2" if least >= 0 and most <= np.iinfo(np.uint16).max else "<i4"


def _metres(grid: Mapping[str, Any], where: str) -> float:
    """Size of a pixel. Raises SpecError: nothing tells it."""
    affine = grid.get("affineTransform") or {}
    across = np.hypot(affine.get("scaleX", 0), affine.get("shearY", 0))
    down = np.hypot(affine.get("scaleY", 0), affine.get("shearX", 0))
    if not across or not down:
        raise SpecError(f"{where}: nothing tells its pixels' size. Export it, and give the file.")
    try:
        crs = CRS.from_user_input(grid.get("crsCode") or grid.get("crsWkt"))
    except CRSError:
        return float(max(across, down))  # such as MODIS' own, SR-ORG:6974, which is in metres
    return float(down * _DEGREE if crs.is_geographic else max(across, down) * crs.axis_info[0].unit_conversion_factor)


def _classes(properties: Mapping[str, Any], band: str) -> tuple[AssetClass, ...]:
    """A band's classes as the service's own viewers find them: lists of values, names and colours."""
    values, names, colours = (properties.get(f"{band}_class_{what}") or [] for what in ("values", "names", "palette"))
    return tuple(
        AssetClass(
            value=int(value),
            name=str(names[at]) if at < len(names) else str(value),
            rgb=_rgb(str(colours[at])) if at < len(colours) else None,
        )
        for at, value in enumerate(values)
    )


def _rgb(colour: str) -> tuple[int, int, int] | None:
    """#e6004d or e6004d; None: none of these."""
    try:
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def _footprint(told: Mapping[str, Any]) -> shapely.Geometry | None:
    """Where the asset is, and the same a turn of the globe to either side; None: not told."""
    try:
        shape = shapely.geometry.shape(told["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError, GEOSException):
        return None
    if shape.is_empty or not np.isfinite(shape.bounds).all():
        return None
    whole = shape if shape.is_valid else shapely.make_valid(shape)
    turns = [shapely.transform(whole, partial(np.add, [turn, 0])) for turn in (-360, 0, 360)]
    return shapely.union_all(turns)
