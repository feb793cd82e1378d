"""What is known of Earth Engine without its client."""

import subprocess
import sys
from typing import Any

import pytest

from tasks.errors import SettingsError
from tasks.imagery.earthengine import ROOM, EarthEngineSettings
from tasks.imagery.registry import room_of
from tasks.settings import load, variable_of
from tasks.spec import CorpusSpec


def spec_of(shard_size: int) -> CorpusSpec:
    return CorpusSpec.model_validate({
        "name": "x", "size": shard_size, "shard_size": shard_size, "places": {"random": "land"},
        "window": ("2019-04-01", "2019-07-30"), "platforms": ["earthengine"], "destinations": ["/tmp/x"],
    })  # fmt: skip


def test_it_is_found_by_its_name() -> None:
    assert room_of("earthengine") is ROOM


def test_nothing_of_the_client_is_imported_for_it() -> None:
    told = (
        "import sys; from tasks.imagery.registry import room_of; room = room_of('earthengine'); "
        "room.limits(room.settings()); "
        "print([name for name in ('ee', 'google.auth', 'googleapiclient', 'httplib2') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_without_its_client_it_says_what_to_install() -> None:
    told = (
        "import sys; sys.modules['ee'] = None; from tasks.imagery.registry import Opening, room_of; "
        "from tasks.spec import PlatformItem; from tasks.scenes.roles import Rule; room = room_of('earthengine'); "
        "item = PlatformItem(kind='earthengine', name='earthengine'); rule = Rule(window=(0, 1), roles={}); "
        "room.open(Opening(item=item, rule=rule, bounds=(0, 0, 1, 1)), room.settings())"
    )
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False)
    assert "SpecError: platforms: earthengine: its client earthengine-api is not installed" in ended.stderr
    assert "deepsentinel[earthengine]" in ended.stderr


NAMES = (
    "CREDENTIALS", "PROJECT", "URL", "REQUESTS", "DEADLINE", "PATIENCE", "SENTINEL2", "SENTINEL2_L1C", "SENTINEL1",
    "CLOUD",
)  # fmt: skip


def test_names_of_the_environment() -> None:
    variables = {variable_of(EarthEngineSettings, field) for field in EarthEngineSettings.model_fields}
    assert variables == {f"DEEPSENTINEL_EARTHENGINE_{name}" for name in NAMES}


def test_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_REQUESTS", "7")
    monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_DEADLINE", "1.5")
    settings = load(EarthEngineSettings)
    assert ROOM.limits(settings).startswith("7 requests in flight; without an answer for 1.5 s")
    assert ROOM.cost(settings, spec_of(250)).in_flight == 7


@pytest.mark.parametrize(("name", "value"), [("REQUESTS", "0"), ("DEADLINE", "0"), ("PATIENCE", "-1")])
def test_what_is_out_of_its_bounds_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DEEPSENTINEL_EARTHENGINE_{name}", value)
    with pytest.raises(SettingsError, match=f"^DEEPSENTINEL_EARTHENGINE_{name}='{value}': expected .*more"):
        load(EarthEngineSettings)


SERIES = {"s2": {"level": "l1c", "mask": "cloud"}, "s1": {"near": "s2", "max_days": 7}}
CLOUDY = {
    "s2": {"level": "l1c"},
    "s2_cloudy": {"level": "l1c", "near": "s2", "max_days": 14},
    "s1": {"near": "s2", "max_days": 3},
}
YEAR = {"window": ("2019-01-01", "2020-01-01")}
SMALL = {"size": 80, "shard_size": 80}


@pytest.mark.parametrize(
    ("changes", "requests", "searches"),
    [
        ({"acquisitions": CLOUDY, "patch": {"pixels": 256}}, 1, 3),
        (
            {**YEAR, "acquisitions": SERIES, "patch": {"pixels": 256}, "instants": {"slices": 30}, **SMALL},
            2,
            3,
        ),
        ({**YEAR, "instants": {"seasons": 4}, "patch": {"pixels": 32}, "window": ("2018-12-01", "2019-12-01")}, 1, 9),
        ({"instants": {"slices": 4}, "patch": {"pixels": 1920}, "shard_size": 2}, 12, 2),
    ],
    ids=["cloudy and clear", "30 dates", "four seasons", "a large patch"],
)
def test_requests_follow_from_roles_dates_and_strips(changes: dict[str, Any], requests: int, searches: int) -> None:
    spec = CorpusSpec.model_validate(spec_of(250).model_dump(exclude={"pairing"}) | changes)
    cost = ROOM.cost(EarthEngineSettings(), spec)
    assert (cost.requests_a_sample, cost.requests_a_shard) == (requests, searches)


@pytest.mark.parametrize(("shard_size", "requests"), [(10, 2), (250, 2), (500, 3), (600, 5), (1000, 6)])
def test_catalogue_requests_follow_from_the_shard_size(shard_size: int, requests: int) -> None:
    cost = ROOM.cost(EarthEngineSettings(), spec_of(shard_size))
    assert (cost.requests_a_sample, cost.requests_a_shard) == (1, requests)
