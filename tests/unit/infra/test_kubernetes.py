"""`infra/kubernetes/` and the jobs of work pools: valid for Kubernetes, and with no more rights than they need."""

import copy
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.unit.infra.files import BASE, OVERLAYS, base, defaults, documents, job, pods, stages

OBJECTS = base()
JOBS = {pool: job(pool) for pool in ("kubernetes", "gpu")}
PODS: dict[str, Any] = {**pods(OBJECTS), **{pool: item["spec"]["template"] for pool, item in JOBS.items()}}
VERSION = "1.32"
"""An old one of those that clouds still offer: what it knows, newer ones do."""

COMPONENT = "app.kubernetes.io/component"


def of(kind: str) -> dict[str, dict[str, Any]]:
    """Objects of a kind by their names."""
    return {item["metadata"]["name"]: item for item in OBJECTS if item["kind"] == kind}


def test_the_base_lists_every_file_that_is_there() -> None:
    listed = documents(BASE / "kustomization.yaml")[0]["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(path.name for path in BASE.iterdir())


@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
def test_an_object_is_one_that_kubernetes_knows(item: dict[str, Any]) -> None:
    kubernetes_validate.validate(item, VERSION, strict=True)


@pytest.mark.parametrize("pool", JOBS)
def test_a_work_pool_makes_a_job_that_kubernetes_knows(pool: str) -> None:
    kubernetes_validate.validate(JOBS[pool], VERSION, strict=True)


def test_what_is_misspelt_is_found() -> None:
    broken = copy.deepcopy(JOBS["gpu"])
    broken["spec"]["template"]["spec"]["parallelism"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSION, strict=True)


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_an_overlay_names_what_is_there(folder: Path) -> None:
    (overlay,) = documents(folder / "kustomization.yaml")
    assert "../../base" in overlay["resources"]
    named = [*overlay["resources"], *(patch["path"] for patch in overlay["patches"])]
    assert {name for name in named if "/" not in name} == {path.name for path in folder.iterdir()} - {
        "kustomization.yaml"
    }
    known = {(item["kind"], item["metadata"]["name"]) for item in OBJECTS}
    for patch in overlay["patches"]:
        for item in documents(folder / patch["path"]):
            kubernetes_validate.validate(item, VERSION, strict=True)
            assert (item["kind"], item["metadata"]["name"]) in known, "a patch of nothing"
            assert item["metadata"]["namespace"] == "deepsentinel"
    generated = {entry["name"] for entry in documents(BASE / "kustomization.yaml")[0]["configMapGenerator"]}
    assert {entry["name"] for entry in overlay["configMapGenerator"] if entry["behavior"] == "merge"} <= generated


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here: bases and patches are checked one by one")
@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_an_overlay_renders_to_what_kubernetes_knows(folder: Path, tmp_path: Path) -> None:
    rendered = tmp_path / "rendered.yaml"
    made = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    rendered.write_text(made.stdout)
    items = documents(rendered)
    assert {item["metadata"].get("namespace", "deepsentinel") for item in items} == {"deepsentinel"}
    for item in items:
        kubernetes_validate.validate(item, VERSION, strict=True)
    images = next(item["data"] for item in items if item["metadata"]["name"] == "images")
    for pod in pods(items).values():
        assert {container["image"] for container in pod["spec"]["containers"]} == {images["IMAGE"]}
    identities = {
        item["metadata"]["name"]
        for item in items
        if item["kind"] == "ServiceAccount" and "annotations" in item["metadata"]
    }
    assert identities == {"deepsentinel", "deepsentinel-train"}, "who builds and who trains, nobody else"


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_let_into_a_namespace_that_is_restricted(name: str) -> None:
    """The profile `restricted` of Kubernetes' Pod Security Standards, which the namespace enforces."""
    (namespace,) = of("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = PODS[name]["spec"]
    context = pod["securityContext"]
    (user,) = [rest for instruction, rest in stages()["runtime"] if instruction == "USER"]
    assert context["runAsNonRoot"] and f"{context['runAsUser']}:{context['runAsGroup']}" == user
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    kinds = {"emptyDir", "projected", "configMap", "persistentVolumeClaim"}
    assert all(kinds & set(volume) for volume in pod.get("volumes", ())), "nothing of the node"
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        written = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"/tmp", "/home/deepsentinel"} <= written, "else nothing can be written at all"


@pytest.mark.parametrize("name", PODS)
def test_a_pod_says_what_it_takes(name: str) -> None:
    for container in PODS[name]["spec"]["containers"]:
        resources = container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]) and "memory" in resources["limits"]


def test_only_workers_of_jobs_may_speak_to_kubernetes() -> None:
    spoken = {name for name, pod in PODS.items() if pod["spec"]["automountServiceAccountToken"]}
    assert spoken == {"worker-kubernetes", "worker-gpu"}
    assert {PODS[name]["spec"]["serviceAccountName"] for name in spoken} == {"deepsentinel-worker"}
    assert all(item["automountServiceAccountToken"] is False for item in of("ServiceAccount").values())
    assert {pod["spec"]["serviceAccountName"] for pod in PODS.values()} == set(of("ServiceAccount"))


def test_they_may_start_jobs_and_watch_them_and_nothing_else() -> None:
    assert not of("ClusterRole") and not of("ClusterRoleBinding")
    (role,) = of("Role").values()
    rights = {
        f"{group}/{resource}": set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    watching = {"get", "list", "watch"}
    assert rights == {
        "batch/jobs": {"create", "delete", *watching},
        "/pods": watching,
        "/events": watching,
        "/pods/log": {"get"},
    }
    (binding,) = of("RoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == ["deepsentinel-worker"]


def test_workers_hand_on_a_reference_to_the_login_and_watch_their_namespace_alone() -> None:
    for name in ("worker-kubernetes", "worker-gpu"):
        (container,) = PODS[name]["spec"]["containers"]
        env = {entry["name"]: entry for entry in container["env"]}
        reference = env["PREFECT_API_AUTH_STRING"]["valueFrom"]["secretKeyRef"]
        prefix = "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET"
        assert reference == {"name": env[f"{prefix}_NAME"]["value"], "key": env[f"{prefix}_KEY"]["value"]}
        assert env["PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES"]["value"] == "deepsentinel"
        assert "envFrom" not in container, "they hold no login to a platform or a store"


def test_no_secret_is_written_down_here() -> None:
    assert not of("Secret")
    assert not any(
        item["kind"] == "Secret" for folder in OVERLAYS for path in folder.iterdir() for item in documents(path)
    )


def test_what_no_policy_allows_is_refused() -> None:
    policies = of("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (selector,) = policies["to-server"]["spec"]["podSelector"]["matchExpressions"]
    components = {pod["metadata"]["labels"][COMPONENT] for pod in PODS.values()}
    assert set(selector["values"]) == components - {"server"}
    (server,) = policies["server"]["spec"]["ingress"]
    assert server["from"] == [{"podSelector": policies["to-server"]["spec"]["podSelector"]}]
    (outside,) = policies["outside"]["spec"]["podSelector"]["matchExpressions"]
    assert set(outside["values"]) == {"coordinator", "builder", "training"}, "who asks platforms and stores"


@pytest.mark.parametrize("name", ["worker-kubernetes", "training"])
def test_a_budget_of_disruptions_is_for_pods_that_there_are(name: str) -> None:
    budget = of("PodDisruptionBudget")[name]["spec"]
    wanted = budget["selector"]["matchLabels"].items()
    assert any(wanted <= pod["metadata"]["labels"].items() for pod in PODS.values())
    if name == "worker-kubernetes":
        assert budget["minAvailable"] < of("Deployment")[name]["spec"]["replicas"], "else no node could ever be drained"


def test_probes_ask_what_is_told_without_a_login() -> None:
    asked = {
        (name, probe["httpGet"]["path"])
        for name, pod in PODS.items()
        for container in pod["spec"]["containers"]
        for key, probe in container.items()
        if key.endswith("Probe")
    }
    assert asked == {
        ("prefect-server", "/api/health"),
        ("prefect-server", "/api/ready"),
        *((name, "/health") for name in ("coordinator", "worker-kubernetes", "worker-gpu")),
    }


def test_a_job_with_a_gpu_asks_for_one_and_has_memory_to_share() -> None:
    pod = PODS["gpu"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if volume["name"] == "output"]
    assert set(claims) == set(of("PersistentVolumeClaim")), "what it makes outlives it"
    assert {"name": "output", "mountPath": "/opt/deepsentinel/training"} in container["volumeMounts"]
    assert "nvidia.com/gpu" not in PODS["kubernetes"]["spec"]["containers"][0]["resources"]["limits"]


def test_jobs_and_the_coordinator_get_their_settings_and_logins_from_the_same_places() -> None:
    (coordinator,) = PODS["coordinator"]["spec"]["containers"]
    for pool in JOBS:
        known, (container,) = defaults(pool), PODS[pool]["spec"]["containers"]
        named = [next(iter(entry.values()))["name"] for entry in container["envFrom"]]
        assert named == [next(iter(entry.values()))["name"] for entry in coordinator["envFrom"]]
        assert named == [known["settings"], known["secret"]]
        volumes = {volume["name"]: volume for volume in PODS[pool]["spec"]["volumes"]}
        assert volumes["logins"] in PODS["coordinator"]["spec"]["volumes"]
    assert re.fullmatch(r"/run/logins", coordinator["volumeMounts"][0]["mountPath"]), "where enter.sh looks"
