"""Survey a corpus: which shards are there, which are missing, which failed and why."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from tasks.assembly.builder import Workshop
from tasks.shards.commits import Commit, read_commits
from tasks.shards.description import Description, need_description, read_description, reconcile
from tasks.shards.destinations import LocalFolder, open_destination
from tasks.shards.layout import PAIRING, PREVIEW, run_object, shard_of
from tasks.shards.pairing_counts import Count, PairingCounts


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a corpus holds, by its commit records."""

    description: Description
    done: tuple[int, ...]
    missing: tuple[int, ...]
    failed: dict[int, str]
    """Missing shards whose last attempt failed, and its error."""
    rows: int
    """Of the shards that are done."""
    samples: int
    """Rows with pixels."""
    without_pixels: dict[str, int]
    """Rows without pixels by reason, the most frequent first."""
    bytes: int
    replaced: int
    pairing: PairingCounts
    traffic: dict[str, dict[str, int]]
    """Requests, retries, throttles and bytes by platform, as the run records count them."""
    samples_a_second: float | None
    """Of the time in which shards were built, gaps between runs left out; None where nothing tells."""


@task(task_run_name="survey", cache_policy=NO_CACHE, persist_result=False)
def survey_corpus(destinations: tuple[str, ...]) -> tuple[int, ...]:
    """Shards that at least one destination lacks. Raises CorpusError: a commit record is damaged."""
    missing: set[int] = set()
    for location in destinations:
        destination = open_destination(location)
        missing |= set(range(need_description(destination).shards)) - _finished_shards(destination)
    return tuple(sorted(missing))


def is_finished(shop: Workshop) -> bool:
    """Whether every destination holds the whole corpus and describes it as the spec does, picture included.

    Raises SpecError: a destination holds a corpus that the spec contradicts; CorpusError: a record in one is damaged.
    """
    # All of them are looked at: what is wrong with one is told before a shard is built for another.
    finished = [_is_finished(shop, destination) for destination in shop.destinations]
    return all(finished)


def _is_finished(shop: Workshop, destination: LocalFolder) -> bool:
    found = read_description(destination)
    if found is None:
        return False
    wanted, done = reconcile(shop.description, found, str(destination.root)), _finished_shards(destination)
    return (
        wanted.to_bytes() == found.to_bytes()
        and all(destination.get(path) is not None for path in (PREVIEW, PAIRING))
        and done.issuperset(range(wanted.shards))
    )


def _finished_shards(destination: LocalFolder) -> set[int]:
    """Shards whose commit record is there and whole. Raises CorpusError: one is damaged."""
    return {commit.shard for commit in read_commits(destination)}


def without_pixels(destination: LocalFolder) -> dict[str, int]:
    """Listed places without pixels by reason, the most frequent first. Raises CorpusError: a record is damaged."""
    return _without_pixels(read_commits(destination))


def _without_pixels(commits: Iterable[Commit]) -> dict[str, int]:
    missing = Counter[str]()
    for commit in commits:
        missing.update(commit.missing)
    return dict(sorted(missing.items(), key=lambda item: (-item[1], item[0])))


def survey(destination: LocalFolder) -> Survey:
    """Read a corpus' records. Raises CorpusError: no corpus, or a damaged record."""
    description = need_description(destination)
    commits = list(read_commits(destination))
    done = {commit.shard for commit in commits}
    missing = sorted(set(range(description.shards)) - done)
    pairing = PairingCounts()
    for commit in commits:
        pairing.add(commit.pairing)
    runs = _runs(destination)
    traffic: dict[str, dict[str, int]] = {}
    for record in runs.values():
        for platform, counts in record.platforms.items():
            total = traffic.setdefault(platform, {})
            for kind, count in counts.items():
                total[kind] = total.get(kind, 0) + count
    return Survey(
        description=description,
        done=tuple(sorted(done)),
        missing=tuple(missing),
        failed={shard: error.message for shard in missing if shard in runs and (error := runs[shard].error)},
        rows=sum(commit.rows for commit in commits),
        samples=sum(commit.samples for commit in commits),
        without_pixels=_without_pixels(commits),
        bytes=sum(item.size for commit in commits for item in commit.objects),
        replaced=sum(len(commit.replaced) for commit in commits),
        pairing=pairing,
        traffic=traffic,
        samples_a_second=_rate([record for shard, record in runs.items() if shard in done]),
    )


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Failure(_Part):
    message: str


class _Run(_Part):
    """What is read of a run record."""

    started: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    platforms: dict[str, dict[str, Count]] = {}
    samples: Count | None = None
    error: _Failure | None = None


def _runs(destination: LocalFolder) -> dict[int, _Run]:
    """Run records by shard; they are for display, so one that cannot be understood is left out."""
    runs: dict[int, _Run] = {}
    for name in destination.names("runs"):
        shard = shard_of(name)
        content = None if shard is None else destination.get(run_object(shard))
        if shard is not None and content is not None:
            with suppress(ValidationError):
                runs[shard] = _Run.model_validate_json(content)
    return runs


def _rate(records: list[_Run]) -> float | None:
    """Samples a second over the union of the spans in which shards were built."""
    spans = sorted(
        (record.started.timestamp(), record.ended.timestamp(), record.samples)
        for record in records
        if record.samples and record.started and record.ended
    )
    busy, until = 0.0, float("-inf")
    for started, ended, _ in spans:
        busy += max(0.0, ended - max(started, until))
        until = max(until, ended)
    return sum(samples for _, _, samples in spans) / busy if busy > 0 else None
