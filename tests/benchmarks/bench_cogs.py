"""Samples from an archive of large COG scenes, beside GDAL, rasterio and odc-stac on the same samples.

    python -m tests.benchmarks.bench_cogs [--samples 24] [--scenes 6] [--side 5490] [--latency 0.03] [--archive DIR]

On a disk: CPU a sample of a whole shard (blocks read, encoded, checksums, committed) against GDAL decoding only the
blocks that it touches. Over HTTP with a latency a request, from a server in a process of its own: samples a second with
default settings. Peers that are not installed are left out. Prints; asserts nothing about time.
"""

import argparse
import datetime as dt
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pystac
import rasterio
import shapely
from rasterio.transform import Affine
from rasterio.windows import Window, from_bounds

from tests.archive import EPSG, LEFT, RESOLUTION, TOP, footprint, item

ENVIRONMENT = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 64}
FIRST = dt.datetime(2020, 6, 1, 10, tzinfo=dt.UTC)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--side", type=int, default=5_490)
    parser.add_argument("--pixels", type=int, default=250)
    parser.add_argument("--latency", type=float, default=0.03)
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--only", choices=["disk", "http"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.archive or Path(scratch) / "archive"
        if not (folder / "items.geojson").exists():
            make_archive(folder, scenes=options.scenes, side=options.side)
        if options.only != "http":
            on_disk(folder, Path(scratch), options)
        if options.only != "disk":
            over_http(folder, Path(scratch), options)


# The archive


def make_archive(folder: Path, *, scenes: int, side: int) -> None:
    """Pairs of scenes of the same place, a week apart; files of the same content are one file by several names."""
    folder.mkdir(parents=True, exist_ok=True)
    values = reflectance(side)
    radar = decibels(side)
    files: dict[str, Path] = {}
    for index, (band, metres) in enumerate(RESOLUTION.items()):
        step = metres // 10
        pixels = np.roll(values, 97 * index, axis=(0, 1))[: side // step, : side // step]
        files[band] = write(folder / "content" / f"{band}.tif", pixels, metres, block=1024, predictor=2, nodata=0)
    for index, name in enumerate(("vv", "vh")):
        pixels = np.roll(radar, 501 * index, axis=1)
        files[name] = write(folder / "content" / f"{name}.tif", pixels, 10, block=512, predictor=3)
    items: list[pystac.Item] = []
    outline = shapely.geometry.mapping(footprint(side=10 * side))
    for scene in range(scenes):
        when = FIRST + dt.timedelta(days=7 * scene)
        for collection, kinds, hours, known in (
            ("sentinel-2-l2a", tuple(RESOLUTION), 0, {
                "proj:code": f"EPSG:{EPSG}", "s2:mgrs_tile": "32TMR", "platform": "Sentinel-2A",
                "s2:processing_baseline": "02.14",
            }),
            ("sentinel-1-grd", ("vv", "vh"), 6, {"sar:instrument_mode": "IW", "sar:polarizations": ["VV", "VH"]}),
        ):  # fmt: skip
            name = f"{collection}-{scene}"
            assets: dict[str, str] = {}
            for kind in kinds:
                link = folder / name / f"{kind}.tif"
                link.parent.mkdir(exist_ok=True)
                os.link(files[kind], link)
                assets[kind] = f"{name}/{kind}.tif"
            at = (when + dt.timedelta(hours=hours)).isoformat()
            made = item(name, at, assets=assets, geometry=outline, **known)
            made.collection_id = collection
            items.append(made)
    content = {"type": "FeatureCollection", "features": [one.to_dict(transform_hrefs=False) for one in items]}
    (folder / "items.geojson").write_text(json.dumps(content))


def reflectance(side: int) -> np.ndarray:
    """Values that deflate shrinks to some two thirds, as it does those of land: slopes, edges, grain."""
    random = np.random.default_rng(1)
    values = np.full((side, side), 1500, np.float32)
    for size, strength in ((512, 800), (64, 300), (8, 120), (2, 40)):
        coarse = random.standard_normal((side // size + 2,) * 2).astype(np.float32) * strength
        values += np.repeat(np.repeat(coarse, size, 0), size, 1)[:side, :side]
    values += 15 * random.standard_normal((side, side)).astype(np.float32)
    return np.clip(values, 1, 10_000).astype(np.uint16)


def decibels(side: int) -> np.ndarray:
    """Speckle of four looks."""
    return (10 * np.log10(np.random.default_rng(2).gamma(4, 0.02, (side, side)) + 1e-5)).astype(np.float32)


def write(path: Path, pixels: np.ndarray, metres: int, *, block: int, predictor: int, **options: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    with rasterio.open(
        path, "w", driver="COG", count=1, height=pixels.shape[0], width=pixels.shape[1], dtype=pixels.dtype,
        crs=f"EPSG:{EPSG}", transform=Affine(metres, 0, LEFT, 0, -metres, TOP), compress="deflate",
        predictor=predictor, blocksize=block, overviews="NONE", num_threads="all_cpus", **options,
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    return path


# What is measured


def on_disk(folder: Path, scratch: Path, options: argparse.Namespace) -> None:
    """CPU a sample."""
    rows = built(folder / "items.geojson", scratch / "warm", options, samples=2)  # imports, page cache
    rows, cpu, wall, traffic = built(folder / "items.geojson", scratch / "disk", options)
    count = len(rows)
    touched = touched_bytes(folder, rows, options.pixels)
    floor, _ = timed(lambda: [gdal_floor(folder, row, options.pixels) for row in rows])
    print(f"{count} samples of {options.pixels} px, {options.scenes} scenes of {options.side} px, on a disk")
    print(f"  GDAL decoding the touched blocks {1000 * floor / count:6.0f} ms CPU a sample")
    print(
        f"  a shard, end to end              {1000 * cpu / count:6.0f} ms, {cpu / floor:.2f} x; {count / wall:.1f} "
        f"samples/s; {traffic['bytes'] / touched:.3f} of the touched blocks' bytes"
    )
    alone = {"DEEPSENTINEL_STAC_KEPT": "0", "DEEPSENTINEL_STAC_READS": "1"}
    os.environ.update(alone)
    _, cpu, wall, traffic = built(folder / "items.geojson", scratch / "unkept", options)
    for name in alone:
        del os.environ[name]
    print(
        f"  the same, no block shared        {1000 * cpu / count:6.0f} ms, {cpu / floor:.2f} x; "
        f"{traffic['bytes'] / touched:.3f} of the touched blocks' bytes"
    )
    spent, _ = timed(lambda: [rasterio_npz(folder, row, options.pixels) for row in rows])
    print(f"  rasterio windows and npz         {1000 * spent / count:6.0f} ms, {spent / floor:.2f} x")
    if odc := odc_loader():
        items = items_of(folder / "items.geojson")
        odc(items, rows[0], options.pixels)
        spent, _ = timed(lambda: [odc(items, row, options.pixels) for row in rows])
        print(f"  odc-stac, pool=8, only loaded    {1000 * spent / count:6.0f} ms, {spent / floor:.2f} x")


def over_http(folder: Path, scratch: Path, options: argparse.Namespace) -> None:
    """Samples a second."""
    with served(folder, options.latency) as (url, ask):
        collection = json.loads((folder / "items.geojson").read_text())
        for feature in collection["features"]:
            for asset in feature["assets"].values():
                asset["href"] = f"{url}/{asset['href']}"
        remote = scratch / "items.geojson"
        remote.write_text(json.dumps(collection))
        ask()
        rows, cpu, wall, traffic = built(remote, scratch / "http", options)
        told, count = ask(), len(rows)
        touched = touched_bytes(folder, rows, options.pixels)
        print(f"{count} samples over HTTP, {1000 * options.latency:g} ms a request, one process, default settings")
        print(
            f"  a shard, end to end       {count / wall:6.2f} samples/s, {1000 * cpu / count:.0f} ms CPU; "
            f"{told['requests'] / count:.1f} requests a sample, at most {told['most']} in flight; "
            f"{told['bytes'] / touched:.3f} of the touched blocks' bytes ({touched / count / 1e6:.1f} MB a sample)"
        )
        assert traffic["bytes"] == told["bytes"]
        if odc := odc_loader():
            items = items_of(remote)
            fewer = rows[: max(4, count // 3)]
            cpu, seconds = timed(lambda: [odc(items, row, options.pixels) for row in fewer])
            told = ask()
            print(
                f"  odc-stac, pool=8          {len(fewer) / seconds:6.2f} samples/s, {1000 * cpu / len(fewer):.0f} ms "
                f"CPU; {told['requests'] / len(fewer):.1f} requests a sample; "
                f"here {count / wall * seconds / len(fewer):.1f} x as many"
            )


def built(catalog: Path, to: Path, options: argparse.Namespace, samples: int = 0) -> Any:
    """A shard, built without Prefect: its rows, CPU seconds, wall seconds, traffic."""
    from tasks.assembly.builder import Builder, close_builders, open_builder
    from tasks.assembly.shard import make_shard
    from tasks.shards.description import describe_everywhere
    from tasks.spec import CorpusSpec

    area = to.parent / "area.geojson"
    inner = footprint(left=LEFT + 3_000, top=TOP - 3_000, side=10 * options.side - 6_000)
    geopandas.GeoDataFrame(geometry=[inner], crs=4326).to_file(area)
    spec = CorpusSpec.model_validate({
        "name": "bench", "size": samples or options.samples, "shard_size": samples or options.samples,
        "places": {"random": str(area)}, "seed": 3, "window": ["2020-06-01", "2020-09-01"],
        "pairing": {"search_days": 200}, "patch": {"pixels": options.pixels},
        "platforms": [{"stac": {"catalog": str(catalog)}}], "destinations": [str(to)],
    })  # fmt: skip
    builder: Builder = open_builder(spec)
    describe_everywhere(builder.destinations, builder.description)
    cpu, wall = time.process_time(), time.perf_counter()
    make_shard(builder, 0)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    close_builders()
    rows = geopandas.read_parquet(to / "samples/shard-00000.parquet").to_dict("records")
    record = json.loads((to / "runs/shard-00000.json").read_text())
    return rows, cpu, wall, record["platforms"]["stac"]


def files_of(row: dict[str, Any]) -> Iterator[str]:
    """Files of a sample, below the archive."""
    yield from (f"{row['stac_s2_id']}/{band}.tif" for band in RESOLUTION)
    yield from (f"{row['stac_s1_id']}/{name}.tif" for name in ("vv", "vh"))


def window_of(source: Any, row: dict[str, Any]) -> Window:
    """The pixels under a sample."""
    exact = from_bounds(row["xmin"], row["ymin"], row["xmax"], row["ymax"], source.transform)
    left, top = math.floor(exact.col_off + 1e-6), math.floor(exact.row_off + 1e-6)
    right, bottom = (
        math.ceil(start + size - 1e-6) for start, size in ((exact.col_off, exact.width), (exact.row_off, exact.height))
    )
    return Window(left, top, right - left, bottom - top)


def gdal_floor(folder: Path, row: dict[str, Any], pixels: int) -> None:
    """Nothing but decode what is touched."""
    with rasterio.Env(**ENVIRONMENT):
        for name in files_of(row):
            with rasterio.open(folder / name) as source:
                source.read(1, window=window_of(source, row))


def rasterio_npz(folder: Path, row: dict[str, Any], pixels: int) -> None:
    """As scripts do it: windows, repeated to 10 m, in a compressed file."""
    arrays: list[np.ndarray] = []
    with rasterio.Env(**ENVIRONMENT):
        for name in files_of(row):
            with rasterio.open(folder / name) as source:
                found = source.read(1, window=window_of(source, row))
                step = round(source.transform.a / 10)
                arrays.append(np.repeat(np.repeat(found, step, 0), step, 1)[:pixels, :pixels])
    np.savez_compressed(io.BytesIO(), s2=np.stack(arrays[:-2]), s1=np.stack(arrays[-2:]))


def touched_bytes(folder: Path, rows: list[dict[str, Any]], pixels: int) -> int:
    """Compressed bytes of the blocks under the samples, each sample's own."""
    total = 0
    for row in rows:
        for name in files_of(row):
            with rasterio.open(folder / name) as source:
                window = window_of(source, row)
                height, width = source.block_shapes[0]
                for y in range(int(window.row_off) // height, (int(window.row_off + window.height) - 1) // height + 1):
                    for x in range(int(window.col_off) // width, (int(window.col_off + window.width) - 1) // width + 1):
                        total += int(source.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1))
    return total


def items_of(path: Path) -> dict[str, pystac.Item]:
    """By id."""
    found = pystac.ItemCollection.from_file(str(path))
    for one in found:
        one.set_self_href(str(path))
        one.make_asset_hrefs_absolute()
    return {one.id: one for one in found}


def odc_loader() -> Callable[..., None] | None:
    """How odc-stac reads a sample; None where it is not installed."""
    try:
        import odc.stac
        from odc.geo.geobox import GeoBox
    except ImportError:
        return None
    configuration = {"*": {"assets": {"*": {"data_type": "uint16", "nodata": 0}}}}
    for name in ("vv", "vh"):
        configuration["*"]["assets"][name] = {"data_type": "float32", "nodata": float("nan")}  # type: ignore

    def read(items: dict[str, pystac.Item], row: dict[str, Any], pixels: int) -> None:
        grid = GeoBox((pixels, pixels), Affine(10, 0, row["xmin"], 0, -10, row["ymax"]), row["crs"])
        for name, bands in ((row["stac_s2_id"], list(RESOLUTION)), (row["stac_s1_id"], ["vv", "vh"])):
            odc.stac.load(
                [items[name]], bands=bands, geobox=grid, resampling="nearest", pool=8, stac_cfg=configuration,
            )  # fmt: skip

    odc.stac.configure_rio(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")
    return read


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


@contextmanager
def served(folder: Path, latency: float) -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:
    """The archive from a server in a process of its own: its address, and how to ask what it has sent since."""
    command = [sys.executable, "-m", "tests.servers.cogs", str(folder), "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout

        def ask() -> dict[str, int]:
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
