"""What keeping a shard costs: encoding against encoding and putting it, requests, memory, verification, many shards.

    make bench  or  pytest -s tests/benchmarks/bench_stores.py

The stores are the tests' emulators on this machine, which work for every byte that they take: the figure to look at is
the CPU time of this process, and that of the wall only where waiting is the subject.
"""

import json
import multiprocessing
import resource
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.imagery.bands import BANDS
from tasks.shards.commits import StoredObject
from tasks.shards.description import Description
from tasks.shards.destinations import open_destination
from tasks.shards.encoding import encode_shard
from tasks.shards.layout import commit_object, run_object, samples_object
from tasks.shards.survey import missing_anywhere, survey
from tasks.shards.verification import verify_corpus
from tasks.shards.writing import write_everywhere
from tests.servers.store_proxy import Proxy, Request, proxying
from tests.servers.stores import BUCKET, azurite, connection_string, gcs_emulator
from tests.unit.shards.made import commit_of, contents_of, small
from tests.unit.shards.test_runs import run_record

SAMPLES = 64
"""A shard's, of 250 px: a quarter of the default, whose imagery alone is 470 MB."""


@pytest.fixture(scope="module")
def addresses() -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """Of the emulators."""
    with gcs_emulator() as gs, azurite() as az:
        yield gs, az


@pytest.fixture
def stores(addresses: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """An empty place in each store, with nothing in between."""
    gs, az = ("http://{}:{}".format(*address) for address in addresses)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gs)
    monkeypatch.setenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", connection_string(az))
    name = uuid.uuid4().hex
    return f"gs://{BUCKET}/{name}", f"az://{BUCKET}/{name}"


@pytest.fixture
def proxies(addresses: Any, stores: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Proxy]]:
    """Both stores behind proxies, which count and delay."""
    with proxying(addresses[0]) as gs, proxying(addresses[1]) as az:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gs.url)
        monkeypatch.setenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", connection_string(az.url))
        yield {"gs": gs, "az": az}


def test_encoding_and_two_puts_against_encoding_alone(stores: tuple[str, str], tmp_path: Path) -> None:
    """CPU and wall, to both clouds at once, and to two folders; the least of three rounds each."""
    description = imagery(SAMPLES)
    clouds = [open_destination(location) for location in stores]
    folders = [open_destination(str(tmp_path / name)) for name in "ab"]
    for one in (*clouds, *folders):
        one.put("warm", b"x")
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(3):
        pixels = scene(description, SAMPLES, seed=number)
        with measured() as alone:
            contents = encoded(description, pixels, number)
        found.setdefault("encoding alone", []).append(alone())
        for name, places in (("two clouds", clouds), ("two folders", folders)):
            with measured() as both:
                again = encoded(description, pixels, number)
                write_everywhere(places, commit_of(again, number, rows=SAMPLES), again)
            found.setdefault(f"and puts to {name}", []).append(both())
    raw, size = sum(one.nbytes for one in pixels.values()), sum(map(len, contents.values()))
    print(f"\n{SAMPLES} samples: {raw / 1e6:.0f} MB of pixels, {size / 1e6:.1f} MB encoded")
    cpu, wall = (min(one[index] for one in found["encoding alone"]) for index in (0, 1))
    for name, rounds in found.items():
        own_cpu, own_wall = (min(one[index] for one in rounds) for index in (0, 1))
        print(
            f"  {name:<24} {own_cpu:6.2f} s CPU ({own_cpu / cpu:.2f}x), {own_wall:6.2f} s ({own_wall / wall:.2f}x); "
            f"{raw / own_cpu / 1e6:.0f} MB of pixels a CPU second"
        )


def test_puts_a_shard(stores: tuple[str, str], proxies: dict[str, Proxy]) -> None:
    """Requests by kind for one shard."""
    description = imagery(2)
    contents = encoded(description, scene(description, 2, seed=1), 0)
    places = [open_destination(location) for location in stores]
    for one in places:
        one.top()
    for proxy in proxies.values():
        proxy.clear()
    write_everywhere(places, commit_of(contents, 0, rows=2), contents)
    print()
    for name, proxy in proxies.items():
        puts = {path: proxy.count("put", path) for path in (*contents, "commits/")}
        others = {kind: proxy.count(kind) for kind in ("get", "stat", "list", "delete")}
        print(f"  {name}: puts {puts}; {others}")


@pytest.mark.parametrize("samples", [SAMPLES, 250])
def test_memory_of_a_shard_in_flight(stores: tuple[str, str], samples: int) -> None:
    """The most that a process holds while it encodes a shard and puts it to both clouds, pixels included."""
    context = multiprocessing.get_context("spawn")
    answers: Any = context.Queue()
    process = context.Process(target=_in_flight, args=(stores, samples, answers))
    process.start()
    idle, filled, most, raw, size = answers.get(timeout=500)
    process.join()
    print(
        f"\n{samples} samples: {raw / 1e6:.0f} MB of pixels, {size / 1e6:.0f} MB encoded; the process holds "
        f"{idle:.0f} MB, with the pixels {filled:.0f} MB, and {most:.0f} MB at most: "
        f"{(most - idle) / (raw / 1e6):.2f} MB a MB of pixels"
    )


def test_verification(stores: tuple[str, str], tmp_path: Path) -> None:
    """MB/s of encoded bytes, by what a place tells and by reading and decoding."""
    shards, samples = 4, 16
    description = imagery(samples, shards=shards)
    print()
    for place in (*map(open_destination, stores), open_destination(str(tmp_path / "corpus"))):
        for path, content in description.objects().items():
            place.put(path, content)
        size = 0
        for shard in range(shards):
            contents = encoded(description, scene(description, samples, seed=shard), shard)
            write_everywhere([place], commit_of(contents, shard, rows=samples), contents)
            size += sum(map(len, contents.values()))
        for deep in (False, True):
            with measured() as taken:
                faults = verify_corpus(place, description, lambda _: None, deep=deep)
            faults = [fault for fault in faults if not fault.path.startswith("samples")]  # made-up rows
            cpu, wall = taken()
            what = "--deep" if deep else "plain"
            print(
                f"  {place.location.partition('://')[0][:2]:<3} {what:<7} {size / wall / 1e6:7.0f} MB/s, "
                f"{size / cpu / 1e6:7.0f} MB a CPU second, {len(faults)} faults"
            )


def test_four_thousand_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests and seconds at 30 ms a request: status, and what is missing of a build that is resumed."""
    count = 4000
    with proxying(Kept(small(count), count)) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        place = open_destination(f"gs://{BUCKET}/c")
        place.top()
        print(f"\n{count} shards, 30 ms a request:")
        for name, act in (
            ("status", lambda: len(survey(place).done)),
            ("what a resumed build lacks", lambda: count - len(list(missing_anywhere((place, place), count)))),
        ):
            proxy.clear()
            proxy.latency = 0.03
            with measured() as taken:
                assert act() == count
            cpu, wall = taken()
            print(
                f"  {name:<28} {len(proxy.seen):5} requests, {wall:5.1f} s; {cpu:.1f} s CPU, the server's included; "
                f"{proxy.most_at_once} at once"
            )


class Kept(Proxy):
    """A store of Google's kind that holds the records of a corpus, and answers at once but for its latency."""

    def __init__(self, description: Description, count: int) -> None:
        super().__init__(("", 0))
        run = run_record()
        self.objects = {f"c/{path}": content for path, content in description.objects().items()}
        for shard in range(count):
            objects = tuple(StoredObject.of(path, b"x") for path in contents_of(description, shard))
            self.objects[f"c/{commit_object(shard)}"] = commit_of({}, shard, objects=objects).to_bytes()
            self.objects[f"c/{run_object(shard)}"] = run

    def _pass(self, asked: Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if asked.kind != "list":
            content = self.objects.get(asked.key)
            return (404, {}, b"{}") if content is None else (200, {}, content)
        names = sorted(
            name for name in self.objects if name.startswith(asked.key) and "/" not in name[len(asked.key) :]
        )
        first = int(asked.query.get("pageToken", "0"))
        told: dict[str, Any] = {"items": [{"name": name} for name in names[first : first + 1000]]}
        if first + 1000 < len(names):
            told["nextPageToken"] = str(first + 1000)
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()


def imagery(samples: int, shards: int = 1) -> Description:
    """A corpus of one platform with patches of the usual size."""
    return small(shards, size=shards * samples, shard_size=samples, patch={"pixels": 250})


def scene(description: Description, samples: int, seed: int) -> dict[str, NDArray[Any]]:
    """Pixels that compress about as imagery does: a random walk with noise."""
    rng = np.random.default_rng(seed)
    made: dict[str, NDArray[Any]] = {}
    for kind in description.arrays:
        shape = (samples, *kind.shape)
        walk = rng.integers(-9, 10, shape, np.int16).cumsum(axis=-1, dtype=np.int16)
        walk += rng.integers(0, 4, shape, np.int16) + (1500 if kind.dtype == "uint16" else -1500)
        made[kind.path] = walk.astype(kind.dtype)
    return made


def encoded(description: Description, pixels: dict[str, NDArray[Any]], shard: int) -> dict[str, bytes]:
    """The objects of a shard; its rows are made up."""
    contents = dict(encode_shard(kind, pixels[kind.path], shard) for kind in description.arrays)
    return contents | {samples_object(shard): b"rows " * 4000}


@contextmanager
def measured() -> Iterator[Any]:
    """Gives a function that says CPU seconds of this process and seconds of the wall."""
    cpu, wall = time.process_time(), time.perf_counter()
    ended: list[float] = []
    yield lambda: tuple(ended)
    ended += [time.process_time() - cpu, time.perf_counter() - wall]


def _in_flight(locations: tuple[str, str], samples: int, answers: Any) -> None:
    places = [open_destination(location) for location in locations]
    for place in places:
        place.top()
    description = imagery(samples)
    encode_shard(small(1).arrays[0], np.zeros((5, len(BANDS), 16, 16), np.uint16), 0)  # what it imports is there
    idle = _held()
    pixels = scene(description, samples, seed=1)
    raw, filled = sum(one.nbytes for one in pixels.values()), _held()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: making the pixels is not the subject
    contents: dict[str, bytes] = {}
    for kind in description.arrays:
        path, content = encode_shard(kind, pixels.pop(kind.path), 0)
        contents[path] = content
    write_everywhere(places, commit_of(contents, 0, rows=samples), contents)
    answers.put((idle, filled, _held("VmHWM"), raw, sum(map(len, contents.values()))))


def _held(key: str = "VmRSS") -> float:
    """MB in memory now, or at most (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith(key)), _peak())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
