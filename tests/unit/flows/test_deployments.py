"""`deployments/`: everything that is deployed exists, and can be read offline."""

import inspect
import json
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import prefect
import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.utilities.importtools import import_object

from flows.deploying import FOLDER, POOLS, limit_platforms, template_of
from flows.released import EVENT, resource_of
from tasks.spec import load_spec
from tasks.spec.platforms import NAMED_PLATFORMS
from tasks.training.config import load_config

ROOT = Path(__file__).parents[3]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS: list[dict[str, Any]] = FILE["deployments"]
CORPORA = [item for item in DEPLOYMENTS if "build_corpus" in item["entrypoint"]]
TEMPLATES: dict[str, Any] = {
    kind: worker["default_base_job_configuration"]
    for collection in json.loads(
        (Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json").read_text()
    ).values()
    for kind, worker in collection.items()
}
"""Prefect's own templates by type of work pool, as it brings them along."""


def test_what_the_users_run_is_deployed() -> None:
    names = {item["name"] for item in DEPLOYMENTS if "build_batch" not in item["entrypoint"]}
    corpora = {"demo", "unlabelled-10k", "labelled-1k", "unlabelled-1m", "labelled-100k"}
    assert names == {*corpora, "ingest-osm", "release", "train", "train-here"}
    assert {item["work_pool"]["name"] for item in DEPLOYMENTS} <= set(POOLS)
    batches = [item for item in DEPLOYMENTS if "build_batch" in item["entrypoint"]]
    assert {item["name"]: item["work_pool"]["name"] for item in batches} == {
        name: name for name in ("local", "docker", "kubernetes")
    }


@pytest.mark.parametrize("item", DEPLOYMENTS, ids=lambda item: item["name"])
def test_a_deployment_names_a_flow_and_parameters_that_it_takes(item: dict[str, Any]) -> None:
    path, name = item["entrypoint"].split(":")
    flow = import_object(f"{path.removesuffix('.py').replace('/', '.')}.{name}")
    known = inspect.signature(flow.fn).parameters
    for parameters in (item.get("parameters", {}), *(s.get("parameters", {}) for s in item.get("schedules", ()))):
        assert set(parameters) <= set(known)
    assert item["description"].endswith(".")


@pytest.mark.parametrize("item", CORPORA, ids=lambda item: item["name"])
def test_a_corpus_is_built_by_one_run_at_a_time_from_2019_on(item: dict[str, Any]) -> None:
    assert item["concurrency_limit"]["limit"] == 1
    assert item["parameters"]["dispatch"] in (None, *POOLS)
    path = ROOT / item["parameters"]["spec"]
    if not path.exists():
        pytest.skip(f"{path.name} is not written yet")
    spec = load_spec(path)
    assert item["tags"] == [spec.name]
    assert spec.window[0].year >= 2019, "Level-2A is not global on Earth Engine before"


def test_the_weekly_growth_is_switched_off_and_knows_its_time_zone() -> None:
    (item,) = [item for item in CORPORA if item["name"] == "unlabelled-1m"]
    (schedule,) = item["schedules"]
    assert schedule["active"] is False
    assert ZoneInfo(schedule["timezone"]) and CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    assert schedule["parameters"]["grow_by"] % load_spec(ROOT / item["parameters"]["spec"]).shard_size == 0
    assert item["concurrency_limit"]["collision_strategy"] == "CANCEL_NEW"


def test_every_platform_has_a_limit() -> None:
    ((step, limits),) = FILE["build"][0].items()
    assert import_object(step) is limit_platforms
    assert set(limits) == {*NAMED_PLATFORMS, "stac"}


def test_a_release_starts_the_training_of_a_config_that_can_be_read_on_the_pool_of_accelerators() -> None:
    (item,) = [item for item in DEPLOYMENTS if item["name"] == "train"]
    config = load_config(ROOT / item["parameters"]["config"])
    (held,) = item["triggers"]
    assert held["parameters"] == {"corpus": "{{ event.payload.uri }}", "digest": "{{ event.payload.digest }}"}
    assert held["enabled"]
    when = DeploymentEventTrigger.model_validate(held)
    assert when.expect == {EVENT}
    assert when.match.matches(resource_of("unlabelled-10k", "gs://b/unlabelled-10k"))
    assert not when.match.matches({"prefect.resource.id": "prefect.flow-run.1"})
    assert item["work_pool"]["name"] == "gpu"
    variables = item["work_pool"]["job_variables"]
    assert variables["gpus"] >= max(1, config.gpus)
    assert variables.get("image") == config.image
    known = json.loads((FOLDER / "gpu.json").read_text())["variables"]["properties"]
    assert set(variables) <= set(known)
    assert known["gpus"]["default"] == 1


def test_trainings_where_no_pool_has_a_gpu_are_by_the_same_trigger_switched_off() -> None:
    there, here = (item for item in DEPLOYMENTS if item["name"].startswith("train"))
    assert here["work_pool"]["name"] == "local"
    names = {"name": "train-here-from-released-corpora", "enabled": False}
    assert here["triggers"] == [there["triggers"][0] | names]


@pytest.mark.parametrize("name", POOLS)
def test_a_work_pool_has_a_template_that_its_workers_can_fill(name: str) -> None:
    template, known = json.loads((FOLDER / f"{name}.json").read_text()), TEMPLATES[POOLS[name]]
    assert set(template["job_configuration"]) == set(known["job_configuration"])
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    assert used == set(template["variables"]["properties"]), "no variable without a use, and none undefined"
    assert set(known["variables"]["properties"]) <= used
    assert template["variables"].get("required", []) == known["variables"].get("required", [])


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_of_containers_runs_the_image_that_is_named_at_deployment(name: str) -> None:
    images = [template_of(name, image)["variables"]["properties"].get("image", {}) for image in (None, "hub/house:1")]
    expected = {"local": None, "gpu": "deepsentinel-train:latest"}.get(name, "deepsentinel:latest")
    assert images[0].get("default") == expected
    assert images[1].get("default") == (None if name == "local" else "hub/house:1")


@pytest.mark.parametrize("name", ["kubernetes", "gpu"])
def test_a_pod_gets_its_logins_from_a_secret_and_runs_once(name: str) -> None:
    job = json.loads((FOLDER / f"{name}.json").read_text())["job_configuration"]["job_manifest"]
    pod = job["spec"]["template"]["spec"]
    assert (job["kind"], job["spec"]["backoffLimit"], pod["restartPolicy"]) == ("Job", 0, "Never")
    assert pod["containers"][0]["envFrom"] == [
        {"configMapRef": {"name": "{{ settings }}", "optional": True}},
        {"secretRef": {"name": "{{ secret }}", "optional": True}},
    ]
    assert ("nvidia.com/gpu" in pod["containers"][0]["resources"]["limits"]) == (name == "gpu")
