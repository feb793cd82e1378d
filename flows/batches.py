"""Batches as Prefect knows them: flow runs that hold some shards of a corpus each."""

import hashlib
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, WorkerStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Cancelling, Crashed

from flows.pulse import refusal
from tasks.errors import SchedulerUnreachable, SettingsError
from tasks.spec import CorpusSpec
from tasks.spec.locations import canonical

FLOW = "build-batch"

UNFINISHED = [
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
]

_PASSING = frozenset((401, 403, 408, 429))
"""Refusals that a run outlasts like a server that is gone: a login is made good again, or the run ends in words."""

_PAGE = 200
"""Flow runs that the API gives at once."""

T = TypeVar("T")


def tags_of(spec: CorpusSpec) -> list[str]:
    """What all runs of a corpus bear: its name, and where it is, which tells it from others of that name."""
    return [spec.name, canonical(spec.destinations[0])]


def label(shards: Iterable[int]) -> str:
    """Shards in a few words: 0-23, or 3, 7, 8 and 12 more."""
    held = sorted(shards)
    if held[-1] - held[0] == len(held) - 1:
        return f"shards {held[0]}-{held[-1]}" if len(held) > 1 else f"shard {held[0]}"
    more = f" and {len(held) - 3} more" if len(held) > 3 else ""
    return f"shards {', '.join(map(str, held[:3]))}{more}"


@dataclass(kw_only=True)
class Batch:
    """A flow run on its way, as it was last seen."""

    run: FlowRun
    shards: frozenset[int]
    seen: float = field(default_factory=time.monotonic)
    """When it last showed a sign of life, by this process' clock."""
    deleted: bool = False
    """Whether the server does not know it any more."""

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def state(self) -> StateType:
        return self.run.state_type or StateType.PENDING

    @property
    def state_name(self) -> str:
        return self.run.state_name or self.state.value

    @property
    def message(self) -> str:
        return (self.run.state.message if self.run.state else None) or ""

    @property
    def ended(self) -> bool:
        return self.deleted or self.state not in UNFINISHED

    def look(self, now: FlowRun) -> None:
        """Take in what the server says of it now."""
        if now.updated != self.run.updated:
            self.seen = time.monotonic()
        self.run = now


class Scheduler:
    """The calls of Prefect's API that a build needs. Each waits for a server that is gone."""

    def __init__(self, wait: Callable[[Exception], None]) -> None:
        """`wait`: called with what a call met; returns when it is to be made again, or raises."""
        self._wait = wait

    def call(self, ask: Callable[[SyncPrefectClient], T]) -> T:
        """Ask, until there is an answer. Raises what `wait` raises; httpx.HTTPStatusError: the request is refused."""
        while True:
            try:
                with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as client:
                    return ask(client)
            except httpx.TransportError as error:
                self._wait(error)
            except httpx.HTTPStatusError as error:
                if error.response.status_code < 500 and error.response.status_code not in _PASSING:
                    raise
                self._wait(error)

    def deployment(self, pool: str) -> UUID:
        """The deployment that batches of a work pool are runs of. Raises SettingsError: there is none."""

        def ask(client: SyncPrefectClient) -> UUID:
            try:
                return client.read_deployment_by_name(f"{FLOW}/{pool}").id
            except ObjectNotFound:
                known = [
                    item.name
                    for item in client.read_deployments(flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])))
                ]
                raise SettingsError(
                    f"--dispatch {pool}: {PREFECT_API_URL.value()} has no deployment {FLOW}/{pool}; it has "
                    f"{', '.join(sorted(known)) or 'none'}. Name one of them, or register it: `make deploy`."
                ) from None

        return self.call(ask)

    def submit(self, deployment: UUID, spec: CorpusSpec, shards: tuple[int, ...], *, lease: float, key: str) -> Batch:
        """Dispatch shards. The same key gives the same run, so a call that is made again dispatches nothing twice."""
        run = self.call(
            lambda client: client.create_flow_run_from_deployment(
                deployment,
                name=f"{spec.name} {label(shards)}",
                parameters={"spec": spec.model_dump(mode="json"), "shards": list(shards), "lease": lease},
                tags=tags_of(spec),
                idempotency_key=hashlib.sha256(f"{spec.destinations[0]}/{shards}/{key}".encode()).hexdigest(),
            )
        )
        return Batch(run=run, shards=frozenset(shards))

    def on_their_way(self, spec: CorpusSpec) -> list[Batch]:
        """Batches of a corpus that have not ended, whoever dispatched them."""
        return [
            Batch(run=run, shards=frozenset(map(int, run.parameters.get("shards", ()))))
            for run in self.runs(spec, FLOW, UNFINISHED)
        ]

    def runs(self, spec: CorpusSpec, flow: str, states: list[StateType]) -> list[FlowRun]:
        """Runs of a flow for a corpus."""
        return self._runs(flow, states, FlowRunFilterTags(all_=tags_of(spec)))

    def _runs(self, flow: str, states: list[StateType], tags: FlowRunFilterTags | None = None) -> list[FlowRun]:
        wanted = FlowRunFilter(tags=tags, state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)))
        of_flow = FlowFilter(name=FlowFilterName(any_=[flow]))
        return self.call(lambda client: client.read_flow_runs(flow_filter=of_flow, flow_run_filter=wanted, limit=_PAGE))

    def end_batches(self, tags: Iterable[str], why: str) -> None:
        """Cancel the batches of a corpus, whose tags are among these; the worker of one that runs ends it."""
        for run in self._runs(FLOW, UNFINISHED):
            if set(run.tags) <= set(tags):
                self._set(run.id, (Cancelling if run.state_type == StateType.RUNNING else Cancelled)(message=why))

    def look(self, batches: Iterable[Batch]) -> None:
        """See how batches are."""
        held = {batch.run.id: batch for batch in batches}
        if held:
            wanted = FlowRunFilter(id=FlowRunFilterId(any_=list(held)))
            found = self.call(lambda client: client.read_flow_runs(flow_run_filter=wanted, limit=_PAGE))
            for run in found:
                held.pop(run.id).look(run)
            for batch in held.values():
                batch.deleted = True

    def read(self, run: UUID) -> FlowRun:
        """A run as it is now."""
        return self.call(lambda client: client.read_flow_run(run))

    def bury(self, run: UUID, why: str) -> None:
        """Have a run that is dead be called so."""
        self._set(run, Crashed(message=why))

    def cancel(self, run: UUID, why: str) -> None:
        """End a run that has not begun."""
        self._set(run, Cancelled(message=why))

    def _set(self, run: UUID, state: State[None]) -> None:
        with suppress(ObjectNotFound):  # somebody has deleted it
            self.call(lambda client: client.set_flow_run_state(run, state, force=True))

    def workers(self, pool: str) -> int:
        """Workers that poll a pool."""
        found = self.call(lambda client: client.read_workers_for_work_pool(pool))
        return sum(worker.status == WorkerStatus.ONLINE for worker in found)

    def tag(self, run: UUID, tags: Iterable[str]) -> None:
        """Give a run tags beside those that it has."""

        def ask(client: SyncPrefectClient) -> None:
            held = client.read_flow_run(run).tags
            client.update_flow_run(run, tags=sorted({*held, *tags}))

        self.call(ask)


def give_up(error: Exception) -> None:
    """What a scheduler does that has no time to wait."""
    found = refusal(error)
    raise SchedulerUnreachable(
        f"Prefect's server {PREFECT_API_URL.value()} {found or f'does not answer ({type(error).__name__})'}. "
        f"{'Correct that.' if found else 'Start it, or correct PREFECT_API_URL.'}"
    ) from None
