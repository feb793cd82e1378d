"""What there is to tell of a whole corpus, from its commit records and its rows: the numbers of the data card."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from tasks.labels.classes import column_part
from tasks.labels.legends import LabelClass
from tasks.notices import told_if_slow
from tasks.release.columns import flat
from tasks.release.legends import Legend, legends_of
from tasks.release.sample_map import Points
from tasks.scenes.reasons import Reason
from tasks.shards.commits import reasons_of, record_bytes, sound_commit
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination
from tasks.shards.pairing_counts import PairingCounts
from tasks.spec.splits import SPLITS

_COMPUTE: Any = pyarrow.compute  # whose functions are made when it is imported, so that no checker knows them

_ROWS = 20_000
"""Rows read at once."""


@dataclass(frozen=True, kw_only=True)
class ClassShares:
    """The shares that the classes of one label, or of one scheme of it, have of all pixels of samples."""

    layer: str
    scheme: str | None
    shares: Mapping[LabelClass, float]
    """In the order of the legend; of classes that occur."""
    nodata: float


@dataclass(kw_only=True)
class Facts:
    """What a corpus comes to."""

    description: Description
    digest: str = ""
    rows: int = 0
    samples: int = 0
    """Rows with pixels."""
    bytes: int = 0
    """Of the shards' objects."""
    pairing: PairingCounts = field(default_factory=PairingCounts)
    replaced: Counter[Reason] = field(default_factory=Counter)
    """Candidates that gave way to the next one."""
    missing: Counter[Reason] = field(default_factory=Counter)
    """Listed places without pixels."""
    missing_dates: Counter[Reason] = field(default_factory=Counter)
    """Dates without pixels of places that have others."""
    clear: dict[str, float] = field(default_factory=dict)
    """By role that has a mask, the mean fraction of clear pixels."""
    places: dict[str, Points] = field(default_factory=dict)
    """Centres of samples by split."""
    first: Any = None
    """The first acquisition of any role, as an instant; None without samples."""
    last: Any = None
    shares: tuple[ClassShares, ...] = ()
    osm_features: int | None = None
    """Features of OpenStreetMap's map on all samples; None: the corpus is not labelled by it."""

    @property
    def splits(self) -> dict[str, int]:
        """Samples by split, of those with none too."""
        return {split: len(points) for split, points in self.places.items()}


def read_facts(destination: Destination, samples: Path) -> Facts:
    """Gather what there is to tell of a corpus whose rows are in the file `samples`, part by part.

    Raises CorpusError: no corpus, or a damaged record; DestinationError.
    """
    facts = Facts(description=need_description(destination))
    digest = hashlib.sha256()
    for shard, content in record_bytes(destination):
        digest.update(content)
        commit = sound_commit(destination, shard, content)
        facts.rows, facts.samples = facts.rows + commit.rows, facts.samples + commit.samples
        facts.bytes += commit.size
        facts.pairing.add(commit.pairing)
        facts.replaced += reasons_of(commit.replaced)
        facts.missing += reasons_of(commit.missing)
    facts.digest = digest.hexdigest()
    _add_rows(facts, samples)
    return facts


def _add_rows(facts: Facts, samples: Path) -> None:
    description = facts.description
    file = pq.ParquetFile(samples)
    there = {*file.schema_arrow.names}
    shared = [column for column in _share_columns(description) if column in there]
    times = [f"{role}_time" for role in description.roles]
    counted = [column for column in ("osm_features",) if column in there]
    clear = [column for role in description.masks if (column := f"{role}_clear") in there]
    lacking = [column for column in ("missing_dates",) if column in there]
    known = dict.fromkeys(clear, 0)
    places: dict[str, list[Points]] = {split: [] for split in SPLITS}
    sums = dict.fromkeys((*shared, *counted, *clear), 0.0)
    done = 0
    columns = ["split", "missing", "lon", "lat", *times, *shared, *counted, *clear, *lacking]
    with told_if_slow("reading the rows for the data card") as say:
        for batch in file.iter_batches(_ROWS, columns=columns):
            rows = pa.table(batch)
            rows = rows.filter(rows["missing"].is_null())
            points = np.stack([rows["lon"].to_numpy(), rows["lat"].to_numpy()], axis=1)
            splits = np.array(rows["split"].to_pylist(), object)
            for split in {*splits}:
                places.setdefault(split, []).append(points[splits == split])
            for time in times:
                least, most = _COMPUTE.min_max(flat(rows[time])).as_py().values()
                facts.first = min(filter(None, (facts.first, least)), default=None)
                facts.last = max(filter(None, (facts.last, most)), default=None)
            for column in sums:
                sums[column] += _COMPUTE.sum(flat(rows[column])).as_py() or 0
            for column in clear:
                known[column] += _COMPUTE.count(flat(rows[column])).as_py()
            for column in lacking:
                facts.missing_dates.update(Reason(why) for why in flat(rows[column]).to_pylist() if why)
            done += batch.num_rows
            say(done, facts.rows)
    facts.places = {split: np.concatenate([np.empty((0, 2)), *parts]) for split, parts in places.items()}
    facts.osm_features = round(sums["osm_features"]) if counted else None
    facts.clear = {column.removesuffix("_clear"): sums[column] / count for column, count in known.items() if count}
    shares = {column: sums[column] / facts.samples for column in shared if facts.samples}
    facts.shares = tuple(_of_legends(description, shares))


def _schemes(description: Description) -> Iterator[tuple[str, Legend, str]]:
    """Labels of classes: layer, legend, and how the columns of their shares begin."""
    for name, layer in description.layers.items():
        for kind in layer.arrays:
            legends = legends_of(kind)
            for legend in legends if isinstance(legends, tuple) else ():
                yield name, legend, name if legend.scheme is None else f"{name}_{column_part(legend.scheme)}"


def _share_columns(description: Description) -> Iterator[str]:
    for _, legend, start in _schemes(description):
        yield from (f"{start}_{column_part(one.code)}" for one in legend.classes)
        yield f"{start}_nodata"


def _of_legends(description: Description, shares: Mapping[str, float]) -> Iterator[ClassShares]:
    for name, legend, start in _schemes(description):
        found = {one: shares.get(f"{start}_{column_part(one.code)}", 0.0) for one in legend.classes}
        yield ClassShares(
            layer=name,
            scheme=legend.scheme,
            shares={one: share for one, share in found.items() if share},
            nodata=shares.get(f"{start}_nodata", 0.0),
        )
