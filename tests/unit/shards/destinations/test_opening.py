"""How a destination is opened: by its URL, with the settings of its store, and nothing that is not needed."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tasks.errors import CredentialsError, SettingsError, SpecError
from tasks.imagery.registry import refuse_unknown_settings
from tasks.shards import destinations
from tasks.shards.destinations import STORE_SETTINGS, open_destination


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("gs://bucket/a/corpus", "gs://bucket/a/corpus"),
        ("GS://bucket/a/corpus/", "gs://bucket/a/corpus"),
        ("gs://my_bucket.org", "gs://my_bucket.org"),
        ("az://container/corpus", "az://container/corpus"),
    ],
)
def test_a_store_is_opened_by_its_url(location: str, name: str) -> None:
    assert open_destination(location).location == name


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("az://ab/corpus", "'ab' is no name of a container"),
        ("az://Upper/corpus", "no name of a container"),
        ("az://two--dashes/corpus", "no name of a container"),
        ("gs:///corpus", "'' is no name of a bucket"),
        ("gs://bucket/a//b", "expected a prefix of plain names"),
        ("gs://bucket/../b", "expected a prefix of plain names"),
        ("gs://bucket/a?b", "expected a prefix of plain names"),
        ("az://container/a#b", "expected a prefix of plain names"),
    ],
)
def test_a_url_that_names_no_place_is_refused(location: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        open_destination(location)


@pytest.mark.parametrize(("location", "extra"), [("gs://bucket/a", "gcs"), ("az://container/a", "azure")])
def test_a_store_whose_extra_is_not_installed_is_told_with_the_remedy(
    location: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(destinations, "find_spec", absent)
    with pytest.raises(SpecError, match=rf"needs the extra `{extra}`.*pip install 'deepsentinel\[{extra}\]'"):
        open_destination(location)


def test_a_folder_imports_no_store() -> None:
    told = (
        "import sys; from tasks.shards.destinations import open_destination; open_destination('/tmp/corpus'); "
        "print([name for name in ('fsspec', 'gcsfs', 'adlfs', 'aiohttp', 'azure') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Settings


def test_settings_of_stores_are_known_and_their_misspellings_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_AZURE_SAS_TOKEN", "sv=1&sig=x")
    monkeypatch.setenv("DEEPSENTINEL_GCS_PATIENCE", "10")
    refuse_unknown_settings(STORE_SETTINGS)
    monkeypatch.setenv("DEEPSENTINEL_AZURE_ACCOUNT", "mine")
    with pytest.raises(SettingsError, match="Did you mean DEEPSENTINEL_AZURE_ACCOUNT_"):
        refuse_unknown_settings(STORE_SETTINGS)


@pytest.mark.parametrize("value", ["-1", "soon"])
def test_a_limit_out_of_its_bounds_is_told(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_GCS_PATIENCE", value)
    with pytest.raises(SettingsError, match=f"DEEPSENTINEL_GCS_PATIENCE='{value}'"):
        open_destination("gs://bucket/a")


def test_an_account_that_is_not_named_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTION_STRING", "ACCOUNT_NAME"):
        monkeypatch.delenv(f"DEEPSENTINEL_AZURE_{name}", raising=False)
    with pytest.raises(CredentialsError, match=r"no account is named\. Set DEEPSENTINEL_AZURE_CONNECTION_STRING"):
        open_destination("az://container/a").prepare()


def test_a_connection_string_that_is_none_is_told_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_AZURE_CONNECTION_STRING", "AccountKey=secret")
    with pytest.raises(CredentialsError, match="is no connection string") as caught:
        open_destination("az://container/a").prepare()
    assert "secret" not in str(caught.value)


def test_a_key_file_that_is_not_there_or_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPSENTINEL_GCS_KEY_FILE", str(tmp_path / "key.json"))
    with pytest.raises(CredentialsError, match=r"DEEPSENTINEL_GCS_KEY_FILE=.*there is no such file"):
        open_destination("gs://bucket/a").prepare()
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(CredentialsError, match=r"DEEPSENTINEL_GCS_KEY_FILE=.*is no key of a service account"):
        open_destination("gs://bucket/a").prepare()
