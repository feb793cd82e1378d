"""The flow `build-corpus`: survey, build the missing shards here or through a work pool, release the result."""

from pathlib import Path
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.backlog import GIVEN_UP, attempts_of, why_given_up
from flows.batches import Scheduler, give_up, tags_of
from flows.building import RUNNER, build_shards
from flows.dispatching import Dispatching, beats
from flows.naming import corpus_run_name
from flows.pulse import Pulse
from flows.release_corpus import release
from tasks.errors import CandidatesExhausted, LabelsError
from tasks.planning.growth import grown
from tasks.prepare_corpus import prepare_corpus
from tasks.read_block import read_block
from tasks.settings import load_settings
from tasks.shards.commits import read_commits
from tasks.shards.destinations import open_destination, read_blocks_with
from tasks.shards.progress import Watch, report
from tasks.shards.runs import Failure, tried_before
from tasks.shards.survey import some_of, without_pixels
from tasks.spec import CorpusSpec, load_spec
from tasks.survey_corpus import survey_corpus

_SHOWN = 5
"""Reasons of failed shards that the final message tells."""


def end_batches(flow: object, flow_run: FlowRun, state: object) -> None:
    """Have the batches end with a build that is cancelled; what they have committed stays."""
    Scheduler(give_up).end_batches(flow_run.tags, f"the build {flow_run.name!r} was cancelled")


@flow(
    name="build-corpus",
    flow_run_name=corpus_run_name("build"),
    task_runner=RUNNER,
    persist_result=False,
    on_cancellation=[end_batches],
)
def build_corpus(
    spec: CorpusSpec | Path, dispatch: str | None = None, grow_by: int | None = None, retry_failed: bool = False
) -> State[None]:
    """Build what a corpus lacks; the same call resumes and grows it. Ends `Failed` if shards are missing.

    `spec`: the corpus, or the file that describes it. `dispatch`: the work pool whose workers build it; without one it
    is built in this process. `grow_by`: samples by which a run makes a corpus larger that is whole, up to the spec's
    size; one that is not is completed. `retry_failed`: shards that failed too often are tried again.
    """
    read_blocks_with(read_block)
    if isinstance(spec, Path):
        spec = load_spec(spec)
    if grow_by is not None:
        spec = grown(spec, grow_by)
    with Pulse(UUID(str(flow_run.get_id())), beats(load_settings().lease)) as pulse:
        return _build(spec, dispatch, retry_failed, pulse)


def _build(spec: CorpusSpec, dispatch: str | None, retry_failed: bool, pulse: Pulse) -> State[None]:
    logger = get_run_logger()
    destinations = tuple(map(open_destination, spec.destinations))
    run = UUID(str(flow_run.get_id()))
    dispatching = None
    if dispatch is None:
        # Who dispatches sees by it that the corpus is being built.
        Scheduler(pulse.outlast).tag(run, tags_of(spec))
    else:
        dispatching = Dispatching(
            spec=spec,
            pool=dispatch,
            run=run,
            times=flow_run.get_run_count() or 1,
            destinations=destinations,
            pulse=pulse,
        )
        # Before the corpus is made larger: who is refused leaves it as it is.
        dispatching.claim()
    # Errors in spec, places, catalogues and destinations come out here, before any pixel is fetched.
    description = prepare_corpus(spec).description
    shards = description.shards
    waiting = survey_corpus(spec.destinations, shards)
    to_build = len(waiting)
    logger.info(f"{spec.name}: {shards - to_build} of {shards} shards are there, {to_build} to build")
    watch = Watch(destinations, corpus=spec.name, shards=shards, shard_size=spec.shard_size)
    report(watch.look())
    if dispatching is None:
        errors = _build_here(spec, waiting, watch, pulse, again=retry_failed)
    else:
        errors = dispatching.build(waiting, watch, again=retry_failed)
    if still := survey_corpus(spec.destinations, shards):
        return Failed(message=_missing(spec, still, shards, errors))
    # Also when no shard was missing: an earlier run may have been killed before it came to this.
    release(spec.destinations)
    if description.listed and (empty := _without_any_pixels(spec)):
        return Failed(message=f"{spec.name}: all {shards} shards are there, but no place has pixels: {empty}")
    before = "" if to_build else " already, nothing to do but the release"
    return Completed(message=f"{spec.name}: all {shards} shards are there{before}")


def _build_here(spec: CorpusSpec, waiting: list[int], watch: Watch, pulse: Pulse, *, again: bool) -> dict[int, Failure]:
    """Build shards in this process; says which could not be, and why."""
    logger, failures = get_run_logger(), dict[int, Failure]()
    most = load_settings().attempts
    for shard, record in tried_before(open_destination(spec.destinations[0]), () if again else waiting).items():
        if (tried := attempts_of(record)) >= most:
            failures[shard] = why_given_up(record, tried)
            watch.fail(shard, failures[shard].message)
    for shard, ended in build_shards(spec, [shard for shard in waiting if shard not in failures], pulse):
        if isinstance(ended, BaseException):
            failures[shard] = Failure.of(ended)
            watch.fail(shard, str(ended))
            logger.error(f"shard {shard} failed: {ended}")
        progress = watch.look()
        logger.info(progress.line())
        report(progress)
    return failures


def _missing(spec: CorpusSpec, missing: list[int], shards: int, failures: dict[int, Failure]) -> str:
    """What is missing and why, and whether building again helps."""
    reasons = list(dict.fromkeys(failure.message for failure in failures.values()))
    still = len(missing)
    lines = [f"{spec.name}: {still} of {shards} shards are missing: {some_of(iter(missing))}.", *reasons[:_SHOWN]]
    if len(reasons) > _SHOWN:
        lines.append(f"... and {len(reasons) - _SHOWN} more reasons")
    exhausted = sum(failure.kind == CandidatesExhausted.__name__ for failure in failures.values())
    tried = sum(failure.kind == GIVEN_UP for failure in failures.values())
    if exhausted:
        lines.append(f"{exhausted} shards have no candidates left: building again fails the same way.")
    unlabelled = sum(failure.kind == LabelsError.__name__ for failure in failures.values())
    if unlabelled:
        lines.append(f"{unlabelled} shards cannot be labelled until the source of their labels is corrected.")
    if tried:
        lines.append(f"{tried} shards were tried {load_settings().attempts} times: --retry-failed tries them again.")
    if still > exhausted + unlabelled + tried:
        lines.append("The same command builds what is missing; what is done stays.")
    return "\n".join(lines)


def _without_any_pixels(spec: CorpusSpec) -> str:
    """Why a corpus of listed places has no pixels at all, in words; empty if it has some."""
    first = open_destination(spec.destinations[0])
    lacking = without_pixels(first)
    if sum(lacking.values()) < sum(commit.rows for commit in read_commits(first)):
        return ""
    return "; ".join(f"{count} {reason.words}" for reason, count in lacking.items())
