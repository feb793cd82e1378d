"""`infra/terraform/`: least rights, nothing public, nothing secret, and outputs that a spec and its settings take."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tasks.settings import variable_of
from tasks.shards.destinations.store_settings import AzureSettings
from tests.unit.infra.files import INFRA, OVERLAYS, SECRET

MODULES = sorted(path for path in (INFRA / "terraform").iterdir() if path.is_dir())
GCP, AZURE = (INFRA / "terraform" / name for name in ("gcp", "azure"))
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


KEPT_BY_PARSER = {"__is_block__", "__comments__", "__inline_comments__"}


def plain(value: Any) -> Any:
    """What the parser says, without the quotes that it keeps."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if key not in KEPT_BY_PARSER}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' and len(value) > 1 else value


@cache
def blocks(module: Path) -> list[tuple[str, Any]]:
    """Top-level blocks of a module by type."""
    found: list[tuple[str, Any]] = []
    for path in sorted(module.glob("*.tf")):
        for kind, items in plain(hcl2.loads(path.read_text(encoding="utf-8"))).items():
            found += [(kind, item) for item in items]
    return found


def named(module: Path, kind: str) -> dict[str, Any]:
    """Variables, outputs or providers by their names."""
    return {name: body for found, item in blocks(module) if found == kind for name, body in item.items()}


def resources(module: Path, kind: str) -> dict[str, Any]:
    """Resources of a type by their names."""
    found = [item[kind] for found, item in blocks(module) if found == "resource" and kind in item]
    return {name: body for item in found for name, body in item.items()}


def texts(value: Any) -> Iterator[str]:
    """All texts within, keys too."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def source(module: Path) -> str:
    """All of a module, without comments."""
    return "\n".join(re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE) for path in module.glob("*.tf"))


def test_there_is_a_module_a_cloud() -> None:
    assert [module.name for module in MODULES] == ["azure", "gcp"]


@each_module
def test_a_variable_says_what_it_is_and_what_it_may_be(module: Path) -> None:
    for name, variable in named(module, "variable").items():
        assert variable["description"].endswith("."), name
        assert variable["type"], name
        closed = variable["type"] == "bool" or name == "gke_project"
        assert closed or variable["validation"][0]["error_message"].endswith("."), f"{name} takes anything"


@each_module
def test_every_variable_is_used_and_every_reference_is_to_something_declared(module: Path) -> None:
    text = source(module)
    # In a validation a variable speaks of itself.
    elsewhere = "\n".join(part for part in text.split("\n\n") if not part.startswith("variable "))
    assert set(re.findall(r"\bvar\.(\w+)", elsewhere)) == set(named(module, "variable"))
    locals_ = {name for kind, item in blocks(module) if kind == "locals" for name in item}
    assert set(re.findall(r"\blocal\.(\w+)", text)) == locals_
    declared = {
        (kind, name) for found, item in blocks(module) if found == "resource" for kind in item for name in item[kind]
    }
    assert set(re.findall(r"(?<![\w\"/.-])((?:google|azurerm)_\w+)\.(\w+)", text)) <= declared


@each_module
def test_providers_are_bound_to_versions_that_it_is_written_for(module: Path) -> None:
    (settings,) = [item for kind, item in blocks(module) if kind == "terraform"]
    assert settings["required_version"].startswith(">= ")
    for provider in settings["required_providers"][0].values():
        assert re.fullmatch(r">= [\d.]+, < [\d.]+", provider["version"])


@each_module
def test_no_login_is_written_down_nor_made(module: Path) -> None:
    made = {kind for found, item in blocks(module) if found == "resource" for kind in item}
    assert not {"google_service_account_key", "google_storage_hmac_key", "azuread_application_password"} & made
    assert not re.search(r"access_key\b|connection_string|client_secret|private_key|sas_token|BEGIN ", source(module))
    for output in named(module, "output").values():
        assert not any(re.search(r"\.(primary|secondary)_", text) for text in texts(output)), "keys of an account"
        assert not [text for text in texts(output["value"]) if SECRET.search(text.upper()) and "DEEPSENTINEL" in text]


@each_module
def test_nobody_owns_more_than_objects(module: Path) -> None:
    text = source(module)
    assert "allUsers" not in text and "allAuthenticatedUsers" not in text
    roles = set(re.findall(r"\"roles/([\w.]+)\"", text))
    assert roles <= {"iam.workloadIdentityUser", "earthengine.viewer", "serviceusage.serviceUsageConsumer"}
    assert "role_definition_name" not in text, "those that Azure brings along may remove containers"


def test_a_bucket_of_google_is_for_those_with_a_role_alone() -> None:
    (bucket,) = resources(GCP, "google_storage_bucket").values()
    assert bucket["uniform_bucket_level_access"] is True and bucket["public_access_prevention"] == "enforced"
    assert bucket["force_destroy"] is False
    assert {"soft_delete_policy", "versioning", "lifecycle_rule"} <= set(bucket)


def test_an_account_of_azure_is_for_those_with_a_role_alone() -> None:
    (account,) = resources(AZURE, "azurerm_storage_account").values()
    assert account["allow_nested_items_to_be_public"] is False and account["min_tls_version"] == "TLS1_2"
    assert (
        account["shared_access_key_enabled"] == "${var.keys}" and named(AZURE, "variable")["keys"]["default"] is False
    )
    assert {"versioning_enabled", "delete_retention_policy", "container_delete_retention_policy"} <= set(
        account["blob_properties"][0]
    )
    (container,) = resources(AZURE, "azurerm_storage_container").values()
    assert container["container_access_type"] == "private"


def test_who_writes_may_do_what_a_destination_asks_and_who_reads_may_only_read() -> None:
    """`tasks/shards/destinations/`: put (which replaces), create, get, stat, names, delete; nothing of a bucket."""
    roles = resources(GCP, "google_project_iam_custom_role")
    assert set(roles["writer"]["permissions"]) == {
        f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list")
    }
    assert set(roles["reader"]["permissions"]) == {"storage.objects.get", "storage.objects.list"}
    roles = {name: role["permissions"][0] for name, role in resources(AZURE, "azurerm_role_definition").items()}
    blobs = "${local.blobs}"
    assert set(roles["writer"]["data_actions"]) == {
        f"{blobs}/{verb}" for verb in ("read", "write", "add/action", "delete")
    }
    assert set(roles["reader"]["data_actions"]) == {f"{blobs}/read"}
    assert all(set(role) == {"data_actions"} for role in roles.values())


def test_a_training_job_writes_beside_a_corpus_and_nowhere_else() -> None:
    (member,) = [
        item
        for item in resources(GCP, "google_storage_bucket_iam_member").values()
        if "trainer" in item["member"] and "writer" in item["role"]
    ]
    assert "/objects/{corpus}/training/" in member["condition"][0]["expression"]
    assignment = resources(AZURE, "azurerm_role_assignment")["trainer"]
    assert "StringLike '*/training/*'" in assignment["condition"] and assignment["condition_version"] == "2.0"
    assert all(f'"{action}"' in assignment["condition"] for action in ("write", "add/action", "delete"))


@each_module
def test_an_output_says_what_it_is_for(module: Path) -> None:
    assert all(output["description"].endswith(".") for output in named(module, "output").values())
    assert {"destinations", "settings"} <= set(named(module, "output"))


def test_outputs_are_what_specs_and_settings_take() -> None:
    assert "gs://${bucket.name}" in str(named(GCP, "output")["destinations"]["value"])
    assert "az://${container.name}" in str(named(AZURE, "output")["destinations"]["value"])
    assert set(named(AZURE, "output")["settings"]["value"]) == {variable_of(AzureSettings, "account_name")}
    assert "DEEPSENTINEL_EARTHENGINE_PROJECT" in str(named(GCP, "output")["settings"]["value"])


def test_outputs_that_the_page_and_overlays_speak_of_exist() -> None:
    for name, module in {"gke": GCP, "aks": AZURE}.items():
        (told,) = re.findall(r"# Outputs (.+?)\.", (OVERLAYS[0].parent / name / "identities.yaml").read_text())
        assert set(re.findall(r"`(\w+)`", told)) <= set(named(module, "output"))
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    assert "credential_files" in page and "credential_files" in named(GCP, "output")
    for module, (options, told) in zip(
        (GCP, AZURE), re.findall(r"terraform apply (.+)\nterraform output +# (.+)", page), strict=True
    ):
        assert set(told.split(", ")) <= set(named(module, "output"))
        assert set(re.findall(r"-var '?(\w+)=", options)) <= set(named(module, "variable"))


@pytest.mark.skipif(shutil.which("terraform") is None, reason="no terraform here")
@each_module
def test_it_is_formatted_as_terraform_does(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    told = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", str(module)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout
