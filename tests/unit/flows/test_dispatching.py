"""Dispatching, with a scheduler in memory: which batches are taken for dead, taken over, and what ends a build."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.logging import disable_run_logger

from flows import dispatching
from flows.batches import Batch
from flows.dispatching import Dispatching, be_alone
from tasks.errors import CorpusBusy, DestinationUnreachable
from tasks.settings import Settings
from tasks.shards.progress import Progress
from tasks.shards.runs import RunRecord
from tasks.spec import CorpusSpec
from tests.unit.builders import spec_over

NOW: Any = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HERE, ELSEWHERE, RUN = uuid4(), uuid4(), uuid4()


def run_of(state: StateType, *, name: str = "", message: str = "", deployment: UUID = HERE) -> FlowRun:
    return FlowRun(
        flow_id=uuid4(),
        name="batch",
        deployment_id=deployment,
        state=State(type=state, name=name or state.value.title(), message=message),
        state_type=state,
        state_name=name or state.value.title(),
        updated=NOW,
    )


class Clock:
    """Time that passes only while something is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class InMemory:
    """Stands in for `Scheduler`. Every look at the batches calls `step`, which has them go on."""

    def __init__(self, wait: object = None) -> None:
        self.step: Callable[[], None] = lambda: None
        self.held: dict[UUID, Batch] = {}
        self.asked: list[str] = []
        self.submitted: list[tuple[int, ...]] = []
        self.looks, self.builds = 0, list[FlowRun]()
        """Other builds of the corpus, which tag themselves after the first look."""

    def deployment(self, pool: str) -> UUID:
        return HERE

    def tag(self, run: UUID, tags: Iterable[str]) -> None:
        self.asked.append("tag")

    def read(self, run: UUID) -> FlowRun:
        found = run_of(StateType.RUNNING)
        return found.model_copy(update={"id": run, "state": State(type=StateType.RUNNING, timestamp=NOW)})

    def runs(self, spec: CorpusSpec, flow: str, states: list[StateType]) -> list[FlowRun]:
        self.looks += 1
        return [run for run in self.builds if self.looks > 1]

    def on_their_way(self, spec: CorpusSpec) -> list[Batch]:
        return [*self.held.values()]

    def put(self, run: FlowRun, *shards: int) -> Batch:
        self.held[run.id] = Batch(run=run, shards=frozenset(shards), seen=dispatching.time.monotonic())
        return self.held[run.id]

    def submit(self, deployment: UUID, spec: CorpusSpec, shards: tuple[int, ...], *, lease: float, key: str) -> Batch:
        self.submitted.append(shards)
        return self.put(run_of(StateType.RUNNING), *shards)

    def look(self, batches: Iterable[Batch]) -> None:
        self.step()

    def bury(self, run: UUID, why: str) -> None:
        self.asked.append(f"bury {why}")
        self.held[run].run = run_of(StateType.CRASHED)

    def cancel(self, run: UUID, why: str) -> None:
        self.asked.append(f"cancel {why}")
        self.held[run].run = run_of(StateType.CANCELLED)

    def workers(self, pool: str) -> int:
        return 1


class Watch:
    """What is committed: the batches of the scheduler say so; `pause` is how long a look takes."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.pause, self.done = clock, 0.0, set[int]()

    def look(self) -> Progress:
        self.clock.sleep(self.pause)
        return self.progress()

    def fail(self, shard: int, why: str) -> None:
        pass

    def progress(self) -> Progress:
        return Progress(corpus="tiny", shards=2, done=len(self.done), shard_size=5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(dispatching, "time", clock)
    monkeypatch.setattr("flows.batches.time", clock)
    return clock


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> dict[int, RunRecord]:
    """Run records by shard."""
    records: dict[int, RunRecord] = {}
    monkeypatch.setattr(dispatching, "tried_before", lambda _, shards: {s: records[s] for s in shards if s in records})
    monkeypatch.setattr(dispatching, "read_runs", lambda _, shards: {s: records[s] for s in shards if s in records})
    return records


@pytest.fixture
def build(
    clock: Clock, records: dict[int, RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A build of two shards a batch: its scheduler and what is committed are to be set up, then `of(shards)`."""
    monkeypatch.setattr(dispatching, "Scheduler", InMemory)
    monkeypatch.setattr(dispatching, "Board", lambda *_: SimpleNamespace(show=lambda *_, **__: None))
    with disable_run_logger():
        store: Any = SimpleNamespace(location="memory")
        watch: Any = Watch(clock)
        pulse: Any = SimpleNamespace()
        build = Dispatching(
            spec=spec_over(tmp_path),
            pool="here",
            run=RUN,
            times=1,
            destinations=[store],
            pulse=pulse,
            settings=Settings(batch_shards=2, batches_in_flight=2, poll=10, lease=150),
        )
        build.claim()
        build.watch = watch
        yield build


def silent(*_: object) -> Any:
    raise DestinationUnreachable("memory: does not answer", "memory")


def test_a_batch_that_stopped_the_build_does_so_though_its_records_cannot_be_read(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop() -> None:
        for batch in build.scheduler.held.values():
            batch.run = run_of(StateType.FAILED, name="DestinationUnreachable", message="the store was gone")

    monkeypatch.setattr(dispatching, "read_runs", silent)
    build.scheduler.step = stop
    with pytest.raises(DestinationUnreachable, match="the store was gone"):
        build.build([0, 1], build.watch)


def test_records_that_cannot_be_read_for_long_end_the_build(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        for batch in build.scheduler.held.values():
            batch.run = run_of(StateType.FAILED)

    monkeypatch.setattr(dispatching, "read_runs", silent)
    build.scheduler.step = fail
    with pytest.raises(DestinationUnreachable, match="does not answer"):
        build.build([0, 1], build.watch)


def test_a_store_that_is_silent_for_longer_than_the_lease_kills_no_batch(build: Any, clock: Clock) -> None:
    """The batch shows a sign of life whenever it is looked at."""
    looks = iter(range(9))

    def beat() -> None:
        for batch in build.scheduler.held.values():
            batch.look(batch.run.model_copy(update={"updated": NOW + dt.timedelta(seconds=clock.now)}))
        if next(looks) == 3:
            build.watch.done = {0, 1}

    build.watch.pause, build.scheduler.step = 300, beat
    assert build.build([0, 1], build.watch) == {}
    assert build.scheduler.submitted == [(0, 1)]
    assert build.scheduler.asked == ["tag"]


def test_a_batch_without_a_sign_of_life_is_buried_after_its_lease(build: Any) -> None:
    def step() -> None:
        if len(build.scheduler.submitted) > 1:
            build.watch.done = {0, 1}

    build.scheduler.step = step
    build.build([0, 1], build.watch)
    assert build.scheduler.submitted == [(0, 1), (0, 1)]
    assert build.scheduler.asked[1].startswith("bury no sign of life for 160 s")


def test_batches_that_wait_for_the_workers_of_another_pool_are_not_waited_for(build: Any) -> None:
    for shards in ((0, 1), (2, 3)):
        build.scheduler.put(run_of(StateType.SCHEDULED, deployment=ELSEWHERE), *shards)
    build.scheduler.step = lambda: build.watch.done.update(range(4))
    build.build(range(4), build.watch)
    assert build.scheduler.asked == ["tag", *2 * ["cancel is dispatched to here now"]]
    assert build.scheduler.submitted == [(0, 1), (2, 3)]


@pytest.mark.parametrize("state", [StateType.SCHEDULED, StateType.RUNNING])
def test_what_a_batch_left_that_was_deleted_is_dispatched_again(build: Any, state: StateType) -> None:
    deleted = build.scheduler.put(run_of(state), 0, 1)

    def step() -> None:
        deleted.deleted = True
        build.watch.done = {0, 1} if build.scheduler.submitted else set()

    build.scheduler.step = step
    build.build([0, 1], build.watch)
    assert build.scheduler.submitted == [(0, 1)]
    assert build.scheduler.asked == ["tag"]


def test_a_shard_whose_last_attempt_is_on_its_way_is_not_given_up(build: Any, records: dict[int, RunRecord]) -> None:
    records[0] = RunRecord(attempt=3, started=NOW, host="worker-7")
    build.scheduler.put(run_of(StateType.RUNNING), 0)
    build.scheduler.step = lambda: build.watch.done.add(0)
    assert build.build([0], build.watch) == {}


@pytest.mark.parametrize("number", [0, 2])
def test_of_two_builds_that_begin_at_once_one_goes_on(build: Any, number: int) -> None:
    """Both began at the same moment; the other one tags itself after this one has looked."""
    own = UUID(int=1)
    other = build.scheduler.read(UUID(int=number))
    build.scheduler.looks, build.scheduler.builds = 0, [other]

    def look(batches: Iterable[Batch]) -> None:
        for batch in batches:
            batch.look(batch.run.model_copy(update={"updated": NOW + dt.timedelta(seconds=30)}))

    build.scheduler.look = look
    with pytest.raises(CorpusBusy) if number < 1 else nullcontext():
        be_alone(build.scheduler, build.spec, own, build.settings)
