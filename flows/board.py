"""The board of a corpus: a table in Prefect's UI that says how far a build is, how fast, and what is broken."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from flows.batches import Scheduler
from tasks.errors import DestinationUnreachable
from tasks.shards.destinations import Destination
from tasks.shards.progress import Progress, duration
from tasks.shards.runs import read_runs
from tasks.spec import CorpusSpec

_ERRORS = 5
"""Failed shards that the table shows."""


class Board:
    """Writes the table, and keeps the sums in it."""

    def __init__(self, spec: CorpusSpec, destination: Destination, scheduler: Scheduler, run: UUID) -> None:
        self._spec, self._destination, self._scheduler, self._run = spec, destination, scheduler, run
        self._artifact: UUID | None = None
        self._counted: set[int] = set()
        self._samples, self._bytes = 0, 0
        self._traffic: dict[str, Counter[str]] = {}

    def show(
        self,
        progress: Progress,
        done: set[int],
        *,
        in_flight: int,
        batches: int,
        waiting: int,
        notes: Sequence[str],
    ) -> None:
        """Bring the table up to date: one read a shard that is new. No build ends because that does not work."""
        with suppress(DestinationUnreachable):
            self._count(done)
        rows = self._rows(progress, in_flight=in_flight, batches=batches, waiting=waiting, notes=notes)
        data = json.dumps([{"corpus": name, "now": value} for name, value in rows])
        with suppress(httpx.HTTPStatusError):
            self._write(data)

    def _write(self, data: str) -> None:
        if self._artifact is None:
            wanted = ArtifactCreate(
                key=artifact_key("corpus", self._spec.name),
                type="table",
                data=data,
                description=f"**{self._spec.name}** at `{self._destination.location}`",
                flow_run_id=self._run,
            )
            self._artifact = self._scheduler.call(lambda client: client.create_artifact(wanted)).id
        else:
            artifact = self._artifact
            self._scheduler.call(lambda client: client.update_artifact(artifact, ArtifactUpdate(data=data)))

    def _count(self, done: set[int]) -> None:
        fresh = done - self._counted
        for record in read_runs(self._destination, sorted(fresh)).values():
            self._samples += record.samples or 0
            self._bytes += record.bytes or 0
            for platform, counts in record.platforms.items():
                self._traffic.setdefault(platform, Counter()).update(counts)
        self._counted |= fresh

    def _rows(
        self, progress: Progress, *, in_flight: int, batches: int, waiting: int, notes: Sequence[str]
    ) -> list[tuple[str, str]]:
        left = progress.shards - progress.done - len(progress.failures)
        rate = progress.samples_a_second
        remaining = duration(left * progress.elapsed / progress.built) if progress.built else "unknown yet"
        rows = [
            (
                "shards done",
                f"{progress.done:,} of {progress.shards:,} ({100 * progress.done / progress.shards:.1f} %)",
            ),
            ("shards in flight", f"{in_flight:,} in {batches - waiting} batches; {waiting} batches wait for a worker"),
            ("shards missing", f"{left:,}"),
            ("shards failed", f"{len(progress.failures):,}"),
            ("samples", f"{self._samples:,}"),
            ("samples an hour", f"{3600 * rate:,.0f}" if progress.built else "unknown yet"),
            ("time remaining", remaining if left else "none"),
            ("time elapsed", duration(progress.elapsed)),
            ("stored", volume(self._bytes)),
        ]
        rows += [
            (
                platform,
                ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if kind != "bytes")
                + f"; {volume(counts['bytes'])} read",
            )
            for platform, counts in self._traffic.items()
        ]
        rows += [("attention", note) for note in notes]
        failures = list(progress.failures.items())
        rows += [(f"shard {shard} failed", why) for shard, why in failures[-_ERRORS:]]
        if len(failures) > _ERRORS:
            rows.append(("more failed", f"{len(failures) - _ERRORS:,}: `deepsentinel status --failed` lists all"))
        return rows


def volume(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def artifact_key(*parts: str) -> str:
    """A key as Prefect admits it: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
