"""Names that stand in several files are the same in all: pools, folders, images, accounts, secrets, variables."""

import re
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from prefect.settings.legacy import Settings, _get_valid_setting_names

from flows.deploying import POOLS
from tasks.imagery.registry import refuse_unknown_settings
from tasks.shards.destinations import STORE_SETTINGS
from tests.unit.infra.files import (
    BASE,
    COMPOSE,
    INFRA,
    OVERLAYS,
    ROOT,
    base,
    defaults,
    dockerfile,
    documents,
    environments,
    job,
    pods,
    stages,
)

PREFECT_YAML: dict[str, Any] = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8"))
PODS = pods(base())
HOME = PurePosixPath(dict(stages()["runtime"])["WORKDIR"])
README = (INFRA / "README.md").read_text(encoding="utf-8")


def started() -> dict[str, list[str]]:
    """What each worker is started with."""
    commands = {name: service.get("command", []) for name, service in COMPOSE["services"].items()}
    commands |= {name: pod["spec"]["containers"][0]["args"] for name, pod in PODS.items()}
    return {name: command for name, command in commands.items() if "worker" in command}


def test_workers_poll_pools_that_are_made() -> None:
    pools = {name: command[command.index("--pool") + 1] for name, command in started().items()}
    assert pools == {
        "worker": "local",
        "coordinator": "local",
        "worker-kubernetes": "kubernetes",
        "worker-gpu": "gpu",
    }
    assert set(pools.values()) | {"docker"} == set(POOLS)
    assert all("--with-healthcheck" in command for command in started().values()), "the image's check asks for it"


def test_images_have_their_code_where_deployments_run_it() -> None:
    pulls = [item["pull"] for item in PREFECT_YAML["deployments"] if "pull" in item]
    folders = {step["directory"] for pull in pulls for entry in pull for step in entry.values()}
    assert folders == {str(HOME)}
    copied = {rest.split()[-1] for name, rest in dockerfile() if name == "COPY"}
    for item in PREFECT_YAML["deployments"]:
        paths = [item["entrypoint"].split(":")[0], item.get("parameters", {}).get("spec")]
        assert all(PurePosixPath(path).parts[0] in copied for path in paths if path)


def test_what_is_mounted_lies_where_the_code_looks() -> None:
    mounts = [mount.split(":")[1] for service in COMPOSE["services"].values() for mount in service.get("volumes", ())]
    containers = [container for pod in PODS.values() for container in pod["spec"]["containers"]]
    containers += job("gpu")["spec"]["template"]["spec"]["containers"]
    mounts += [mount["mountPath"] for container in containers for mount in container["volumeMounts"]]
    ours = {PurePosixPath(mount).relative_to(HOME).parts[0] for mount in mounts if mount.startswith("/opt/")}
    assert ours == {"corpora", "demo", "deployments", "specs", "training"}
    enter = (INFRA / "image" / "enter.sh").read_text()
    assert all(f"{folder}/*" in enter for folder in ("/run/secrets", "/run/logins"))


def test_images_are_those_that_pools_run() -> None:
    built = dict(re.findall(r"-t (\S+)(?: --target (\w+))? \.", (INFRA / "image" / "Dockerfile").read_text()))
    assert built == {"deepsentinel": "", "deepsentinel-train": "train"}
    assert {pool: defaults(pool)["image"] for pool in ("docker", "kubernetes", "gpu")} == {
        "docker": "deepsentinel:latest",
        "kubernetes": "deepsentinel:latest",
        "gpu": "deepsentinel-train:latest",
    }
    (kustomization,) = documents(BASE / "kustomization.yaml")
    (images,) = [entry["literals"] for entry in kustomization["configMapGenerator"] if entry["name"] == "images"]
    assert images == ["IMAGE=deepsentinel:latest", "TRAIN_IMAGE=deepsentinel-train:latest"]
    assert set(COMPOSE["services"]["register"]["environment"]) >= {"IMAGE", "TRAIN_IMAGE"}
    assert set(re.findall(r"\$\{(\w+):-", (INFRA / "image" / "register.sh").read_text())) == {"IMAGE", "TRAIN_IMAGE"}


def test_jobs_run_in_the_namespace_and_as_the_accounts_that_there_are() -> None:
    accounts = {item["metadata"]["name"] for item in base() if item["kind"] == "ServiceAccount"}
    (kustomization,) = documents(BASE / "kustomization.yaml")
    for pool in ("kubernetes", "gpu"):
        known = defaults(pool)
        assert known["namespace"] == kustomization["namespace"] == "deepsentinel"
        assert known["service_account_name"] in accounts
    assert defaults("kubernetes")["service_account_name"] == PODS["coordinator"]["spec"]["serviceAccountName"]
    assert defaults("gpu")["service_account_name"] == "deepsentinel-train"


def test_clouds_know_the_accounts_and_the_namespace() -> None:
    accounts = {defaults(pool)["service_account_name"] for pool in ("kubernetes", "gpu")}
    for path in ("gcp/pods.tf", "azure/identities.tf"):
        text = (INFRA / "terraform" / path).read_text()
        (identities,) = re.findall(r"  identities = \{\n(.+?)\n  \}", text, flags=re.DOTALL)
        assert set(re.findall(r"^ +([\w-]+) += ", identities, flags=re.MULTILINE)) == accounts
    for folder in OVERLAYS:
        assert {item["metadata"]["name"] for item in documents(folder / "identities.yaml")} == accounts
    for path in ("gcp/variables.tf", "azure/variables.tf"):
        (namespace,) = re.findall(
            r'variable "namespace" \{.+?default += "(\w+)"', (INFRA / "terraform" / path).read_text(), flags=re.DOTALL
        )
        assert namespace == defaults("kubernetes")["namespace"]


def test_the_token_that_pods_have_is_the_one_that_google_takes() -> None:
    sources = [volume["projected"]["sources"][0] for volume in job("gpu")["spec"]["template"]["spec"]["volumes"][:1]]
    (token,) = [source["serviceAccountToken"] for source in sources]
    text = (INFRA / "terraform" / "gcp" / "pods.tf").read_text()
    assert re.findall(r'allowed_audiences = \["(\w+)"\]', text) == [token["audience"]]
    outputs = (INFRA / "terraform" / "gcp" / "outputs.tf").read_text()
    assert f'file = "/run/logins/{token["path"]}"' in outputs


def test_the_page_tells_every_secret_and_config_map_that_is_read() -> None:
    told = set(re.findall(r"^\| (secret|config map) `([\w-]+)` \|", README, flags=re.MULTILINE))
    known, read = defaults("kubernetes"), set[tuple[str, str]]()
    read |= {("secret", known["secret"]), ("secret", known["files"]), ("config map", known["settings"])}
    assert all({**known, **defaults("gpu")}[name] == known[name] for name in ("secret", "files", "settings"))
    text = "".join(path.read_text() for path in BASE.iterdir())
    read |= {("secret", name) for name in re.findall(r"secretKeyRef: \{name: ([\w-]+)", text)}
    read |= {("secret", name) for name in re.findall(r"secret(?:Ref)?: \{name: ([\w-]+)", text)}
    read |= {("config map", name) for name in re.findall(r"configMap(?:Ref)?: \{name: ([\w-]+)", text)}
    assert told == read - {("config map", "images")}, "that one is the overlays' own"
    keys = set(re.findall(r"secretKeyRef: \{name: prefect, key: ([\w-]+)\}", text))
    assert keys == set(re.findall(r"--from-file=([\w-]+)=infra/secrets", README))


def test_variables_of_prefect_are_settings_of_prefect() -> None:
    known = _get_valid_setting_names(Settings) | {"PREFECT_SERVER_API_AUTH_STRING"}
    # Those of its package for Kubernetes, which is in the image alone.
    known |= {f"PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_{part}" for part in ("NAME", "KEY")}
    known |= {"PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES"}
    for where, name, _ in environments():
        assert not name.startswith("PREFECT_") or name in known, f"{where}: {name}"


def test_variables_of_ours_are_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    literals = [
        literal
        for folder in (BASE, *OVERLAYS)
        for entry in documents(folder / "kustomization.yaml")[0]["configMapGenerator"]
        for literal in entry["literals"]
    ]
    names = {literal.partition("=")[0] for literal in literals} | {name for _, name, _ in environments()}
    names |= set(re.findall(r"\bDEEPSENTINEL_\w+(?==)|`(DEEPSENTINEL_\w+)`", README))
    ours = {name for name in names if name.startswith("DEEPSENTINEL_")}
    assert len(ours) >= 3
    for name in ours:
        monkeypatch.setenv(name, "x")
    refuse_unknown_settings(STORE_SETTINGS)


def test_servers_keep_who_holds_places_and_are_asked_where_they_listen() -> None:
    leases = "prefect.server.concurrency.lease_storage.filesystem"
    variable = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
    assert {where for where, name, value in environments() if (name, value) == (variable, leases)} == {
        "compose server",
        "prefect-server",
    }
    assert leases in (INFRA / "local" / "up.py").read_text()
    asked = {where: value for where, name, value in environments() if name == "PREFECT_API_URL"}
    assert {value for where, value in asked.items() if where.startswith("compose")} == {"http://server:4200/api"}
    assert {value for where, value in asked.items() if not where.startswith("compose")} == {
        "http://prefect-server:4200/api"
    }
