"""What `deepsentinel train` does and shows."""

import logging
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from flows.batches import UNFINISHED, Scheduler, give_up
from flows.command.embedded_server import ensure_server
from flows.command.prefect_api import need_prefect, need_server
from flows.train_model import released_digest, train_model
from tasks.errors import CorpusError, DeepSentinelError, SettingsError
from tasks.notices import logger as notices
from tasks.settings import load_settings
from tasks.shards.destinations import open_destination
from tasks.training.config import TrainingConfig, load_config

DEPLOYMENT = "train-model/train"
"""What a worker runs, and a release starts."""

_RUNS = "prefect.flow_runs"
"""Prefect's logger of what runs write."""

_BETWEEN_TROUBLES = 60.0
"""Seconds after which a call that meets no server is another trouble than the one before."""

_LINES = 200
"""Lines of a log that the API gives at once."""


def train_with_log(corpus: str, config: Path, *, dispatch: bool) -> None:
    """Train from a corpus and show what the job writes. Raises DeepSentinelError: it failed.

    `dispatch`: by a worker of the pool that the deployment `train` belongs to, instead of this machine.
    """
    if dispatch:
        need_server("")
    # What is wrong is told at once, not after Prefect's server has started.
    loaded, destination = load_config(config), open_destination(corpus)
    digest = released_digest(destination)
    need_prefect()
    if dispatch:
        _dispatch(destination.location, config, loaded, digest)
        return
    ensure_server()
    with _shown():
        state = train_model(destination.location, config, digest, return_state=True)
    if not state.is_completed():
        stopped: Any = state.result(raise_on_failure=False)
        raise stopped if isinstance(stopped, DeepSentinelError) else CorpusError(str(state.message))
    print(state.message)


def _dispatch(corpus: str, path: Path, config: TrainingConfig, digest: str) -> None:
    """Have a worker do it, and follow its run to the end. Raises CorpusError: it failed."""
    settings = load_settings()
    scheduler = Scheduler(_patient(settings.server_patience))
    variables = {name: value for name, value in {"image": config.image, "gpus": config.gpus or None}.items() if value}

    def submit(client: Any) -> tuple[FlowRun, str]:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            raise SettingsError(f"--dispatch: there is no deployment {DEPLOYMENT}. Run `make deploy`.") from None
        known = client.read_work_pool(deployment.work_pool_name).base_job_template.get("variables", {})
        run = client.create_flow_run_from_deployment(
            deployment.id,
            # As it is written, if the worker has the same folder; else it is to be where the worker runs.
            parameters={"corpus": corpus, "config": str(path), "digest": digest},
            # A pool of processes knows neither images nor accelerators.
            job_variables={name: value for name, value in variables.items() if name in known.get("properties", {})},
        )
        return run, deployment.work_pool_name

    run, pool = scheduler.call(submit)
    print(f"{run.name}: waits for a worker of the pool {pool}", flush=True)
    ended = _follow(scheduler, run.id, pool, settings.poll, settings.worker_grace)
    message = (ended.state.message if ended.state else None) or str(ended.state_name)
    if ended.state_type != StateType.COMPLETED:
        raise CorpusError(f"{ended.name}: {ended.state_name}: {message}{_remedy(ended, config)}")
    print(message)


def _patient(seconds: float) -> Callable[[Exception], None]:
    """Waits for a server that is gone or busy, which a job elsewhere does not mind, and gives up in the end."""
    first = last = float("-inf")

    def wait(error: Exception) -> None:
        nonlocal first, last
        now = time.monotonic()
        first, last = (now if now - last > _BETWEEN_TROUBLES else first), now
        if now - first > seconds:
            give_up(error)
        time.sleep(1)

    return wait


def _follow(scheduler: Scheduler, run: UUID, pool: str, poll: float, grace: float) -> FlowRun:
    began, told, seen = time.monotonic(), float("-inf"), 0
    while True:
        now = scheduler.read(run)
        seen += _tell_log(scheduler, run, seen)
        if now.state_type not in UNFINISHED:
            return now
        waited = time.monotonic() - began
        waiting = now.state_type == StateType.SCHEDULED
        if waiting and waited > grace and time.monotonic() - told > grace and not scheduler.workers(pool):
            told = time.monotonic()
            notices.warning(
                "%s: nobody polls the work pool %s: `prefect worker start --pool %s` starts a worker (%.0f s waited)",
                now.name, pool, pool, waited,
            )  # fmt: skip
        time.sleep(poll)


def _tell_log(scheduler: Scheduler, run: UUID, seen: int) -> int:
    """Print what has come to a run's log; says how many lines."""
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    lines = scheduler.call(lambda client: client.read_logs(wanted, limit=_LINES, offset=seen))
    for line in lines:
        print(line.message, flush=True)
    return len(lines)


def _remedy(ended: FlowRun, config: TrainingConfig) -> str:
    if ended.state_type == StateType.CRASHED and config.image:
        return f"\nIf its container did not start: see that {config.image} can be pulled there, or correct `image`."
    return ""


@contextmanager
def _shown() -> Generator[None]:
    """Have the log of a run appear as plain lines: the command's console is otherwise silent on Prefect's."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(lambda record: getattr(record, "flow_name", "") == train_model.name)
    logging.getLogger(_RUNS).addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger(_RUNS).removeHandler(handler)
