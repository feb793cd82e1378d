"""Survey a corpus: which shards are there, which are missing, which failed and why."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tasks.errors import CorpusError
from tasks.scenes.reasons import Reason
from tasks.shards.commits import committed_shards, read_commits, reasons_of, record_bytes, sound_commit
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination
from tasks.shards.pairing_counts import PairingCounts
from tasks.shards.runs import Failure, RunRecord, read_runs, recorded_runs, samples_a_second
from tasks.shards.writing import everywhere

RECENT = 500
"""Shards, the last ones that are done, whose run records tell rate and traffic: to read all of a large corpus would
take as long again as its commit records."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a corpus holds, by its commit records."""

    description: Description
    done: tuple[int, ...]
    missing: int
    """Shards without a commit record."""
    failed: dict[int, Failure]
    """Missing shards whose last attempt failed, and its error."""
    begun: dict[int, RunRecord]
    """Missing shards that a worker has begun: they are being built, or were lost with it."""
    attempts: dict[int, int]
    """How often each of both was tried, by fault of the shard."""
    rows: int
    """Of the shards that are done."""
    samples: int
    """Rows with pixels."""
    without_pixels: dict[Reason, int]
    """Rows without pixels by reason, the most frequent first."""
    bytes: int
    replaced: int
    pairing: PairingCounts
    digest: str
    """Of the corpus: SHA-256 over its commit records in order."""
    traffic: dict[str, dict[str, int]]
    """Requests, retries, throttles and bytes by platform, of missing shards and of the last `RECENT` that are done."""
    clipped: dict[str, int]
    """Pixels by array path that were below or beyond what it holds, of the last `RECENT` that are done."""
    samples_a_second: float | None
    """Of the time in which the last `RECENT` were built, gaps between runs left out; None where nothing tells."""


def missing_shards(done: set[int], shards: int) -> Iterator[int]:
    """Shards 0 to `shards` that are not done, in order, one at a time: there may be a billion."""
    return (shard for shard in range(shards) if shard not in done)


def missing_anywhere(destinations: tuple[Destination, ...], shards: int) -> Iterator[int]:
    """Shards that at least one destination lacks, in order. One listing a destination."""
    return missing_shards(everywhere(destinations), shards)


def need_whole(destinations: Sequence[Destination]) -> None:
    """See that every copy of a corpus has all shards.

    Raises CorpusError: one lacks some, or is no corpus; DestinationError.
    """
    wanted = max(need_description(destination).shards for destination in destinations)
    for destination in destinations:
        done = committed_shards(destination)
        if lacking := wanted - sum(shard < wanted for shard in done):
            told = some_of(missing_shards(done, wanted))
            raise CorpusError(
                f"{destination.location}: is not whole, so nothing is released: {lacking:,} of {wanted:,} shards are "
                f"missing ({told}). `deepsentinel build` with the corpus' spec builds or copies them, and releases it."
            )


def without_pixels(destination: Destination) -> dict[Reason, int]:
    """Listed places without pixels by reason, the most frequent first. Raises CorpusError: a record is damaged."""
    total = sum((reasons_of(commit.missing) for commit in read_commits(destination)), start=reasons_of(()))
    return dict(total.most_common())


def survey(destination: Destination) -> Survey:
    """Read a corpus' records, in parallel. Raises CorpusError: no corpus, or a damaged record."""
    description = need_description(destination)
    done = sorted(shard for shard in committed_shards(destination) if shard < description.shards)
    rows, samples, size, replaced = 0, 0, 0, 0
    pairing, lacking = PairingCounts(), reasons_of(())
    digest = hashlib.sha256()
    for shard, content in record_bytes(destination, done):
        digest.update(content)
        commit = sound_commit(destination, shard, content)
        pairing.add(commit.pairing)
        lacking += reasons_of(commit.missing)
        rows, samples = rows + commit.rows, samples + commit.samples
        size, replaced = size + commit.size, replaced + len(commit.replaced)
    held, recent = set(done), set(done[-RECENT:])
    tried = [shard for shard in recorded_runs(destination) if shard < description.shards]
    runs = read_runs(destination, [shard for shard in tried if shard in recent or shard not in held])
    traffic: dict[str, dict[str, int]] = {}
    for record in runs.values():
        for platform, counts in record.platforms.items():
            total = traffic.setdefault(platform, {})
            for kind, count in counts.items():
                total[kind] = total.get(kind, 0) + count
    clipped: Counter[str] = Counter()
    for shard in held & runs.keys():
        clipped.update(runs[shard].clipped)
    missing = {shard: runs[shard] for shard in sorted(runs) if shard not in held}
    return Survey(
        description=description,
        done=tuple(done),
        missing=description.shards - len(done),
        failed={shard: record.error for shard, record in missing.items() if record.error},
        begun={shard: record for shard, record in missing.items() if record.begun},
        attempts={shard: record.attempt for shard, record in missing.items()},
        rows=rows,
        samples=samples,
        without_pixels=dict(lacking.most_common()),
        bytes=size,
        replaced=replaced,
        pairing=pairing,
        digest=digest.hexdigest(),
        traffic=traffic,
        clipped=dict(sorted(clipped.items())),
        samples_a_second=samples_a_second(record for shard, record in runs.items() if shard in held),
    )


def some_of(shards: Iterator[int], most: int = 5) -> str:
    """The first few of many shards, for a message."""
    first = [str(shard) for shard in islice(shards, most + 1)]
    return ", ".join(first[:most]) + (", ..." if len(first) > most else "")
