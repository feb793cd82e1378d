"""The collection of a corpus' STAC items: `release/collection.json`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.imagery.bands import BANDS
from tasks.release.columns import compute, flat
from tasks.release.items import ZARR, array_facts, extensions_of
from tasks.release.label_classes import CLASSIFICATION, classification_of, label_properties
from tasks.release.outlines import on_the_globe
from tasks.release.rules import of_a_sample, sensors_of, subject, window_of
from tasks.release.sample_table import SampleTable
from tasks.release.sensors import RADAR, SPECTRAL_BANDS
from tasks.release.terms import licence_links, providers_of, told_terms
from tasks.scenes.roles import sensor_of
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description
from tasks.shards.layout import ITEMS, to_json

PARQUET = "application/vnd.apache.parquet"

_OWN_PROPERTIES = {
    "deepsentinel:sample": "index of the sample along the first axis of every array",
    "deepsentinel:shard, deepsentinel:row": "the shard of the corpus that holds it, and where in it",
    "deepsentinel:split": "train, validation or test",
    "deepsentinel:gap_hours": "Sentinel-1's acquisition minus Sentinel-2's",
    "deepsentinel:<role>_gap_hours": "of the other roles: their acquisition minus the one that they are near",
    "deepsentinel:clear": "of a mask: fraction of pixels that are clear",
    "deepsentinel:cloud_cover": "where there are several dates: of the scenes, percent",
    "deepsentinel:missing_dates": "why there are no pixels at a date; null: there are",
    "deepsentinel:place": "what the user's file of places calls it",
    "deepsentinel:scene": "of an asset: the acquisition's identifier on that platform",
    "deepsentinel:nodata": "of an asset: fraction of pixels without data",
    "deepsentinel:absent_bands": "of an asset: bands that are all 0 in this sample alone",
}
"""Properties that no STAC extension has."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Where and when the samples of a corpus are, in one pass over their rows."""

    samples: int
    bbox: tuple[float, float, float, float]
    """West, south, east, north in degrees, WGS 84."""
    interval: tuple[str | None, str | None]
    """First and last acquisition, RFC 3339."""
    zones: tuple[str, ...]
    """CRS of the patches, sorted."""
    splits: tuple[str, ...]
    cloud_cover: tuple[float, float] | None
    """Least and most, percent; None: unknown of all samples."""

    @classmethod
    def of(cls, description: Description, samples: SampleTable) -> "Extent":
        """Survey the rows that have pixels. Raises CorpusError: a column is missing."""
        times = [f"{role}_time" for role in description.roles]
        clouds = [f"{role}_cloud_cover" for role in description.roles if f"{role}_cloud_cover" in samples.known]
        # Of several dates items have no such property.
        clouds = clouds if description.dates == 1 else []
        count, zones, splits = 0, set[str](), set[str]()
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        spans: list[Any] = []
        covers: list[Any] = []
        for rows in samples.portions(["geometry", "crs", "split", *times, *clouds]):
            count += rows.num_rows
            zones |= set(rows["crs"].unique().to_pylist())
            splits |= set(rows["split"].unique().to_pylist())
            west, south, east, north = on_the_globe(rows["geometry"])[1]
            across = west > east
            low = np.minimum(low, [np.where(across, -180, west).min(), south.min()])
            high = np.maximum(high, [np.where(across, 180, east).max(), north.max()])
            spans += [value for name in times for value in compute.min_max(flat(rows[name])).as_py().values() if value]
            covers += [value for name in clouds for value in compute.min_max(flat(rows[name])).as_py().values()]
        covers = [value for value in covers if value is not None]
        # Where nobody knows the dates, they are within the window.
        spans = spans or [*window_of(description)] * bool(count)
        told = [f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" for value in (min(spans), max(spans))] if spans else [None, None]
        bbox = (float(low[0]), float(low[1]), float(high[0]), float(high[1])) if count else (-180.0, -90.0, 180.0, 90.0)
        return cls(
            samples=count,
            bbox=bbox,
            interval=(told[0], told[1]),
            zones=tuple(sorted(zones)),
            splits=tuple(sorted(splits)),
            cloud_cover=(min(covers), max(covers)) if covers else None,
        )


def collection_of(description: Description, samples: SampleTable) -> dict[str, Any]:
    """The collection of a corpus. Raises CorpusError: `samples` lacks a column."""
    extent = Extent.of(description, samples)
    labelled = bool(description.layers)
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": extensions_of(description, samples) + ([CLASSIFICATION] if labelled else []),
        "id": description.name,
        "title": f"{description.name}: {subject(description)}",
        "description": _told(description, extent),
        "keywords": [
            *sorted(map(str.lower, sensors_of(description))),
            "machine learning",
            "training data",
            *description.layers,
        ],
        "license": "other",
        "providers": providers_of(description),
        "extent": {"spatial": {"bbox": [list(extent.bbox)]}, "temporal": {"interval": [list(extent.interval)]}},
        "summaries": _summaries(description, extent),
        "item_assets": {kind.path: _item_asset(description, kind) for kind in description.arrays},
        "assets": {
            "zarr": {
                "href": "../",
                "type": ZARR,
                "title": "All arrays, a Zarr group",
                "roles": ["data"],
            },
            "items": {
                "href": f"./{Path(ITEMS).name}",
                "type": PARQUET,
                "title": "The items of this collection, stac-geoparquet",
                "roles": ["collection-mirror"],
            },
            "samples": {
                "href": f"./{samples.path.name}",
                "type": PARQUET,
                "title": "All columns of all samples, GeoParquet; sample_id is the item's id",
                "roles": ["metadata"],
            },
        },
        "links": licence_links(description),
    }


def collection_json(collection: dict[str, Any]) -> bytes:
    """A collection as stored."""
    return to_json(collection)


def _told(description: Description, extent: Extent) -> str:
    own = "; ".join(f"`{name}`: {meaning}" for name, meaning in _OWN_PROPERTIES.items())
    return "\n\n".join(
        [
            f"{extent.samples:,} samples of {description.pixels} x {description.pixels} pixels of 10 m, each with "
            f"{of_a_sample(description)} on the same pixel grid. An item a sample; places without "
            "pixels have none. The assets of an item are Zarr arrays of the whole corpus: sample "
            "`deepsentinel:sample` is at that index along their first axis.",
            f"Properties of its own: {own}. What is null is unknown.",
            *(["What differs by date is a list, in the order of the dates."] if description.dates > 1 else []),
            "The bands of 20 and 60 m are repeated to 10 m. Spectral figures are those of Sentinel-2A.",
            told_terms(description),
        ]
    )


def _summaries(description: Description, extent: Extent) -> dict[str, Any]:
    sensors = {sensor_of(role) for role in description.roles}
    found: dict[str, Any] = {
        "gsd": [10],
        "constellation": sorted(sensor.replace("sentinel", "sentinel-") for sensor in sensors),
        "proj:code": list(extent.zones),
        "deepsentinel:split": list(extent.splits),
    }
    if extent.cloud_cover is not None:
        found["eo:cloud_cover"] = dict(zip(("minimum", "maximum"), extent.cloud_cover, strict=True))
    if "sentinel1" in sensors:
        found |= {name: value if isinstance(value, list) else [value] for name, value in RADAR.items()}
    labels = label_properties(description)
    found |= {name: labels[name] for name in ("label:tasks", "label:classes") if labels.get(name)}
    return {name: values for name, values in found.items() if values}


def _item_asset(description: Description, kind: ArrayKind) -> dict[str, Any]:
    axes = ", ".join(("sample", *kind.dimensions))
    facts: dict[str, Any] = {
        "title": kind.path,
        "description": f"{kind.attributes.get('long_name', kind.path)}. Axes: {axes}.",
        **array_facts(description, kind),
        **classification_of(kind),
    }
    if kind.group in description.bands and facts.get("bands", [{"name": ""}])[0]["name"] in SPECTRAL_BANDS:
        absent = [band for band in BANDS if band not in description.bands[kind.group]]
        told = {"description": "absent on this platform: all 0"}
        facts["bands"] = [band | (told if band["name"] in absent else {}) for band in facts["bands"]]
    return facts
