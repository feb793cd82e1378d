"""The flow `build-corpus`: survey, build the missing shards, show the result."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, as_completed
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.build_shard import build_shard
from tasks.errors import (
    CandidatesExhausted,
    CredentialsError,
    DeepSentinelError,
    DestinationError,
    DestinationUnreachable,
    LabelsError,
    PlatformUnreachable,
    SettingsError,
)
from tasks.prepare_corpus import prepare_corpus
from tasks.read_block import read_block
from tasks.settings import load_settings
from tasks.shards.commits import read_commits
from tasks.shards.destinations import open_destination, read_blocks_with
from tasks.shards.progress import Watch, report
from tasks.shards.runs import ShardReport
from tasks.shards.survey import without_pixels
from tasks.spec import CorpusSpec
from tasks.survey_corpus import survey_corpus
from tasks.write_release import write_release

_RUNNER: Any = ThreadPoolTaskRunner(max_workers=64)
"""What it admits at most; how many shards are in flight is the setting `shards_in_flight`."""

STOPPING = (DestinationError, CredentialsError, PlatformUnreachable, SettingsError)
"""Every other shard would fail the same way, after hours of fetching or of waiting for an answer. A destination that
does not answer is the exception, `stores_missed` times: it may come back, and the others take what is built."""

_SHOWN = 5
"""Reasons of failed shards that the final message tells."""


@flow(name="build-corpus", flow_run_name="build {spec.name}", task_runner=_RUNNER, persist_result=False)
def build_corpus(spec: CorpusSpec) -> State[None]:
    """Build what a corpus lacks; the same call resumes and grows it. Ends `Failed` if shards are missing."""
    read_blocks_with(read_block)
    logger = get_run_logger()
    # Errors in spec, places, catalogues and destinations come out here, before any pixel is fetched.
    description = prepare_corpus(spec).description
    shards = description.shards
    waiting = survey_corpus(spec.destinations, shards)
    to_build = len(waiting)
    logger.info(f"{spec.name}: {shards - to_build} of {shards} shards are there, {to_build} to build")
    destinations = tuple(map(open_destination, spec.destinations))
    watch = Watch(destinations, corpus=spec.name, shards=shards, shard_size=spec.shard_size)
    report(watch.look())
    running: dict[PrefectFuture[ShardReport], int] = {}
    errors: dict[int, BaseException] = {}
    missed = 0
    stop: DeepSentinelError | None = None
    while running or (waiting and stop is None):
        while waiting and stop is None and len(running) < load_settings().shards_in_flight:
            shard = waiting.pop(0)
            running[build_shard.submit(spec, shard)] = shard
        future = next(iter(as_completed(list(running))))
        shard = running.pop(future)
        future.wait()  # a future learns its state only when asked for it
        if not future.state.is_completed():
            errors[shard] = error = _error_of(future)
            watch.fail(shard, str(error))
            logger.error(f"shard {shard} failed: {error}")
            missed += isinstance(error, DestinationUnreachable)
            bearable = isinstance(error, DestinationUnreachable) and missed < load_settings().stores_missed
            if isinstance(error, STOPPING) and not bearable:
                stop = error
        progress = watch.look()
        logger.info(progress.line())
        report(progress)
    if stop is not None:
        raise stop
    # Also when no shard was missing: an earlier run may have been killed before it came to this.
    write_release(spec.destinations)
    still = len(survey_corpus(spec.destinations, shards))
    if still:
        return Failed(message=_missing(spec, still, shards, errors))
    if description.listed and (empty := _without_any_pixels(spec)):
        return Failed(message=f"{spec.name}: all {shards} shards are there, but no place has pixels: {empty}")
    before = "" if to_build else " already, nothing to do but the release"
    return Completed(message=f"{spec.name}: all {shards} shards are there{before}")


def _missing(spec: CorpusSpec, still: int, shards: int, errors: dict[int, BaseException]) -> str:
    """What is missing and why, and whether building again helps."""
    reasons = list(dict.fromkeys(str(error) for error in errors.values()))
    lines = [f"{spec.name}: {still} of {shards} shards are missing.", *reasons[:_SHOWN]]
    if len(reasons) > _SHOWN:
        lines.append(f"... and {len(reasons) - _SHOWN} more reasons")
    exhausted = sum(isinstance(error, CandidatesExhausted) for error in errors.values())
    if exhausted:
        lines.append(f"{exhausted} shards have no candidates left: building again fails the same way.")
    unlabelled = sum(isinstance(error, LabelsError) for error in errors.values())
    if unlabelled:
        lines.append(f"{unlabelled} shards cannot be labelled until the source of their labels is corrected.")
    if still > exhausted + unlabelled:
        lines.append("The same command builds what is missing; what is done stays.")
    return "\n".join(lines)


def _without_any_pixels(spec: CorpusSpec) -> str:
    """Why a corpus of listed places has no pixels at all, in words; empty if it has some."""
    first = open_destination(spec.destinations[0])
    lacking = without_pixels(first)
    if sum(lacking.values()) < sum(commit.rows for commit in read_commits(first)):
        return ""
    return "; ".join(f"{count} {reason.words}" for reason, count in lacking.items())


def _error_of(future: PrefectFuture[ShardReport]) -> BaseException:
    result: Any = future.result(raise_on_failure=False)
    return result if isinstance(result, BaseException) else RuntimeError(str(future.state.message))
