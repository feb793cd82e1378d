"""Dispatching a corpus, with a real Prefect server and a worker in this process: what is told, and what is left out."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.flow_engine import run_flow
from prefect.states import Cancelling, Pending, Running

from flows.batches import Scheduler, tags_of
from flows.build_batch import build_batch
from flows.build_corpus import build_corpus
from flows.pulse import Pulse
from tasks.errors import CredentialsError, DestinationUnreachable, SpecError
from tasks.notices import logger as notices
from tasks.places.patches import Patch
from tasks.planning.preflight import open_to_build, preflight
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination, open_destination
from tasks.shards.runs import read_runs
from tasks.spec import CorpusSpec, load_spec
from tests.integration.conftest import Ended
from tests.unit.builders import MadeUp, described, made_up_builder, values

Build = Callable[..., Ended]
Run = Callable[..., Ended]
Take = Callable[[FlowRun], bool]

SETTINGS = {
    "POLL": "0.5", "LEASE": "6", "BATCH_SHARDS": "4", "BATCHES_IN_FLIGHT": "2", "WORKER_GRACE": "1",
    "BATCH_START": "20",
}  # fmt: skip


class Worker:
    """Runs dispatched batches in this process, one after the other; `take` may keep one from being run."""

    def __init__(self, take: Take = lambda run: True) -> None:
        self.take, self.taken = take, list[FlowRun]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> "Worker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(20)

    def _poll(self) -> None:
        waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
        with get_client(sync_client=True) as client:
            while not self._ended.wait(0.25):
                for run in reversed(client.read_flow_runs(flow_run_filter=waiting)):
                    self.taken.append(run)
                    if self.take(run):
                        client.set_flow_run_state(run.id, Pending())
                        run_flow(build_batch, flow_run=client.read_flow_run(run.id), return_type="state")


@pytest.fixture(scope="module")
def deployed(prefect_here: None) -> Iterator[None]:
    """A pool, the deployment of batches, a limit of the platform, and patience of seconds."""
    with pytest.MonkeyPatch.context() as patch, get_client(sync_client=True) as client:
        for name, value in SETTINGS.items():
            patch.setenv(f"DEEPSENTINEL_{name}", value)
        client.create_work_pool(WorkPoolCreate(name="here", type="process"))
        client.upsert_global_concurrency_limit_by_name("deepsentinel-stac", 12)
        client.create_deployment(flow_id=client.create_flow(build_batch), name="here", work_pool_name="here")
        yield


@pytest.fixture
def build(deployed: None, here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Has a corpus in shards of one sample dispatched: `build(platform, "--retry-failed", size=...)`."""

    def run(platform: MadeUp, *options: str, pool: str = "here", **changes: object) -> Ended:
        monkeypatch.setattr("tasks.assembly.builder.open_platforms", lambda *_: [platform])
        keys = values(tmp_path, platforms=[{"stac": {"catalog": "none"}}], shard_size=1, **changes)
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(keys))
        return here("build", "spec.yaml", "--dispatch", pool, *options)

    return run


def _try_again(_: Exception) -> None:
    """What the test's own calls do when the server's database is busy."""
    time.sleep(0.5)


def artifact(key: str) -> Any:
    with get_client(sync_client=True) as client:
        (found,) = client.request(
            "POST", "/artifacts/filter", json={"artifacts": {"key": {"any_": [key]}}, "limit": 1}
        ).json()
    return found["data"]


# What is built


def test_a_corpus_is_built_by_batches_and_watched(build: Build, tmp_path: Path) -> None:
    with Worker() as worker:
        ended = build(MadeUp(), size=6, name="whole")

    assert ended.code == 0, ended.output
    assert sorted(run.name for run in worker.taken) == ["whole shards 0-3", "whole shards 4-5"]
    assert all(set(run.tags) == {"whole", str(tmp_path / "corpus")} for run in worker.taken)
    board = {row["corpus"]: row["now"] for row in json.loads(artifact("corpus-whole"))}
    assert board["shards done"] == "6 of 6 (100.0 %)"
    assert (board["samples"], board["shards failed"]) == ("6", "0")
    page = artifact("batch-whole")
    assert "data:image/jpeg;base64," in page
    assert "4 shards built, 4 samples" in page or "2 shards built, 2 samples" in page
    assert build(MadeUp(), size=6, name="whole").output.count("nothing to do") == 1


def test_a_batch_whose_worker_dies_is_dispatched_again(build: Build) -> None:
    """The worker takes a batch, says that it runs, and is never heard of again."""
    lost: list[FlowRun] = []

    def vanish(run: FlowRun) -> bool:
        if lost:
            return True
        lost.append(run)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, Running(), force=True)
        return False

    with Worker(vanish) as worker:
        ended = build(MadeUp(), size=5, name="dying")

    assert ended.code == 0, ended.output
    assert [run.name for run in worker.taken].count(lost[0].name) == 2
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(lost[0].id).state
    assert state is not None and state.type == StateType.CRASHED
    assert "no sign of life for" in (state.message or "")


def test_batches_that_an_earlier_build_has_dispatched_are_taken_over(build: Build, tmp_path: Path) -> None:
    keys = values(tmp_path, platforms=[{"stac": {"catalog": "none"}}], shard_size=1, size=8, name="adopted")
    described(made_up_builder(tmp_path, MadeUp(), shard_size=1, size=8, name="adopted"))
    scheduler = Scheduler(_try_again)
    spec = CorpusSpec.model_validate(keys)
    earlier = scheduler.submit(scheduler.deployment("here"), spec, (2, 3, 5), lease=6, key="0")
    with Worker() as worker:
        ended = build(MadeUp(), size=8, name="adopted")

    assert ended.code == 0, ended.output
    assert {run.id for run in worker.taken} >= {earlier.run.id}
    assert sorted(shard for run in worker.taken for shard in run.parameters["shards"]) == list(range(8)), "none twice"


# What fails


def test_a_shard_that_fails_is_tried_three_times_and_left_out_then(build: Build, here: Run, tmp_path: Path) -> None:
    def refuse(patch: Patch) -> None:
        if patch == platform.fetched[0]:
            raise ValueError("a bug in a decoder")

    platform = MadeUp(on_fetch=refuse)
    with Worker():
        ended = build(platform, size=2, name="poisoned")

        assert ended.code == 1, ended.output
        assert re.search(r"1 of 2 shards are missing: \d\.", ended.output)
        assert not (tmp_path / "corpus" / "release").exists(), "only what is whole is released"
        assert "1 shards were tried 3 times: --retry-failed tries them again" in ended.output
        assert platform.fetched.count(platform.fetched[0]) == 3
        status = here("status", tmp_path / "corpus", "--failed")
        assert re.search(r"shard \d failed: a bug in a decoder \(attempt 3\)", status.output), "whichever came first"

        build(platform, size=2, name="poisoned")
        assert platform.fetched.count(platform.fetched[0]) == 3, "left out"
        platform.on_fetch = lambda _: None
        assert build(platform, "--retry-failed", size=2, name="poisoned").code == 0


def test_a_store_that_is_silent_before_and_after_a_batch_stops_no_build(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Destination] = []

    def silent(*_: object) -> Any:
        raise DestinationUnreachable("the store does not answer")

    def once_silent(destination: Destination) -> Description:
        begun.append(destination)
        return need_description(destination) if len(begun) > 1 else silent()

    monkeypatch.setattr("flows.build_batch.need_description", once_silent)
    monkeypatch.setattr("flows.build_batch.is_committed", silent)
    monkeypatch.setattr("flows.build_batch.show_batch", silent)
    with Worker() as worker:
        ended = build(MadeUp(), size=2, name="silent")

    assert ended.code == 0, ended.output
    assert len(worker.taken) == 2


def test_logins_that_a_worker_does_not_have_are_told_once(build: Build, tmp_path: Path) -> None:
    def refuse(_: Patch) -> None:
        raise CredentialsError("stac: the login is refused. Correct it.")

    with Worker() as worker:
        ended = build(MadeUp(on_fetch=refuse), size=10, name="refused")

    assert ended.code == 1
    assert ended.output.count("the login is refused") == 1
    assert "; no more batches are dispatched" in ended.output
    assert len(worker.taken) < 3, "of three batches"
    records = read_runs(open_destination(str(tmp_path / "corpus")), range(10)).values()
    assert all(record.attempt == 0 for record in records), "no fault of the shards"


def test_a_limit_that_is_missing_is_told_with_its_remedy(build: Build) -> None:
    with get_client(sync_client=True) as client:
        client.delete_global_concurrency_limit_by_name("deepsentinel-stac")
        try:
            with Worker():
                ended = build(MadeUp(), size=4, name="unlimited")
        finally:
            client.upsert_global_concurrency_limit_by_name("deepsentinel-stac", 12)

    assert ended.code == 2, ended.output
    assert "deepsentinel-stac: Prefect has no such global concurrency limit. Run `make deploy`." in ended.output


# What is told before or instead


def test_an_unknown_pool_is_told_with_those_that_are_known(build: Build, tmp_path: Path) -> None:
    ended = build(MadeUp(), pool="hare", size=4)

    assert ended.code == 2, ended.output
    assert "has no deployment build-batch/hare; it has here. Name one of them" in ended.output
    assert not (tmp_path / "corpus" / "corpus.json").exists(), "nothing is begun"


def test_that_nobody_polls_the_pool_is_said(build: Build) -> None:
    said = threading.Event()

    def listen(record: logging.LogRecord) -> bool:
        if "nobody polls" in record.getMessage():
            said.set()
        return True

    notices.addFilter(listen)
    try:
        with Worker(lambda run: said.is_set()):
            ended = build(MadeUp(), size=4, name="unpolled")
    finally:
        notices.removeFilter(listen)

    assert ended.code == 0, ended.output
    told = "unpolled: nobody polls the work pool here: `prefect worker start --pool here` starts a worker"
    assert told in ended.output


def test_a_second_build_of_a_corpus_is_refused_while_the_first_one_runs(build: Build, tmp_path: Path) -> None:
    """The first one is a run that shows signs of life, as its pulse would."""
    with get_client(sync_client=True) as client:
        first = client.create_flow_run(build_corpus, name="build busy", tags=["busy", str(tmp_path / "corpus")])
        client.set_flow_run_state(first.id, Running(), force=True)
        with Pulse(first.id, 0.3):
            ended = build(MadeUp(), size=4, name="busy")
        assert ended.code == 1, ended.output
        assert f"is being built by the run 'build busy' ({first.id})" in ended.output
        assert not (tmp_path / "corpus" / "corpus.json").exists(), "it is left as it was"

        # Its process is gone: it is buried, and the corpus built.
        with Worker():
            assert build(MadeUp(), size=4, name="busy").code == 0
        assert client.read_flow_run(first.id).state_type == StateType.CRASHED


def test_batches_end_with_the_build_that_is_cancelled(deployed: None, tmp_path: Path) -> None:
    scheduler = Scheduler(_try_again)
    keys = values(tmp_path, platforms=[{"stac": {"catalog": "none"}}], shard_size=1, size=8)
    spec, other = (CorpusSpec.model_validate(keys | {"name": name}) for name in ("cancelled", "another"))
    deployment = scheduler.deployment("here")
    running, waiting = (scheduler.submit(deployment, spec, (n,), lease=6, key="0").run.id for n in (0, 1))
    others = scheduler.submit(deployment, other, (2,), lease=6, key="0").run.id
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(running, Running(), force=True)
        parent = client.create_flow_run(build_corpus, name="build cancelled", tags=[*tags_of(spec), "weekly"])
        (hook,) = build_corpus.on_cancellation_hooks
        hook(build_corpus, parent, Cancelling())
        states = {run: client.read_flow_run(run).state for run in (running, waiting, others)}
        client.delete_flow_run(others)

    assert [state.type if state else None for state in states.values()] == [
        StateType.CANCELLING, StateType.CANCELLED, StateType.SCHEDULED,
    ]  # fmt: skip
    assert states[waiting].message == "the build 'build cancelled' was cancelled"


def test_a_spec_that_is_changed_under_a_running_build_is_refused_and_nothing_lost(build: Build, tmp_path: Path) -> None:
    """What runs has the spec as it was, and so have the batches that wait for a worker."""
    refused = list[SpecError]()

    def edit(_: FlowRun) -> bool:
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"seed": 99}))
        try:
            preflight(open_to_build(load_spec(path)))
        except SpecError as error:
            refused.append(error)
        return True

    with Worker(edit) as worker:
        ended = build(MadeUp(), size=6, name="edited")

    assert len(refused) == len(worker.taken)
    assert all(re.search(r"seed: the corpus has \d+, the spec 99", str(error)) for error in refused), refused
    assert ended.code == 0, ended.output
