"""Settings of the platform `descarteslabs`."""

import pytest

from tasks.errors import SettingsError
from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.settings import load

PREFIX = "DEEPSENTINEL_DESCARTESLABS_"


def test_band_names_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"b{n}" for n in range(12)] + ["-"]
    monkeypatch.setenv(PREFIX + "SENTINEL2_BANDS", ", ".join(names))
    monkeypatch.setenv(PREFIX + "SENTINEL1_BANDS", "VV,VH")
    settings = load(DescartesLabsSettings)
    assert settings.sentinel2_bands == tuple(names)
    assert settings.sentinel1_bands == ("VV", "VH")


@pytest.mark.parametrize("value", ["", "red", "red,,nir", ",".join(["x"] * 14)])
def test_as_many_names_as_bands_are_wanted(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(PREFIX + "SENTINEL2_BANDS", value)
    with pytest.raises(SettingsError, match=r"DESCARTESLABS_SENTINEL2_BANDS=.*expected 13 names"):
        load(DescartesLabsSettings)


def test_of_one_answer_and_of_a_request_with_all_its_attempts_the_limits_are_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DEADLINE", "PATIENCE"):
        monkeypatch.delenv(PREFIX + name, raising=False)
    settings = load(DescartesLabsSettings)
    assert (settings.deadline, settings.patience) == (90, 300)
    monkeypatch.setenv(PREFIX + "DEADLINE", "12.5")
    monkeypatch.setenv(PREFIX + "PATIENCE", "0")
    settings = load(DescartesLabsSettings)
    assert (settings.deadline, settings.patience) == (12.5, 0)


@pytest.mark.parametrize(
    ("name", "value"), [("REQUESTS", "0"), ("DEADLINE", "-1"), ("PATIENCE", "-1"), ("BACKSCATTER", "sigma")]
)
def test_values_out_of_bounds_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError, match=f"{PREFIX}{name}='{value}'"):
        load(DescartesLabsSettings)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "CLIENT_SECRET"):
        monkeypatch.setenv(PREFIX + name, "s3cr3t")
    settings = load(DescartesLabsSettings)
    assert settings.token
    assert settings.token.get_secret_value() == "s3cr3t"
    assert "s3cr3t" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
