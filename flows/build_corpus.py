"""The flow `build-corpus`: survey, build the missing shards, show the result."""

import time
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, as_completed
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.assembly.builder import open_workshop
from tasks.build_shard import ShardReport, build_shard
from tasks.draw_preview import draw_preview
from tasks.errors import CredentialsError, DeepSentinelError, DestinationError
from tasks.planning.feasibility import refuse_hopeless
from tasks.prepare_corpus import prepare_corpus
from tasks.report_pairing import report_pairing
from tasks.settings import load_settings
from tasks.shards.progress import Progress, report
from tasks.spec import CorpusSpec
from tasks.survey_corpus import survey_corpus

_RUNNER: Any = ThreadPoolTaskRunner(max_workers=64)
"""What it admits at most; how many shards are in flight is the setting `shards_in_flight`."""


@flow(
    name="build-corpus",
    flow_run_name="build {spec.name}",
    task_runner=_RUNNER,
    persist_result=False,
)
def build_corpus(spec: CorpusSpec, folder: Path = Path()) -> State[None]:
    """Build what a corpus lacks; the same call resumes and grows it.

    `folder` is where the spec's relative paths start. Ends `Failed` if shards are missing.
    """
    logger = get_run_logger()
    # Errors in spec, places, catalogues and destinations come out here, before any pixel is fetched.
    shards = prepare_corpus(spec, folder)
    missing = survey_corpus(spec.destinations)
    progress = Progress(corpus=spec.name, shards=shards, done=shards - len(missing), shard_size=spec.shard_size)
    logger.info(f"{spec.name}: {progress.done} of {shards} shards are there, {len(missing)} to build")
    report(progress)
    if missing:
        refuse_hopeless(open_workshop(spec, folder), shards)
    started = time.monotonic()
    waiting = list(missing)
    running: dict[PrefectFuture[ShardReport], int] = {}
    stop: DeepSentinelError | None = None
    while running or (waiting and stop is None):
        while waiting and stop is None and len(running) < load_settings().shards_in_flight:
            shard = waiting.pop(0)
            running[build_shard.submit(spec, folder, shard)] = shard
        future = next(iter(as_completed(list(running))))
        shard = running.pop(future)
        future.wait()  # a future learns its state only when asked for it
        if future.state.is_completed():
            progress = progress.with_shard(future.result(), time.monotonic() - started)
            logger.info(progress.line())
        else:
            error = _error_of(future)
            progress = progress.with_failure(shard, error)
            logger.error(f"shard {shard} failed: {error}")
            if isinstance(error, DestinationError | CredentialsError):
                # Every other shard would fail the same way, the former after hours of fetching.
                stop = error
        report(progress)
    if stop is None:
        # Also when no shard was missing: an earlier run may have been killed before it came to this.
        draw_preview(spec.destinations)
        report_pairing(spec.destinations)
    still = survey_corpus(spec.destinations)
    if still:
        reasons = list(dict.fromkeys(str(error) for error in progress.failures.values()))
        return Failed(
            message=f"{spec.name}: {len(still)} of {shards} shards are missing.\n" + "\n".join(reasons[:5])
            + (f"\n... and {len(reasons) - 5} more" if len(reasons) > 5 else "")
        )  # fmt: skip
    before = "" if missing else " already, nothing to do but the release"
    return Completed(message=f"{spec.name}: all {shards} shards are there{before}")


def _error_of(future: PrefectFuture[ShardReport]) -> BaseException:
    result: Any = future.result(raise_on_failure=False)
    return result if isinstance(result, BaseException) else RuntimeError(str(future.state.message))
