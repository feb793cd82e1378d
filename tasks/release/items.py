"""The samples of a corpus as STAC items: `release/items.parquet`, a stac-geoparquet file.

An item a sample with pixels; places without any have none. Its assets are the corpus' Zarr arrays, each under its path
in the corpus and with a link relative to `release/`; `deepsentinel:sample` says where along their first axis the sample
lies. Unknown facts are null, which stac-geoparquet means for absent.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.imagery.bands import array_path
from tasks.places.patches import PIXEL
from tasks.release.columns import Column, columns_of, compute, ends, instants, texts
from tasks.release.label_classes import label_properties
from tasks.release.outlines import on_the_globe
from tasks.release.rules import gap_column, rules_of, window_of
from tasks.release.sample_table import SampleTable
from tasks.release.sensors import OPTICAL_BANDS, RADAR, RADAR_BANDS
from tasks.scenes.looks import MASK, mask_of
from tasks.scenes.roles import sensor_of
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description
from tasks.shards.layout import COLLECTION, ITEMS

_EXTENSION = "https://stac-extensions.github.io/{}/schema.json"

ZARR = "application/vnd.zarr; version=3"
"""Media type of an array. Source: STAC best practices, Zarr."""

_CONSTELLATIONS = {"sentinel2": ("sentinel-2", "msi"), "sentinel1": ("sentinel-1", "c-sar")}
"""Constellation and instrument by sensor."""


def write_items(description: Description, samples: SampleTable, folder: Path, collection: Mapping[str, Any]) -> Path:
    """Write the items of a corpus into `folder`, in a stream, and say where; the same samples give the same bytes.

    `collection` (`collection_of`) is kept in the file's metadata. Raises CorpusError: `samples` lacks a column.
    """
    # Imported here, because only a release has need of it, and every command would start later.
    from stac_geoparquet.arrow import to_parquet

    columns = _columns(description, samples)
    stream = pa.RecordBatchReader.from_batches(
        _batch(description, samples, samples.nothing(columns)).schema,
        (_batch(description, samples, rows) for rows in samples.portions(columns)),
    )
    path = folder / Path(ITEMS).name
    to_parquet(stream, path, collections={description.name: collection}, compression="zstd")
    return path


def _batch(description: Description, samples: SampleTable, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Items as stac-geoparquet lays them out: properties at the top, the bounding box as a structure."""
    columns = columns_of(item_of(description, samples, rows), rows.num_rows)
    columns |= columns_of(_properties(description, samples, rows), rows.num_rows)
    fields = [pa.field(name, column.type) for name, column in columns.items()]
    at = list(columns).index("geometry")
    fields[at] = _geometry_field()
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=pa.schema(fields))


def item_of(description: Description, samples: SampleTable, rows: pa.RecordBatch) -> dict[str, Any]:
    """What items say besides their properties: reads as one of them, with columns where they differ."""
    geometry, bounds = on_the_globe(rows["geometry"])
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _extensions(description, samples, rows),
        "id": texts(rows["sample_id"]),
        "geometry": geometry,
        "bbox": dict(zip(("xmin", "ymin", "xmax", "ymax"), map(pa.array, bounds), strict=True)),
        "links": [{"rel": "collection", "href": f"./{Path(COLLECTION).name}", "type": "application/json"}],
        "assets": {kind.path: _asset(description, samples, kind, rows) for kind in description.arrays},
        "collection": description.name,
    }


def extensions_of(description: Description, samples: SampleTable) -> list[str]:
    """Addresses of the STAC extensions that the items of a corpus use."""
    names = ["projection/v2.0.0", "raster/v2.0.0"]
    sensors = {sensor_of(role) for role in description.roles}
    names += ["eo/v2.0.0"] if "sentinel2" in sensors else []
    names += ["sar/v1.3.2"] if "sentinel1" in sensors else []
    names += ["sat/v1.2.0"] if _role_with(description, samples, "orbit") else []
    names += ["label/v1.0.1"] if description.layers else []
    return [_EXTENSION.format(name) for name in names]


def _extensions(description: Description, samples: SampleTable, rows: pa.RecordBatch) -> list[str] | Column:
    """Of each item: `sat` wants an orbit in the properties, so that an item without one does not have it."""
    every = extensions_of(description, samples)
    role = _role_with(description, samples, "orbit")
    if role is None or not rows[f"{role}_orbit"].null_count:
        return every
    without = [uri for uri in every if "/sat/" not in uri]
    return pa.array([every, without]).take(rows[f"{role}_orbit"].is_null().cast(pa.int32()))


def array_facts(description: Description, kind: ArrayKind) -> dict[str, Any]:
    """What is the same of an array in every item: an asset without its link."""
    facts: dict[str, Any] = {"type": ZARR, "data_type": kind.dtype, "nodata": kind.fill}
    if (role := _role_of(description, kind)) is None:
        return facts | ({"raster:scale": kind.step} if kind.step is not None else {}) | {"roles": ["labels"]}
    constellation, instrument = _CONSTELLATIONS[sensor_of(role)]
    facts |= {"roles": ["data"], "constellation": constellation, "instruments": [instrument]}
    if kind.path.endswith(MASK):
        return facts | {"roles": ["cloud"], "unit": "%"}
    if sensor_of(role) == "sentinel2":
        return facts | {"roles": ["data", "reflectance"], "raster:scale": 1e-4, "bands": OPTICAL_BANDS}
    return facts | {"unit": "dB", "raster:scale": kind.step, "bands": RADAR_BANDS}


def _asset(description: Description, samples: SampleTable, kind: ArrayKind, rows: pa.RecordBatch) -> dict[str, Any]:
    asset = {"href": f"../{kind.path}", **array_facts(description, kind)}
    if (role := _role_of(description, kind)) is None:
        return asset
    named = {f"{kind.group}_{role}_id": "deepsentinel:scene"}
    if description.dates == 1:
        asset["datetime"] = instants(rows[f"{role}_time"])
        named |= {f"{role}_orbit": "sat:relative_orbit", f"{role}_direction": "sat:orbit_state"}
        if len([one for one in description.roles if sensor_of(one) == "sentinel2"]) > 1:
            named[f"{role}_cloud_cover"] = "eo:cloud_cover"
    else:
        first, last = ends(rows[f"{role}_time"])
        asset |= {"start_datetime": instants(first), "end_datetime": instants(last)}
        named[f"{role}_cloud_cover"] = "deepsentinel:cloud_cover"
    mask = kind.path.endswith(MASK)
    named |= {f"{role}_clear": "deepsentinel:clear"} if mask else {f"{kind.group}_{role}_nodata": "deepsentinel:nodata"}
    asset |= {field: _value(rows[column]) for column, field in named.items() if column in samples.known}
    absent = f"{kind.group}_absent_bands"
    if sensor_of(role) == "sentinel2" and not mask and absent in samples.known:
        asset["deepsentinel:absent_bands"] = compute.split_pattern(texts(rows[absent]), " ")
    return asset


def _properties(description: Description, samples: SampleTable, rows: pa.RecordBatch) -> dict[str, Any]:
    """The properties of items, as columns where they differ."""
    times = [ends(rows[f"{role}_time"]) for role in description.roles]
    root, window = rows[f"{description.roles[0]}_time"], window_of(description)
    pixels, south = description.pixels, rows["ymin"]
    west, east, north = rows["xmin"], rows["xmax"], rows["ymax"]
    properties: dict[str, Any] = {
        # Of several dates none speaks for the item; then STAC wants the first and the last.
        "datetime": root if description.dates == 1 else pa.nulls(rows.num_rows, root.type.value_type),
        # Where nobody knows the dates, those of the window, as STAC has it: that they are within.
        "start_datetime": _known(_chosen(compute.min_element_wise, [first for first, _ in times]), window[0]),
        "end_datetime": _known(_chosen(compute.max_element_wise, [last for _, last in times]), window[1]),
        "gsd": PIXEL,
        "proj:code": texts(rows["crs"]),
        "proj:bbox": [west, south, east, north],
        "proj:centroid": {"lat": rows["lat"], "lon": rows["lon"]},
        "proj:shape": [pixels, pixels],
        "proj:transform": [PIXEL, 0, west, 0, -PIXEL, north],
        "deepsentinel:sample": rows["sample"],
        "deepsentinel:shard": rows["shard"],
        "deepsentinel:row": rows["row"],
    }
    named = {"split": "deepsentinel:split", "place_id": "deepsentinel:place"}
    named |= {column: f"deepsentinel:{column}" for column in (*_gaps(description), "missing_dates")}
    for what, fields in {
        "cloud_cover": {"cloud_cover": "eo:cloud_cover"},
        "orbit": {"orbit": "sat:relative_orbit", "direction": "sat:orbit_state"},
    }.items():
        role = _role_with(description, samples, what)
        named |= {f"{role}_{fact}": field for fact, field in fields.items()} if role else {}
    properties |= {field: _value(rows[column]) for column, field in named.items() if column in samples.known}
    if any(sensor_of(role) == "sentinel1" for role in description.roles):
        properties |= RADAR
    return properties | label_properties(description)


def _known(times: Column, otherwise: dt.datetime) -> Column:
    """Instants, and another one where there is none."""
    return compute.coalesce(times, pa.scalar(otherwise, times.type))


def _chosen(choose: Any, times: list[Column]) -> Column:
    """Of instants in several columns one a row; there are no such functions of instants themselves."""
    return choose(*(column.cast(pa.int64()) for column in times)).cast(times[0].type)


def _columns(description: Description, samples: SampleTable) -> list[str]:
    """The columns of which items are made."""
    needed = [
        "sample_id", "sample", "shard", "row", "geometry", "crs", "xmin", "ymin", "xmax", "ymax", "lon", "lat",
        *(f"{role}_time" for role in description.roles),
    ]  # fmt: skip
    useful = {"split", "place_id", "missing_dates", *_gaps(description)}
    for role in description.roles:
        useful |= {f"{role}_{fact}" for fact in ("orbit", "direction", "cloud_cover", "clear")}
        useful |= {f"{platform}_{role}_{fact}" for platform in description.bands for fact in ("id", "nodata")}
    useful |= {f"{platform}_absent_bands" for platform in description.bands}
    return needed + sorted(useful & samples.known)


def _role_of(description: Description, kind: ArrayKind) -> str | None:
    """The role whose acquisitions an array holds, or whose mask it is; None: it is a label's."""
    return next(
        (
            role
            for role in description.roles
            for name in (role, mask_of(role))
            if kind.path == array_path(kind.group, name)
        ),
        None,
    )


def _gaps(description: Description) -> list[str]:
    return [gap_column(role) for role, rule in rules_of(description).items() if rule.near is not None]


def _role_with(description: Description, samples: SampleTable, fact: str) -> str | None:
    """The first role of which a fact is known: it speaks for the sample, as the root does; none of several dates."""
    if description.dates > 1:
        return None
    return next((role for role in description.roles if f"{role}_{fact}" in samples.known), None)


def _value(column: Column) -> Column:
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    return texts(column) if pa.types.is_large_string(kind) else column


def _geometry_field() -> pa.Field:
    """The geometry's field as stac-geoparquet marks it: WKB in WGS 84."""
    from stac_geoparquet.arrow import parse_stac_items_to_arrow

    point = {"type": "Point", "coordinates": [0.0, 0.0]}
    item = {"geometry": point, "bbox": [0.0, 0.0, 0.0, 0.0], "properties": {"gsd": PIXEL}}
    return parse_stac_items_to_arrow([item | {"assets": {}}]).schema.field("geometry")
