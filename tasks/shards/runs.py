"""Run records: how each shard was built, or what kept it from being built. Display; no part of a corpus' content."""

import datetime as dt
import os
import socket
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from tasks.errors import (
    STOPPING,
    CandidatesExhausted,
    CredentialsError,
    DeepSentinelError,
    DestinationError,
    DestinationUnreachable,
    LabelsError,
)
from tasks.shards.destinations import Destination
from tasks.shards.layout import RUNS, run_object, shard_of, to_json
from tasks.shards.pairing_counts import Count

_AT_ONCE = 64
"""Records read at once."""


@dataclass(frozen=True, kw_only=True)
class ShardReport:
    """What building a shard came to."""

    shard: int
    samples: int
    replaced: int
    bytes: int
    seconds: dict[str, float]
    """Wall time by stage."""
    copied: bool = False
    """Whether it came from another destination instead of from the platforms."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a shard."""

    shard: int
    started: float
    """Seconds since 1970 UTC."""
    ended: float | None
    """None: it has just begun. Who then never tells how it ended was lost with its process."""
    seconds: Mapping[str, float]
    """Wall time by stage."""
    traffic: Mapping[str, Mapping[str, int]]
    """Counts by platform."""
    report: ShardReport | None
    error: Exception | None
    before: int = 0
    """Attempts at the shard before this one, as `attempts_before` counts them."""
    notes: Sequence[str] = ()
    """What platforms said of scenes that were replaced: for people, kept nowhere else."""
    clipped: Mapping[str, int] = field(default_factory=dict[str, int])
    """By array path, pixels that were below or beyond what it holds."""

    def to_bytes(self) -> bytes:
        """As stored."""
        # What would stop any shard is no fault of this one.
        counts = not isinstance(self.error, STOPPING)
        return to_json(
            {
                "shard": self.shard,
                "attempt": self.before + counts,
                "started": _clock_time(self.started),
                "ended": None if self.ended is None else _clock_time(self.ended),
                "host": socket.gethostname(),
                "process": os.getpid(),
                "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
                "platforms": {name: dict(counts) for name, counts in self.traffic.items()},
                "samples": self.report.samples if self.report else None,
                "bytes": self.report.bytes if self.report else None,
                "replaced": self.report.replaced if self.report else None,
                "copied": self.report.copied if self.report else None,
                "notes": list(self.notes),
                "clipped": dict(self.clipped),
                "error": _told(self.error) if self.error else None,
            }
        )


def record_attempt(destinations: Iterable[Destination], attempt: Attempt) -> None:
    """Write an attempt wherever that is possible: it must neither lose the shard nor hide its error."""
    content = attempt.to_bytes()
    # The one that has just been waited for in vain is not waited for again.
    silent = attempt.error.location if isinstance(attempt.error, DestinationUnreachable) else None
    for destination in destinations:
        if destination.location != silent:
            with suppress(DestinationError, CredentialsError):
                destination.put(run_object(attempt.shard), content)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Failure(_Part):
    """Why a shard's last attempt failed."""

    kind: str = ""
    message: str
    permanent: bool = False
    """Whether it will fail the same way every time."""

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """What kept a shard from being built."""
        return cls(
            kind=type(error).__name__,
            message=str(error) or type(error).__name__,
            permanent=isinstance(error, CandidatesExhausted | LabelsError),
        )


class RunRecord(_Part):
    """What is read of a run record."""

    attempt: Count = 0
    """Attempts that failed or were lost by fault of the shard, this one included."""
    started: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    host: str | None = None
    platforms: dict[str, dict[str, Count]] = {}
    samples: Count | None = None
    bytes: Count | None = None
    clipped: dict[str, Count] = {}
    error: Failure | None = None

    @property
    def begun(self) -> bool:
        """Whether it was begun and has not ended: the shard is being built, or was lost with its process."""
        return self.started is not None and self.ended is None and self.error is None


def attempts_before(destinations: Sequence[Destination], shard: int) -> int:
    """How often a shard was tried in vain by its own fault; 0 where nothing tells, or it was built the last time."""
    for destination in destinations:
        with suppress(DestinationError, CredentialsError):
            record = read_runs(destination, [shard]).get(shard)
            return 0 if record is None or record.samples is not None else record.attempt
    return 0


def recorded_runs(destination: Destination) -> list[int]:
    """Shards that somebody has tried to build, in order. One listing."""
    return sorted(shard for name in destination.names(RUNS) if (shard := shard_of(name)) is not None)


def read_runs(destination: Destination, shards: Sequence[int]) -> dict[int, RunRecord]:
    """Run records by shard, read in parallel; one that is absent or cannot be understood is left out."""
    runs: dict[int, RunRecord] = {}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="runs") as threads:
        contents = threads.map(lambda shard: destination.get(run_object(shard)), shards)
        for shard, content in zip(shards, contents, strict=True):
            if content is not None:
                with suppress(ValidationError):
                    runs[shard] = RunRecord.model_validate_json(content)
    return runs


def tried_before(destination: Destination, shards: Iterable[int]) -> dict[int, RunRecord]:
    """Run records of those of some shards that have one: one listing, and a read each."""
    wanted = set(shards)
    return read_runs(destination, [shard for shard in recorded_runs(destination) if shard in wanted]) if wanted else {}


def samples_a_second(records: Iterable[RunRecord]) -> float | None:
    """Samples a second over the union of the spans in which shards were built; None where nothing tells."""
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


def _told(error: Exception) -> dict[str, str | bool]:
    told: dict[str, str | bool] = Failure.of(error).model_dump()
    if not isinstance(error, DeepSentinelError):
        told["traceback"] = "".join(traceback.format_exception(error)[-12:])
    return told


def _clock_time(seconds: float) -> str:
    # To the millisecond: a small shard is built within a second, and its rate follows from this.
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
