"""A run of many shards from Earth Engine 200 ms away: how full its limit is kept, and how much memory it takes.

    python -m tests.benchmarks.bench_platforms [--shards 10] [--shard-size 250] [--pixels 128] [--latency 0.2]

The server has a process of its own; each run is a fresh process that does what the flow does, two shards in flight, so
that its peak memory is its own. Prints; asserts nothing about time.
"""

import argparse
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely

from tests.servers.regional import AREA, DAYS, FIRST

REQUESTS = 40
"""In flight at most: Earth Engine's own limit."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=10)
    parser.add_argument("--shard-size", type=int, default=250)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--shards-in-flight", type=int, default=2)
    parser.add_argument("--memory", type=int, nargs="*", default=[1, 2, 10, 40], help="shards of the memory runs")
    parser.add_argument("--memory-size", type=int, default=50, help="samples a shard of the memory runs")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(json.loads(options.run))
        return
    with serving(options.latency) as (url, ask), tempfile.TemporaryDirectory() as folder:
        given = {
            "url": url, "folder": folder, "pixels": options.pixels, "requests": options.requests,
            "in_flight": options.shards_in_flight,
        }  # fmt: skip
        ask()
        result = started({**given, "shards": options.shards, "size": options.shard_size, "name": "flow"})
        tell_rate(options, result, ask())
        print(f"peak memory by shards of {options.memory_size} samples of {options.pixels} px, fresh process each")
        for shards in options.memory:
            result = started({**given, "shards": shards, "size": options.memory_size, "name": f"memory-{shards}"})
            counts = ask()["counts"]
            peak, above = result["peak"] / 1e6, (result["peak"] - result["base"]) / 1e6
            rate = counts.get("image", 0) / result["wall"]
            print(
                f"  {shards:4d} shards  {peak:7.0f} MB, {above:.0f} MB above idle; {result['wall']:.1f} s, "
                f"{rate:.0f} samples/s"
            )


def tell_rate(options: argparse.Namespace, result: dict[str, Any], server: dict[str, Any]) -> None:
    """Print how full the limit was kept."""
    latency, requests = options.latency, options.requests
    began, ended = result["began"], result["ended"]
    seen = np.array([(at, n) for at, n in server["seen"] if began <= at <= ended])
    client = np.array(result["seen"])
    last = _last(seen)
    steady = seen[(seen[:, 0] > began + 1) & (seen[:, 0] < last)]
    samples = options.shards * options.shard_size
    rate, bound = server["counts"]["image"] / (ended - began), requests / latency
    print(
        f"{options.shards} shards of {options.shard_size} samples of {options.pixels} px, {options.shards_in_flight} "
        f"shards in flight, {requests} requests in flight, {latency * 1000:g} ms latency: {ended - began:.1f} s"
    )
    print(
        f"  requests    {server['counts']['image']} for pixels ({server['counts']['image'] / samples:.3f} a sample), "
        f"{server['counts']['table']} for the catalogue, at most {server['most']} in flight"
    )
    print(f"  rate        {rate:.1f} pixel requests/s, {100 * rate / bound:.1f} % of {requests}/{latency:g} s")
    for name, series in (
        ("server, whole run", seen),
        ("server, second 1 to the last pixel", steady),
        ("client, whole run", client),
    ):
        below = [100 * (series[:, 1] < requests * share).mean() for share in (1, 0.95, 0.5)]
        print(
            f"  in flight   {name}: fewer than {requests} for {below[0]:.1f} % of the time, than 95 % of it for "
            f"{below[1]:.1f} %, than half for {below[2]:.1f} %; mean {series[:, 1].mean():.1f}"
        )
    busy = 100 * result["cpu"] / result["wall"]
    print(
        f"  cost        client {1000 * result['cpu'] / samples:.1f} ms CPU a sample ({busy:.0f} % of a core)"
        f", server {100 * server['cpu'] / result['wall']:.0f} % of a core; {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}"
    )
    stages = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in result["stages"].items())
    print(f"  stages      summed over shards: {stages}; peak memory {result['peak'] / 1e6:.0f} MB")


def _last(seen: np.ndarray) -> float:
    """When the last request for pixels was in flight."""
    return float(seen[np.flatnonzero(seen[:, 1])[-1], 0])


def started(given: dict[str, Any]) -> dict[str, Any]:
    """A run in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_platforms", "--run", json.dumps(given)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


def run(given: dict[str, Any]) -> None:
    """Build a corpus as the flow does, without Prefect, and tell how it went."""
    os.environ.update({
        "NO_PROXY": "127.0.0.1", "DEEPSENTINEL_EARTHENGINE_URL": given["url"],
        "DEEPSENTINEL_EARTHENGINE_CREDENTIALS": "anonymous", "DEEPSENTINEL_EARTHENGINE_PROJECT": "bench",
        "DEEPSENTINEL_EARTHENGINE_REQUESTS": str(given["requests"]),
    })  # fmt: skip
    from tasks.assembly.builder import open_builder
    from tasks.assembly.shard import STAGES, make_shard
    from tasks.shards.description import describe_everywhere
    from tasks.spec import CorpusSpec

    folder = Path(given["folder"])
    area = folder / "region.geojson"
    geopandas.GeoDataFrame(geometry=[shapely.box(*AREA)], crs=4326).to_file(area)
    spec = CorpusSpec.model_validate({
        "name": given["name"], "size": given["shards"] * given["size"], "shard_size": given["size"],
        "places": {"random": str(area)}, "window": [str(FIRST), str(FIRST + dt.timedelta(days=DAYS))],
        "patch": {"pixels": given["pixels"]}, "platforms": ["earthengine"],
        "destinations": [str(folder / given["name"])],
    })  # fmt: skip
    builder = open_builder(spec)
    describe_everywhere(builder.destinations, builder.description)
    platform: Any = builder.platforms[0]
    seen: list[tuple[float, int]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            seen.append((time.time(), platform._session.limit.in_flight))

    threading.Thread(target=watch, daemon=True).start()
    base = _peak()
    began, cpu = time.time(), time.process_time()
    with ThreadPoolExecutor(given["in_flight"]) as threads:
        reports = list(threads.map(lambda shard: make_shard(builder, shard), range(given["shards"])))
    ended, cpu = time.time(), time.process_time() - cpu
    stop.set()
    stages = {stage: sum(report.seconds[stage] for report in reports) for stage in STAGES}
    print(json.dumps({
        "began": began, "ended": ended, "wall": ended - began, "cpu": cpu, "seen": seen, "stages": stages,
        "base": base, "peak": _peak(),
    }))  # fmt: skip


def _peak() -> int:
    """Bytes that this process has held at most (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def serving(latency: float) -> Iterator[tuple[str, Any]]:
    """A server in a process of its own: its URL, and how to ask what it has seen."""
    command = [sys.executable, "-m", "tests.servers.regional", "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout

        def ask() -> dict[str, Any]:
            assert server.stdin and server.stdout
            server.stdin.write("\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        try:
            yield server.stdout.readline().strip(), ask
        finally:
            server.kill()


if __name__ == "__main__":
    main()
