"""The legends of a corpus' labels, as its description has them: for the preview, and as `release/legend.json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.labels.legends import Colour, LabelClass
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description
from tasks.shards.layout import to_json


@dataclass(frozen=True, kw_only=True)
class Legend:
    """The classes of one array, or of one scheme of it."""

    scheme: str | None
    """Name along the array's first axis; None: it has no such axis."""
    classes: tuple[LabelClass, ...]


@dataclass(frozen=True, kw_only=True)
class BitLegend:
    """The classes of an array in which class c is bit c - 1, so that a pixel may have several."""

    classes: tuple[LabelClass, ...]
    orders: tuple[float, ...]
    """Of each class: of a pixel's classes, the one with the highest is drawn; with the same, the higher number."""
    widths: tuple[float | None, ...]
    """Metres, of each class of lines."""

    @property
    def drawn(self) -> tuple[LabelClass, ...]:
        """The classes in the order in which they are drawn."""
        ranks = [(order, one.index) for order, one in zip(self.orders, self.classes, strict=True)]
        return tuple(one for _, one in sorted(zip(ranks, self.classes, strict=True), key=lambda pair: pair[0]))


def legends_of(kind: ArrayKind) -> tuple[Legend, ...] | BitLegend | None:
    """The legend of a label's array, one a scheme, from its attributes; None: it holds measured values."""
    if (classes := kind.attributes.get("classes")) is not None:
        return BitLegend(
            classes=tuple(
                LabelClass(index=one["id"], code=str(one["id"]), name=one["name"], rgb=_rgb(one["color"]))
                for one in classes
            ),
            orders=tuple(one["order"] for one in classes),
            widths=tuple(one.get("width") for one in classes),
        )
    legend = kind.attributes.get("legend")
    if legend is None:
        return None
    schemes = legend if isinstance(legend, Mapping) else {None: legend}
    return tuple(
        Legend(scheme=scheme, classes=tuple(LabelClass(**one | _colour(one)) for one in classes))
        for scheme, classes in schemes.items()
    )


def legend_report(description: Description) -> bytes | None:
    """What the numbers of all labels mean, as JSON: by layer and array; None: the corpus has no labels."""
    if not description.layers:
        return None
    return to_json(
        {
            name: {
                "arrays": {kind.path: _array(kind) for kind in layer.arrays},
                "attribution": layer.facts.get("attribution"),
                "licence": layer.facts.get("licence"),
            }
            for name, layer in description.layers.items()
        }
    )


def _array(kind: ArrayKind) -> dict[str, Any]:
    found: dict[str, Any] = {"nodata": kind.fill}
    match legends_of(kind):
        case None:
            return found | {"stored": "whole steps", "step": kind.step}
        case BitLegend() as legend:
            classes = [
                one.to_json() | {"bit": 1 << (one.index - 1), "order": order} | ({"width": width} if width else {})
                for one, order, width in zip(legend.classes, legend.orders, legend.widths, strict=True)
            ]
            return found | {"stored": "sum of the classes' bits", "classes": classes}
        case (Legend(scheme=None) as legend,):
            return found | {"stored": "index of the class", "classes": _classes(legend)}
        case legends:
            schemes = {str(legend.scheme): _classes(legend) for legend in legends}
            return found | {"stored": "index of the class", "schemes": schemes}


def _classes(legend: Legend) -> list[dict[str, Any]]:
    return [one.to_json() for one in legend.classes]


def _colour(one: Mapping[str, Any]) -> dict[str, Colour]:
    return {"rgb": (int(one["rgb"][0]), int(one["rgb"][1]), int(one["rgb"][2]))} if "rgb" in one else {}


def _rgb(color: str) -> Colour:
    """From #rrggbb."""
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue
