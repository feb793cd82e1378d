"""How fast samples come from a server 200 ms away, and what they cost.

    python -m tests.benchmarks.bench_descarteslabs [--samples 400] [--requests 16 40] [--latency 0.2]

The server has a process of its own, so that CPU times are the client's alone. Prints; asserts nothing about time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import shapely
from pydantic import SecretStr

from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.platform import Traffic
from tasks.imagery.registry import Opening, room_of
from tasks.places.draws import Draws
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.roles import DAY, Role, Rule
from tasks.spec import PlatformItem
from tests.servers.earthone import Scene, World
from tests.servers.worlds import START, draws_at, micros, world_over

RULE = Rule(
    window=(micros(START), micros(START) + 90 * DAY),
    roles={"s2": Role(near=None, reach=30 * DAY), "s1": Role(near="s2", reach=3 * DAY)},
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--requests", type=int, nargs="+", default=[16, 40])
    parser.add_argument("--latency", type=float, default=0.2)
    options = parser.parse_args()
    lonlats = [(-175.0 + 29.3 * n % 350, -50.0 + 2.7 * (n % 40)) for n in range(250)]
    draws = draws_at(lonlats, pixels=250, days=[30.0 + 30 * n / 250 for n in range(250)])
    scenes, _, _ = world_over(draws, days=90)
    with serving(scenes, options.latency) as url:
        for requests in options.requests:
            measure(url, draws, requests, options.latency, options.samples)


def measure(url: str, draws: Draws, requests: int, latency: float, samples: int) -> None:
    """Search for candidates, then fetch samples, with so many requests in flight."""
    settings = DescartesLabsSettings(
        url=url,
        iam_url=url,
        client_id=World().client[0],
        client_secret=SecretStr(World().client[1]),
        requests=requests,
    )
    item = PlatformItem(kind="descarteslabs", name="descarteslabs")
    opening = Opening(item=item, rule=RULE, bounds=(-180, -90, 180, 90))
    platform, traffic = room_of("descarteslabs").open(opening, settings), Traffic()
    with measured() as catalogue:
        found = platform.candidates(draws, traffic)
    asked = traffic.requests
    pairs = pair(draws.patches, draws.preferred, found, RULE)
    paired = np.flatnonzero(pairs.outcome == Outcome.PAIRED)

    def fetch(n: int) -> None:
        platform.fetch(draws.patches[n], pairs.acquisitions(found, n), traffic)

    with ThreadPoolExecutor(requests) as threads:
        # Connections are opened once a process, and the server makes its pixels once: not what is measured.
        list(threads.map(fetch, np.resize(paired[:40], max(40, 2 * requests)).tolist()))
        before = traffic.counts()
        with measured() as pixels:
            list(threads.map(fetch, np.resize(paired[:40], samples).tolist()))
    platform.close()
    sent = {key: value - before[key] for key, value in traffic.counts().items()}
    rate, bound = sent["requests"] / pixels["wall"], requests / latency
    print(f"{requests} requests in flight, {latency * 1000:g} ms latency, {samples} samples")
    print(
        f"  catalogue   {asked} requests for {len(draws)} draws, {catalogue['wall']:.1f} s, "
        f"{catalogue['cpu']:.2f} s CPU, {len(paired)} paired"
    )
    print(
        f"  pixels      {sent['requests'] / samples:.2f} requests a sample; {rate:.1f} requests/s, "
        f"{100 * rate / bound:.1f} % of {bound:.0f}/s; {samples / pixels['wall']:.1f} samples/s"
    )
    print(
        f"  cost        {1000 * pixels['cpu'] / samples:.1f} ms CPU a sample, "
        f"{sent['bytes'] / samples / 1e6:.2f} MB a sample received, {sent['retries']} retries; "
        f"load of this machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


@contextmanager
def serving(scenes: list[Scene], latency: float) -> Iterator[str]:
    """A server in a process of its own; gives its URL."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenes.json"
        path.write_text(json.dumps([{**vars(scene), "footprint": shapely.to_wkt(scene.footprint)} for scene in scenes]))
        command = [sys.executable, "-m", "tests.servers.earthone", str(path), "--latency", str(latency)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout
                yield server.stdout.readline().strip()
            finally:
                server.kill()


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Wall and CPU seconds of what is inside, in this process."""
    figures: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield figures
    figures.update(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


if __name__ == "__main__":
    main()
