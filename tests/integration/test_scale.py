"""Builds over several workers, with a real Prefect server on PostgreSQL; workers, parent and server are killed."""

import datetime as dt
import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import IntervalSchedule

from flows.build_corpus import build_corpus
from tests.integration.building import build as build_here
from tests.integration.conftest import tree
from tests.servers.scheduler import Prefect, await_, kill

Spec = Callable[..., Path]

SHARDS, LEASE = 48, 8

KEYS: dict[str, object] = {"size": SHARDS, "shard_size": 1, "patch": "{pixels: 32}"}
"""Of the spec of a corpus of small shards."""


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A server with the deployment of batches, and no worker yet."""
    started = Prefect(
        tmp_path_factory.mktemp("prefect"),
        DEEPSENTINEL_BATCH_SHARDS="16",
        DEEPSENTINEL_BATCHES_IN_FLIGHT="2",
        DEEPSENTINEL_POLL="0.5",
        DEEPSENTINEL_LEASE=str(LEASE),
        DEEPSENTINEL_BATCH_START="45",
        DEEPSENTINEL_WORKER_GRACE="2",
    )
    try:
        started.make_tables()
        started.start_server()
        # Twice as many places as shards in flight: those of a worker that is killed are free after two minutes.
        started.register({"deepsentinel-stac": 12})
        yield started
    finally:
        started.close()


def test_a_corpus_is_whole_and_the_same_whoever_is_killed(prefect: Prefect, write_spec: Spec, tmp_path: Path) -> None:
    spec = write_spec(**KEYS)
    corpus = tmp_path / "corpus"
    names = ["worker-0", "worker-1"]
    workers = [prefect.start_worker(name) for name in names]

    def done() -> int:
        return len(list((corpus / "commits").glob("*.json")))

    def build(log: str) -> "subprocess.Popen[bytes]":
        return prefect.start("flows.command.cli", "build", str(spec), "--dispatch", "local", log=log)

    def tell() -> str:
        return "".join(log.read_text(errors="replace")[-1500:] for log in sorted(prefect.folder.glob("*-*.log")))

    parent = build("parent-1.log")
    await_(lambda: done() >= 6, 120, tell)
    kill(workers[0])
    await_(lambda: done() >= 14, 120, tell)
    kill(parent)
    parent = build("parent-2.log")
    await_(lambda: f"of {SHARDS} shards" in prefect.log("parent-2.log"), 120, tell)
    prefect.kill_server()
    time.sleep(3)
    prefect.start_server()
    parent.wait(200)

    told = prefect.log("parent-2.log")
    assert parent.returncode == 0, tell()
    assert "seeing whether run 'build small', which builds it too, still lives" in told
    assert told.count("does not answer") == told.count("answers again") == 1, "one line each"
    assert "Traceback" not in told
    assert done() == SHARDS
    logs = "".join(prefect.log(f"{name}.log") for name in names)
    built = Counter(re.findall(r"shard (\d+): 1 samples", logs))
    assert max(built.values()) <= 2, "each shard is built at most once too often"
    attempts = [json.loads(path.read_text())["attempt"] for path in (corpus / "runs").glob("*.json")]
    assert len(attempts) == SHARDS
    assert max(attempts) <= 2

    build_here(write_spec("undisturbed.yaml", **KEYS, destinations=f"[{tmp_path / 'undisturbed'}]"), release=False)
    made = {path: content for path, content in tree(corpus).items() if not path.startswith("release/")}
    assert made == tree(tmp_path / "undisturbed")


def test_a_server_that_is_gone_for_good_ends_a_build_in_words(
    prefect: Prefect, write_spec: Spec, tmp_path: Path
) -> None:
    spec = write_spec(**KEYS)
    commits = tmp_path / "corpus" / "commits"
    build = prefect.start("flows.command.cli", "build", str(spec), log="alone.log", DEEPSENTINEL_SERVER_PATIENCE="3")
    await_(lambda: len(list(commits.glob("*.json"))) >= 3, 90, lambda: prefect.log("alone.log"))

    prefect.kill_server()
    try:
        build.wait(150)
    finally:
        prefect.start_server()

    told = prefect.log("alone.log")
    assert build.returncode == 1, told
    assert told.count("does not answer") == 1
    assert "Traceback" not in told
    assert "Error logging to API" not in told
    assert told.splitlines()[-1].startswith("error: Prefect's server ")
    assert len(list(commits.glob("*.json"))) < SHARDS


def test_a_schedule_grows_a_corpus_by_a_step_up_to_its_size(prefect: Prefect, write_spec: Spec, tmp_path: Path) -> None:
    spec = write_spec(name="growing.yaml", size=6, shard_size=1, patch="{pixels: 32}")
    every = IntervalSchedule(interval=dt.timedelta(seconds=15))
    schedule = DeploymentScheduleCreate(schedule=every, active=True, parameters={"grow_by": 4})
    commits = tmp_path / "corpus" / "commits"
    prefect.deploy(build_corpus, "growing", parameters={"spec": str(spec)}, schedules=[schedule], concurrency_limit=1)
    prefect.start_worker("grower")
    sizes: set[int] = set()

    def grown() -> bool:
        description = tmp_path / "corpus" / "corpus.json"
        if description.exists() and len(list(commits.glob("*.json"))) == json.loads(description.read_text())["shards"]:
            sizes.add(len(list(commits.glob("*.json"))))
        return sizes == {4, 6}

    await_(grown, 120, lambda: prefect.log("grower.log"))
