"""What dispatching costs: thousands of tiny shards from a platform that answers at once, over several workers.

    BENCH_SHARDS=4000 pytest -s tests/benchmarks/bench_scale.py

Parent, workers, Prefect's server and PostgreSQL are processes of their own.
"""

import os
import time
import urllib.request
from pathlib import Path

import geopandas as gpd
import shapely
import yaml

from tests.archive import EPSG, LEFT, TOP
from tests.servers.scheduler import Prefect
from tests.unit.builders import values

SHARDS, WORKERS = int(os.environ.get("BENCH_SHARDS", "4000")), 2


def usage(process: int) -> tuple[float, float]:
    """CPU seconds of a process with its children, and its memory in MB (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    memory = Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0]
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK"), int(memory) / 1000


def test_thousands_of_shards(tmp_path: Path) -> None:
    """Wall time, CPU and memory of each process, and how long the server takes to answer meanwhile."""
    # Within the zone of the made-up scene, and large enough.
    side = 450 * (1.5 * SHARDS) ** 0.5
    region = shapely.box(LEFT, TOP - side, LEFT + side, TOP)
    gpd.GeoDataFrame(geometry=[region], crs=EPSG).to_file(tmp_path / "region.gpkg")
    spec = values(tmp_path, platforms=[{"stac": {"catalog": "none"}}], shard_size=1, size=SHARDS)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    prefect = Prefect(tmp_path, DEEPSENTINEL_POLL="2")
    module = "tests.servers.made_up_worker"
    try:
        prefect.make_tables()
        prefect.start_server()
        prefect.register({"deepsentinel-stac": 64})
        began = time.monotonic()
        workers = [prefect.start(module, "worker", str(n), log=f"worker-{n}.log") for n in range(WORKERS)]
        parent = prefect.start(module, "build", str(tmp_path / "spec.yaml"), "--dispatch", "local", log="parent.log")
        processes = {"parent": parent, "server": prefect.server, **{f"worker {n}": w for n, w in enumerate(workers)}}
        used: dict[str, tuple[float, float]] = {}
        slowest = 0.0
        while parent.poll() is None:
            for name, process in processes.items():
                used[name] = usage(process.pid)
            asked = time.monotonic()
            with urllib.request.urlopen(f"{prefect.api}/health", timeout=60):
                slowest = max(slowest, time.monotonic() - asked)
            time.sleep(1)
        wall = time.monotonic() - began
    finally:
        prefect.close()
    print(prefect.log("parent.log")[-600:])
    done = len(list((tmp_path / "corpus" / "commits").glob("*.json")))
    print(f"\n{done} of {SHARDS} shards in {wall:.0f} s; the server answered within {slowest:.2f} s")
    for name, (cpu, memory) in used.items():
        print(f"  {name:<10} {cpu:7.1f} CPU-s, {1000 * cpu / SHARDS:6.1f} ms a shard, {memory:5.0f} MB at most")
    assert done == SHARDS
