"""Training from a corpus that is released, with a real Prefect server, its triggers and a worker."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.events.worker import EventsWorker
from prefect.states import Cancelling, Crashed

from flows.batches import UNFINISHED
from flows.released import Released, emit
from flows.train_model import train_model
from tasks.notices import logger as notices
from tests.integration.conftest import ROOT, Ended
from tests.servers.scheduler import await_, kill
from tests.unit.training.made import Made, made
from tests.unit.training.test_running import alive

Run = Callable[..., Ended]

SECRET = "hunter2-of-the-worker"

JOB = ["-m", "tasks.training.job", "--epochs", "2", "--batch", "4", "--width", "4"]

PROGRAM = f"""
import os, sys
from pathlib import Path
if Path("{{flag}}").exists():
    sys.exit(print("not again in earnest"))
os.execv(sys.executable, [sys.executable, *{JOB}])
"""
"""Trains in earnest until there is a file: to import PyTorch takes as long as all else here."""

DEPLOYED: dict[str, Any] = next(
    item
    for item in yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    if item["name"] == "train"
)


@dataclass(frozen=True)
class Trainer:
    """The deployment `train` with its trigger, and a worker of its pool."""

    deployment: UUID
    folder: Path

    def runs(self) -> list[FlowRun]:
        """All of the deployment."""
        wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[self.deployment]))
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(flow_run_filter=wanted)

    def of(self, corpus: Made) -> list[FlowRun]:
        """Those from a corpus, the first one first."""
        every = [run for run in self.runs() if run.parameters["corpus"] == str(corpus.folder)]
        return sorted(every, key=lambda run: str(run.created))

    def start(self, corpus: Made, config: Path) -> FlowRun:
        """Start a run, as from the UI."""
        parameters = {"corpus": str(corpus.folder), "config": str(config)}
        with get_client(sync_client=True) as client:
            return client.create_flow_run_from_deployment(self.deployment, parameters=parameters)

    def release(self, corpus: Made) -> None:
        """Release a corpus, and say so."""
        corpus.release()
        platforms, digest = ["zulu"], corpus.digest
        emit("tiny", Released(uri=str(corpus.folder), digest=digest, samples=9, platforms=platforms, labels=["cover"]))
        EventsWorker.instance().wait_until_empty()

    def ended(self, corpus: Made, count: int) -> list[FlowRun]:
        """The runs from a corpus, when there are so many and all have ended."""

        def told() -> str:
            return f"{[run.state for run in self.of(corpus)]}\n{(self.folder / 'worker.log').read_text()}"

        def all_ended() -> bool:
            runs = self.of(corpus)
            return len(runs) >= count and all(run.state_type not in UNFINISHED for run in runs)

        await_(all_ended, 120, told)
        return self.of(corpus)

    @staticmethod
    def log(run: FlowRun) -> list[str]:
        """What a run has logged."""
        with get_client(sync_client=True) as client:
            wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
            return [line.message for line in client.read_logs(wanted, limit=200)]


@pytest.fixture(scope="module")
def trainer(
    prefect_here: None, prefect_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trainer]:
    folder = tmp_path_factory.mktemp("trainer")
    program = PROGRAM.replace("{flag}", str(folder / "flag"))
    config = write(folder / "job.yaml", command=["python", "-c", program], output=str(folder / "made"))
    (held,) = DEPLOYED["triggers"]
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="gpu", type="process"))
        deployment = client.create_deployment(
            flow_id=client.create_flow(train_model),
            name="train",
            work_pool_name="gpu",
            entrypoint=DEPLOYED["entrypoint"],
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
            parameters={"config": str(config)},
        )
        when = DeploymentEventTrigger.model_validate(held)
        when.set_deployment_id(deployment)
        automation = when.as_automation().model_dump(mode="json")
        client.request("POST", "/automations/", json=automation).raise_for_status()
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "gpu", "--name", "trainer"],
            env={**prefect_server, "PREFECT_WORKER_QUERY_SECONDS": "1", "PASS_OF_WORKER": SECRET},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield Trainer(deployment, folder)
    finally:
        kill(worker)


def write(path: Path, **keys: Any) -> Path:
    path.write_text(yaml.safe_dump(keys))
    return path


def records(corpus: Made) -> dict[str, Any]:
    """All that is recorded beside a corpus of what was trained from it, by path."""
    folder = corpus.folder / "training"
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))}


def test_a_release_starts_training_once_and_one_of_more_samples_anew(trainer: Trainer, tmp_path: Path) -> None:
    corpus = made(tmp_path / "corpus", shards=3, built=2, released=False)
    trainer.release(corpus)
    (run,) = trainer.ended(corpus, 1)

    assert run.state_type == StateType.COMPLETED, trainer.log(run)
    assert run.name == "train corpus by job"
    log = trainer.log(run)
    assert any(line.startswith("epoch 2 of 2: loss ") for line in log)
    ((whole, record),) = ((path, held) for path, held in records(corpus).items() if "/" not in path)
    assert (record["corpus"], record["run"]["id"], record["code"]) == (corpus.digest, str(run.id), 0)
    assert record["config"]["command"][:2] == ["python", "-c"]
    losses = json.loads((Path(record["output"]) / "metrics.json").read_text())["losses"]
    assert len(losses) == 2 and losses[1] < losses[0]

    (trainer.folder / "flag").touch()
    before = records(corpus)
    # In another place, so that both runs are on their way at once.
    shutil.copytree(corpus.folder, tmp_path / "grown")
    grown = Made(tmp_path / "grown", corpus.description, dict(corpus.pixels))
    grown.add(2)
    trainer.release(corpus)
    trainer.release(grown)
    _, again = trainer.ended(corpus, 2)
    assert (again.state_type, again.state_name) == (StateType.COMPLETED, "Skipped")
    assert again.state is not None
    assert f"is trained from already with this config ({Path(whole).stem}), by the run" in (again.state.message or "")
    assert records(corpus) == before

    (third,) = trainer.ended(grown, 1)
    assert (third.state_type, third.state_name) == (StateType.COMPLETED, "Completed"), trainer.log(third)
    done = {held["corpus"] for path, held in records(grown).items() if "/" not in path}
    assert done == {corpus.digest, grown.digest}
    assert (len(trainer.of(corpus)), len(trainer.of(grown))) == (2, 1)


def test_a_job_that_fails_and_one_that_is_cancelled_end_as_they_should(trainer: Trainer, tmp_path: Path) -> None:
    corpus = made(tmp_path / "corpus")
    output = str(tmp_path / "made")
    failing = write(
        tmp_path / "failing.yaml",
        command=["python", "-c", "import os; print('out of', os.environ['PASS']); print('memory'); exit(9)"],
        environment={"PASS": {"variable": "PASS_OF_WORKER"}},
        output=output,
    )
    endless = write(
        tmp_path / "endless.yaml",
        command=["python", "-c", "import os, time; print('pid', os.getpid(), flush=True); time.sleep(300)"],
        output=output,
        grace=2,
    )
    failed, running = trainer.start(corpus, failing), trainer.start(corpus, endless)

    def process() -> int | None:
        return next((int(line.split()[1]) for line in trainer.log(running) if line.startswith("pid ")), None)

    await_(process, 90, lambda: (trainer.folder / "worker.log").read_text())
    job = process()
    assert job is not None and alive(job)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(running.id, Cancelling(), force=True)
    await_(lambda: not alive(job), 60, lambda: (trainer.folder / "worker.log").read_text())
    trainer.ended(corpus, 2)

    state = _state(failed.id)
    assert state.type == StateType.FAILED
    assert (state.message or "").splitlines() == [
        "tiny: the job ended with 9. Its last lines:", "out of ***", "memory",
    ]  # fmt: skip
    assert SECRET not in "\n".join([*trainer.log(failed), json.dumps(records(corpus)), str(failed.parameters)])
    assert _state(running.id).type == StateType.CANCELLED
    ends = {held["run"]["id"]: (held["state"], held["code"]) for held in records(corpus).values()}
    assert ends == {str(failed.id): ("failed", 9), str(running.id): ("cancelled", None)}
    assert not [path for path in records(corpus) if "/" not in path], "neither is done"


def _state(run: UUID) -> Any:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).state


# By hand


def test_by_hand_the_job_is_run_here_its_log_shown_and_a_second_call_says_that_it_is_done(
    prefect_here: None, here: Run, tmp_path: Path
) -> None:
    corpus = made(tmp_path / "corpus")
    config = write(tmp_path / "config.yaml", command=["python", "-c", "print('one batch')"])
    ended = here("train", corpus.folder, config)

    assert ended.code == 0, ended.output
    assert "one batch" in ended.output.splitlines()
    assert f"what it made is in {tmp_path}/training/" in ended.output
    again = here("train", corpus.folder, config)
    assert again.code == 0
    assert "is trained from already with this config" in again.output


def test_by_hand_a_failure_is_told_in_the_jobs_last_lines_and_may_be_tried_again(
    prefect_here: None, here: Run, tmp_path: Path
) -> None:
    corpus = made(tmp_path / "corpus")
    config = write(tmp_path / "config.yaml", command=["python", "-c", "print('no'); exit(4)"])
    ended = here("train", corpus.folder, config)

    assert ended.code == 1
    assert "error: tiny: the job ended with 4. Its last lines:\nno\n" in ended.output
    assert here("train", corpus.folder, config).code == 1
    assert {path.rpartition("/")[2] for path in records(corpus)} == {"attempt-0001.json", "attempt-0002.json"}


def test_what_is_wrong_is_told_before_anything_runs(here: Run, tmp_path: Path) -> None:
    corpus = made(tmp_path / "corpus", released=False)
    good, bad = write(tmp_path / "good.yaml", command="true"), write(tmp_path / "bad.yaml", gpus=1)

    ended = here("train", corpus.folder, bad)
    assert (ended.code, "command: names no program" in ended.output) == (2, True), ended.output
    ended = here("train", corpus.folder, good)
    assert (ended.code, "is not released. Building with the corpus' spec" in ended.output) == (1, True), ended.output
    corpus.release()
    corpus.add(3)
    ended = here("train", corpus.folder, good)
    assert (ended.code, "has grown or was changed since it was released" in ended.output) == (1, True), ended.output
    ended = here("train", tmp_path, good)
    assert (ended.code, "no corpus here" in ended.output) == (1, True), ended.output
    description = corpus.folder / "corpus.json"
    description.write_text(description.read_text().replace('"schema": 2', '"schema": 9'))
    ended = here("train", corpus.folder, good)
    assert (ended.code, "has layout 9, this version knows 2. Update" in ended.output) == (1, True), ended.output


def test_more_accelerators_than_there_are_are_refused(
    prefect_here: None, here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    corpus = made(tmp_path / "corpus")
    ended = here("train", corpus.folder, write(tmp_path / "config.yaml", command="true", gpus=2))

    assert ended.code == 2, ended.output
    assert "gpus: 2 wanted, 1 here" in ended.output


def test_that_nobody_polls_the_pool_or_that_an_image_does_not_start_is_said(
    trainer: Trainer, here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_WORKER_GRACE", "1")
    monkeypatch.setenv("DEEPSENTINEL_POLL", "0.2")
    monkeypatch.setattr("flows.command.train.DEPLOYMENT", "train-model/elsewhere")
    corpus, config = made(tmp_path / "corpus"), write(tmp_path / "config.yaml", command="true", image="example/image:1")
    ended = here("train", corpus.folder, config, "--dispatch")
    assert (ended.code, "there is no deployment train-model/elsewhere. Run `make deploy`" in ended.output) == (2, True)

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="unpolled", type="process"))
        made_anew = client.create_deployment(
            flow_id=client.create_flow(train_model), name="elsewhere", work_pool_name="unpolled"
        )
    said = threading.Event()

    def listen(record: Any) -> bool:
        if "nobody polls" in record.getMessage() and not said.is_set():
            said.set()
            wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[made_anew]))
            with get_client(sync_client=True) as client:
                (run,) = client.read_flow_runs(flow_run_filter=wanted)
                client.set_flow_run_state(run.id, Crashed(message="ImagePullBackOff"), force=True)
        return True

    notices.addFilter(listen)
    try:
        ended = here("train", corpus.folder, config, "--dispatch")
    finally:
        notices.removeFilter(listen)
    assert ended.code == 1
    assert "nobody polls the work pool unpolled: `prefect worker start --pool unpolled` starts a worker" in ended.output
    assert ": Crashed: ImagePullBackOff" in ended.output
    assert "see that example/image:1 can be pulled there, or correct `image`" in ended.output
