"""The rows of a shard: what each sample is, as GeoParquet."""

import io
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.places import Patch, Patches, split_of
from tasks.scenes import ScenePair
from tasks.spec import CorpusSpec

_HOUR = 3_600_000_000
"""Microseconds."""

_ACQUISITION_COLUMNS = (
    "s2_time", "s1_time", "gap_hours", "s2_tile", "s2_baseline", "s2_orbit", "s2_cloud_cover", "s1_orbit",
    "s1_direction",
)  # fmt: skip
_TIMES = ("preferred_time", "s2_time", "s1_time")
_INTEGERS = ("s2_orbit", "s1_orbit")
_TEXTS = ("s2_tile", "s2_baseline", "s1_direction", "split", "place_id", "missing")
_NUMBERS = ("gap_hours", "s2_cloud_cover")


@dataclass(frozen=True, kw_only=True)
class PlatformFacts:
    """What the row of a sample says of one platform."""

    s2_id: str
    s1_id: str
    s2_nodata: float | None = None
    """Fraction of pixels in which every band is nodata; None before they are fetched."""
    s1_nodata: float | None = None
    """Fraction of pixels in which a polarization is nodata; None before they are fetched."""
    absent_bands: tuple[str, ...] = ()
    """Bands this sample lacks although the platform has them elsewhere."""

    @classmethod
    def of_pair(cls, pair: ScenePair) -> "PlatformFacts":
        """What is known before pixels are fetched."""
        return cls(s2_id=pair.s2_id, s1_id=pair.s1_id)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row, before it is one."""

    row: int
    cell: int
    preferred: int
    """Microseconds since 1970 UTC."""
    patch: Patch
    pair: ScenePair | None
    platforms: dict[str, PlatformFacts]
    missing: str | None
    """Why the place has no pixels."""
    place_id: str | None = None
    """What the user's file calls the place."""


def sample_rows(samples: list[Sample], spec: CorpusSpec, shard: int) -> geopandas.GeoDataFrame:
    """Rows of a shard with outlines in WGS 84; the columns are those of the design."""
    corpus, platforms = spec.name, spec.platform_names
    patches = _columns([sample.patch for sample in samples])
    lon, lat = patches.centres()
    rows = [_row(sample, corpus=corpus, shard=shard, platforms=platforms) for sample in samples]
    frame = pd.DataFrame.from_records(rows)
    frame.insert(4, "crs", [sample.patch.crs for sample in samples])
    for position, (name, values) in enumerate(_grid(patches).items(), start=5):
        frame.insert(position, name, values)
    frame.insert(9, "lon", lon)
    frame.insert(10, "lat", lat)
    frame["split"] = split_of(lon, lat, spec.seed, spec.splits)
    for name in _TIMES:
        frame[name] = pd.to_datetime(frame[name], unit="us", utc=True).astype("datetime64[us, UTC]")
    for name in _INTEGERS:
        frame[name] = frame[name].astype("Int64")
    for name in (*_NUMBERS, *(f"{p}_{kind}" for p in platforms for kind in ("s2_nodata", "s1_nodata"))):
        frame[name] = frame[name].astype("float64")
    for name in (*_TEXTS, *(f"{p}_{kind}" for p in platforms for kind in ("s2_id", "s1_id", "absent_bands"))):
        frame[name] = frame[name].astype("string")
    table: Any = geopandas.GeoDataFrame(frame, geometry=patches.outlines(), crs="EPSG:4326")
    names = [name for name in table.columns if name != "geometry"]
    return table[[*names[:4], "geometry", *names[4:]]]


def encode_rows(rows: geopandas.GeoDataFrame) -> bytes:
    """Rows as GeoParquet. The same rows give the same bytes."""
    file = io.BytesIO()
    rows.to_parquet(file, index=False, compression="zstd")
    return file.getvalue()


def read_samples(content: bytes) -> geopandas.GeoDataFrame:
    """The rows of a shard from its object."""
    return geopandas.read_parquet(io.BytesIO(content))  # pyright: ignore[reportArgumentType] files are admitted too


def sample_id(corpus: str, shard: int, row: int) -> str:
    """A sample's name, unique in its corpus and stable while it grows."""
    return f"{corpus}-{shard:05d}-{row:04d}"


def _row(sample: Sample, *, corpus: str, shard: int, platforms: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "sample_id": sample_id(corpus, shard, sample.row),
        "shard": shard,
        "row": sample.row,
        "cell": sample.cell,
        "preferred_time": sample.preferred,
    }
    row |= _acquisitions(sample.pair)
    for platform in platforms:
        facts = sample.platforms.get(platform)
        row |= {
            f"{platform}_s2_id": facts.s2_id if facts else None,
            f"{platform}_s1_id": facts.s1_id if facts else None,
            f"{platform}_s2_nodata": facts.s2_nodata if facts else None,
            f"{platform}_s1_nodata": facts.s1_nodata if facts else None,
            f"{platform}_absent_bands": (" ".join(facts.absent_bands) or None) if facts else None,
        }
    return row | {"split": None, "place_id": sample.place_id, "missing": sample.missing}


def _acquisitions(pair: ScenePair | None) -> dict[str, Any]:
    if pair is None:
        return dict.fromkeys(_ACQUISITION_COLUMNS)
    s2, i, s1, j = pair.s2, pair.s2_scene, pair.s1, pair.s1_scene
    gap = pair.gap / _HOUR
    cloud = float(s2.cloud_cover[i])
    values = (
        int(s2.time[i]), int(s1.time[j]), gap, s2.tile[i] or None, s2.baseline[i] or None, int(s2.orbit[i]) or None,
        None if np.isnan(cloud) else cloud, int(s1.orbit[j]) or None, s1.direction[j] or None,
    )  # fmt: skip
    return dict(zip(_ACQUISITION_COLUMNS, values, strict=True))


def _columns(patches: list[Patch]) -> Patches:
    return Patches(
        epsg=np.array([patch.epsg for patch in patches], np.int32),
        xmin=np.array([patch.xmin for patch in patches], np.int64),
        ymax=np.array([patch.ymax for patch in patches], np.int64),
        pixels=patches[0].pixels,
    )


def _grid(patches: Patches) -> dict[str, NDArray[np.int64]]:
    side = 10 * patches.pixels
    return {
        "xmin": patches.xmin, "ymin": patches.ymax - side, "xmax": patches.xmin + side, "ymax": patches.ymax,
    }  # fmt: skip
