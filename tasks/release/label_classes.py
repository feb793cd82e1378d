"""Classes of labels in the words of STAC: its extensions `label` and `classification`."""

import re
from typing import Any

from tasks.labels.legends import LabelClass
from tasks.release.legends import BitLegend, Legend, legends_of
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description

CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"


def label_properties(description: Description) -> dict[str, Any]:
    """What every item says of its labels, which are rasters; nothing where there are none."""
    if not description.layers:
        return {}
    kinds = [kind for layer in description.layers.values() for kind in layer.arrays]
    classes = [[one.name for one in legend.classes] for kind in kinds for legend in legends_in(kind)]
    measured = any(not legends_in(kind) for kind in kinds)
    tasks = (["segmentation"] if classes else []) + (["regression"] if measured else [])
    return {
        "label:properties": None,
        "label:type": "raster",
        "label:description": "; ".join(str(kind.attributes.get("long_name", kind.path)) for kind in kinds),
        "label:tasks": tasks,
        # Without a name, as the extension has it of rasters.
        "label:classes": [{"name": None, "classes": names} for names in classes],
    }


def legends_in(kind: ArrayKind) -> tuple[Legend | BitLegend, ...]:
    """The legends of a label's array, one a scheme; none where it holds measurements."""
    legends = legends_of(kind)
    return (legends,) if isinstance(legends, BitLegend) else legends or ()


def classification_of(kind: ArrayKind) -> dict[str, Any]:
    """What the numbers of a label's array mean, as fields of an asset; nothing where they are measurements."""
    match legends_of(kind):
        case None:
            return {}
        case BitLegend() as legend:
            return {"classification:bitfields": [_bit(one) for one in legend.classes]}
        case (Legend(scheme=None) as legend,):
            return {"classification:classes": [_class(one) for one in legend.classes]}
        case legends:
            return {
                "bands": [
                    {"name": str(one.scheme), "classification:classes": [_class(held) for held in one.classes]}
                    for one in legends
                ]
            }


def _class(one: LabelClass) -> dict[str, Any]:
    colour = {} if one.rgb is None else {"color_hint": bytes(one.rgb).hex().upper()}
    return {"value": one.index, "name": _plain(one), "title": one.name, **colour}


def _bit(one: LabelClass) -> dict[str, Any]:
    absent = {"value": 0, "name": "absent"}
    return {
        "name": _plain(one),
        "description": one.name,
        "offset": one.index - 1,
        "length": 1,
        "classes": [absent, _class(one) | {"value": 1}],
    }


def _plain(one: LabelClass) -> str:
    """A name of letters, digits, - and _, which is what the extension admits."""
    return re.sub(r"[^0-9A-Za-z_]+", "-", one.name).strip("-") or str(one.index)
