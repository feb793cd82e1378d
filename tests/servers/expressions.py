"""Earth Engine's expression graphs, computed on a synthetic world: as much of the language as DeepSentinel uses.

What is not known here is refused, as the real service refuses what it does not know.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from tests.servers.assets import Feature, Mosaic, Painted, Raster, Rasters, Table
from tests.servers.world import Scene, World


class Invalid(Exception):
    """The request cannot be answered: HTTP 400 with this message."""


@dataclass(frozen=True)
class Band:
    name: str
    scene: Scene | Raster | Mosaic | Painted | None
    """None: all of it is masked."""
    source: str
    dtype: str
    filled: float | None = None
    beyond: bool = False
    """Filled outside the footprint, too."""
    steps: tuple[Callable[[Any], Any], ...] = ()
    """What is computed of its values."""

    def computed(self, values: Any) -> Any:
        for step in self.steps:
            values = step(values)
        return values


@dataclass(frozen=True)
class Image:
    bands: tuple[Band, ...]
    scene: Scene | None = None


@dataclass
class Interpreter:
    """Evaluates one expression."""

    world: World
    missing: set[str] = field(default_factory=set)
    """Asset ids, of images and collections, that the archive has lost."""

    def evaluate(self, expression: dict[str, Any]) -> Any:
        self._nodes, self._known = expression["values"], {}
        return self._reference(expression["result"], {})

    def _reference(self, key: str, scope: dict[str, Any]) -> Any:
        if scope:
            return self._node(self._nodes[key], scope)
        if key not in self._known:
            self._known[key] = self._node(self._nodes[key], scope)
        return self._known[key]

    def _node(self, node: dict[str, Any], scope: dict[str, Any]) -> Any:
        ((kind, content),) = node.items()
        if kind == "constantValue":
            return content
        if kind == "valueReference":
            return self._reference(content, scope)
        if kind == "argumentReference":
            return scope[content]
        if kind == "arrayValue":
            return [self._node(item, scope) for item in content["values"]]
        if kind == "dictionaryValue":
            return {name: self._node(item, scope) for name, item in content["values"].items()}
        if kind == "functionDefinitionValue":
            (name,) = content["argumentNames"]
            return lambda value: self._reference(content["body"], {**scope, name: value})
        if kind == "functionInvocationValue":
            arguments = {name: self._node(item, scope) for name, item in content["arguments"].items()}
            function = _FUNCTIONS.get(content["functionName"])
            if function is None:
                raise Invalid(f"unknown algorithm {content['functionName']}")
            return function(self, **arguments)
        raise Invalid(f"unknown value {kind}")


def pixels(image: Image, grid: dict[str, Any]) -> Any:
    """An image on a grid: a structured array (height, width), a field a band; masked pixels are 0."""
    affine, size = grid["affineTransform"], grid["dimensions"]
    if affine.get("shearX", 0) or affine.get("shearY", 0):
        raise Invalid("sheared grid")
    code = int(grid["crsCode"].removeprefix("EPSG:"))
    x, y = np.meshgrid(
        affine["translateX"] + affine["scaleX"] * (np.arange(size["width"]) + 0.5),
        affine["translateY"] + affine["scaleY"] * (np.arange(size["height"]) + 0.5),
    )
    array = np.zeros(x.shape, [(band.name, band.dtype) for band in image.bands])
    if array.nbytes > 50_331_648:
        raise Invalid(f"Total request size ({array.nbytes} bytes) must be less than or equal to 50331648 bytes.")
    there: dict[int, Any] = {code: (x, y)}
    masks: dict[str, Any] = {}
    for band in image.bands:
        scene = band.scene
        if scene is None:
            array[band.name] = band.filled or 0
            continue
        if scene.epsg not in there:
            there[scene.epsg] = Transformer.from_crs(code, scene.epsg, always_xy=True).transform(x, y)
        u, v = there[scene.epsg]
        if not isinstance(scene, Scene):
            values, valid = scene.sample(band.source, u, v)
            # Without beyond, what is masked in the footprint only would be filled: of these, all is footprint.
            array[band.name] = np.where(valid, values, band.filled or 0)
            continue
        if scene.id not in masks:
            lon, lat = Transformer.from_crs(scene.epsg, 4326, always_xy=True).transform(u, v)
            lon = scene.outline.bounds[0] + (lon - scene.outline.bounds[0]) % 360
            masks[scene.id] = shapely.contains_xy(scene.outline, lon, lat), u >= scene.masked_west_of
        inside, valid = masks[scene.id]
        values = np.where(inside & valid, band.computed(scene.values(band.source, u, v)), 0)
        if band.filled is not None:
            values = np.where(~valid & inside, band.filled, values)
            values = np.where(~inside, band.filled, values) if band.beyond else values
        array[band.name] = values
    return array


def _contains(left: Any, right: Any) -> bool:
    return isinstance(left, list) and right in left


def _date_range(start: int, end: int) -> tuple[int, int]:
    if start >= end:
        raise Invalid("DateRange: the end must be after the start")
    return start, end


def _load_collection(self: Interpreter, id: str) -> list[Any]:
    if isinstance(made := self.world.assets.get(id), Rasters):
        return list(made.images)
    scenes = self.world.collection(id)
    if not scenes or id in self.missing:
        raise Invalid(
            f"ImageCollection.load: ImageCollection asset '{id}' not found "
            "(does not exist or caller does not have access)."
        )
    return scenes


def _load_image(self: Interpreter, id: str) -> Image:
    if isinstance(made := self.world.assets.get(id), Raster) and id not in self.missing:
        return _image_of(made)
    scene = self.world.by_id.get(id)
    if scene is None or id in self.missing:
        raise Invalid(f"Image.load: Image asset '{id}' not found (does not exist or caller does not have access).")
    dtype = "<f8" if "S1" in scene.collection else "<u2"
    return Image(tuple(Band(name, scene, name, dtype) for name in scene.bands), scene)


def _load_table(self: Interpreter, tableId: str) -> list[Any]:
    made = self.world.assets.get(tableId)
    if not isinstance(made, Table):
        raise Invalid(f"Collection.loadTable: Collection asset '{tableId}' not found.")
    return list(made.features)


def _image_of(source: Raster | Mosaic | Painted) -> Image:
    return Image(tuple(Band(name, source, name, held.dtype.str) for name, held in source.bands.items()))


def _mosaic(self: Interpreter, collection: list[Raster]) -> Image:
    return _image_of(Mosaic(tuple(collection)))


def _paint(self: Interpreter, image: Image, featureCollection: list[Feature], color: float) -> Image:
    (band,) = image.bands
    if not isinstance(band.scene, Painted):
        raise Invalid("Image.paint: only constants are painted here")
    painted = replace(band.scene, strokes=(*band.scene.strokes, (tuple(featureCollection), color)))
    return Image((replace(band, scene=painted),))


def _renamed(self: Interpreter, input: Image, names: list[str]) -> Image:
    return Image(tuple(replace(band, name=name) for band, name in zip(input.bands, names, strict=True)))


def _aggregated(reduce: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    def aggregate(self: Interpreter, collection: list[Any], property: str) -> Any:
        values = [value for element in collection if (value := element.get(property)) is not None]
        return reduce(values)

    return aggregate


def _select(self: Interpreter, input: Image, bandSelectors: list[str], newNames: list[str] | None = None) -> Image:
    held = {band.name: band for band in input.bands}
    chosen: list[Band] = []
    for name, new in zip(bandSelectors, newNames or bandSelectors, strict=True):
        if name not in held:
            raise Invalid(
                f"Image.select: Band pattern '{name}' did not match any bands. Available bands: [{', '.join(held)}]"
            )
        chosen.append(replace(held[name], name=new))
    return Image(tuple(chosen), input.scene)


def _unmask(self: Interpreter, input: Image, value: float, sameFootprint: bool = True) -> Image:
    return Image(tuple(replace(band, filled=value, beyond=not sameFootprint) for band in input.bands), input.scene)


def _stepped(step: Callable[[Any, Any], Any]) -> Callable[..., Image]:
    def compute(self: Interpreter, image1: Image, image2: float) -> Image:
        bands = [replace(band, steps=(*band.steps, lambda values: step(values, image2))) for band in image1.bands]
        return Image(tuple(bands), image1.scene)

    return compute


def _round(self: Interpreter, value: Image) -> Image:
    return Image(tuple(replace(band, steps=(*band.steps, np.round)) for band in value.bands), value.scene)


def _link(self: Interpreter, input: Image, imageCollection: list[Scene], linkedBands: list[str]) -> Image:
    """As documented: by system:index, masked where there is no match."""
    assert input.scene is not None
    match = next((scene for scene in imageCollection if scene.index == input.scene.index), None)
    return Image((*input.bands, *(Band(name, match, name, "<f8") for name in linkedBands)), input.scene)


def _as(dtype: str) -> Callable[..., Image]:
    def cast(self: Interpreter, value: Image | float) -> Image:
        value = value if isinstance(value, Image) else _image_of(Painted(value))
        return Image(tuple(replace(band, dtype=dtype) for band in value.bands), value.scene)

    return cast


def _coordinates(self: Interpreter, geometry: Any) -> Any:
    return geometry.coordinates if isinstance(geometry, Scene) else list(geometry.coords[0])


def _intersects(self: Interpreter, leftField: str, rightValue: Feature) -> Callable[[Scene], bool]:
    if leftField != ".all":
        raise Invalid(f"Filter.intersects: field {leftField}")
    point = rightValue.geometry
    x, y = point.x, point.y

    def over(scene: Scene) -> bool:
        west, south, east, north = scene.bounds
        # Most scenes are far away, and exact tests are slow.
        if not south <= y <= north:
            return False
        return any(west <= at <= east and scene.outline.intersects(shapely.Point(at, y)) for at in (x, x + 360))

    return over


def _get(self: Interpreter, object: Any, property: str) -> Any:
    return object.properties.get(property) if isinstance(object, Feature) else object.get(property)


def _date(self: Interpreter, value: float) -> int:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise Invalid(f"Date: {value!r} is no number")
    return int(value)


def _during(self: Interpreter, leftValue: tuple[int, int], rightField: str) -> Callable[[Scene], bool]:
    return lambda scene: leftValue[0] <= scene.get(rightField) < leftValue[1]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "AggregateFeatureCollection.first": _aggregated(lambda values: values[0] if values else None),
    "AggregateFeatureCollection.histogram": _aggregated(lambda values: dict(Counter(map(str, values)))),
    "AggregateFeatureCollection.max": _aggregated(lambda values: max(values, default=None)),
    "AggregateFeatureCollection.min": _aggregated(lambda values: min(values, default=None)),
    "Collection.loadTable": _load_table,
    "Collection.size": lambda self, collection: len(collection),
    "Collection": lambda self, features: features,
    "Collection.filter": lambda self, collection, filter: [element for element in collection if filter(element)],
    "Collection.map": lambda self, baseAlgorithm, collection: [baseAlgorithm(element) for element in collection],
    "Collection.toList": lambda self, collection, count: collection[:count],
    "Date": _date,
    "DateRange": lambda self, start, end: _date_range(start, end),
    "Element.get": _get,
    "Feature": lambda self, geometry=None, metadata=None: Feature(geometry, metadata or {}),
    "Feature.geometry": lambda self, feature: feature.geometry,
    "Filter.dateRangeContains": _during,
    "Filter.equals": lambda self, leftField, rightValue: lambda scene: scene.get(leftField) == rightValue,
    "Filter.intersects": _intersects,
    "Filter.listContains": lambda self, leftField, rightValue: lambda s: _contains(s.get(leftField), rightValue),
    "Geometry.coordinates": _coordinates,
    "GeometryConstructors.Point": lambda self, coordinates: shapely.Point(coordinates),
    "Collection.limit": lambda self, collection, limit: collection[:limit],
    "Image.add": _stepped(lambda values, other: values + other),
    "Image.linkCollection": _link,
    "Image.multiply": _stepped(lambda values, other: values * other),
    "Image.round": _round,
    "Image.toUint8": _as("|u1"),
    "Image.addBands": lambda self, dstImg, srcImg: Image(dstImg.bands + srcImg.bands, dstImg.scene),
    "Image.constant": lambda self, value: value,
    "Image.geometry": lambda self, feature: feature,
    "Image.load": _load_image,
    "Image.paint": _paint,
    "Image.rename": _renamed,
    "Image.select": _select,
    "Image.toFloat": _as("<f4"),
    "Image.toInt32": _as("<i4"),
    "Image.toUint16": _as("<u2"),
    "Image.unmask": _unmask,
    "ImageCollection.load": _load_collection,
    "ImageCollection.mosaic": _mosaic,
    "List.get": lambda self, list, index: list[index],
    "List.map": lambda self, baseAlgorithm, list, dropNulls=False: [baseAlgorithm(element) for element in list],
    "Number.add": lambda self, left, right: left + right,
    "Number.subtract": lambda self, left, right: left - right,
}
