"""How fast samples are fetched from Earth Engine, against what its limit allows: requests in flight / latency.

    python -m tests.benchmarks.bench_earthengine [--latency 0.2] [--requests 40] [--samples 2000]
    python -m tests.benchmarks.bench_earthengine --series

With `--series`, what a sample of 30 dates and one of 1,920 px and 4 dates take instead.

The real client talks to a server in a process of its own, which answers every request after the latency with the 2.1 MB
of a sample. Prints the rate reached and the CPU a sample costs; where the CPU is the bound, says so.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tasks.imagery.earthengine import EarthEngineSettings
from tasks.imagery.earthengine.platform import EarthEngine
from tasks.imagery.earthengine.scenes import EarthEngineScenes
from tasks.imagery.platform import Tiles, Traffic
from tasks.places.patches import Patch
from tasks.scenes.looks import look
from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Acquisition, Acquisitions, Sentinel1Scenes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--pixels", type=int, default=250)
    parser.add_argument("--series", action="store_true", help="samples of several dates and of many pixels")
    arguments = parser.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.earthengine", "--latency", str(arguments.latency)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout and server.stdin
    settings = EarthEngineSettings(
        url=server.stdout.readline().strip(), credentials="anonymous", project="bench", requests=arguments.requests
    )
    if arguments.series:
        try:
            for pixels, dates, mask in ((256, 30, True), (1920, 4, False), (32, 4, False)):
                series(settings, pixels, dates, mask=mask)
        finally:
            server.communicate()
        return
    platform, traffic, pair = EarthEngine(_rule(), settings), Traffic(), _pair()
    patch = Patch(epsg=32632, xmin=500_000, ymax=5_500_000, pixels=arguments.pixels)
    fetched = 0

    def fetch(_: int) -> int:
        tiles: Tiles = platform.fetch(patch, pair, traffic)
        return sum(array.nbytes for array in tiles.arrays.values())

    with ThreadPoolExecutor(arguments.requests) as threads:
        list(threads.map(fetch, range(arguments.requests)))  # login and connections
        began, cpu = time.perf_counter(), time.process_time()
        for size in threads.map(fetch, range(arguments.samples)):
            fetched += size
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    counted = json.loads(server.communicate()[0].splitlines()[-1])
    rate, allowed = arguments.samples / seconds, arguments.requests / arguments.latency
    print(f"{rate:.1f} samples/s of {allowed:.1f}/s allowed ({rate / allowed:.1%}), {fetched / 1e6 / seconds:.0f} MB/s")
    print(f"load of this machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"client {1e3 * cpu / arguments.samples:.2f} ms CPU a sample, {cpu / seconds:.0%} of one core")
    print(f"server {1e3 * counted['cpu'] / counted['image']:.2f} ms CPU a sample; "
          f"{counted['most_in_flight']} in flight; "
          f"{counted['image'] / (arguments.samples + arguments.requests):.2f} pixel requests a sample")  # fmt: skip
    print(f"one process, which has one core for Python, cannot fetch more than {arguments.samples / cpu:.0f} samples/s")


def series(settings: EarthEngineSettings, pixels: int, dates: int, *, mask: bool) -> None:
    """Fetch one sample as the assembly does, in as many requests as its dates need, at the same time."""
    platform = EarthEngine(_rule(mask=mask), settings, pixels=pixels)
    patch, one = Patch(epsg=32632, xmin=500_000, ymax=5_500_000, pixels=pixels), _pair()
    asked = -(-dates // platform.dates_together)
    portions = [range(dates * part // asked, dates * (part + 1) // asked) for part in range(asked)]
    looks = [{look(role, at, dates): one[role] for role in one for at in some} for some in portions]
    with ThreadPoolExecutor(len(looks)) as threads:
        list(threads.map(lambda some: platform.fetch(patch, some, Traffic()), looks))  # login, connections, the server
        traffic, began, cpu = Traffic(), time.perf_counter(), time.process_time()
        held = list(threads.map(lambda some: platform.fetch(patch, some, traffic), looks))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    arrays = sum(array.nbytes for tiles in held for array in tiles.arrays.values())
    print(
        f"{dates} dates of {pixels} px{' with masks' if mask else ''}: {traffic.requests} requests "
        f"({platform.dates_together} dates in one at most), {seconds:.2f} s, {cpu:.2f} s CPU, "
        f"{traffic.bytes / 1e6:.0f} MB moved, {arrays / 1e6:.0f} MB of arrays, peak of this process "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB"
    )


def _rule(*, mask: bool = False) -> Rule:
    window = (1_500_000_000_000_000, 1_600_000_000_000_000)
    optical = Role(near=None, reach=30 * DAY, mask=mask)
    return Rule(window=window, roles={"s2": optical, "s1": Role(near="s2", reach=3 * DAY)})


def _pair() -> Acquisitions:
    one, text = np.zeros(1, np.int64), np.array(["x"], object)
    s2 = EarthEngineScenes(
        id=np.array(["COPERNICUS/S2_SR_HARMONIZED/20190501T104031_20190501T104031_T32UMA"], object), time=one,
        footprint=text, orbit=one, epsg=one, tile=text, datatake=text, baseline=text, processed=one,
        cloud_cover=one.astype(float),
        twin=np.array(["COPERNICUS/S2_HARMONIZED/20190501T104031_20190501T104031_T32UMA"], object),
    )  # fmt: skip
    name = "COPERNICUS/S1_GRD/S1A_IW_GRDH_1SDV_20190501T054235_20190501T054300_025291_02CC4C_C9D1"
    s1 = Sentinel1Scenes(id=np.array([name], object), time=one, footprint=text, orbit=one, product=text, direction=text)
    return {"s2": Acquisition(scenes=s2, scene=0), "s1": Acquisition(scenes=s1, scene=0)}


if __name__ == "__main__":
    main()
