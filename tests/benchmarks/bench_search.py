"""What it takes to search a STAC API for the draws of shards, all over the world and several years.

    python -m tests.benchmarks.bench_search [--shards 2] [--draws 250] [--years 3] [--latency 0.2] [--separately 20]

The API is made up as it is asked, with the density of the real archives and items of their size, in a process of its
own, so that CPU times are the client's alone. Prints; asserts nothing about time.
"""

import argparse
import datetime as dt
import json
import math
import subprocess
import sys
import time
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape

from tasks.imagery.platform import Traffic
from tasks.imagery.stac.platform import StacArchive
from tasks.imagery.stac.settings import StacSettings
from tasks.places.draws import Draws
from tasks.places.patches import utm_epsg
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.roles import DAY, Role, Rule
from tasks.spec import StacSource
from tests.servers.stac_api import StacApi
from tests.servers.worlds import START, draws_at

ORBITS = {"sentinel-2-l2a": (1.1, 5, 2), "sentinel-1-rtc": (2.2, 12, 2)}
"""Side of a scene in degrees of latitude, days between its visits, and how many orbits see a place."""

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")


class Planet(StacApi):
    """Scenes everywhere at all times."""

    def __init__(self, latency: float) -> None:
        super().__init__({name: [] for name in ORBITS}, page=10_000)
        self.latency, self.largest = latency, 6_000_000

    def _search(self, asked: dict[str, Any], method: str) -> dict[str, Any]:
        time.sleep(self.latency)
        (name,) = asked["collections"]
        if "ids" in asked:
            items = {key: _named(name, key) for key in asked["ids"]}
            return StacApi({name: list(items.values())}, page=self.page, conforms=self.conforms)._search(asked, method)
        area = shape(asked["intersects"]) if "intersects" in asked else shapely.Point(9, 45)
        first, end = (dt.datetime.fromisoformat(text) for text in asked["datetime"].split("/"))
        items = {item["id"]: item for part in shapely.get_parts(area) for item in _items(name, part, first, end)}
        other = StacApi({name: list(items.values())}, page=self.page, conforms=self.conforms, url=self.url)
        return other._search(asked, method)


def _named(name: str, key: str) -> dict[str, Any]:
    return _item(name, key, shapely.box(8, 44, 10, 46), START)


def _items(name: str, part: Any, first: dt.datetime, end: dt.datetime) -> Any:
    side, days, orbits = ORBITS[name]
    west, south, east, north = part.bounds
    for row in range(math.floor((south + 90) / 0.9) - 2, math.floor((north + 90) / 0.9) + 1):
        low = row * 0.9 - 90
        wide = side / max(0.2, math.cos(math.radians(low)))
        step = wide * 0.9 / 1.1
        for column in range(math.floor((west + 180 - wide) / step), math.floor((east + 180) / step) + 1):
            box = shapely.box(column * step - 180, low, column * step - 180 + wide, low + side)
            if not box.intersects(part):
                continue
            for orbit in range(orbits):
                phase = (row * 31 + column * 17 + orbit * 7) % (days * 24) / 24
                visit = math.ceil(((first - START).total_seconds() / 86400 - phase) / days)
                while (at := START + dt.timedelta(days=visit * days + phase)) <= end:
                    yield _item(name, f"{name}_{row}_{column}_{orbit}_{visit}", box, at)
                    visit += 1


def _item(name: str, key: str, box: Any, at: dt.datetime) -> dict[str, Any]:
    lon, lat = box.centroid.x, box.centroid.y
    told = {"nodata": 0, "data_type": "uint16", "spatial_resolution": 10, "scale": 0.0001, "offset": -0.1}
    keys = BANDS if "2" in name else ("vv", "vh")
    # Twice as many assets as bands: the same in another format, previews, metadata.
    assets = {
        asset: {
            "href": f"https://example.com/{name}/{key}/{asset}.tif", "type": "image/tiff; application=geotiff",
            "title": asset, "raster:bands": [told], "proj:shape": [10980, 10980], "file:size": 97_000_000,
            "proj:transform": [10, 0, 499980, 0, -10, 5000040], "description": "x" * 1500,
        }
        for band in keys for asset in (band, f"{band}-jp2")
    }  # fmt: skip
    properties: dict[str, Any] = {
        "datetime": at.isoformat(), "proj:epsg": int(utm_epsg(np.array([lon]), np.array([lat]))[0]),
        "sar:instrument_mode": "IW", "sar:polarizations": ["VV", "VH"], "eo:cloud_cover": 20.0,
        "s2:processing_baseline": "05.10", **{f"other:{n}": "y" * 20 for n in range(40)},
    }  # fmt: skip
    return {
        "type": "Feature", "id": key, "collection": name, "geometry": shapely.geometry.mapping(box),
        "bbox": list(box.bounds), "properties": properties, "assets": assets, "links": [],
    }  # fmt: skip


def world(draws: int, years: int, seed: int) -> Draws:
    """Places all over the Earth, instants all over some years."""
    rng = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(rng.uniform(math.sin(math.radians(-50)), math.sin(math.radians(72)), draws)))
    lon = rng.uniform(-180, 180, draws)
    days = rng.uniform(0, 365 * years, draws)
    return draws_at(list(zip(lon.tolist(), lat.tolist(), strict=True)), pixels=250, days=days.tolist())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--separately", type=int, default=20)
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.serve:
        planet = Planet(options.latency)
        with planet.running() as url:
            print(url, flush=True)
            for _ in sys.stdin:
                print(json.dumps({"searches": len(planet.searches), "items": planet.sent}), flush=True)
                planet.searches.clear()
                planet.sent = 0
        return
    command = [sys.executable, "-m", "tests.benchmarks.bench_search", "--serve", "--latency", str(options.latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        url = server.stdout.readline().strip()

        def asked() -> dict[str, int]:
            assert server.stdin and server.stdout
            server.stdin.write("\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        first = int(START.timestamp() * 1e6)
        rule = Rule(
            window=(first, first + 365 * options.years * DAY),
            roles={"s2": Role(near=None, reach=30 * DAY), "s1": Role(near="s2", reach=3 * DAY)},
        )
        began = time.perf_counter()
        source = StacSource(catalog=url, sentinel1="sentinel-1-rtc", backscatter="power")
        archive = StacArchive(source, rule=rule, bounds=(-180, -60, 180, 84), settings=StacSettings())
        print(f"opened in {time.perf_counter() - began:.1f} s, {asked()}")
        for shard in range(options.shards):
            measure(archive, world(options.draws, options.years, shard), rule, f"shard {shard}", asked)
        few = world(options.draws, options.years, 99)
        for n in range(options.separately):
            measure(archive, few.take(slice(n, n + 1)), rule, "" if n else "one draw alone", asked)
        server.stdin.close()


def measure(archive: StacArchive, draws: Draws, rule: Rule, what: str, asked: Any) -> None:
    """Search, and pair."""
    traffic, began, cpu = Traffic(), time.perf_counter(), time.process_time()
    candidates = archive.candidates(draws, traffic)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    outcome = pair(draws.patches, draws.preferred, candidates, rule).outcome
    if what:
        used = sum(len(np.unique(nearby.scene)) for nearby in candidates.values())
        print(
            f"{what}: {traffic.requests} requests ({traffic.retries} again), {traffic.bytes / 1e6:.0f} MB, "
            f"{wall:.1f} s, {cpu:.1f} s CPU; {asked()}, of which {used} are over a draw within reach; "
            f"{int((outcome == Outcome.PAIRED).sum())} of {len(draws)} pair"
        )


if __name__ == "__main__":
    main()
