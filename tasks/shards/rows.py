"""The rows of a shard: what each sample is, as GeoParquet."""

import io
import json
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.places.patches import Patch, Patches
from tasks.places.splits import split_of
from tasks.scenes.looks import look, mask_of
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import sensor_of
from tasks.scenes.scenes import Acquisition, Acquisitions, Sentinel1Scenes, Sentinel2Scenes
from tasks.shards.layout import sample_id
from tasks.spec import CorpusSpec
from tasks.spec.acquisitions import anchors_of

Value = TypeVar("Value")

_HOUR = 3_600_000_000
"""Microseconds."""

_OF_SENSOR = {
    "sentinel2": {
        "tile": "string", "baseline": "string", "orbit": "Int64", "cloud_cover": "float64", "satellite": "string",
        "sun_elevation": "float64",
    },
    "sentinel1": {"orbit": "Int64", "direction": "string", "satellite": "string", "incidence": "float64"},
}  # fmt: skip
"""What the rows say of an acquisition besides its time: columns `<role>_...` and their types."""


@dataclass(frozen=True, kw_only=True)
class PlatformFacts:
    """What the row of a sample says of one platform."""

    ids: Mapping[str, str]
    """The platform's own identifiers, by look."""
    nodata: Mapping[str, float]
    """Fraction of pixels without data, by look; empty before they are fetched."""
    absent_bands: tuple[str, ...] = ()
    """Bands this sample lacks although the platform has them elsewhere."""
    clear: Mapping[str, float] = field(default_factory=dict[str, float])
    """Fraction of pixels that the mask says are clear, by look."""
    incidence: Mapping[str, float] = field(default_factory=dict[str, float])
    """Mean over the patch in degrees where pixels tell it, by look."""

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
    """By look; none where the place, or that date, has no pixels."""
    platforms: Mapping[str, PlatformFacts]
    missing: Reason | None
    """Why the place has no pixels."""
    lacking: Mapping[int, Reason] = field(default_factory=dict[int, Reason])
    """Of a place with several dates: why some have no pixels, by number of the date."""
    place_id: str | None = None
    """What the user's file calls the place."""


def sample_rows(
    samples: list[Sample], spec: CorpusSpec, shard: int, layers: Mapping[str, NDArray[Any]] | None = None
) -> geopandas.GeoDataFrame:
    """Rows of a shard with outlines in WGS 84; the columns are those of the design.

    `layers` are the columns of layers, and those of places beyond what samples say, such as `split` where it is not
    drawn by blocks: (n,) each.
    """
    roles, platforms, per_date = spec.roles, spec.platform_names, _PerDate(spec.dates)
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
    }
    found = {role: [per_date.of(role, sample.acquisitions) for sample in samples] for role in roles}
    root = found[next(iter(roles))]
    columns["preferred_time"] = per_date.times(
        [_preferred(spec, sample, held) for sample, held in zip(samples, root, strict=True)]
    )
    for role in roles:
        columns[f"{role}_time"] = per_date.times([[_time(one) for one in held] for held in found[role]])
    for role, near in anchors_of(roles).items():
        if near is not None:
            # The first pair's name is that of the published corpora; later ones say whose gap it is.
            name = "gap_hours" if role == "s1" else f"{role}_gap_hours"
            columns[name] = per_date.values(
                [
                    [_hours(one, near) for one, near in zip(*both, strict=True)]
                    for both in zip(found[role], found[near], strict=True)
                ],
                "float64",
            )
    for role in roles:
        # What pixels tell of the patch is better than what a catalogue tells of the scene, whichever platform's.
        pixels = [ChainMap(*(dict(one.incidence) for one in sample.platforms.values())) for sample in samples]
        values = [
            [_facts_of(one, told.get(key)) if one else {} for one, key in zip(held, per_date.looks(role), strict=True)]
            for held, told in zip(found[role], pixels, strict=True)
        ]
        for name, kind in _OF_SENSOR[sensor_of(role)].items():
            columns[f"{role}_{name}"] = per_date.values([[one.get(name) for one in held] for held in values], kind)
        if roles[role].mask:
            # Of the first platform: others have masks of their own, whose pixels tell the same of them.
            clear = [sample.platforms[platforms[0]].clear if sample.platforms else {} for sample in samples]
            columns[f"{role}_clear"] = per_date.values(
                [[one.get(mask_of(key)) for key in per_date.looks(role)] for one in clear], "float64"
            )
    for platform in platforms:
        facts = [sample.platforms.get(platform) for sample in samples]
        for name, kind in (("id", "string"), ("nodata", "float64")):
            for role in roles:
                told = [(one.ids if name == "id" else one.nodata) if one else {} for one in facts]
                columns[f"{platform}_{role}_{name}"] = per_date.values([per_date.of(role, one) for one in told], kind)
        columns[f"{platform}_absent_bands"] = _texts(
            [" ".join(one.absent_bands) or None if one else None for one in facts]
        )
    columns |= layers or {}
    if "split" not in columns:
        columns["split"] = _texts(list(split_of(lon, lat, spec.seed, spec.splits)))
    columns["place_id"] = _texts([sample.place_id for sample in samples])
    columns["missing"] = _texts([None if sample.missing is None else str(sample.missing) for sample in samples])
    if spec.dates > 1:
        columns["missing_dates"] = per_date.values(
            [
                [str(why) if (why := sample.lacking.get(date, sample.missing)) else None for date in range(spec.dates)]
                for sample in samples
            ],
            "string",
        )
    table: Any = geopandas.GeoDataFrame(pd.DataFrame(columns), geometry=patches.outlines(), crs="EPSG:4326")
    names = list(columns)
    at = names.index("crs")
    return table[[*names[:at], "geometry", *names[at:]]]


def encode_rows(rows: geopandas.GeoDataFrame) -> bytes:
    """Rows as GeoParquet. The same rows give the same bytes."""
    file = io.BytesIO()
    rows.to_parquet(file, index=False, compression="zstd")
    if not any(isinstance(dtype, pd.ArrowDtype) for dtype in rows.dtypes):
        return file.getvalue()
    # What pandas notes of columns of lists it cannot read back itself: readers are told that they are objects.
    table = pq.read_table(file)
    metadata = dict(table.schema.metadata)
    notes = json.loads(metadata[b"pandas"])
    for column in notes["columns"]:
        if str(column["numpy_type"]).startswith("list<"):
            column["numpy_type"] = "object"
    metadata[b"pandas"] = json.dumps(notes).encode()
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")
    return file.getvalue()


def decode_rows(content: bytes) -> geopandas.GeoDataFrame:
    """The rows of a shard from its object."""
    return geopandas.read_parquet(io.BytesIO(content))  # pyright: ignore[reportArgumentType] files are admitted too


def patches_of(patches: Sequence[Patch]) -> Patches:
    """Patches as columns; at least one."""
    return Patches(
        epsg=np.array([patch.epsg for patch in patches], np.int32),
        # Whole metres stay whole numbers.
        xmin=np.array([patch.xmin for patch in patches]),
        ymax=np.array([patch.ymax for patch in patches]),
        pixels=patches[0].pixels,
    )


def _time(one: Acquisition | None) -> int | None:
    return None if one is None else one.known_time


def _hours(one: Acquisition | None, near: Acquisition | None) -> float | None:
    """How long after another acquisition one started; None where that is not known."""
    this, that = _time(one), _time(near)
    return None if this is None or that is None else (this - that) / _HOUR


def _preferred(spec: CorpusSpec, sample: Sample, root: list[Acquisition | None]) -> list[int | None]:
    """The instants about which acquisitions were looked for; None where the catalogue and not an instant decided."""
    if spec.instants is None:
        return [None if root[0] is not None and root[0].known_time is None else sample.preferred]
    if spec.instants.given is not None:
        return [None] * spec.dates
    return [(first + end) // 2 for first, end in spec.parts]


def _facts_of(acquisition: Acquisition, incidence: float | None) -> dict[str, Any]:
    """What the row says of an acquisition, None where it is unknown; `incidence` is that of the patch."""
    scenes, at = acquisition.scenes, acquisition.scene
    common = {
        "orbit": int(scenes.orbit[at]) or None,
        "satellite": None if scenes.satellite is None else scenes.satellite[at] or None,
    }
    if isinstance(scenes, Sentinel2Scenes):
        return common | {
            "tile": scenes.tile[at] or None,
            "baseline": scenes.baseline[at] or None,
            "cloud_cover": _number(scenes.cloud_cover, at),
            "sun_elevation": _number(scenes.sun_elevation, at),
        }
    if isinstance(scenes, Sentinel1Scenes):
        return common | {
            "direction": scenes.direction[at] or None,
            "incidence": _number(scenes.incidence, at) if incidence is None else incidence,
        }
    raise TypeError(f"scenes of an unknown sensor: {type(scenes).__name__}")


def _number(values: NDArray[np.float64] | None, at: int) -> float | None:
    return None if values is None or np.isnan(values[at]) else float(values[at])


@dataclass(frozen=True)
class _PerDate:
    """Columns of what is said at each date: scalars where there is one, else a list a row."""

    dates: int

    def looks(self, role: str) -> list[str]:
        """The looks of a role."""
        return [look(role, date, self.dates) for date in range(self.dates)]

    def of(self, role: str, said: Mapping[str, Value]) -> list[Value | None]:
        """What is said of each look of a role."""
        return [said.get(key) for key in self.looks(role)]

    def values(self, rows: list[list[Any]], kind: str) -> Any:
        """Rows of values, a list of `dates` each, as a column of a type."""
        if self.dates > 1:
            return _lists(rows, _ARROW[kind])
        scalars = [values[0] for values in rows]
        return _floats(scalars) if kind == "float64" else pd.array(scalars, dtype=kind)

    def times(self, rows: list[list[int | None]]) -> Any:
        """The same of microseconds since 1970 UTC."""
        return _lists(rows, _INSTANT) if self.dates > 1 else _times([values[0] for values in rows])


_INSTANT = pa.timestamp("us", tz="UTC")

_ARROW = {"string": pa.string(), "Int64": pa.int64(), "float64": pa.float64()}
"""Types of what is in a list."""


def _lists(rows: list[list[Any]], kind: pa.DataType) -> Any:
    return pd.arrays.ArrowExtensionArray(pa.array(rows, pa.list_(kind)))


def _times(values: list[int | None]) -> Any:
    """Microseconds since 1970 UTC as instants."""
    return pd.to_datetime(pd.Series(values, dtype="Int64"), unit="us", utc=True).astype("datetime64[us, UTC]")


def _floats(values: list[float | None]) -> Any:
    return pd.array([np.nan if value is None else value for value in values], dtype="float64")


def _texts(values: list[Any]) -> Any:
    return pd.array(values, dtype="string")
