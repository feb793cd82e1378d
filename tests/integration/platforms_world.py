"""Regions over which both platforms hold the same acquisitions, specs of corpora there, and what these must hold."""

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
import xarray
from pyproj import Transformer

from tasks.assembly.builder import open_builder
from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.places.patches import Patch
from tasks.shards.description import describe_everywhere
from tasks.shards.runs import ShardReport
from tasks.spec import CorpusSpec
from tests.servers.both import Both
from tests.servers.earthone import decibels, raw_values
from tests.servers.world import L1C, L2A, Scene, World, world_over

FIRST, DAYS = dt.date(2019, 4, 1), 60

REGIONS = {
    "across a zone border": ((11.4, 45.6, 12.6, 46.4), (32632, 32633)),
    "in the southern hemisphere": ((-58.6, -24.0, -57.6, -23.1), (32721,)),
}
"""West, south, east, north in degrees (some 100 km each way), and the zones that meet there."""


def world_of(region: str, days: int = DAYS) -> World:
    """Acquisitions over a region, on the tiles of its zones."""
    (west, south, east, north), zones = REGIONS[region]
    lon, lat, epsg = np.meshgrid(np.linspace(west, east, 5), np.linspace(south, north, 5), zones)
    return world_over(lon.ravel(), lat.ravel(), epsg.ravel(), first=FIRST, days=days, seed=2)


def spec_over(folder: Path, region: str = "across a zone border", **changes: Any) -> CorpusSpec:
    """A spec of a corpus in a region whose polygon is written to `folder`."""
    area = folder / "region.geojson"
    if not area.exists():
        geopandas.GeoDataFrame(geometry=[shapely.box(*REGIONS[region][0])], crs=4326).to_file(area)
    given: dict[str, Any] = {
        "name": "together", "seed": 11, "size": 24, "shard_size": 12, "places": {"random": str(area)},
        "window": [str(FIRST), str(FIRST + dt.timedelta(days=DAYS))], "patch": {"pixels": 32},
        "platforms": ["earthengine", "descarteslabs"], "destinations": [str(folder / "corpus")],
    }  # fmt: skip
    return CorpusSpec.model_validate(given | changes)


def write(spec: CorpusSpec, path: Path) -> Path:
    """The spec as a file for the command (JSON is YAML)."""
    path.write_text(spec.model_dump_json(exclude_none=True, exclude_unset=True))
    return path


def build(spec: CorpusSpec, at_once: int = 2) -> list[ShardReport]:
    """Build every shard of a corpus without Prefect, so many at once."""
    builder = open_builder(spec)
    describe_everywhere(builder.destinations, builder.description)
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(lambda shard: make_shard(builder, shard), range(builder.description.shards)))


def rows_of(corpus: Path) -> pd.DataFrame:
    """Rows of all samples, in the order of the arrays."""
    files = sorted((corpus / "samples").glob("*.parquet"))
    return pd.concat([geopandas.read_parquet(file) for file in files], ignore_index=True)


def stored(corpus: Path, platform: str) -> tuple[Any, Any]:
    """(n, 13, h, w) reflectance x 10,000 and (n, 2, h, w) steps of 0.01 dB."""
    group = xarray.open_zarr(corpus, group=platform, mask_and_scale=False)
    return group.s2.values, group.s1.values


def expected(both: Both, rows: pd.DataFrame, platform: str) -> tuple[Any, Any]:
    """What the arrays of a platform must hold: the pixels of the scenes that the rows name, on the rows' patches."""
    of = _of_earthengine if platform == "earthengine" else _of_descarteslabs
    tiles = [of(both.world, row) for row in rows.to_dict("records")]
    s2, s1 = (np.stack(list(parts)) for parts in zip(*tiles, strict=True))
    return s2.astype(np.uint16), np.round(s1.astype(np.float32).astype(np.float64) / 0.01).astype(np.int16)


def _of_earthengine(world: World, row: dict[str, Any]) -> tuple[Any, Any]:
    patch = _patch(row)
    optical, radar = world.by_id[row["earthengine_s2_id"]], world.by_id[row["earthengine_s1_id"]]
    twin = newest_twin(world, optical)
    s2 = np.zeros((len(BANDS), *patch.shape))
    for index, band in enumerate(BANDS):
        if scene := twin if band == "B10" else optical:
            s2[index] = scene.values(band.replace("B0", "B"), *_centres(patch, scene))
    return s2, np.stack([radar.values(name, *_centres(patch, radar)) for name in POLARIZATIONS])


def newest_twin(world: World, optical: Scene) -> Scene | None:
    """The L1C image of the same name, else of the same pass over the same tile the newest."""
    if same := world.by_id.get(optical.id.replace(L2A, L1C)):
        return same
    passes = [scene for scene in world.collection(L1C) if acquisition(scene) == acquisition(optical)]
    return max(passes, key=lambda scene: scene.get("PROCESSING_BASELINE"), default=None)


def acquisition(scene: Scene) -> tuple[str, str]:
    """What all processings of one pass over one tile share."""
    return scene.get("MGRS_TILE"), scene.get("DATATAKE_IDENTIFIER")[:20]


def _of_descarteslabs(_: World, row: dict[str, Any]) -> tuple[Any, Any]:
    patch = _patch(row)
    where = (patch.xmin, patch.ymax, patch.shape)
    s2 = [raw_values(row["descarteslabs_s2_id"], band, *where, most=9973) for band in range(len(BANDS))]
    s1 = [decibels(raw_values(row["descarteslabs_s1_id"], band, *where, most=4095)) for band in range(2)]
    return np.stack(s2), np.stack(s1)


def _patch(row: dict[str, Any]) -> Patch:
    pixels = (row["xmax"] - row["xmin"]) // 10
    return Patch(epsg=int(row["crs"].removeprefix("EPSG:")), xmin=row["xmin"], ymax=row["ymax"], pixels=pixels)


def _centres(patch: Patch, scene: Scene) -> Sequence[Any]:
    """Centres of a patch's pixels in the zone of a scene, metres."""
    columns, rows = np.meshgrid(np.arange(patch.pixels), np.arange(patch.pixels))
    x, y = patch.xmin + 10.0 * columns + 5, patch.ymax - 10.0 * rows - 5
    if scene.epsg == patch.epsg:
        return x, y
    return Transformer.from_crs(patch.epsg, scene.epsg, always_xy=True).transform(x, y)
