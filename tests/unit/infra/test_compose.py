"""`infra/compose.yaml`: what compose itself would accept, behind a login, and with no secret in it."""

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.infra.files import COMPOSE, INFRA, ROOT, SECRET, environments, stages

SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "DEEPSENTINEL_IMAGE" in service["image"]]


def test_it_is_a_compose_file() -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(COMPOSE)


def test_it_has_a_database_a_server_workers_and_what_registers_them() -> None:
    assert set(SERVICES) == {"database", "server", "register", "worker"}
    assert set(OURS) == {"server", "register", "worker"}
    build = SERVICES["server"]["build"]
    assert (INFRA / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).exists() and build["target"] in stages()


def test_each_waits_for_what_it_needs() -> None:
    needs = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert needs["server"] == {"database": {"condition": "service_healthy"}}
    assert needs["register"] == {"server": {"condition": "service_healthy"}}
    assert needs["worker"] == {"register": {"condition": "service_completed_successfully"}}
    assert "test" in SERVICES["database"]["healthcheck"], "that of the others is the image's"


def test_what_is_referred_to_is_declared_and_used() -> None:
    for kind in ("networks", "secrets"):
        used = {
            item["source"] if isinstance(item, dict) else item
            for service in SERVICES.values()
            for item in service.get(kind, ())
        }
        assert used == set(COMPOSE[kind])
    mounted = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())]
    assert {source for source in mounted if not source.startswith(".")} == set(COMPOSE["volumes"])


def test_where_containers_write_belongs_to_their_user() -> None:
    """Docker gives a new volume the owner of the folder that it is mounted over."""
    (made,) = [rest for instruction, rest in stages()["runtime"] if instruction == "RUN" and "mkdir" in rest]
    owned = {f"/opt/deepsentinel/{name}" if name[0] != "/" else name for name in made.split("10001:10001 ")[1].split()}
    for name in OURS:
        mounts = [mount.split(":") for mount in SERVICES[name].get("volumes", ())]
        assert {mount[1] for mount in mounts if mount[0] in COMPOSE["volumes"]} <= owned


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_has_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "user", "network_mode", "pid", "cap_add"} & set(service)
    assert "docker.sock" not in str(service)


def test_only_the_server_is_reached_and_only_from_this_machine() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"server"}
    assert SERVICES["server"]["ports"] == ["127.0.0.1:${PORT:-4200}:4200"]
    assert {name for name, service in SERVICES.items() if "database" in service["networks"]} == {"database", "server"}
    assert COMPOSE["networks"]["database"]["internal"]


def test_secrets_are_files_which_neither_git_nor_images_take() -> None:
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    assert all(secret["file"].startswith("secrets/") for secret in COMPOSE["secrets"].values())
    assert "/infra/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    login = {"source": "auth-string", "target": "PREFECT_API_AUTH_STRING"}
    assert all(login in SERVICES[name]["secrets"] for name in ("register", "worker"))
    assert {"source": "auth-string", "target": "PREFECT_SERVER_API_AUTH_STRING"} in SERVICES["server"]["secrets"]


def test_no_variable_anywhere_holds_a_login() -> None:
    """Not in the compose file, not in manifests, not in templates, not in the image."""
    known = [(where, name) for where, name, value in environments() if SECRET.search(name) and value is None]
    assert len(known) >= 8, "they are set, by reference"
    reference = re.compile(r"_FILE$|_SECRET_(NAME|KEY)$")
    assert not [
        (where, name)
        for where, name, value in environments()
        if SECRET.search(name) and value is not None and not reference.search(name)
    ]


def test_the_check_of_the_database_asks_for_no_password() -> None:
    assert SERVICES["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert not SECRET.search(" ".join(SERVICES["database"]["healthcheck"]["test"]))


def test_secrets_are_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    script = tmp_path / "infra" / "local" / "secrets.sh"
    script.parent.mkdir(parents=True)
    script.write_text((INFRA / "local" / "secrets.sh").read_text())
    told = subprocess.run(["sh", str(script)], check=True, capture_output=True, text=True).stdout
    folder = tmp_path / "infra" / "secrets"
    assert {path.name for path in folder.iterdir()} == {
        "logins",
        *(Path(s["file"]).name for s in COMPOSE["secrets"].values()),
    }
    first = (folder / "auth-string").read_text()
    assert re.fullmatch(r"deepsentinel:[0-9a-f]{48}", first), "a name and what it proves, as Prefect takes it"
    assert re.fullmatch(r"[0-9a-f]{48}", (folder / "database-password").read_text())
    assert folder.stat().st_mode & 0o77 == 0, "nobody else of this machine comes to them"
    assert first not in told
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    assert (folder / "auth-string").read_text() == first, "what is there stays"
