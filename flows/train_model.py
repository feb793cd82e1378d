"""The flow `train-model`: a training command, from a released corpus, recorded beside it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.batches import UNFINISHED, Scheduler, give_up
from tasks.errors import CorpusError, DeepSentinelError, SettingsError
from tasks.read_block import read_block
from tasks.settings import load_settings
from tasks.shards.commits import corpus_digest
from tasks.shards.description import need_description
from tasks.shards.destinations import Destination, open_destination, read_blocks_with
from tasks.shards.layout import RELEASE_RECORD
from tasks.shards.release_files import parse_release
from tasks.training.config import TrainingConfig, load_config
from tasks.training.records import Attempt, Beating, begin, finish, trained
from tasks.training.running import Ended, environment_of, gpus_here, run_job


def _run_name() -> str:
    given = flow_run.get_parameters()
    return f"train {str(given['corpus']).rstrip('/').rpartition('/')[2]} by {Path(str(given['config'])).stem}"


@flow(name="train-model", flow_run_name=_run_name, persist_result=False)
def train_model(corpus: str, config: Path, digest: str | None = None) -> State[None]:
    """Train from a released corpus, once for each digest of corpus and config. Ends `Failed` with the job's last lines.

    `corpus`: folder or URL; `config`: the file that says what is run; `digest`: of the corpus that is meant, None is
    what is released now. A run that is cancelled ends the job.
    """
    read_blocks_with(read_block)
    try:
        return _train(open_destination(corpus), load_config(config), digest)
    except DeepSentinelError as error:
        # Told by its words alone; what the traceback adds says nothing to whoever reads the run.
        return Failed(name=type(error).__name__, message=str(error), data=error)


def _train(destination: Destination, config: TrainingConfig, digest: str | None) -> State[None]:
    logger, settings = get_run_logger(), load_settings()
    name, found = need_description(destination).name, released_digest(destination)
    if digest is not None and digest != found:
        # The event of a release that another one has followed, which has its own.
        return Completed(
            name="Skipped", message=f"{name}: {digest[:16]} is not what is released any more, which is {found[:16]}"
        )
    key = config.key(found)
    if (done := trained(destination, key)) is not None:
        by = done["run"]
        return Completed(
            name="Skipped",
            message=f"{name}: is trained from already with this config ({key}), by the run {by['name']!r} ({by['id']})",
        )
    if (here := gpus_here()) < config.gpus:
        raise SettingsError(
            f"gpus: {config.gpus} wanted, {here} here. Have the job run by a pool whose machines have them, or ask for "
            "fewer."
        )
    output = Path(config.output).expanduser().absolute() / key
    environment = environment_of(
        config, corpus=destination.location, digest=found, output=output, read_secret=_read_secret
    )
    wanted = Attempt(
        key=key,
        attempt=1,
        corpus=found,
        config=config.model_dump(mode="json"),
        config_digest=config.digest,
        run={"id": str(flow_run.get_id()), "name": str(flow_run.get_name())},
        output=str(output),
    )
    attempt = begin(destination, wanted, lease=settings.lease, ended=_has_ended)
    logger.info(f"{name}: training {key}, attempt {attempt.attempt}: {' '.join([*config.command, *config.arguments])}")
    attempt = replace(attempt, state="cancelled")  # unless it comes to its end
    try:
        with Beating(destination, replace(attempt, state="running"), lease=settings.lease):
            ended = run_job(config, environment, output, logger.info)
        good = ended.code == 0 and not ended.late
        attempt = replace(
            attempt, state="completed" if good else "failed", code=ended.code, lines=() if good else ended.lines
        )
    except DeepSentinelError as error:
        attempt = replace(attempt, state="failed", lines=(str(error),))
        raise
    finally:
        finish(destination, attempt)
    if not good:
        return Failed(message=_failure(name, config, ended))
    return Completed(message=f"{name}: trained ({key}); what it made is in {output}")


def released_digest(destination: Destination) -> str:
    """The digest of the corpus that is released. Raises CorpusError: no corpus, not released, or grown since."""
    need_description(destination)
    record = parse_release(destination.get(RELEASE_RECORD) or b"")
    where = destination.location
    if isinstance(record, str):
        raise CorpusError(f"{where}: is not released. Building with the corpus' spec completes and releases it.")
    if (held := corpus_digest(destination)) != record.corpus:
        raise CorpusError(
            f"{where}: has grown or was changed since it was released ({record.corpus[:16]}, now {held[:16]}). "
            "Building with the corpus' spec completes and releases it."
        )
    return record.corpus


def _failure(name: str, config: TrainingConfig, ended: Ended) -> str:
    how = f"was ended after {config.hours:g} hours" if ended.late else f"ended with {ended.code}"
    return "\n".join([f"{name}: the job {how}. Its last lines:", *ended.lines])


def _read_secret(block: str) -> str:
    return str(read_block("secret", block).get("value") or "")


def _has_ended(run: str) -> bool:
    """Whether the server knows that a run has ended; of one that it does not know, nothing is known."""
    with suppress(ObjectNotFound, ValueError):
        return Scheduler(give_up).read(UUID(run)).state_type not in UNFINISHED
    return False
