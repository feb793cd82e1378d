"""Dispatching a corpus to a work pool: batches in a bounded window, watched through the corpus' own records.

The commit records say what is done, the run records what failed and what was begun; Prefect says which flow runs are on
their way. None of it is remembered here: whoever starts anew finds the same.
"""

import datetime as dt
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, StateType
from prefect.logging import get_run_logger

from flows.backlog import Backlog
from flows.batches import Batch, Scheduler, tags_of
from flows.board import Board
from flows.pulse import PREFIX, Pulse
from tasks.errors import (
    STOPPING,
    CorpusBusy,
    CorpusError,
    DeepSentinelError,
    DestinationUnreachable,
    SchedulerUnreachable,
)
from tasks.notices import logger as notices
from tasks.settings import Settings, load_settings
from tasks.shards.destinations import Destination
from tasks.shards.progress import Watch, report
from tasks.shards.runs import Failure, read_runs, tried_before
from tasks.spec import CorpusSpec

_STOPS: dict[str, type[DeepSentinelError]] = {
    error.__name__: error for error in (*STOPPING, DestinationUnreachable) if error is not SchedulerUnreachable
}
"""By the name of the state in which a batch ends that met them."""

_BEATS = 5
"""Signs of life in a lease."""

_TAGGED = 2.0
"""Seconds within which a run that has begun bears its tags."""


@dataclass(kw_only=True)
class Dispatching:
    """One build of a corpus by the workers of a pool."""

    spec: CorpusSpec
    pool: str
    run: UUID
    """The flow run that dispatches."""
    times: int
    """How often that run has been started."""
    destinations: Sequence[Destination]
    pulse: Pulse
    settings: Settings = field(default_factory=load_settings)
    flying: list[Batch] = field(default_factory=list)
    dispatched: int = 0
    missed: int = 0
    """Times in a row that what batches left could not be read."""
    told: tuple[int, ...] = ()
    """What the last line of the log was about: one is written where it has changed."""
    said: float = float("-inf")
    """When it was last said that nobody polls the pool."""

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self._wait)
        self.log = get_run_logger()
        self.board = Board(self.spec, self.destinations[0], self.scheduler, self.run)

    def claim(self) -> None:
        """See that there is a pool, and that nobody else builds the corpus; nothing of it has been changed before.

        Raises SettingsError: no such pool; CorpusBusy: another run builds this corpus.
        """
        self.deployment = self.scheduler.deployment(self.pool)
        self.scheduler.tag(self.run, tags_of(self.spec))
        be_alone(self.scheduler, self.spec, self.run, self.settings)

    def build(self, missing: Iterable[int], watch: Watch, *, again: bool = False) -> dict[int, Failure]:
        """Have missing shards of a corpus built that is claimed; says which could not be, and why.

        `again`: earlier attempts do not count. Raises what every batch would fail by.
        """
        self.watch, wanted = watch, sorted(missing)
        records = tried_before(self.destinations[0], wanted)
        self.backlog = Backlog.of(
            wanted, records, batch=self.settings.batch_shards, most=self.settings.attempts, again=again
        )
        self._adopt(set(wanted))
        for shard, why in self.backlog.given_up.items():
            self._failed(shard, why)
        try:
            while self._left(wanted):
                self._fill()
                self._tell()
                if not self.flying:
                    break
                time.sleep(self.settings.poll)
                # What is committed may take minutes to look at, in which nobody looks for signs of life.
                looked = time.monotonic()
                self.scheduler.look(self.flying)
                self.watch.look()
                for batch in [*self.flying]:
                    self._follow(batch, looked)
        finally:
            self._tell(final=True)
        for batch in self.flying:
            if batch.state == StateType.SCHEDULED:
                self.scheduler.cancel(batch.run.id, "nothing of it is left to build")
        return dict(self.backlog.given_up)

    def _adopt(self, wanted: set[int]) -> None:
        """Take over the batches of an earlier build, but those that wait for the workers of another pool."""
        for batch in self.scheduler.on_their_way(self.spec):
            if batch.state == StateType.SCHEDULED and batch.run.deployment_id != self.deployment:
                self.scheduler.cancel(batch.run.id, f"is dispatched to {self.pool} now")
            elif batch.shards & wanted:
                self.log.info(f"{batch.name}: is on its way already ({batch.state_name})")
                self.flying.append(batch)
                self.backlog.adopt(batch.shards)

    def _left(self, wanted: Iterable[int]) -> bool:
        return any(shard not in self.watch.done and shard not in self.backlog.given_up for shard in wanted)

    def _fill(self) -> None:
        """Dispatch as much as the window holds."""
        while self.backlog and len(self.flying) < self.settings.batches_in_flight:
            shards = tuple(shard for shard in self.backlog.take() if shard not in self.watch.done)
            if not shards:
                continue
            self.dispatched += 1
            # Another start of this run dispatches anew; a call that is made again because no answer came does not.
            key = f"{self.run}/{self.times}/{self.dispatched}"
            batch = self.scheduler.submit(self.deployment, self.spec, shards, lease=self.settings.lease, key=key)
            self.flying.append(batch)
            attempt = 1 + max(self.backlog.attempts.get(shard, 0) for shard in shards)
            self.log.info(f"{batch.name}: dispatched to {self.pool}" + (f", attempt {attempt}" if attempt > 1 else ""))

    def _follow(self, batch: Batch, looked: float) -> None:
        """Take up what a batch has left when it has ended, or had shown no sign of life when it was looked at."""
        quiet = looked - batch.seen
        if batch.deleted:
            self.log.warning(f"{batch.name}: was deleted from the server; what it left is dispatched again")
            self._settle(batch, lost=True)
        elif batch.ended:
            self._settle(batch)
        elif batch.state in (StateType.RUNNING, StateType.CANCELLING) and quiet > self.settings.lease:
            self._bury(batch, f"no sign of life for {quiet:.0f} s: its worker is dead or cut off")
        elif batch.state == StateType.PENDING and quiet > self.settings.batch_start:
            self._bury(batch, f"taken by a worker, but not begun within {quiet:.0f} s")

    def _bury(self, batch: Batch, why: str) -> None:
        self.log.warning(f"{batch.name}: {why}; what it left is dispatched again")
        self.scheduler.bury(batch.run.id, why)
        self._settle(batch, lost=True)

    def _settle(self, batch: Batch, *, lost: bool = False) -> None:
        missing = sorted(batch.shards - self.watch.done - set(self.backlog.given_up))
        if batch.state == StateType.CANCELLED and not lost:
            # Somebody did so on purpose; the next build makes them.
            self.flying.remove(batch)
            self.backlog.given_up |= dict.fromkeys(missing, Failure(message=f"{batch.name}: was cancelled"))
            return
        if not lost and (stop := _STOPS.get(batch.state_name)) is not None:
            self.flying.remove(batch)
            raise stop(self._stopped(batch))
        try:
            records = read_runs(self.destinations[0], missing)
        except DestinationUnreachable as error:
            self.missed += 1
            if self.missed >= self.settings.stores_missed:
                raise
            self.log.warning(f"{batch.name}: what it left cannot be read yet: {error}")
            return
        self.missed = 0
        self.flying.remove(batch)
        before = set(self.backlog.given_up)
        self.backlog.settle(missing, records, progressed=lost or len(missing) < len(batch.shards))
        for shard in set(self.backlog.given_up) - before:
            self._failed(shard, self.backlog.given_up[shard])
        if missing and self.backlog.hopeless:
            raise CorpusError(
                f"{self.spec.name}: {self.backlog.barren} batches in a row ended without having begun a shard; "
                f"the last, {batch.name!r}: {batch.state_name} {batch.message}. See the worker's log."
            )

    def _stopped(self, batch: Batch) -> str:
        running = sum(other.state == StateType.RUNNING for other in self.flying)
        for other in self.flying:
            if other.state == StateType.SCHEDULED:
                self.scheduler.cancel(other.run.id, f"{batch.name} met what this one would meet too")
        rest = f" {running} batches still run, and keep what they build." if running else ""
        return f"{batch.message}\n(said by the worker of {batch.name!r}; no more batches are dispatched.{rest})"

    def _failed(self, shard: int, why: Failure) -> None:
        self.watch.fail(shard, why.message)
        self.log.error(f"shard {shard} failed: {why.message}")

    def _tell(self, *, final: bool = False) -> None:
        progress = self.watch.progress()
        report(progress)
        running = sum(int(batch.run.labels.get(f"{PREFIX}running", 0) or 0) for batch in self.flying if not batch.ended)
        waiting = sum(batch.state in (StateType.SCHEDULED, StateType.PENDING) for batch in self.flying)
        notes = [] if final else self._unpolled(waiting)
        if (told := (progress.done, len(progress.failures), len(self.flying), running)) != self.told:
            self.told = told
            self.log.info(f"{progress.line()}; {len(self.flying)} batches on their way, {running} shards in flight")
        self.board.show(
            progress,
            self.watch.done,
            in_flight=running,
            batches=len(self.flying),
            waiting=waiting,
            notes=notes,
        )

    def _unpolled(self, waiting: int) -> list[str]:
        """What is to be said if all batches wait, and nobody polls the pool."""
        quiet = time.monotonic() - max((batch.seen for batch in self.flying), default=float("inf"))
        if waiting < len(self.flying) or quiet <= self.settings.worker_grace or self.scheduler.workers(self.pool):
            return []
        note = f"nobody polls the work pool {self.pool}: `prefect worker start --pool {self.pool}` starts a worker"
        self._say(f"{self.spec.name}: {note} ({waiting} batches have waited for {quiet:.0f} s)")
        return [note]

    def _say(self, line: str) -> None:
        if time.monotonic() - self.said >= self.settings.worker_grace:
            self.said = time.monotonic()
            notices.warning(line)
            self.log.warning(line)

    def _wait(self, error: Exception) -> None:
        self.pulse.outlast(error)
        # Nobody could show a sign of life meanwhile.
        for batch in self.flying:
            batch.seen = time.monotonic()


def beats(lease: float) -> float:
    """Seconds between two signs of life of a run that is taken for dead after `lease` seconds."""
    return lease / _BEATS


def be_alone(scheduler: Scheduler, spec: CorpusSpec, run: UUID, settings: Settings) -> None:
    """See that no run that came before builds the same corpus; one that is dead is buried. Raises CorpusBusy.

    Of two that begin at once the first one goes on. Each has tagged itself before it looks, and looks again when the
    other has had the time to do so too.
    """
    turn = _turn(scheduler.read(run))
    for pause in (min(settings.poll, _TAGGED), 0):
        for other in scheduler.runs(spec, "build-corpus", [StateType.RUNNING, StateType.CANCELLING]):
            if other.id != run and _turn(other) < turn:
                _outlive(scheduler, spec, other, settings)
        time.sleep(pause)


def _outlive(scheduler: Scheduler, spec: CorpusSpec, other: FlowRun, settings: Settings) -> None:
    notices.info("%s: seeing whether run %r, which builds it too, still lives", spec.name, other.name)
    seen = Batch(run=other, shards=frozenset(), seen=time.monotonic())
    while seen.run.updated == other.updated:
        time.sleep(min(settings.poll, beats(settings.lease)))
        looked = time.monotonic()
        scheduler.look([seen])
        if seen.ended:
            return
        if looked - seen.seen > settings.lease:
            scheduler.bury(other.id, "no sign of life: its process is gone")
            return
    raise CorpusBusy(
        f"{spec.name} at {spec.destinations[0]}: is being built by the run {other.name!r} ({other.id}), "
        f"since {_since(other):%Y-%m-%d %H:%M} UTC. Wait for it, or cancel it."
    )


def _turn(run: FlowRun) -> tuple[dt.datetime, UUID]:
    """What runs of one corpus are in order by, on the server's clock."""
    return _since(run), run.id


def _since(run: FlowRun) -> dt.datetime:
    """When a run came into the state in which it is."""
    return (run.state and run.state.timestamp) or run.expected_start_time or dt.datetime.now(dt.UTC)
