"""Settings of the platform `descarteslabs`."""

import pytest

from tasks.errors import SettingsError
from tasks.settings import load_settings

PREFIX = "DEEPSENTINEL_DESCARTESLABS_"


def test_band_names_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"b{n}" for n in range(12)] + ["-"]
    monkeypatch.setenv(PREFIX + "SENTINEL2_BANDS", ", ".join(names))
    monkeypatch.setenv(PREFIX + "SENTINEL1_BANDS", "VV,VH")
    settings = load_settings()
    assert settings.descarteslabs_sentinel2_bands == tuple(names)
    assert settings.descarteslabs_sentinel1_bands == ("VV", "VH")


@pytest.mark.parametrize("value", ["", "red", "red,,nir", ",".join(["x"] * 14)])
def test_as_many_names_as_bands_are_wanted(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(PREFIX + "SENTINEL2_BANDS", value)
    with pytest.raises(SettingsError, match=r"DESCARTESLABS_SENTINEL2_BANDS=.*expected 13 names"):
        load_settings()


@pytest.mark.parametrize(("name", "value"), [("REQUESTS", "0"), ("DEADLINE", "-1"), ("BACKSCATTER", "sigma")])
def test_values_out_of_bounds_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError, match=f"{PREFIX}{name}='{value}'"):
        load_settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "CLIENT_SECRET"):
        monkeypatch.setenv(PREFIX + name, "s3cr3t")
    settings = load_settings()
    assert settings.descarteslabs_token
    assert settings.descarteslabs_token.get_secret_value() == "s3cr3t"
    assert "s3cr3t" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
