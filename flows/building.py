"""Building shards in this process, some at a time: the same for a whole corpus and for a batch of one."""

from collections.abc import Generator, Sequence
from typing import Any

from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.pulse import Pulse
from tasks.build_shard import build_shard
from tasks.errors import STOPPING, DeepSentinelError, DestinationUnreachable, SchedulerUnreachable
from tasks.settings import load_settings
from tasks.shards.commits import is_committed
from tasks.shards.destinations import open_destination
from tasks.shards.runs import ShardReport
from tasks.spec import CorpusSpec

RUNNER: Any = ThreadPoolTaskRunner(max_workers=64)
"""What it admits at most; how many shards are in flight is the setting `shards_in_flight`."""

Ended = tuple[int, ShardReport | BaseException | None]
"""A shard and what came of it: its report, or what kept it from being built; None if somebody else has built it."""


def build_shards(
    spec: CorpusSpec, shards: Sequence[int], pulse: Pulse, *, dispatched: bool = False
) -> Generator[Ended]:
    """Build shards and give each as it ends, those in flight before anything is raised.

    `dispatched`: as one of many processes, which looks before each shard whether it is there already, and announces it.
    Like every run of a deployment it holds the platforms' limits.
    Raises what every other shard would fail by; SchedulerUnreachable: Prefect's server was gone for its patience.
    """
    settings, waiting = load_settings(), list(shards)
    destinations = [open_destination(location) for location in spec.destinations]
    context = FlowRunContext.get()
    deployed = context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None
    running: dict[PrefectFuture[ShardReport], int] = {}
    missed = 0
    stop: DeepSentinelError | None = None

    def stops(error: BaseException) -> DeepSentinelError | None:
        nonlocal missed
        missed += isinstance(error, DestinationUnreachable)
        bearable = isinstance(error, DestinationUnreachable) and missed < settings.stores_missed
        return error if isinstance(error, STOPPING) and not bearable else None

    while running or (waiting and stop is None):
        # With the server gone the shards in flight end as ever; no others begin.
        while waiting and stop is None and len(running) < settings.shards_in_flight and not pulse.silent:
            shard = waiting.pop(0)
            try:
                there = dispatched and is_committed(destinations, shard)
            except DestinationUnreachable as error:
                stop = stops(error)
                yield shard, error
                continue
            if there:
                yield shard, None
                continue
            running[build_shard.submit(spec, shard, dispatched, dispatched or deployed)] = shard
            pulse.tell(running=len(running))
        if not running:
            if waiting and stop is None:
                pulse.await_server(settings.server_patience)
            continue
        future = next(iter(as_completed(list(running))))
        shard = running.pop(future)
        pulse.tell(running=len(running))
        future.wait()  # a future learns its state only when asked for it
        if future.state.is_completed():
            yield shard, future.result()
            continue
        error = _error_of(future)
        if isinstance(error, SchedulerUnreachable):
            # It has not begun: it waits for the server with the others.
            pulse.missed(error)
            waiting.insert(0, shard)
            continue
        stop = stops(error) or stop
        yield shard, error
    if stop is not None:
        raise stop


def _error_of(future: PrefectFuture[ShardReport]) -> BaseException:
    result: Any = future.result(raise_on_failure=False)
    return result if isinstance(result, BaseException) else RuntimeError(str(future.state.message))
