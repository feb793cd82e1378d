"""Earth Engine over loopback in a process of its own: a catalogue over a region, noise for pixels, after a latency.

    python -m tests.servers.regional --latency 0.2

Prints its address; each line on standard input is answered with what was seen since the last one: counts, and how many
requests were in flight, every few milliseconds. Ends with standard input.
"""

import argparse
import datetime as dt
import io
import json
import sys
import threading
import time
from functools import lru_cache
from typing import Any

import numpy as np

from tests.servers.earthengine import EarthEngineServer
from tests.servers.world import World, world_over

AREA, EPSG = (-59.5, -26.0, -56.5, -23.0), 32721
"""West, south, east, north in degrees, and the zone in which that lies."""

FIRST, DAYS = dt.date(2019, 4, 1), 20

NAMES = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "B10")


class NoiseServer(EarthEngineServer):
    """Answers every request for pixels with the same noise, which compresses about as badly as imagery does."""

    def image(self, question: dict[str, Any]) -> bytes:
        """The bands that are asked for, on a grid of the size that is asked for."""
        size = question["grid"]["dimensions"]
        return _noise(size["height"], size["width"], "B10" in json.dumps(question["expression"]))


@lru_cache(maxsize=8)
def _noise(height: int, width: int, twin: bool) -> bytes:
    rng = np.random.default_rng(1)
    fields = [(name, "<u2") for name in NAMES if twin or name != "B10"] + [("VV", "<f4"), ("VH", "<f4")]
    array = np.zeros((height, width), fields)
    for name, kind in fields:
        array[name] = rng.normal(1500, 40, (height, width)) if kind == "<u2" else rng.normal(-12, 2, (height, width))
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def world() -> World:
    """Acquisitions over the area."""
    west, south, east, north = AREA
    lon, lat = np.meshgrid(np.linspace(west, east, 7), np.linspace(south, north, 7))
    return world_over(lon.ravel(), lat.ravel(), np.full(lon.size, EPSG), first=FIRST, days=DAYS, seed=2)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.2)
    options = parser.parse_args()
    seen: list[tuple[float, int]] = []
    with NoiseServer(world(), project="bench") as server:
        server.faults.latency = options.latency

        def watch() -> None:
            while True:
                seen.append((time.time(), server.in_flight))
                time.sleep(0.004)

        threading.Thread(target=watch, daemon=True).start()
        print(server.url, flush=True)
        spent = time.process_time()
        for _ in sys.stdin:
            told, cpu = seen[:], time.process_time()
            del seen[: len(told)]
            print(
                json.dumps({"counts": server.counts, "most": server.most_in_flight, "seen": told, "cpu": cpu - spent}),
                flush=True,
            )
            spent = cpu
            server.reset_counts()


if __name__ == "__main__":
    main()
