"""Settings: from the environment, within bounds, and none that is not there."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from tasks.errors import SettingsError
from tasks.settings import PlatformSettings, load, load_settings, refuse_unknown, variable_of


class MoonSettings(PlatformSettings):
    """Settings of a platform that there is not."""

    model_config = SettingsConfigDict(env_prefix="DEEPSENTINEL_MOON_", extra="ignore", frozen=True)

    requests: int = Field(default=4, ge=1, le=40)
    token: SecretStr | None = Field(default=None, min_length=8)


def test_without_variables_the_defaults_hold() -> None:
    found = load_settings()
    assert found.shards_in_flight == 2
    assert found.cache.name == "deepsentinel"
    assert load(MoonSettings).requests == 4


def test_variables_of_the_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_CACHE", "/data/cache")
    monkeypatch.setenv("DEEPSENTINEL_MOON_REQUESTS", "7")
    assert load_settings().cache == Path("/data/cache")
    assert load(MoonSettings).requests == 7


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOON_REQUESTS", "none of ours")
    monkeypatch.setenv("DEEPSENTINELS", "neither")
    load_settings()
    refuse_unknown([MoonSettings])


@pytest.mark.parametrize("value", ["0", "257", "-1", "many", "2.5", ""])
def test_a_value_out_of_bounds_is_refused_with_the_variable_and_the_value(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_MOON_REQUESTS", value)
    with pytest.raises(SettingsError) as caught:
        load(MoonSettings)
    assert f"DEEPSENTINEL_MOON_REQUESTS={value!r}" in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_SHARDS_IN_FLIGHT", "65")
    with pytest.raises(SettingsError, match="expected 64 or less"):
        load_settings()


# Misspelt


def test_a_setting_has_one_variable() -> None:
    assert variable_of(MoonSettings, "requests") == "DEEPSENTINEL_MOON_REQUESTS"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DEEPSENTINEL_SHARD_IN_FLIGHT", "DEEPSENTINEL_SHARDS_IN_FLIGHT"),
        ("DEEPSENTINEL_MOON_REQUEST", "DEEPSENTINEL_MOON_REQUESTS"),
        ("deepsentinel_cach", "DEEPSENTINEL_CACHE"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_closest_name(
    monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "4")
    with pytest.raises(SettingsError) as caught:
        refuse_unknown([MoonSettings])
    assert str(caught.value).startswith(f"{name}: there is no such setting. Did you mean {meant}?")


def test_a_setting_that_is_like_none_is_refused_with_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_XYZZY_QQQQQQQQQQQQQQQQQQQQ", "4")
    with pytest.raises(SettingsError, match=r"Known are .*DEEPSENTINEL_CACHE.*DEEPSENTINEL_MOON_REQUESTS"):
        refuse_unknown([MoonSettings])


def test_known_settings_of_the_package_and_of_platforms_are_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPSENTINEL_CACHE", "DEEPSENTINEL_MOON_REQUESTS", "deepsentinel_moon_token"):
        monkeypatch.setenv(name, "x")
    refuse_unknown([MoonSettings])


# Secrets


def test_a_secret_never_stands_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_MOON_TOKEN", "hush")
    with pytest.raises(SettingsError) as caught:
        load(MoonSettings)
    assert str(caught.value).startswith("DEEPSENTINEL_MOON_TOKEN: ")
    assert "hush" not in str(caught.value)
    monkeypatch.setenv("DEEPSENTINEL_MON_TOKEN", "hush")
    with pytest.raises(SettingsError) as caught:
        refuse_unknown([MoonSettings])
    assert "hush" not in str(caught.value)
