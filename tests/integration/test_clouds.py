"""Corpora in two clouds at once, through the command: built, looked at, damaged, mended, copied, and killed."""

import json
import multiprocessing
import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import fsspec
import pytest
import xarray
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.sorting import FlowRunSort

from tasks.shards.commits import committed_shards
from tasks.shards.copying import copy_corpus
from tasks.shards.description import need_description
from tasks.shards.destinations import open_destination
from tasks.shards.layout import to_json
from tasks.shards.verification import verify_corpus
from tests.integration.building import build
from tests.integration.conftest import Clouds, Command, Ended, tree, written_spec
from tests.servers.store_proxy import Fault
from tests.servers.stores import BUCKET, KEY, connection_string

pytestmark = pytest.mark.usefixtures("prefect_here")

Spec = Callable[..., Path]
Run = Callable[..., Ended]

KILLS = int(os.environ.get("TESTS_KILLS", "3"))
"""Builds that are killed in the middle of their uploads."""


PRELOADED = ("tasks.shards.destinations.gcs", "tasks.shards.destinations.azure", "tasks.imagery.stac.platform")
"""What is imported where it is needed, and takes seconds."""


def build_elsewhere(spec: Path, environment: Mapping[str, str]) -> None:
    """In a process of its own."""
    os.environ.update(environment)
    os.dup2(os.open(spec.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    build(spec)


def started(method: str, spec: Path, clouds: Clouds) -> BaseProcess:
    """A process that builds, forked from one that has everything imported, or spawned."""
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([__name__, *PRELOADED])
    process = context.Process(target=build_elsewhere, args=(spec, clouds.environment), daemon=True)
    process.start()
    return process


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the tests' spec as it is where nothing goes wrong: its folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    build(written_spec(folder, archive))
    return folder / "corpus"


@pytest.fixture
def two(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """An empty place in each cloud."""
    monkeypatch.setenv("DEEPSENTINEL_GCS_PATIENCE", "5")
    monkeypatch.setenv("DEEPSENTINEL_AZURE_PATIENCE", "5")
    name = uuid.uuid4().hex
    return f"gs://{BUCKET}/{name}/corpus", f"az://{BUCKET}/{name}/corpus"


@pytest.fixture
def filled(two: tuple[str, str], undisturbed: Path) -> tuple[str, str]:
    """A place in each cloud that holds the whole corpus."""
    for location in two:
        copy_corpus(open_destination(str(undisturbed)), open_destination(location), lambda _: None)
    return two


def files(clouds: Clouds, location: str) -> Any:
    """A store as others see it: neither our code nor the proxy is in between."""
    if location.startswith("gs:"):
        url = "http://{}:{}".format(*clouds.gs.backend)
        return fsspec.filesystem("gs", token="anon", endpoint_url=url, use_listings_cache=False)
    text = connection_string("http://{}:{}".format(*clouds.az.backend))
    return fsspec.filesystem("az", connection_string=text, use_listings_cache=False)


def cloud_tree(clouds: Clouds, location: str) -> dict[str, bytes]:
    """Every object of a corpus but those in `runs/`, by path."""
    store, root = files(clouds, location), location.partition("://")[2]
    paths = [path for path in store.find(root) if not path.startswith(f"{root}/runs/")]
    return {path.removeprefix(f"{root}/"): store.cat_file(path) for path in paths}


def to(*locations: object) -> dict[str, str]:
    """The key of a spec."""
    return {"destinations": "[" + ", ".join(map(str, locations)) + "]"}


def test_one_build_fills_a_folder_and_both_clouds_with_the_same_bytes(
    here: Run, write_spec: Spec, tmp_path: Path, clouds: Clouds, two: tuple[str, str], undisturbed: Path
) -> None:
    ended = here("build", write_spec(**to(tmp_path / "corpus", *two)))
    assert ended.code == 0, ended.output
    local = tree(tmp_path / "corpus")
    assert local == tree(undisturbed)
    for location in two:
        assert cloud_tree(clouds, location) == local
        folders = ("/s2/c/", "/s1/c/", "/samples/", "/statistics/", "/quicklooks/", "/commits/")
        puts = [clouds.of(location).count("put", path) for path in folders]
        assert puts == [4, 4, 4, 4, 4, 4], "one put an object, shard and destination"
        for look in ("status", "verify"):
            told = here(look, location)
            assert told.code == 0, told.output
        assert here("status", location).output == here("status", tmp_path / "corpus").output
    options = {"token": "anon", "endpoint_url": clouds.gs.url}
    seen = xarray.open_zarr(two[0], group="demo", storage_options=options)
    kept = xarray.open_zarr(tmp_path / "corpus", group="demo")
    assert seen.load().identical(kept.load())
    options = {"connection_string": connection_string(clouds.az.url)}
    assert xarray.open_zarr(two[1], group="demo", storage_options=options).load().identical(kept)


def test_a_corpus_that_grew_equals_one_built_at_once_in_every_destination(
    here: Run, write_spec: Spec, clouds: Clouds, two: tuple[str, str], undisturbed: Path
) -> None:
    assert here("build", write_spec(size=4, **to(*two))).code == 0
    assert here("build", write_spec(size=8, **to(*two))).code == 0
    for location in two:
        assert cloud_tree(clouds, location) == tree(undisturbed)


def test_a_destination_that_is_added_is_filled_by_copying(
    here: Run, write_spec: Spec, tmp_path: Path, clouds: Clouds, two: tuple[str, str], undisturbed: Path
) -> None:
    copy_corpus(open_destination(str(undisturbed)), open_destination(two[0]), lambda _: None)
    ended = here("build", write_spec(**to(*two, tmp_path / "corpus")))
    assert ended.code == 0, ended.output
    assert cloud_tree(clouds, two[1]) == cloud_tree(clouds, two[0]) == tree(tmp_path / "corpus") == tree(undisturbed)
    for shard in range(4):
        run = json.loads((tmp_path / "corpus" / "runs" / f"shard-{shard:05d}.json").read_bytes())
        assert run["copied"] is True
        assert run["platforms"]["demo"]["requests"] == 0


def test_a_whole_corpus_is_copied_and_the_same_command_goes_on(
    here: Run, clouds: Clouds, two: tuple[str, str], undisturbed: Path
) -> None:
    clouds.gs.faults.append(Fault(how="507", when=lambda asked: asked.kind == "put" and "/c/3/" in asked.key, times=9))
    ended = here("copy", undisturbed, two[0])
    assert ended.code == 1
    assert "a quota is used up" in ended.output
    clouds.gs.clear()
    ended = here("copy", undisturbed, two[0])
    assert ended.code == 0, ended.output
    assert "4 are there" in ended.output
    assert cloud_tree(clouds, two[0]) == tree(undisturbed)
    assert here("copy", two[0], two[1]).code == 0
    assert cloud_tree(clouds, two[1]) == tree(undisturbed)
    clouds.az.clear()
    assert here("copy", two[0], two[1]).code == 0
    assert clouds.az.count("put", "/s2/c/") == 0, "nothing is copied twice"


def test_a_shard_that_one_cloud_misses_is_copied_by_the_next_build(
    here: Run,
    write_spec: Spec,
    clouds: Clouds,
    two: tuple[str, str],
    undisturbed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_AZURE_PATIENCE", "1")
    spec = write_spec(**to(*two))
    clouds.az.faults.append(Fault(how="drop", when=lambda asked: "/c/1/" in asked.key, times=1000))
    ended = here("build", spec)
    assert ended.code == 1
    assert "az://" in ended.output
    assert "attempts in 1 s" in ended.output
    assert committed_shards(open_destination(two[0])) == {0, 1, 2, 3}, "the run went on, and what one took stays"
    assert committed_shards(open_destination(two[1])) == {0, 2, 3}
    clouds.az.clear()
    assert here("build", spec).code == 0
    assert cloud_tree(clouds, two[0]) == cloud_tree(clouds, two[1]) == tree(undisturbed)


def test_a_run_stops_when_a_cloud_has_been_missed_often_enough(
    here: Run, write_spec: Spec, two: tuple[str, str], clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_AZURE_PATIENCE", "0.3")
    monkeypatch.setenv("DEEPSENTINEL_STORES_MISSED", "2")
    monkeypatch.setenv("DEEPSENTINEL_SHARDS_IN_FLIGHT", "1")
    clouds.az.faults.append(Fault(how="drop", when=lambda asked: "/s2/c/" in asked.key, times=1000))
    ended = here("build", write_spec(size=16, **to(*two)))
    assert ended.code == 1
    assert len(committed_shards(open_destination(two[0]))) == 2


def test_a_quota_that_is_used_up_stops_the_run(
    here: Run, write_spec: Spec, two: tuple[str, str], clouds: Clouds
) -> None:
    clouds.gs.faults.append(
        Fault(how="507", when=lambda asked: asked.kind == "put" and "/s2/c/" in asked.key, times=99)
    )
    ended = here("build", write_spec(size=16, **to(two[0])))
    assert ended.code == 1
    assert "a quota is used up" in ended.output
    assert committed_shards(open_destination(two[0])) == set()


def test_what_is_damaged_in_one_cloud_is_restored_from_the_other(
    here: Run, write_spec: Spec, clouds: Clouds, filled: tuple[str, str], undisturbed: Path
) -> None:
    two, before = filled, tree(undisturbed)
    first, second = map(open_destination, two)
    first.delete("demo/s2/c/1/0/0/0")
    first.put("samples/shard-00002.parquet", b"other")
    second.put("commits/shard-00003.json", b"{}")
    second.delete("demo/s1/c/3/0/0/0")
    second.delete("demo/zarr.json")
    second.put("release/preview.png", b"other")
    ended = here("verify", *two)
    assert ended.code == 1
    assert "shard 1: demo/s2/c/1/0/0/0 is missing" in ended.output
    assert "shard 2: samples/shard-00002.parquet is short" in ended.output
    assert "shard 3: commits/shard-00003.json is damaged" in ended.output
    assert "corpus: demo/zarr.json is missing" in ended.output
    assert "corpus: release/preview.png is short" in ended.output
    ended = here("verify", *two, "--repair")
    assert ended.code == 0, ended.output
    assert cloud_tree(clouds, two[0]) == cloud_tree(clouds, two[1]) == before
    ended = here("verify", *two, "--deep")
    assert ended.code == 0, ended.output

    # What no copy has whole is withdrawn, and the next build makes it again.
    for one in (first, second):
        one.put("demo/s2/c/0/0/0/0", b"nobody's")
        one.put("release/preview.png", b"nobody's")
    ended = here("verify", *two, "--repair")
    assert ended.code == 1
    assert committed_shards(first) == committed_shards(second) == {1, 2, 3}
    assert here("build", write_spec(**to(*two))).code == 0
    assert cloud_tree(clouds, two[0]) == cloud_tree(clouds, two[1]) == before


def test_shards_that_differ_between_the_clouds_are_named_and_made_one(
    here: Run, clouds: Clouds, filled: tuple[str, str], undisturbed: Path
) -> None:
    # Each sound in itself: what two builds with different software can leave, one in each cloud.
    second = open_destination(filled[1])
    record = json.loads(second.get("commits/shard-00002.json") or b"")
    record["pairing"]["tried"] += 1
    second.put("commits/shard-00002.json", to_json(record))
    assert [here("verify", location).code for location in filled] == [0, 0]
    ended = here("verify", *filled)
    assert ended.code == 1
    assert f"shard 2: commits/shard-00002.json is that of another shard than in {filled[0]}" in ended.output
    assert here("verify", *filled, "--repair").code == 0
    assert cloud_tree(clouds, filled[1]) == tree(undisturbed)


def test_a_prefix_that_holds_something_else_is_refused_before_any_fetch(
    here: Run, write_spec: Spec, two: tuple[str, str], clouds: Clouds
) -> None:
    for location in two:
        open_destination(location).put("thesis/chapter-1.tex", b"mine")
        ended = here("build", write_spec(**to(location)))
        assert ended.code == 2
        assert "holds something else than a corpus (thesis)" in ended.output
        assert open_destination(location).top() == ["thesis"]


def test_a_corpus_of_a_newer_version_is_refused(
    here: Run, write_spec: Spec, two: tuple[str, str], clouds: Clouds
) -> None:
    for location in two:
        open_destination(location).put("corpus.json", b'{"schema": 99}')
        ended = here("build", write_spec(**to(location)))
        assert ended.code == 1
        assert "has layout 99" in ended.output
        assert "starting Prefect" not in ended.output


def test_logins_may_be_kept_in_blocks_of_prefect(
    here: Run,
    write_spec: Spec,
    clouds: Clouds,
    two: tuple[str, str],
    undisturbed: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    location = two[1]
    monkeypatch.delenv("DEEPSENTINEL_AZURE_CONNECTION_STRING")
    monkeypatch.setenv("DEEPSENTINEL_AZURE_BLOCK", "azure-blob-storage-credentials/corpora")
    ended = here("status", location)
    assert ended.code == 1
    assert "Prefect has no such block" in ended.output

    # As Prefect's UI makes it; the package that defines its type is not installed.
    with get_client(sync_client=True) as client:
        kind = client.read_block_type_by_slug("azure-blob-storage-credentials")
        schema = client.get_most_recent_block_schema_for_block_type(kind.id)
        assert schema is not None
        block = BlockDocumentCreate(
            name="corpora", data={"connection_string": connection_string(clouds.az.url)}, block_type_id=kind.id,
            block_schema_id=schema.id,
        )  # fmt: skip
        client.create_block_document(block)
        ended = here("build", write_spec(**to(location)))
        assert ended.code == 0, ended.output
        assert here("status", location).code == 0
        (run,) = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    told = [ended.output, str(run.parameters), *(log.message for log in logs)]
    stored = [open_destination(location).get(f"runs/shard-{shard:05d}.json") or b"" for shard in range(4)]
    assert not [text for text in (*told, *map(str, stored)) if KEY in text]
    assert cloud_tree(clouds, location) == tree(undisturbed)

    Secret(value={"account_name": "x"}).save("other", overwrite=True)
    monkeypatch.setenv("DEEPSENTINEL_AZURE_BLOCK", "secret/other")
    monkeypatch.setenv("DEEPSENTINEL_GCS_BLOCK", "secret/other")
    ended = here("status", two[0])
    assert ended.code == 1
    assert "DEEPSENTINEL_GCS_BLOCK=secret/other: holds no login to this store. Expected gcp-credentials" in ended.output


def test_builds_killed_during_their_uploads_go_on_to_the_same_bytes(
    write_spec: Spec, clouds: Clouds, two: tuple[str, str], undisturbed: Path
) -> None:
    rng = random.Random(KILLS)
    spec = write_spec(**to(*two))
    left = 8  # uploads of Sentinel-2 that there are to do: one a shard and cloud
    for number in range(KILLS):
        clouds.gs.clear()
        clouds.az.clear()
        clouds.gs.latency = clouds.az.latency = 0.05
        process = started("spawn" if number % 10 == 9 else "forkserver", spec, clouds)
        # Somewhere in the uploads of some shard: counted by what has begun, not by what is done.
        wanted = rng.randint(1, left)
        _await(lambda wanted=wanted: _uploads(clouds) >= wanted, process, spec)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.join()
        left = 8
        for place in map(open_destination, two):
            faults = verify_corpus(place, need_description(place), lambda _: None)
            assert {fault.path for fault in faults} <= {"commits"}, "what is committed is whole"
            left -= len(committed_shards(place))
        if left < 3 and number < KILLS - 1:
            left = 8  # begin anew, else the next kill finds nothing to do
            for location in two:
                files(clouds, location).rm(location.partition("://")[2], recursive=True)
    clouds.gs.clear()
    clouds.az.clear()
    build(spec)
    assert cloud_tree(clouds, two[0]) == cloud_tree(clouds, two[1]) == tree(undisturbed)


def test_two_builds_at_once_make_one_corpus(
    command: Command, write_spec: Spec, clouds: Clouds, two: tuple[str, str], undisturbed: Path
) -> None:
    spec = write_spec(**to(*two))
    clouds.gs.latency = clouds.az.latency = 0.1
    whole = command.start("build", spec, environment=clouds.environment)
    _await(lambda: _uploads(clouds) > 0, whole, spec)
    other = started("forkserver", spec, clouds)
    output, _ = whole.communicate(timeout=240)
    other.join(240)
    assert whole.returncode == 0, output
    assert other.exitcode == 0, spec.with_suffix(".log").read_text()
    assert cloud_tree(clouds, two[0]) == cloud_tree(clouds, two[1]) == tree(undisturbed)


def _uploads(clouds: Clouds) -> int:
    return clouds.gs.count("put", "/s2/c/") + clouds.az.count("put", "/s2/c/")


def _await(condition: Callable[[], bool], process: Any, spec: Path) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        ended = process.exitcode if isinstance(process, BaseProcess) else process.poll()
        if ended is not None or time.monotonic() > deadline:
            process.kill()
            log = spec.with_suffix(".log")
            pytest.fail(f"{ended}: {log.read_text() if log.exists() else process.communicate()[0]}")
        time.sleep(0.01)
