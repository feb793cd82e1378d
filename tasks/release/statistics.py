"""Statistics of a corpus' imagery by array and band: `release/statistics.json`, from what the shards counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.shards.array_kinds import ArrayKind
from tasks.shards.commits import Commit
from tasks.shards.description import Description
from tasks.shards.destinations import Destination
from tasks.shards.layout import statistics_object
from tasks.shards.recorded import each_shard, listed, read_sound
from tasks.shards.statistics import VALUES, ValueCounts, counts_of_pixels, decode_counts

SCHEMA = 1

TRAIN = "train"

EVERY = "all"
"""Named as the split where a corpus has no samples to train with: then all samples count."""

PERCENTILES = (1, 2, 50, 98, 99)

BINS = 64


@dataclass(kw_only=True)
class Histograms:
    """Counts of a corpus by array, band and split: half a megabyte each."""

    counts: dict[tuple[str, str, str], NDArray[np.int64]] = field(default_factory=dict)

    def add(self, one: ValueCounts) -> None:
        """Count those of another shard too."""
        key = one.array, one.band, one.split
        held = self.counts.setdefault(key, np.zeros(VALUES, np.int64))
        # By two's complement: -1 is the last one.
        held[one.values] += one.counts

    def of(self, array: str, band: str, split: str) -> NDArray[np.int64]:
        """Counts of one band by value, (65536,), negative ones from the end; `EVERY`: in all splits."""
        found = [counts for key, counts in self.counts.items() if key[:2] == (array, band) and split in (key[2], EVERY)]
        return np.sum(found, axis=0) if found else np.zeros(VALUES, np.int64)


def histograms(destination: Destination, description: Description) -> Histograms:
    """What all shards counted, added up; those that recorded nothing are counted now, from their pixels.

    Raises CorpusError: counts are damaged; DestinationError.
    """

    def read(commit: Commit) -> tuple[int, bytes | None]:
        item = listed(commit, statistics_object(commit.shard))
        return commit.shard, None if item is None else read_sound(destination, item)

    total = Histograms()
    # Decoded here, one at a time: what is read ahead is bytes, a tenth of it.
    for shard, content in each_shard(destination, "adding up the counts of pixels", read):
        found = counts_of_pixels(destination, description, shard) if content is None else decode_counts(content)
        for one in found:
            total.add(one)
    return total


def statistics(description: Description, counted: Histograms, digest: str) -> dict[str, Any]:
    """The statistics of a corpus from its counts, over all dates; those that have no pixels count as nodata."""
    splits = {split for _, _, split in counted.counts}
    split = TRAIN if TRAIN in splits else EVERY
    arrays: dict[str, Any] = {}
    samples = 0
    pixels = description.dates * description.pixels**2
    for kind in description.imagery:
        bands = {band: counted.of(kind.path, band, split) for band in kind.bands}
        samples = max(samples, *(int(counts.sum()) // pixels for counts in bands.values()))
        arrays[kind.path] = {
            "unit": unit_of(kind),
            "bands": {band: band_statistics(kind, counts) for band, counts in bands.items()},
        }
    return {"schema": SCHEMA, "corpus": digest, "split": split, "samples": samples, "arrays": arrays}


def unit_of(kind: ArrayKind) -> str:
    """What its statistics are in."""
    return "dB" if kind.step else "reflectance x 10,000"


def band_statistics(kind: ArrayKind, counts: NDArray[np.int64]) -> dict[str, Any]:
    """Statistics of one band from its counts by value, (65536,), in the array's own unit; nulls without valid pixels.

    Exact but for the rounding of floats: percentiles are those of all pixels, interpolated as numpy does.
    """
    stored = np.arange(VALUES)
    if kind.dtype == "int16":
        stored = stored.astype(np.int16).astype(np.int64)
    occurs = np.argsort(stored, kind="stable")
    occurs = occurs[(counts[occurs] > 0) & (stored[occurs] != kind.fill)]
    values, counts_of = stored[occurs], counts[occurs]
    nodata = int(counts.sum() - counts_of.sum())
    if not len(values):
        figures = dict.fromkeys(("mean", "std", "min", "max"))
        return {"valid": 0, "nodata": nodata, **figures, "percentiles": dict.fromkeys(map(str, PERCENTILES))} | {
            "histogram": None
        }
    physical = values * (kind.step or 1.0)
    valid = int(counts_of.sum())
    mean = float(np.sum(physical * counts_of) / valid)
    deviation = float(np.sqrt(np.sum((physical - mean) ** 2 * counts_of) / valid))
    percentiles = _percentiles(physical, counts_of)
    edges = _edges(physical, percentiles)
    bins, _ = np.histogram(physical.clip(edges[0], edges[-1]), edges, weights=counts_of)
    return {
        "valid": valid,
        "nodata": nodata,
        "mean": _short(mean),
        "std": _short(deviation),
        "min": _short(physical[0]),
        "max": _short(physical[-1]),
        "percentiles": {str(share): _short(at) for share, at in percentiles.items()},
        "histogram": {"edges": [_short(edge) for edge in edges], "counts": [round(count) for count in bins.tolist()]},
    }


def _percentiles(values: NDArray[Any], counts: NDArray[np.int64]) -> Mapping[int, float]:
    """Of values that occur so often, ascending: between the two pixels nearest to each rank, by its fraction."""
    ends = np.cumsum(counts)
    found: dict[int, float] = {}
    for share in PERCENTILES:
        rank, rest = divmod(share * (int(ends[-1]) - 1), 100)
        low, high = values[np.searchsorted(ends, [rank, min(rank + 1, ends[-1] - 1)], side="right")]
        found[share] = float(low + (high - low) * (rest / 100))
    return found


def _edges(values: NDArray[Any], percentiles: Mapping[int, float]) -> NDArray[np.float64]:
    """Of bins of equal width: the 1st to the 99th percentile and half as much on either side, where there are values.

    What lies beyond is counted in the outermost bins: one glint would leave all land in the first.
    """
    low, high = percentiles[1], percentiles[99]
    beyond = (high - low) / 2
    low, high = max(low - beyond, values[0]), min(high + beyond, values[-1])
    return np.linspace(low, high, BINS + 1) if low < high else low + np.arange(-BINS / 2, BINS / 2 + 1) / BINS


def _short(value: Any) -> float:
    """Without the digits that are nothing but rounding: 12 of them stay."""
    return float(f"{float(value):.12g}")
