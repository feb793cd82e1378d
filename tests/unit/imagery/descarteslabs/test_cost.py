"""What the platform `descarteslabs` is asked for, told before."""

import subprocess
import sys
from typing import Any

import pytest

from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.registry import room_of
from tasks.spec import CorpusSpec

ROOM = room_of("descarteslabs")


def spec(**changes: Any) -> CorpusSpec:
    given: dict[str, Any] = {
        "name": "x", "size": 500, "places": {"random": ["LU"]}, "window": ["2018-01-01", "2021-01-01"],
        "platforms": ["descarteslabs"], "destinations": ["out"],
    }  # fmt: skip
    return CorpusSpec.model_validate(given | changes)


@pytest.mark.parametrize(
    ("shard_size", "search_patches", "searches"), [(250, 16, 32), (250, 250, 2), (100, 16, 14), (1, 16, 2)]
)
def test_a_shard_costs_two_searches_for_so_many_patches(shard_size: int, search_patches: int, searches: int) -> None:
    settings = DescartesLabsSettings(search_patches=search_patches, requests=5)
    cost = ROOM.cost(settings, spec(shard_size=shard_size))
    assert (cost.requests_a_sample, cost.requests_a_shard, cost.in_flight) == (2, searches, 5)


def test_looks_are_renderings_and_products_are_searches() -> None:
    roles = {
        "s2": {"level": "l1c"}, "s2_cloudy": {"level": "l1c", "near": "s2", "max_days": 14},
        "s1": {"near": "s2", "max_days": 3},
    }  # fmt: skip
    cost = ROOM.cost(DescartesLabsSettings(), spec(shard_size=16, size=16, acquisitions=roles, instants={"slices": 5}))
    assert (cost.requests_a_sample, cost.requests_a_shard) == (3 * 5, 2)
    assert cost.bytes_a_sample == 5 * 250**2 * (26 + 26 + 8)


def test_the_limits_are_told_in_words() -> None:
    told = ROOM.limits(DescartesLabsSettings(requests=7, deadline=45, patience=600))
    assert told == "7 requests in flight; without an answer for 45 s one is given up, and tried again for 600 s"


def test_neither_asks_for_the_client() -> None:
    code = (
        "import sys; from tasks.imagery.registry import room_of; room = room_of('descarteslabs'); "
        "room.limits(room.settings()); print('earthdaily' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
