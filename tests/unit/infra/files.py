"""The files of `infra/` and `deployments/` as tests look at them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
INFRA = ROOT / "infra"
BASE = INFRA / "kubernetes" / "base"
OVERLAYS = [INFRA / "kubernetes" / "overlays" / name for name in ("aks", "gke")]
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text(encoding="utf-8"))

SECRET = re.compile(r"PASSWORD|AUTH_STRING|TOKEN|SECRET|_KEY$|SAS|CONNECTION_STRING|CONNECTION_URL")
"""Names of variables that hold a login."""


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def base() -> list[dict[str, Any]]:
    """Every object of the base of the Kubernetes manifests."""
    listed = documents(BASE / "kustomization.yaml")[0]["resources"]
    return [document for name in listed for document in documents(BASE / name)]


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Pod templates by the name of what makes them."""
    return {
        item["metadata"]["name"]: item["spec"]["template"] for item in objects if "template" in item.get("spec", {})
    }


def template(pool: str) -> dict[str, Any]:
    """The base job template of a work pool."""
    return json.loads((ROOT / "deployments" / "work-pools" / f"{pool}.json").read_text(encoding="utf-8"))


def defaults(pool: str) -> dict[str, Any]:
    """What a template's variables are unless somebody says otherwise."""
    variables = template(pool)["variables"]["properties"]
    return {name: variable["default"] for name, variable in variables.items() if "default" in variable}


def job(pool: str) -> dict[str, Any]:
    """The job of a work pool as its worker makes it for a flow run that changes nothing."""
    known = {
        **defaults(pool),
        "name": "run",
        "command": ["prefect", "flow-run", "execute"],
        "labels": {"prefect.io/flow-run-id": "x"},
    }
    known["env"] = [{"name": name, "value": value} for name, value in known["env"].items()]

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        if isinstance(value, str):
            if whole := re.fullmatch(r"\{\{ (\w+) \}\}", value):
                return known[whole[1]]
            return re.sub(r"\{\{ (\w+) \}\}", lambda found: str(known[found[1]]), value)
        return value

    return filled(template(pool)["job_configuration"]["job_manifest"])


def dockerfile() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile with their arguments, in order; lines that go on are joined."""
    text = (INFRA / "image" / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())
    ]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Instructions of the Dockerfile by stage."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for instruction, rest in dockerfile():
        if instruction == "FROM":
            name = rest.split()[-1]
        found.setdefault(name, []).append((instruction, rest))
    return found


def environments() -> Iterator[tuple[str, str, Any]]:
    """Where, name and value of every variable that is set for a container; None: by reference to a secret."""
    for name, service in COMPOSE["services"].items():
        for variable, value in service.get("environment", {}).items():
            yield f"compose {name}", variable, value
        for secret in service.get("secrets", ()):
            if isinstance(secret, dict):
                yield f"compose {name}", secret["target"], None
    for where, pod in {
        **pods(base()),
        **{pool: job(pool)["spec"]["template"] for pool in ("kubernetes", "gpu")},
    }.items():
        for container in pod["spec"]["containers"]:
            for entry in container.get("env", ()):
                yield where, entry["name"], entry.get("value")
    for instruction, rest in dockerfile():
        if instruction == "ENV":
            for variable, value in re.findall(r"(\w+)=(\S+)", rest):
                yield "Dockerfile", variable, value
