"""A shard of each recipe's shape: memory against what the check of a spec estimates, and encoding, by array.

pytest -s tests/benchmarks/bench_recipes.py
"""

import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.assembly.builder import Builder
from tasks.assembly.shard import make_shard
from tasks.imagery.bands import BANDS, array_path
from tasks.imagery.platform import Tiles, Traffic
from tasks.places.draws import Draws
from tasks.places.opening import open_places
from tasks.places.patches import Patch
from tasks.scenes.looks import mask_of, role_of
from tasks.scenes.roles import DAY, Rule, rule_of, sensor_of
from tasks.scenes.scenes import Acquisitions, Candidates, Nearby, Scenes, Sentinel1Scenes, Sentinel2Scenes
from tasks.settings import load_settings
from tasks.shards.commits import read_commit
from tasks.shards.description import describe_everywhere
from tasks.shards.destinations import open_destination
from tasks.spec import CorpusSpec
from tasks.spec.memory import memory_of_shard

_PAIR = {"s2": {}, "s1": {"near": "s2", "max_days": 12}}
_MASKED = {"s2": {"mask": "cloud"}, "s1": {"near": "s2", "max_days": 7}}
_TRIPLET = {"s2": {}, "s2_cloudy": {"near": "s2", "max_days": 14, "mask": "cloud"}, "s1": {"near": "s2", "max_days": 9}}

_SHAPES: dict[str, dict[str, Any]] = {
    "unlabelled": {"patch": {"pixels": 250}, "shard_size": 250, "acquisitions": _PAIR},
    "sen12ms": {"patch": {"pixels": 256}, "shard_size": 256, "acquisitions": _PAIR},
    "sen12ms-cr": {"patch": {"pixels": 256}, "shard_size": 256, "acquisitions": _TRIPLET},
    "sen12ms-cr-ts": {
        "patch": {"pixels": 256}, "shard_size": 8, "acquisitions": _MASKED, "instants": {"slices": 30},
    },
    "so2sat-lcz42": {"patch": {"pixels": 32}, "shard_size": 4096, "acquisitions": _PAIR, "instants": {"seasons": 4}},
    "mapinwild": {"patch": {"pixels": 1920}, "shard_size": 2, "acquisitions": _PAIR, "instants": {"seasons": 4}},
}  # fmt: skip
"""The recipes by what their shards are made of; labels of other sources are left out."""


class AnyTime:
    """A platform with an acquisition of every role for every draw, and noise for pixels, half of which is
    left when it is encoded, as of land."""

    name, bands, in_flight, dates_together, reach = "stac", BANDS, 16, 8, None

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        random = np.random.default_rng(0)
        self._noise = random.integers(1000, 1100, (len(BANDS), 2048, 2048), np.uint16)

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        every = np.arange(len(draws))
        return {
            role: Nearby(scenes=_scenes(role, draws, number * DAY), draw=every, scene=every)
            for number, role in enumerate(self._rule.roles)
        }

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        side, arrays = patch.pixels, dict[str, NDArray[Any]]()
        for look in acquisitions:
            if sensor_of(look) == "sentinel2":
                arrays[array_path(self.name, look)] = self._noise[:, :side, :side].copy()
            else:
                arrays[array_path(self.name, look)] = self._noise[:2, :side, :side] / np.float32(-100)
            if self._rule.roles[role_of(look)].mask:
                arrays[array_path(self.name, mask_of(look))] = (self._noise[0, :side, :side] % 100).astype(np.uint8)
        return Tiles(arrays=arrays)

    def close(self) -> None:
        pass


def _scenes(role: str, draws: Draws, after: int) -> Scenes:
    def column(values: Any) -> NDArray[np.object_]:
        array = np.empty(len(draws), object)
        array[:] = values
        return array

    time, names = draws.preferred + after, [f"{role}-{n}" for n in range(len(draws))]
    common: dict[str, Any] = {
        "id": column(names), "time": time, "footprint": column([shapely.box(-180, -89, 180, 89)] * len(draws)),
        "orbit": np.zeros(len(draws), np.int64),
    }  # fmt: skip
    if sensor_of(role) == "sentinel1":
        return Sentinel1Scenes(product=column(names), direction=column([""] * len(draws)), **common)
    return Sentinel2Scenes(
        epsg=draws.patches.epsg.astype(np.int64), tile=column(names), datatake=column(names),
        baseline=column(["05.00"] * len(draws)), processed=time, cloud_cover=np.zeros(len(draws)), **common,
    )  # fmt: skip


def _built(folder: Path, shape: dict[str, Any], told: Any) -> None:
    """Build one shard in a process of its own, and tell what it took beyond what the process had before."""
    points = folder / "points.parquet"
    lon = np.linspace(1, 5, shape["shard_size"])
    gpd.GeoDataFrame(geometry=shapely.points(lon, np.full(len(lon), 45.0)), crs=4326).to_parquet(points)
    spec = CorpusSpec.model_validate(
        {
            "name": "bench",
            "places": {"points": str(points)},
            "window": ["2020-12-01", "2021-12-01"],
            "platforms": [{"stac": {"catalog": "none"}}],
            "destinations": [str(folder / "corpus")],
        }
        | shape
    )
    platform: Any = AnyTime(rule_of(spec))
    destinations = tuple(map(open_destination, spec.destinations))
    builder = Builder(spec, load_settings(), open_places(spec, None), (platform,), destinations)
    describe_everywhere(destinations, builder.description)
    before, began, cpu = _peak(), time.perf_counter(), time.process_time()
    report = make_shard(builder, 0)
    commit = read_commit(destinations[0], 0)
    assert commit is not None
    told.put(
        {
            "held": _peak() - before,
            "estimate": memory_of_shard(spec),
            "wall": time.perf_counter() - began,
            "cpu": time.process_time() - cpu,
            "encode": report.seconds["encode"],
            "write": report.seconds["write"],
            "arrays": sum("/c/" in one.path for one in commit.objects),
            "bytes": report.bytes,
        }
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_memory_and_encoding_of_a_shard_of_each_recipe(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    print()
    for name, shape in _SHAPES.items():
        folder = tmp_path / name
        folder.mkdir()
        told = context.Queue()
        process = context.Process(target=_built, args=(folder, shape, told))
        process.start()
        found = told.get(timeout=600)
        process.join()
        print(
            f"{name}: {found['held'] / 1e9:.2f} GB held, {found['held'] / found['estimate']:.2f} of the estimate; "
            f"{found['arrays']} objects of arrays, {found['bytes'] / 1e6:.0f} MB; encoded in {found['encode']:.1f} s, "
            f"put in {found['write']:.1f} s; {found['cpu']:.1f} s CPU"
        )
