"""What the page knows of every sample: its rows as compact columns, collected shard by shard."""

import io
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.labels.classes import column_part
from tasks.release.legends import Legend, legends_of
from tasks.release.page.countries import country_of
from tasks.release.page.dates import by_date, first_and_last, largest, mean
from tasks.release.rules import first_gap, rules_of
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import sensor_of
from tasks.shards.description import Description
from tasks.shards.destinations import Destination
from tasks.shards.layout import samples_object
from tasks.spec.splits import SPLITS

DEGREE = 100_000
"""Steps of a degree: one is a metre at most."""

CLOUD_BINS = 10

_GAP_STEPS = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96)
"""Hours that a bin of the gap may have."""

_GAP_BINS = 12
"""Bins on each side of 0 at most, as long as one of the steps above will do."""

_TOP = 3
"""Classes that are told of a sample."""

_AT_ONCE, _PORTION = 16, 64
"""Objects read at once, and asked for before the first of them is used."""

_ROWS = 1 << 15
"""Read at once from a file."""

NO_TIME = 0
"""Minutes since 1970 where there is no acquisition."""

NO_GAP = np.iinfo(np.int32).min
"""Minutes of the gap where there is none."""

NO_CLOUD = 0xFFFF
"""Tenths of a percent where the catalogue has no cloud cover."""


@dataclass(frozen=True, kw_only=True)
class ClassShares:
    """The columns of rows with the shares of a label's classes."""

    layer: str
    legend: Legend
    columns: tuple[str, ...]
    """Of each class."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All samples, in the order of their rows, and what their numbers mean."""

    columns: dict[str, NDArray[Any]]
    """(n,) each; see `_columns_of`."""
    place_ids: dict[int, str]
    """What the user calls a place, by sample."""
    shares: dict[str, NDArray[np.float64]]
    """By layer of classes: the mean share of each class on samples with pixels."""
    at_dates: dict[str, NDArray[np.int64]] = field(default_factory=dict[str, NDArray[np.int64]])
    """Of a corpus with several dates, how often each number of `gap`, `cloud` and `month` occurs at any of them."""

    def __len__(self) -> int:
        return len(self.columns["sample"])


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How rows of a corpus become numbers."""

    description: Description
    splits: tuple[str, ...] = field(init=False)
    gap_step: float = field(init=False)
    """Hours of a bin of the gap."""
    gap_bins: int = field(init=False)
    """Bins on each side of 0."""
    classes: tuple[ClassShares, ...] = field(init=False)
    """Labels whose classes have shares in the rows; the first is the one that samples are told apart by."""

    def __post_init__(self) -> None:
        spec = self.description.spec
        rule = rules_of(self.description)[self.gap[1]] if self.gap else None
        most = 24 * float((rule and rule.max_days) or 3)
        step = next((step for step in _GAP_STEPS if most <= _GAP_BINS * step), _GAP_STEPS[-1])
        object.__setattr__(self, "splits", tuple(sorted(_split_names(spec["splits"]), key=_split_order)))
        object.__setattr__(self, "gap_step", step)
        object.__setattr__(self, "gap_bins", int(min(60, max(1, -(-most // step)))))
        object.__setattr__(self, "classes", tuple(_class_shares(self.description)))

    @property
    def role(self) -> str:
        """Whose time is the sample's: the first one."""
        return self.description.roles[0]

    @property
    def gap(self) -> tuple[str, str, str] | None:
        """Which gap is the sample's: its column, the role, and the one that it is near."""
        return first_gap(self.description)

    @property
    def columns(self) -> list[str]:
        """Columns of rows that are looked at."""
        optical, radar = self.of_sensor("sentinel2"), self.of_sensor("sentinel1")
        roles = [f"{self.role}_time", f"{optical}_cloud_cover", f"{radar}_time", f"{radar}_direction"]
        shares = [column for one in self.classes for column in one.columns]
        own = ["sample", "lon", "lat", "crs", *(self.gap[:1] if self.gap else ()), "split", "place_id", "missing"]
        return list(dict.fromkeys([*own, *roles, *shares]))

    def of_sensor(self, sensor: str) -> str | None:
        """The first role of a sensor."""
        return next((role for role in self.description.roles if sensor_of(role) == sensor), None)


def read_rows(destination: Destination, shards: Iterable[int], scheme: Scheme) -> Iterator[pa.Table]:
    """The columns looked at of shards in order, read in parallel a bounded number ahead. Raises DestinationError."""
    wanted, names = list(shards), scheme.columns

    def read(shard: int) -> pa.Table | None:
        content = destination.get(samples_object(shard))
        if content is None:
            return None
        file = pq.ParquetFile(io.BytesIO(content))
        return file.read([name for name in names if name in file.schema_arrow.names], use_threads=False)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rows") as threads:
        for start in range(0, len(wanted), _PORTION):
            some = wanted[start : start + _PORTION]
            yield from (table for table in threads.map(read, some) if table is not None)


def read_file(file: Path, scheme: Scheme) -> Iterator[pa.Table]:
    """The same of a file with the rows of all shards, such as `release/samples.parquet`."""
    with pq.ParquetFile(file) as opened:
        names = [name for name in scheme.columns if name in opened.schema_arrow.names]
        for batch in opened.iter_batches(_ROWS, columns=names, use_threads=False):
            yield pa.Table.from_batches([batch])


def collect(tables: Iterable[pa.Table], scheme: Scheme) -> Facts:
    """Facts of all rows; holds some 45 bytes of each."""
    found: dict[str, list[NDArray[Any]]] = {}
    place_ids: dict[int, str] = {}
    sums = {one.layer: np.zeros(len(one.columns)) for one in scheme.classes}
    with_pixels = 0
    at_dates: dict[str, NDArray[np.int64]] = {}
    for table in tables:
        columns = _columns_of(table, scheme)
        for name, values in columns.items():
            found.setdefault(name, []).append(values)
        if scheme.description.dates > 1:
            for name, counts in _counts_at_dates(table, scheme).items():
                at_dates[name] = at_dates.get(name, 0) + counts
        there = columns["missing"] == 0
        with_pixels += int(there.sum())
        for one in scheme.classes:
            sums[one.layer] += [np.nansum(_floats(table, column)[there]) for column in one.columns]
        if "place_id" in table.column_names and table["place_id"].null_count < len(table):
            named = zip(columns["sample"].tolist(), table["place_id"].to_pylist(), strict=True)
            place_ids |= {sample: str(name) for sample, name in named if name is not None}
    return Facts(
        columns={name: np.concatenate(parts) for name, parts in found.items()},
        place_ids=place_ids,
        shares={layer: total / max(with_pixels, 1) for layer, total in sums.items()},
        at_dates=at_dates,
    )


def _columns_of(table: pa.Table, scheme: Scheme) -> dict[str, NDArray[Any]]:
    """The columns of some rows.

    What filters go by are small numbers, 0 = unknown or none: `country` (row of `world()` + 1), `split`, `gap` (bin,
    from the most negative one), `cloud`, `month`, `label` (number of the class in its legend + 1), `missing`.
    Of several dates the largest gap, the mean cloud cover, no month; `time` and `other_time` are the first and the last
    of the root, where otherwise they are the root's and Sentinel-1's.
    """
    lon, lat = _floats(table, "lon"), _floats(table, "lat")
    optical, radar, dates = scheme.of_sensor("sentinel2"), scheme.of_sensor("sentinel1"), scheme.description.dates
    gap_column = scheme.gap[0] if scheme.gap else ""
    if dates == 1:
        gap, cloud = _floats(table, gap_column), _floats(table, f"{optical}_cloud_cover")
        time, other = _minutes(table, f"{scheme.role}_time"), _minutes(table, f"{radar}_time")
        held, month = (time != NO_TIME).astype(np.int64), np.where(time == NO_TIME, 0, _month(time))
    else:
        gap = largest(by_date(table, gap_column, dates))
        cloud = mean(by_date(table, f"{optical}_cloud_cover", dates))
        times = by_date(table, f"{scheme.role}_time", dates)
        # A series has all months.
        (time, other), held, month = first_and_last(times), (~np.isnan(times)).sum(axis=1), np.zeros(len(table))
    found: dict[str, NDArray[Any]] = {
        "sample": _floats(table, "sample").astype(np.uint32),
        "lon": np.round(lon * DEGREE).astype(np.int32),
        "lat": np.round(lat * DEGREE).astype(np.int32),
        "country": (country_of(lon, lat) + 1).astype(np.uint16),
        "split": _index(table, "split", scheme.splits),
        "gap": gap_code(gap, scheme.gap_step, scheme.gap_bins),
        "cloud": _cloud_code(cloud),
        "month": month.astype(np.uint8),
        "label": np.zeros(len(table), np.uint16),
        "missing": _index(table, "missing", tuple(Reason)),
        "time": time.astype(np.uint32),
        "gap_minutes": np.where(np.isnan(gap), NO_GAP, np.round(gap * 60)).astype(np.int32),
        "cloud_tenths": np.where(np.isnan(cloud), NO_CLOUD, np.round(cloud * 10)).astype(np.uint16),
        "direction": _index(table, f"{radar}_direction" if dates == 1 else "", ("ascending", "descending")),
        "epsg": _epsg(table),
        "other_time": other.astype(np.uint32),
        **({"dates": held.astype(np.uint16)} if dates > 1 else {}),
    }
    if scheme.classes:
        shares = np.nan_to_num(np.stack([_floats(table, column) for column in scheme.classes[0].columns], axis=1))
        first = np.argsort(-shares, axis=1, kind="stable")[:, :_TOP]
        for at in range(_TOP):
            top = first[:, at] if at < first.shape[1] else np.zeros(len(table), np.int64)
            share = shares[np.arange(len(table)), top] if at < first.shape[1] else np.zeros(len(table))
            found[f"top{at}"] = np.where(share > 0, top + 1, 0).astype(np.uint16)
            found[f"share{at}"] = np.round(100 * share).astype(np.uint8)
        found["label"] = found["top0"]
    return found


def _counts_at_dates(table: pa.Table, scheme: Scheme) -> dict[str, NDArray[np.int64]]:
    dates, optical = scheme.description.dates, scheme.of_sensor("sentinel2")
    gap = by_date(table, scheme.gap[0] if scheme.gap else "", dates).ravel()
    cloud = by_date(table, f"{optical}_cloud_cover", dates).ravel()
    times = by_date(table, f"{scheme.role}_time", dates).ravel()
    # Dates without pixels are not counted as unknown.
    there = ~np.isnan(times)
    return {
        "gap": np.bincount(gap_code(gap, scheme.gap_step, scheme.gap_bins)[there], minlength=2 * scheme.gap_bins + 1),
        "cloud": np.bincount(_cloud_code(cloud)[there], minlength=CLOUD_BINS + 1),
        "month": np.bincount(_month(times[there].astype(np.int64)), minlength=13),
    }


def _month(minutes: NDArray[np.int64]) -> NDArray[np.int64]:
    return minutes.astype("datetime64[m]").astype("datetime64[M]").astype(np.int64) % 12 + 1


def _cloud_code(percent: NDArray[np.float64]) -> NDArray[np.uint8]:
    code = 1 + np.clip(np.nan_to_num(percent) // (100 / CLOUD_BINS), 0, CLOUD_BINS - 1)
    return np.where(np.isnan(percent), 0, code).astype(np.uint8)


def gap_code(hours: NDArray[np.float64], step: float, bins: int) -> NDArray[np.uint8]:
    """The bin of signed gaps: 0 = unknown, then `bins` of negative gaps, the largest first, and `bins` of others.

    Bins are as wide on both sides, so that |gap| < k * step are the k next to the middle on either.
    """
    away = np.minimum(np.abs(np.nan_to_num(hours)) // step, bins - 1).astype(np.int64)
    return np.where(np.isnan(hours), 0, np.where(hours < 0, bins - away, bins + 1 + away)).astype(np.uint8)


def _split_names(splits: Mapping[str, Any]) -> Iterable[str]:
    """Those with shares; all, if a column of the places' file has them."""
    return [name for name in splits if name != "by"] or SPLITS


def _split_order(name: str) -> tuple[int, str]:
    return (SPLITS.index(name) if name in SPLITS else len(SPLITS)), name


def _class_shares(description: Description) -> Iterator[ClassShares]:
    for name, layer in description.layers.items():
        legends = legends_of(layer.arrays[0])
        if isinstance(legends, tuple) and legends:
            legend = legends[0]
            start = name if legend.scheme is None else f"{name}_{column_part(legend.scheme)}"
            columns = tuple(f"{start}_{column_part(one.code)}" for one in legend.classes)
            yield ClassShares(layer=name, legend=legend, columns=columns)


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column as floats, NaN = null; all NaN where there is none, or it holds lists."""
    if name not in table.column_names or pa.types.is_list(table.schema.field(name).type):
        return np.full(len(table), np.nan)
    return np.asarray(pc.cast(table[name], pa.float64(), safe=False).to_numpy(), np.float64)


def _minutes(table: pa.Table, name: str) -> NDArray[np.int64]:
    """A column of times as minutes since 1970."""
    if name not in table.column_names or not pa.types.is_timestamp(table.schema.field(name).type):
        return np.full(len(table), NO_TIME, np.int64)
    since = pc.cast(table[name], pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    return np.asarray(pc.fill_null(since, NO_TIME).to_numpy(), np.int64) // 60_000_000


def _index(table: pa.Table, name: str, values: Iterable[str]) -> NDArray[np.uint8]:
    """A column of texts as their place among `values`, from 1 on; 0 = null, or none of them."""
    if name not in table.column_names:
        return np.zeros(len(table), np.uint8)
    known = {str(value): number for number, value in enumerate(values, start=1)}
    texts = table[name].cast(pa.string()).combine_chunks().dictionary_encode()
    numbers = np.array([*(known.get(text, 0) for text in texts.dictionary.to_pylist()), 0], np.uint8)
    return numbers[np.asarray(pc.fill_null(texts.indices, -1).to_numpy(zero_copy_only=False), np.int64)]


def _epsg(table: pa.Table) -> NDArray[np.uint16]:
    """The zones' codes."""
    texts = table["crs"].cast(pa.string()).combine_chunks().dictionary_encode()
    codes = np.array([int(str(text).removeprefix("EPSG:")) for text in texts.dictionary.to_pylist()], np.uint16)
    return codes[texts.indices.to_numpy(zero_copy_only=False)]
