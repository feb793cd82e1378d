"""Survey a corpus: which shards are there, which are missing, which failed and why."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.corpus import Description, need_description, read_description, reconcile
from tasks.shards.commits import committed_shards, read_commit
from tasks.shards.destinations import LocalFolder, open_destination
from tasks.shards.layout import PREVIEW, run_object, shard_of
from tasks.shards.pairing_counts import PairingCounts
from tasks.workshop import Workshop


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a corpus holds, by its commit records."""

    description: Description
    done: tuple[int, ...]
    missing: tuple[int, ...]
    failed: dict[int, str]
    """Missing shards whose last attempt failed, and its error."""
    samples: int
    bytes: int
    replaced: int
    pairing: PairingCounts
    traffic: dict[str, dict[str, int]]
    """Requests, retries, throttles and bytes by platform, as the run records count them."""
    samples_a_second: float | None
    """Of the time in which shards were built, gaps between runs left out; None where nothing tells."""


@task(task_run_name="survey", cache_policy=NO_CACHE, persist_result=False)
def survey_corpus(destinations: tuple[str, ...]) -> tuple[int, ...]:
    """Shards that at least one destination lacks."""
    missing: set[int] = set()
    for location in destinations:
        destination = open_destination(location)
        missing |= set(range(need_description(destination).shards)) - committed_shards(destination)
    return tuple(sorted(missing))


def is_finished(shop: Workshop) -> bool:
    """Whether every destination holds the whole corpus and describes it as the spec does, picture included.

    Raises SpecError: a destination holds a corpus that the spec contradicts.
    """
    for destination in shop.destinations:
        found = read_description(destination)
        if found is None:
            return False
        wanted = reconcile(shop.description, found, str(destination.root))
        if wanted.to_bytes() != found.to_bytes() or destination.get(PREVIEW) is None:
            return False
        if set(range(wanted.shards)) - committed_shards(destination):
            return False
    return True


def survey(destination: LocalFolder) -> Survey:
    """Read a corpus' records. Raises CorpusError: no corpus, or a damaged record."""
    description = need_description(destination)
    done = sorted(committed_shards(destination))
    missing = sorted(set(range(description.shards)) - set(done))
    commits = [commit for shard in done if (commit := read_commit(destination, shard))]
    pairing = PairingCounts()
    for commit in commits:
        pairing.add(commit.pairing)
    runs = _runs(destination)
    traffic: dict[str, dict[str, int]] = {}
    for record in runs.values():
        for platform, counts in record.get("platforms", {}).items():
            total = traffic.setdefault(platform, dict.fromkeys(counts, 0))
            for kind, count in counts.items():
                total[kind] = total.get(kind, 0) + count
    return Survey(
        description=description,
        done=tuple(done),
        missing=tuple(missing),
        failed={
            shard: str(runs[shard]["error"].get("message"))
            for shard in missing
            if shard in runs and runs[shard].get("error")
        },
        samples=sum(commit.samples for commit in commits),
        bytes=sum(item.size for commit in commits for item in commit.objects),
        replaced=sum(len(commit.replaced) for commit in commits),
        pairing=pairing,
        traffic=traffic,
        samples_a_second=_rate([record for shard, record in runs.items() if shard in set(done)]),
    )


def _runs(destination: LocalFolder) -> dict[int, dict[str, Any]]:
    """Run records by shard; they are for display, so one that cannot be read is left out."""
    runs: dict[int, dict[str, Any]] = {}
    for name in destination.names("runs"):
        shard = shard_of(name)
        if shard is None:
            continue
        try:
            record = json.loads(destination.get(run_object(shard)) or b"null")
        except ValueError:
            continue
        if isinstance(record, dict):
            runs[shard] = record
    return runs


def _rate(records: list[dict[str, Any]]) -> float | None:
    """Samples a second over the union of the spans in which shards were built."""
    spans = sorted(
        (_seconds(str(record["started"])), _seconds(str(record["ended"])), int(record["samples"]))
        for record in records
        if record.get("samples") and record.get("started") and record.get("ended")
    )
    busy, until = 0.0, float("-inf")
    for started, ended, _ in spans:
        busy += max(0.0, ended - max(started, until))
        until = max(until, ended)
    return sum(samples for _, _, samples in spans) / busy if busy > 0 else None


def _seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()
