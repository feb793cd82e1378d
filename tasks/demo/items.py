"""The archive's STAC catalogue: plain JSON, static, with relative links only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import shapely
from affine import Affine

from tasks.demo.rasters import BAND_RESOLUTION, DESCRIPTION, OFFSET, radar_transform
from tasks.demo.scenes import OpticalScene, RadarScene, footprint
from tasks.demo.spectra import BANDS
from tasks.demo.square import EPSG, MGRS_TILE, Square, polygon_to_lonlat

STAC_VERSION = "1.0.0"
L2A, L1C, GRD = "sentinel-2-l2a", "sentinel-2-l1c", "sentinel-1-grd"

COLLECTIONS = {
    L2A: ("Sentinel-2 Level 2A, invented", "Surface reflectance x 10,000, all bands but B10"),
    L1C: ("Sentinel-2 Level 1C, invented", "Twins of the Level 2A items: band B10, of the dates before 2020 all bands"),
    GRD: ("Sentinel-1 GRD, invented", "Backscatter in dB on a UTM grid"),
}

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

_EXTENSIONS = {
    "eo": "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "grid": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v1.2.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "sar": "https://stac-extensions.github.io/sar/v1.0.0/schema.json",
    "sat": "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.0.0/schema.json",
}

_WAVELENGTHS = (0.443, 0.490, 0.560, 0.665, 0.705, 0.740, 0.783, 0.842, 0.865, 0.945, 1.375, 1.610, 2.190)
"""Micrometres, ESA's Sentinel-2 user handbook."""

_COMMON = (
    *("coastal", "blue", "green", "red", "rededge", "rededge", "rededge"),
    *("nir", "nir08", "nir09", "cirrus", "swir16", "swir22"),
)

SCL = "SCL"
"""Key of the scene classification."""

_LON, _LAT = -9.9, 48.4

_INCIDENCE = {45: 38.6, 125: 34.2, 52: 41.7, 147: 31.9}
"""Degrees between the radar's look and the vertical in the middle of the country, by relative orbit."""

Json = dict[str, Any]


def optical_item(square: Square, scene: OpticalScene, level: str, cloud_cover: float) -> Json:
    """The STAC item of one processing; `level` is L2A or L1C."""
    frame = scene.frame(square)
    bands = bands_of(scene, level)
    outline = footprint(square, scene.edges, frame.outline)
    offset = scene.has_offset if level == "L2A" else scene.offset_in_product
    properties: Json = {
        "datetime": _text(scene.time),
        "created": _text(scene.processed),
        "updated": _text(scene.processed),
        "platform": f"sentinel-2{scene.satellite[-1].lower()}",
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "eo:cloud_cover": cloud_cover,
        "grid:code": f"MGRS-{MGRS_TILE}",
        "mgrs:utm_zone": int(MGRS_TILE[:2]),
        "mgrs:latitude_band": MGRS_TILE[2],
        "mgrs:grid_square": MGRS_TILE[3:],
        "s2:mgrs_tile": MGRS_TILE,
        "s2:processing_baseline": scene.baseline,
        "s2:product_uri": f"{scene.product(level)}.SAFE",
        "s2:product_type": f"S2MSI{level[1:]}",
        "s2:datatake_id": scene.datatake,
        "s2:generation_time": _text(scene.processed),
        "s2:nodata_pixel_percentage": round(100 * (1 - outline.area / frame.outline.area), 3),
        "view:sun_elevation": sun_elevation(scene),
        "sat:orbit_state": "descending",
        "sat:relative_orbit": scene.relative_orbit,
        "sat:absolute_orbit": scene.absolute_orbit,
    }
    if scene.offset_removed is not None:
        properties["earthsearch:boa_offset_applied"] = scene.offset_removed if level == "L2A" else False
    assets: Json = {}
    for band in bands:
        resolution = BAND_RESOLUTION[band]
        column = BANDS.index(band)
        assets[band] = {
            **_asset(f"{band}.tif", f"{band}, {resolution} m", frame.transform(resolution), frame.width(resolution)),
            "eo:bands": [{"name": band, "common_name": _COMMON[column], "center_wavelength": _WAVELENGTHS[column]}],
            "gsd": resolution,
            "raster:bands": [
                {
                    "data_type": "uint16",
                    "nodata": 0,
                    "spatial_resolution": resolution,
                    "scale": 0.0001,
                    "offset": -OFFSET / 10_000 if offset else 0,
                }
            ],
        }
    if level == "L2A":
        assets[SCL] = {
            **_asset(f"{SCL}.tif", "Scene classification, 20 m", frame.transform(20), frame.width(20)),
            "gsd": 20,
            "raster:bands": [{"data_type": "uint8", "nodata": 0, "spatial_resolution": 20}],
        }
    extensions = ("eo", "grid", "proj", "raster", "sat", "view")
    collection = L2A if level == "L2A" else L1C
    return _item(scene.product(level), collection, outline, properties, assets, extensions)


def radar_item(square: Square, scene: RadarScene) -> Json:
    """The STAC item of one Sentinel-1 product."""
    transform, width = radar_transform(square, scene), scene.frame(square).width(scene.spacing)
    reach = width * scene.spacing
    frame = shapely.box(transform.c, transform.f - reach, transform.c + reach, transform.f)
    outline = footprint(square, scene.edges, frame)
    middle = scene.time + (scene.end - scene.time) / 2
    properties: Json = {
        "datetime": _text(scene.time),
        "start_datetime": _text(scene.time),
        "end_datetime": _text(scene.end),
        "created": _text(middle + timedelta(hours=4)),
        "platform": "sentinel-1a",
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "sar:instrument_mode": scene.mode,
        "sar:frequency_band": "C",
        "sar:polarizations": list(scene.polarisations),
        "sar:product_type": "GRD",
        "sar:pixel_spacing_range": scene.spacing,
        "sar:pixel_spacing_azimuth": scene.spacing,
        "view:incidence_angle": _INCIDENCE[scene.relative_orbit],
        "sat:orbit_state": scene.direction,
        "sat:relative_orbit": scene.relative_orbit,
        "sat:absolute_orbit": scene.absolute_orbit,
        "s1:product_identifier": scene.product,
    }
    assets = {
        name.lower(): {
            **_asset(f"{name.lower()}.tif", f"{name} backscatter in dB", transform, width),
            "raster:bands": [
                {"data_type": "float32", "nodata": "nan", "unit": "dB", "spatial_resolution": scene.spacing}
            ],
            "sar:polarizations": [name],
        }
        for name in scene.polarisations
    }
    return _item(scene.product, GRD, outline, properties, assets, ("proj", "raster", "sar", "sat", "view"))


def bands_of(scene: OpticalScene, level: str) -> list[str]:
    """The bands that an item holds: of Level 1C all, or the one that Level 2A has not."""
    if level == "L1C":
        return [band for band in BANDS if scene.whole_l1c or band == "B10"]
    return [band for band in BANDS if band != "B10"]


def sun_elevation(scene: OpticalScene) -> float:
    """Degrees above the horizon at the square's centre, to the nearest 0.01 (Cooper, 1969, for the declination)."""
    declination = math.radians(23.45) * math.sin(2 * math.pi * (284 + scene.day) / 365)
    hour = math.radians(15 * (scene.time.hour + scene.time.minute / 60 + _LON / 15 - 12))
    latitude = math.radians(_LAT)
    height = math.sin(latitude) * math.sin(declination)
    height += math.cos(latitude) * math.cos(declination) * math.cos(hour)
    return round(math.degrees(math.asin(height)), 2)


def write_catalog(folder: Path, items: Sequence[Json], made_from: Mapping[str, object]) -> None:
    """Write items, collections and, last, `catalog.json`, which records what the archive was made from."""
    for name, (title, text) in COLLECTIONS.items():
        mine = [item for item in items if item["collection"] == name]
        for item in mine:
            _write(folder / name / item["id"] / f"{item['id']}.json", item)
        _write(folder / name / "collection.json", _collection(name, title, text, mine))
    links = [_link("root", "./catalog.json"), *(_link("child", f"./{name}/collection.json") for name in COLLECTIONS)]
    catalog = {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "deepsentinel-demo",
        "title": "DeepSentinel demo archive: an invented country",
        "description": f"{DESCRIPTION}. It lies in the open Atlantic, so that nobody mistakes it for land.",
        "deepsentinel:invented": True,
        "deepsentinel:demo": dict(made_from),
        "links": links,
    }
    _write(folder / "catalog.json", catalog)


def _item(
    name: str, collection: str, outline: shapely.Polygon, properties: Json, assets: Json, extensions: Sequence[str]
) -> Json:
    geometry = polygon_to_lonlat(outline)
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [_EXTENSIONS[extension] for extension in extensions],
        "id": name,
        "collection": collection,
        "geometry": json.loads(shapely.to_geojson(geometry)),
        "bbox": [round(value, 7) for value in geometry.bounds],
        "properties": {
            **properties,
            "proj:epsg": EPSG,
            "proj:code": f"EPSG:{EPSG}",
            "description": DESCRIPTION,
            "deepsentinel:invented": True,
        },
        "links": [
            _link("root", "../../catalog.json"),
            _link("parent", "../collection.json"),
            _link("collection", "../collection.json"),
        ],
        "assets": assets,
    }


def _collection(name: str, title: str, text: str, items: Sequence[Json]) -> Json:
    boxes = [item["bbox"] for item in items]
    times = sorted(item["properties"]["datetime"] for item in items)
    low = [min(box[axis] for box in boxes) for axis in (0, 1)]
    high = [max(box[axis] for box in boxes) for axis in (2, 3)]
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": name,
        "title": title,
        "description": f"{text}. {DESCRIPTION}.",
        "license": "Apache-2.0",
        "keywords": ["invented", "demo"],
        "deepsentinel:invented": True,
        "extent": {"spatial": {"bbox": [[*low, *high]]}, "temporal": {"interval": [[times[0], times[-1]]]}},
        "links": [
            _link("root", "../catalog.json"),
            _link("parent", "../catalog.json"),
            *(_link("item", f"./{item['id']}/{item['id']}.json") for item in items),
        ],
    }


def _asset(href: str, title: str, transform: Affine, width: int) -> Json:
    return {
        "href": f"./{href}",
        "type": COG_TYPE,
        "title": title,
        "roles": ["data"],
        "proj:shape": [width, width],
        "proj:transform": list(transform)[:6],
    }


def _link(relation: str, href: str) -> Json:
    kind = "application/geo+json" if relation == "item" else "application/json"
    return {"rel": relation, "href": href, "type": kind}


def _text(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def _write(path: Path, content: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
