"""The demo archive: an invented country, with all that a real archive would hold of it, in a folder.

It is the embedded default of DeepSentinel: no account and no network is needed to build a corpus from it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.demo.corine import write_corine
from tasks.demo.items import GRD, L1C, L2A, SCL, Json, bands_of, optical_item, radar_item, write_catalog
from tasks.demo.landscape import Landscape, make_landscape
from tasks.demo.osm import write_country, write_osm
from tasks.demo.overview import write_overview
from tasks.demo.places import write_places
from tasks.demo.rasters import (
    BAND_RESOLUTION,
    DESCRIPTION,
    Clouds,
    cloud_cover,
    make_clouds,
    optical_band,
    radar_band,
    radar_transform,
    scene_classes,
    write_raster,
)
from tasks.demo.scenes import OPTICAL, RADAR, OpticalScene, RadarScene
from tasks.demo.square import EPSG, Square
from tasks.demo.surface import Surface, make_surface
from tasks.demo.year import LEAST, OPTICAL_YEAR, RADAR_YEAR, SHARE
from tasks.demo.zones import climate_zones, write_zones

FORMAT = 3
"""Of the archive; raise it with every change that changes a byte."""

_CONTENT = {"catalog.json", L2A, L1C, GRD, "country.geojson", "labels", "places", "overview.png", "README.txt"}

_CRS = f"EPSG:{EPSG}"

_README = """{description}.

The folder is what an archive of satellite images would be for a country that does not exist. It lies in the open
Atlantic, at 48.4 N, 9.9 W, where there is only water. All was computed from seed {seed}; nothing was observed.

  catalog.json             static STAC catalogue: Sentinel-2 L2A, Sentinel-2 L1C, Sentinel-1 GRD; of 2021 and 2022 a few
                           dates of the whole country, Level 1C with band B10 alone; from 2018-12 to 2019-11 a year of
                           dates of {year_km:g} km in its middle, Level 1C whole
  sentinel-*/              its items, and their pixels as cloud-optimised GeoTIFFs
  country.geojson          the outline of the country
  labels/corine.tif        land cover in the codes of CORINE Land Cover, 1..44
  labels/zones.tif         local climate zones, 1..17
  labels/protected.fgb     protected areas, with columns WDPA_PID and IUCN_CAT
  labels/country.osm.pbf   the same landscape as OpenStreetMap objects
  places/*.geojson         places of the year of dates: all of it, its quarters, the part nearest to houses, points
                           with a climate zone, points in protected areas
  overview.png             imagery and labels side by side

Make it again, byte for byte: tasks.demo.make_archive(folder, seed={seed}, size_km={size_km:g}).
"""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Job:
    """One raster to write."""

    path: Path
    write: Callable[[Path], None]


def make_archive(folder: Path, *, seed: int = 2020, size_km: float = 60.0, progress: Progress | None = None) -> Path:
    """Write the demo archive, or find that it is there already.

    The same seed and size give the same bytes. The archive appears in one piece: it is written beside `folder` and
    renamed at the end. An archive of another seed, size or format is replaced.

    Args:
        folder: where the archive shall be; its parents are made.
        seed: of all that is invented.
        size_km: side of the square that holds country and sea, 8 to 72 km; rounded to 120 m.
        progress: called with a line of text at every step.

    Returns:
        The path of the archive's `catalog.json`.

    Raises:
        ValueError: if `size_km` is out of range.
        FileExistsError: if `folder` holds something that is not a demo archive.
    """
    square = Square.of_size_km(size_km)
    made_from = {"format": FORMAT, "seed": seed, "size_m": square.size}
    folder = Path(folder)
    catalog = folder / "catalog.json"
    if _found(folder) == made_from:
        return catalog
    _check_free(folder)
    with _beside(folder) as draft:
        _write_all(draft, square, seed, made_from, progress or (lambda _: None))
        if _found(folder) == made_from:  # another process was faster
            return catalog
        _check_free(folder)
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
    return catalog


def _found(folder: Path) -> Json | None:
    """What the archive in a folder was made from; None if there is none."""
    catalog = folder / "catalog.json"
    if not catalog.is_file():
        return None
    try:
        content = json.loads(catalog.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return None
    return content.get("deepsentinel:demo") if isinstance(content, dict) else None


def _check_free(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; the demo archive needs a folder: name another one")
    foreign = sorted({path.name for path in folder.iterdir()} - _CONTENT)
    if foreign or (any(folder.iterdir()) and _found(folder) is None):
        what = ", ".join(foreign[:3]) or "files of unknown origin"
        raise FileExistsError(
            f"{folder} is not empty and not a demo archive (it holds {what}); name another folder or empty this one"
        )


@contextmanager
def _beside(folder: Path) -> Generator[Path, None, None]:
    """A draft folder next to `folder`, on the same disk, gone afterwards unless it was renamed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_all(folder: Path, square: Square, seed: int, made_from: Json, say: Progress) -> None:
    say("inventing the landscape")
    landscape = make_landscape(square, seed)
    # The extract is pure Python and the surface is not: together they keep two cores busy.
    with ThreadPoolExecutor(2) as pool:
        extract = pool.submit(_write_vectors, folder, landscape)
        surface = make_surface(landscape, seed)
        zones = climate_zones(surface)
        write_zones(folder / "labels" / "zones.tif", zones, surface)
        write_places(folder, landscape, zones)
        items = _write_pixels(folder, surface, seed, say)
        extract.result()
    say("writing the catalogue")
    (folder / "README.txt").write_text(
        _README.format(
            description=DESCRIPTION,
            seed=seed,
            size_km=square.size / 1000,
            year_km=square.inner(SHARE, LEAST).size / 1000,
        ),
        encoding="utf-8",
    )
    write_overview(folder, landscape)
    write_catalog(folder, items, made_from)


def _write_vectors(folder: Path, landscape: Landscape) -> None:
    write_osm(folder / "labels" / "country.osm.pbf", landscape)
    write_country(folder / "country.geojson", landscape)


def _write_pixels(folder: Path, surface: Surface, seed: int, say: Progress) -> list[Json]:
    """Write all rasters, as many at a time as there are cores; returns the items they belong to."""
    square = surface.square
    items: list[Json] = []
    jobs = [_Job(folder / "labels" / "corine.tif", lambda path: write_corine(path, surface))]
    for optical in (*OPTICAL_YEAR, *OPTICAL):
        clouds = make_clouds(surface, optical, seed)
        share = cloud_cover(square, optical, clouds)
        for level in ("L2A", "L1C"):
            item = optical_item(square, optical, level, share)
            items.append(item)
            place = folder / item["collection"] / item["id"]
            jobs += [
                _optical_job(place, surface, optical, band, clouds, seed, level) for band in bands_of(optical, level)
            ]
            if level == "L2A":
                jobs.append(_classes_job(place, surface, optical, clouds))
    for radar in (*RADAR_YEAR, *RADAR):
        item = radar_item(square, radar)
        items.append(item)
        place = folder / item["collection"] / item["id"]
        jobs += [_radar_job(place, surface, radar, number, seed) for number in range(len(radar.polarisations))]
    # Threads: the work is in numpy and GDAL, which release the interpreter's lock. Every file is the work of one.
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        running: dict[Future[None], _Job] = {pool.submit(job.write, job.path): job for job in jobs}
        for count, done in enumerate(as_completed(running), 1):
            done.result()
            say(f"raster {count} of {len(jobs)}: {running[done].path.relative_to(folder)}")
    finally:
        pool.shutdown(cancel_futures=True)  # so that an interrupted run does not first write all that is left
    return items


def _optical_job(
    place: Path, surface: Surface, scene: OpticalScene, band: str, clouds: Clouds | None, seed: int, level: str
) -> _Job:
    def write(path: Path) -> None:
        pixels = optical_band(surface, scene, band, clouds, seed, level)
        write_raster(path, pixels, scene.frame(surface.square).transform(BAND_RESOLUTION[band]), _CRS, nodata=0)

    return _Job(place / f"{band}.tif", write)


def _classes_job(place: Path, surface: Surface, scene: OpticalScene, clouds: Clouds | None) -> _Job:
    def write(path: Path) -> None:
        classes = scene_classes(surface, scene, clouds)
        write_raster(path, classes, scene.frame(surface.square).transform(20), _CRS, nodata=0)

    return _Job(place / f"{SCL}.tif", write)


def _radar_job(place: Path, surface: Surface, scene: RadarScene, number: int, seed: int) -> _Job:
    def write(path: Path) -> None:
        pixels = radar_band(surface, scene, number, seed)
        write_raster(path, pixels, radar_transform(surface.square, scene), _CRS, nodata=float("nan"))

    return _Job(place / f"{scene.polarisations[number].lower()}.tif", write)
