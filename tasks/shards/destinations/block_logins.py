"""Logins that Prefect keeps in blocks: which setting names one, what is read from it, and by whom.

A block is read by the process that opens the destination, once, and what was read stays in that process.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tasks.errors import CredentialsError
from tasks.settings import load, variable_of
from tasks.shards.destinations.store_settings import AzureSettings, GcsSettings, StoreSettings

S = TypeVar("S", bound=StoreSettings)

ReadBlock = Callable[[str, str], Mapping[str, Any]]
"""Takes the slug of a block's type and its name; gives its content. Raises CredentialsError: it cannot be read."""

_readers: list[ReadBlock] = []
_read: dict[tuple[type[StoreSettings], str], Mapping[str, Any]] = {}


def read_blocks_with(reader: ReadBlock) -> None:
    """Have blocks read by `reader` in this process from now on: only flows and the command know Prefect."""
    _readers[:] = [reader]
    _read.clear()


def load_store(model: type[S]) -> S:
    """The settings of a store, its login from a block if one is named.

    Raises SettingsError; CredentialsError: the block cannot be read, or holds no login to this store.
    """
    settings = load(model)
    if settings.block is None:
        return settings
    setting = f"{variable_of(model, 'block')}={settings.block}"
    if not _readers:
        raise CredentialsError(f"{setting}: blocks are read in flows and by the command only. Set a login itself here.")
    kind, _, name = settings.block.partition("/")
    if (model, settings.block) not in _read:
        login = _LOGINS[model](kind, _readers[0](kind, name))
        if not login:
            raise CredentialsError(f"{setting}: holds no login to this store. {_EXPECTED[model]}")
        _read[model, settings.block] = login
    # Nothing of another login in the environment is mixed in.
    return load(model, **{**_OTHERS[model], **_read[model, settings.block]})


def _gcs_login(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "gcp-credentials":
        file, key = content.get("service_account_file"), content.get("service_account_info")
        return {"key": _text(key)} if key else {"key_file": file} if file else {}
    key = _text(content.get("value"))
    return {"key": key} if "private_key" in key else {}


def _azure_login(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "azure-blob-storage-credentials":
        if text := content.get("connection_string"):
            return {"connection_string": text}
        host = urlsplit(str(content.get("account_url") or "")).hostname or ""
        return {"account_name": host.partition(".")[0]} if host else {}
    value = content.get("value")
    if isinstance(value, str):
        return {"connection_string": value} if "=" in value else {}
    known = ("connection_string", "account_name", "sas_token", "account_key")
    return {name: value[name] for name in known if name in value} if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_LOGINS: dict[type[StoreSettings], Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    GcsSettings: _gcs_login,
    AzureSettings: _azure_login,
}

_OTHERS: dict[type[StoreSettings], dict[str, Any]] = {
    GcsSettings: {"key": None, "key_file": None, "anonymous": False},
    AzureSettings: {"connection_string": None, "sas_token": None, "account_key": None},
}
"""Settings of logins, as if none were set; an account's name is no login, and may stand beside a block without one."""

_EXPECTED: dict[type[StoreSettings], str] = {
    GcsSettings: "Expected gcp-credentials/NAME, or secret/NAME with the content of a key file.",
    AzureSettings: "Expected azure-blob-storage-credentials/NAME, or secret/NAME with a connection string or with "
    "account_name and sas_token or account_key.",
}
