"""Logins that are kept in Prefect's blocks: which fields of which types are taken, and what is said of others."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from tasks.errors import CredentialsError, SettingsError
from tasks.shards.destinations import block_logins, open_destination, read_blocks_with
from tasks.shards.destinations.block_logins import load_store
from tasks.shards.destinations.gcs import GcsBucket
from tasks.shards.destinations.store_settings import AzureSettings, GcsSettings

KEY = {"type": "service_account", "client_email": "a@b", "private_key": "-----BEGIN", "token_uri": "https://t"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Blocks that were read."""
    monkeypatch.delenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", raising=False)
    yield []
    block_logins._readers.clear()


def load_from(
    model: type[Any], block: str, content: Mapping[str, Any], asked: list[tuple[str, str]], patch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The login that is taken from a block."""

    def read(kind: str, name: str) -> Mapping[str, Any]:
        asked.append((kind, name))
        return content

    read_blocks_with(read)
    patch.setenv(f"DEEPSENTINEL_{'GCS' if model is GcsSettings else 'AZURE'}_BLOCK", block)
    settings = load_store(model)
    assert load_store(model) == settings
    fields = ("key_file", "key", "connection_string", "account_name", "sas_token", "account_key")
    found = {name: value for name in fields if (value := getattr(settings, name, None)) is not None}
    return {name: one.get_secret_value() if isinstance(one, SecretStr) else str(one) for name, one in found.items()}


@pytest.mark.parametrize(
    ("block", "content", "login"),
    [
        ("gcp-credentials/x", {"service_account_info": KEY, "project": "p"}, {"key": json.dumps(KEY)}),
        ("gcp-credentials/x", {"service_account_info": json.dumps(KEY)}, {"key": json.dumps(KEY)}),
        ("gcp-credentials/x", {"service_account_file": "/a/key.json"}, {"key_file": "/a/key.json"}),
        ("secret/x", {"value": KEY}, {"key": json.dumps(KEY)}),
        ("secret/x", {"value": json.dumps(KEY)}, {"key": json.dumps(KEY)}),
    ],
)
def test_a_login_to_google_cloud_storage_is_taken_from_these(
    block: str, content: Any, login: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_from(GcsSettings, block, content, asked, monkeypatch) == login
    assert asked == [tuple(block.split("/"))], "once a process"


@pytest.mark.parametrize(
    ("block", "content", "login"),
    [
        ("azure-blob-storage-credentials/x", {"connection_string": "A=b"}, {"connection_string": "A=b"}),
        (
            "azure-blob-storage-credentials/x",
            {"account_url": "https://mine.blob.core.windows.net/"},
            {"account_name": "mine"},
        ),
        ("secret/x", {"value": "AccountName=a;"}, {"connection_string": "AccountName=a;"}),
        ("secret/x", {"value": {"account_name": "a", "sas_token": "s"}}, {"account_name": "a", "sas_token": "s"}),
        ("secret/x", {"value": {"account_name": "a", "account_key": "k"}}, {"account_name": "a", "account_key": "k"}),
    ],
)
def test_a_login_to_azure_is_taken_from_these(
    block: str, content: Any, login: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_from(AzureSettings, block, content, asked, monkeypatch) == login


@pytest.mark.parametrize("model", [GcsSettings, AzureSettings])
@pytest.mark.parametrize(
    ("block", "content"),
    [("secret/x", {"value": "hush"}), ("secret/x", {"value": 3}), ("gcp-credentials/x", {}), ("s3-bucket/x", {"a": 1})],
)
def test_another_block_is_told_without_its_content(
    model: Any, block: str, content: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CredentialsError, match=f"BLOCK={block}: holds no login to this store. Expected") as caught:
        load_from(model, block, content, asked, monkeypatch)
    assert "hush" not in str(caught.value)


def test_a_block_whose_login_is_of_another_kind_than_text_is_told_without_it(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="DEEPSENTINEL_AZURE_CONNECTION_STRING") as caught:
        load_from(
            AzureSettings, "azure-blob-storage-credentials/x", {"connection_string": ["hush"]}, asked, monkeypatch
        )
    assert "hush" not in str(caught.value)


def test_the_name_of_a_block_has_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_GCS_BLOCK", "my-key")
    with pytest.raises(SettingsError, match="DEEPSENTINEL_GCS_BLOCK='my-key'"):
        open_destination("gs://bucket/a")


def test_where_nobody_can_read_a_block_that_is_told(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_GCS_BLOCK", "secret/x")
    with pytest.raises(CredentialsError, match="blocks are read in flows and by the command only"):
        open_destination("gs://bucket/a")
    open_destination("/a/folder")


def test_a_key_itself_logs_in_as_its_file_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = pair.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    bucket = GcsBucket("bucket", GcsSettings(key=SecretStr(json.dumps(KEY | {"private_key": pem}))))
    assert bucket._fs.credentials.credentials.service_account_email == "a@b"


@pytest.mark.parametrize("key", ["hush", "[]", '{"private_key": "hush"}', json.dumps(KEY | {"private_key": "hush"})])
def test_a_key_that_is_none_is_told_without_being_shown(key: str) -> None:
    with pytest.raises(CredentialsError, match=r"DEEPSENTINEL_GCS_KEY: is no (content|key)") as caught:
        GcsBucket("bucket", GcsSettings(key=SecretStr(key)))
    assert "hush" not in str(caught.value)


def test_no_other_login_of_the_environment_is_mixed_with_a_blocks(
    asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", "AccountName=x")
    monkeypatch.setenv("DEEPSENTINEL_AZURE_ACCOUNT_KEY", "k")
    monkeypatch.setenv("DEEPSENTINEL_GCS_KEY", json.dumps(KEY))
    held = {"account_name": "y", "sas_token": "sv=1"}
    assert load_from(AzureSettings, "secret/x", {"value": held}, asked, monkeypatch) == held
    file = {"service_account_file": "/a/key.json"}
    assert load_from(GcsSettings, "gcp-credentials/x", file, asked, monkeypatch) == {"key_file": "/a/key.json"}
