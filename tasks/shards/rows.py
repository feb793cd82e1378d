"""The rows of a shard: what each sample is, as GeoParquet."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.places.patches import Patch, Patches
from tasks.places.splits import split_of
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import roles_of, sensor_of
from tasks.scenes.scenes import Acquisition, Acquisitions, Sentinel1Scenes, Sentinel2Scenes
from tasks.shards.layout import sample_id
from tasks.spec import CorpusSpec

_HOUR = 3_600_000_000
"""Microseconds."""

_OF_SENSOR = {
    "sentinel2": {"tile": "string", "baseline": "string", "orbit": "Int64", "cloud_cover": "float64"},
    "sentinel1": {"orbit": "Int64", "direction": "string"},
}
"""What the rows say of an acquisition besides its time: columns `<role>_...` and their types."""


@dataclass(frozen=True, kw_only=True)
class PlatformFacts:
    """What the row of a sample says of one platform."""

    ids: Mapping[str, str]
    """The platform's own identifiers, by role."""
    nodata: Mapping[str, float]
    """Fraction of pixels without data, by role; empty before they are fetched."""
    absent_bands: tuple[str, ...] = ()
    """Bands this sample lacks although the platform has them elsewhere."""

    @classmethod
    def of(cls, acquisitions: Acquisitions) -> "PlatformFacts":
        """What is known before pixels are fetched."""
        return cls(ids={role: one.id for role, one in acquisitions.items()}, nodata={})


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row, before it is one."""

    row: int
    cell: int
    preferred: int
    """Microseconds since 1970 UTC."""
    patch: Patch
    acquisitions: Acquisitions
    """By role; none where the place has no pixels."""
    platforms: Mapping[str, PlatformFacts]
    missing: Reason | None
    """Why the place has no pixels."""
    place_id: str | None = None
    """What the user's file calls the place."""


def sample_rows(
    samples: list[Sample], spec: CorpusSpec, shard: int, layers: Mapping[str, NDArray[Any]] | None = None
) -> geopandas.GeoDataFrame:
    """Rows of a shard with outlines in WGS 84; the columns are those of the design.

    `layers` are the columns of layers, and those of places beyond what samples say, such as `split` where it is not
    drawn by blocks: (n,) each.
    """
    roles, platforms = roles_of(spec), spec.platform_names
    patches = patches_of([sample.patch for sample in samples])
    lon, lat = patches.centres()
    side = 10 * patches.pixels
    columns: dict[str, Any] = {
        "sample_id": [sample_id(spec.name, shard, sample.row) for sample in samples],
        "sample": [shard * spec.shard_size + sample.row for sample in samples],
        "shard": shard,
        "row": [sample.row for sample in samples],
        "cell": [sample.cell for sample in samples],
        "crs": [sample.patch.crs for sample in samples],
        "xmin": patches.xmin,
        "ymin": patches.ymax - side,
        "xmax": patches.xmin + side,
        "ymax": patches.ymax,
        "lon": lon,
        "lat": lat,
        "preferred_time": _times([sample.preferred for sample in samples]),
    }
    found = [sample.acquisitions for sample in samples]
    for role in roles:
        columns[f"{role}_time"] = _times([held[role].time if held else None for held in found])
    for role, wanted in roles.items():
        if wanted.near is not None:
            # The first pair's name is that of the published corpora; later ones say whose gap it is.
            name = "gap_hours" if role == "s1" else f"{role}_gap_hours"
            columns[name] = _floats(
                [(held[role].time - held[wanted.near].time) / _HOUR if held else None for held in found]
            )
    for role in roles:
        values = [_facts_of(held[role]) if held else {} for held in found]
        for name, kind in _OF_SENSOR[sensor_of(role)].items():
            columns[f"{role}_{name}"] = pd.array([value.get(name) for value in values], dtype=kind)
    for platform in platforms:
        facts = [sample.platforms.get(platform) for sample in samples]
        for role in roles:
            columns[f"{platform}_{role}_id"] = _texts([one.ids.get(role) if one else None for one in facts])
        for role in roles:
            columns[f"{platform}_{role}_nodata"] = _floats([one.nodata.get(role) if one else None for one in facts])
        columns[f"{platform}_absent_bands"] = _texts(
            [" ".join(one.absent_bands) or None if one else None for one in facts]
        )
    columns |= layers or {}
    if "split" not in columns:
        columns["split"] = _texts(list(split_of(lon, lat, spec.seed, spec.splits)))
    columns["place_id"] = _texts([sample.place_id for sample in samples])
    columns["missing"] = _texts([None if sample.missing is None else str(sample.missing) for sample in samples])
    table: Any = geopandas.GeoDataFrame(pd.DataFrame(columns), geometry=patches.outlines(), crs="EPSG:4326")
    names = list(columns)
    at = names.index("crs")
    return table[[*names[:at], "geometry", *names[at:]]]


def encode_rows(rows: geopandas.GeoDataFrame) -> bytes:
    """Rows as GeoParquet. The same rows give the same bytes."""
    file = io.BytesIO()
    rows.to_parquet(file, index=False, compression="zstd")
    return file.getvalue()


def decode_rows(content: bytes) -> geopandas.GeoDataFrame:
    """The rows of a shard from its object."""
    return geopandas.read_parquet(io.BytesIO(content))  # pyright: ignore[reportArgumentType] files are admitted too


def patches_of(patches: Sequence[Patch]) -> Patches:
    """Patches as columns; at least one."""
    return Patches(
        epsg=np.array([patch.epsg for patch in patches], np.int32),
        xmin=np.array([patch.xmin for patch in patches], np.int64),
        ymax=np.array([patch.ymax for patch in patches], np.int64),
        pixels=patches[0].pixels,
    )


def _facts_of(acquisition: Acquisition) -> dict[str, Any]:
    scenes, at = acquisition.scenes, acquisition.scene
    if isinstance(scenes, Sentinel2Scenes):
        cloud = float(scenes.cloud_cover[at])
        return {
            "tile": scenes.tile[at] or None,
            "baseline": scenes.baseline[at] or None,
            "orbit": int(scenes.orbit[at]) or None,
            "cloud_cover": None if np.isnan(cloud) else cloud,
        }
    if isinstance(scenes, Sentinel1Scenes):
        return {"orbit": int(scenes.orbit[at]) or None, "direction": scenes.direction[at] or None}
    raise TypeError(f"scenes of an unknown sensor: {type(scenes).__name__}")


def _times(values: list[int | None] | list[int]) -> Any:
    """Microseconds since 1970 UTC as instants."""
    return pd.to_datetime(pd.Series(values, dtype="Int64"), unit="us", utc=True).astype("datetime64[us, UTC]")


def _floats(values: list[float | None]) -> Any:
    return pd.array([np.nan if value is None else value for value in values], dtype="float64")


def _texts(values: list[Any]) -> Any:
    return pd.array(values, dtype="string")
