"""What the page tells of the corpus as a whole."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.imagery.bands import BANDS, array_path
from tasks.labels.legends import LabelClass
from tasks.places.world import world
from tasks.release.label_pictures import colour_of
from tasks.release.legends import BitLegend, legends_of
from tasks.release.page.facts import CLOUD_BINS, NO_TIME, Facts, Scheme
from tasks.release.page.summary import Frame
from tasks.release.rules import instants_words, rule_words
from tasks.release.sheets import sheet_layout
from tasks.release.terms import terms_of
from tasks.scenes.looks import mask_of
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import sensor_of
from tasks.shards.description import LayerDescription

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def card(
    scheme: Scheme,
    facts: Facts,
    frame: Frame,
    *,
    digest: str,
    size: int,
    shards: int,
    statistics: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The facts of a corpus of so many bytes and shards, as JSON has them."""
    description, columns = scheme.description, facts.columns
    spec, missing = description.spec, columns["missing"]
    layout = sheet_layout(description)
    return {
        "name": description.name,
        "digest": digest,
        "rows": len(facts),
        "samples": int((missing == 0).sum()),
        "bytes": size,
        "shards": [shards, description.shards],
        "shard_size": description.shard_size,
        "pixels": description.pixels,
        "window": [str(instant)[:10] for instant in spec["window"]],
        "rules": [[role, rule_words(description, role)] for role in description.roles],
        "instants": instants_words(description),
        "dates": description.dates,
        "gap": list(scheme.gap[1:]) if scheme.gap else [],
        "at_dates": {name: counts.tolist() for name, counts in facts.at_dates.items()},
        "places": next((mode for mode in ("random", "cover", "points") if mode in spec["places"]), ""),
        "seed": spec["seed"],
        "platforms": [
            {
                "name": name,
                "bands": list(bands),
                "absent": [band for band in BANDS if band not in bands],
                "arrays": [{"path": array_path(name, role), "sensor": sensor_of(role)} for role in description.roles],
                "masks": [array_path(name, mask_of(role)) for role in description.masks],
            }
            for name, bands in description.bands.items()
        ],
        "layers": [_layer(name, layer, scheme, facts) for name, layer in description.layers.items()],
        "kinds": _kinds(scheme, facts),
        "frame": [frame.west, frame.south, frame.east, frame.north],
        "cell": frame.cell,
        "quicklooks": {"side": layout.side, "columns": layout.columns, "panels": list(layout.panels)},
        "software": description.software,
        "terms": _terms(scheme, facts),
        "statistics": statistics,
    }


def _kinds(scheme: Scheme, facts: Facts) -> dict[str, Any]:
    """What the numbers of the summary's columns mean, 0 left out: names, with codes or colours where there are any."""
    present = np.unique(facts.columns["country"])
    table = world()
    countries = {
        int(number): [str(table["alpha2"].iloc[number - 1] or ""), str(table["name"].iloc[number - 1])]
        for number in present
        if number
    }
    return {
        "country": countries,
        "split": list(scheme.splits),
        "gap": {"step": scheme.gap_step, "bins": scheme.gap_bins},
        "cloud": CLOUD_BINS,
        "month": list(_MONTHS),
        "label": None
        if not scheme.classes
        else {"layer": scheme.classes[0].layer, "classes": [_class(one) for one in scheme.classes[0].legend.classes]},
        "missing": [
            [str(reason), reason.words, int((facts.columns["missing"] == number).sum())]
            for number, reason in enumerate(Reason, start=1)
        ],
    }


def _layer(name: str, layer: LayerDescription, scheme: Scheme, facts: Facts) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": name,
        "licence": layer.facts.get("licence"),
        "attribution": layer.facts.get("attribution"),
        "arrays": [],
    }
    shares = {one.layer: one for one in scheme.classes}
    for kind in layer.arrays:
        legends = legends_of(kind)
        array: dict[str, Any] = {"path": kind.path, "title": str(kind.attributes.get("long_name", kind.name))}
        match legends:
            case None:
                array["values"] = {"step": kind.step, "nodata": kind.fill}
            case BitLegend():
                array["classes"] = [_class(one) for one in legends.classes]
                array["bits"] = True
            case (first, *_):
                array["classes"] = [_class(one) for one in first.classes]
                if first.scheme is not None:
                    array["title"] += f": {first.scheme}"
                if name in shares:
                    array["shares"] = [round(float(share), 6) for share in facts.shares[name]]
            case _:
                pass
        told["arrays"].append(array)
    return told


def _class(one: LabelClass) -> list[str]:
    """Code, name and colour."""
    return [one.code, one.name, "#" + bytes(colour_of(one)).hex()]


def _terms(scheme: Scheme, facts: Facts) -> list[list[str]]:
    """What is in the corpus, on which terms, and whose it is."""
    return [
        *([one.part, one.licence, one.attribution] for one in terms_of(scheme.description, _years(facts))),
        ["coastlines and borders of the map", "public domain", "Natural Earth"],
    ]


def _years(facts: Facts) -> str:
    """The first and the last year of the acquisitions."""
    times = np.concatenate([facts.columns[name] for name in ("time", "other_time")])
    times = times[times != NO_TIME].astype("datetime64[m]").astype("datetime64[Y]")
    return "-".join(map(str, np.unique([times.min(), times.max()]))) if len(times) else ""
