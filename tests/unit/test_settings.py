"""Settings: from the environment, within bounds."""

from pathlib import Path

import pytest

from tasks.errors import SettingsError
from tasks.settings import load_settings


def test_without_variables_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEMO_ARCHIVE", "SHARDS_IN_FLIGHT", "STAC_READS"):
        monkeypatch.delenv(f"DEEPSENTINEL_{name}", raising=False)
    found = load_settings()
    assert found.demo_archive == Path("demo/archive")
    assert found.shards_in_flight == 2
    assert found.stac_reads == 4


def test_variables_of_the_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_STAC_READS", "17")
    monkeypatch.setenv("DEEPSENTINEL_DEMO_ARCHIVE", "/data/demo")
    found = load_settings()
    assert found.stac_reads == 17
    assert found.demo_archive == Path("/data/demo")


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAC_READS", "none of ours")
    monkeypatch.setenv("DEEPSENTINEL_NO_SUCH_SETTING", "1")
    load_settings()


@pytest.mark.parametrize("value", ["0", "257", "-1", "many", "2.5", ""])
def test_a_value_out_of_bounds_is_refused_with_the_variable_and_the_value(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_STAC_READS", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"DEEPSENTINEL_STAC_READS={value!r}" in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_SHARDS_IN_FLIGHT", "65")
    with pytest.raises(SettingsError, match="expected 64 or less"):
        load_settings()
