"""The flow `build-batch`: some shards of a corpus, on whatever worker."""

import os
import sys
from collections import Counter
from contextlib import suppress
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.batches import label
from flows.building import RUNNER, build_shards
from flows.dispatching import beats
from flows.pulse import Pulse, when_lost
from flows.quicklooks import show_batch
from tasks.assembly.builder import open_builder
from tasks.errors import STOPPING, DeepSentinelError, DestinationUnreachable
from tasks.read_block import read_block
from tasks.shards.commits import is_committed
from tasks.shards.description import need_description, reconcile
from tasks.shards.destinations import read_blocks_with
from tasks.shards.runs import ShardReport
from tasks.spec import CorpusSpec


def _end_process(error: DeepSentinelError) -> None:
    """End the process in which a worker runs a batch; the worker tells the server when it is there again."""
    if "PREFECT__FLOW_RUN_ID" in os.environ:
        print(f"error: {error}", file=sys.stderr, flush=True)
        os._exit(error.exit_code)


@flow(name="build-batch", task_runner=RUNNER, persist_result=False)
def build_batch(spec: CorpusSpec, shards: list[int], lease: float = 150) -> State[None]:
    """Build those of some shards that are missing. Ends `Failed` if some still are: *Retry* builds these.

    `lease`: seconds without a sign of life after which whoever has dispatched it takes it for dead.
    """
    read_blocks_with(read_block)
    logger = get_run_logger()
    with when_lost(_end_process), Pulse(UUID(str(flow_run.get_id())), beats(lease)) as pulse:
        pulse.tell(running=0, done=0, failed=0)
        try:
            builder = open_builder(spec)
            try:
                for destination in builder.destinations:
                    # The corpus may have been made anew, from another spec, since this was dispatched.
                    reconcile(builder.description, need_description(destination), destination.location)
            except DestinationUnreachable as error:
                # It may be back for the next batch: this one alone stops nothing.
                return Failed(message=str(error))
            errors: dict[int, BaseException] = {}
            reports: dict[int, ShardReport] = {}
            for shard, ended in build_shards(spec, shards, pulse, dispatched=True):
                if isinstance(ended, BaseException):
                    errors[shard] = ended
                    logger.error(f"shard {shard} failed: {ended}")
                elif ended is None:
                    logger.info(f"shard {shard}: is there already")
                else:
                    reports[shard] = ended
                pulse.tell(done=len(reports), failed=len(errors))
            try:
                missing = [shard for shard in shards if not is_committed(builder.destinations, shard)]
            except DestinationUnreachable:
                missing = sorted(errors)
            with suppress(DestinationUnreachable):
                show_batch(builder, list(reports.values()), errors)
        except STOPPING as error:
            # The name of the state tells whoever has dispatched it that every other batch would end the same way.
            return Failed(name=type(error).__name__, message=str(error))
        except DeepSentinelError as error:
            return Failed(message=str(error))
    if missing:
        reasons = Counter(str(error) for error in errors.values())
        told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        return Failed(message=f"{spec.name}: {label(missing)} are missing. {told}")
    return Completed(message=f"{spec.name}: {label(shards)} are there, {len(reports)} built here")
