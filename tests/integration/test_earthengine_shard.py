"""A shard filled from Earth Engine under every disturbance is the shard that comes from a calm service."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tasks.shards.samples import encode_rows, sample_rows

from tasks.assembly.builder import Workshop
from tasks.assembly.filling import Filling
from tasks.imagery import Traffic
from tasks.imagery.earthengine import EarthEngine, session
from tasks.places import Draws
from tasks.settings import Settings
from tasks.spec import CorpusSpec, Places
from tests.integration.earthengine_world import RULE, draws_everywhere, world_of
from tests.servers.earthengine import EarthEngineServer

SIZE = 100


@dataclass(frozen=True)
class Shard:
    """One shard's places: 1.5 candidates a sample."""

    candidates: Draws
    names = None
    attempts = 1
    replaces = True
    capacity = 1

    def draws(self, shard: int, attempt: int = 0) -> Draws:
        return self.candidates


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with EarthEngineServer(world_of(draws_everywhere(SIZE * 3 // 2))) as server:
        yield server
    session._open.cache_clear()
    session._logged_in = None


def fill(server: EarthEngineServer) -> tuple[Filling, Any, Any]:
    settings = Settings(
        earthengine_url=server.url, earthengine_credentials="anonymous", earthengine_project="proj-x",
        earthengine_patience=60,
    )  # fmt: skip
    spec = CorpusSpec(
        name="x", size=SIZE, shard_size=SIZE, places=Places(random="land"), window=("2019-04-01", "2019-07-30"),
        patch={"pixels": 64}, pairing={"max_cloud_cover": 80}, platforms=("earthengine",), destinations=["x"],
    )  # fmt: skip
    places: Any = Shard(draws_everywhere(SIZE * 3 // 2))
    shop = Workshop(spec, settings, places, (EarthEngine(RULE, settings),), ())
    assert shop.rule == RULE
    filling = Filling(shop=shop, shard=0, traffic={"earthengine": Traffic()}, clock=lambda _: nullcontext())
    arrays = filling.fill()["earthengine"]
    return filling, *arrays


def test_disturbed_shard_is_the_calm_one(server: EarthEngineServer) -> None:
    calm, s2, s1 = fill(server)
    # Two portions of candidates are asked for, because some of the first have no pair; every sample is one request.
    assert server.counts["table"] == 2 and server.counts["image"] == SIZE + len(calm.replaced) - _unpaired(calm)

    server.reset_counts()
    faults = server.faults
    faults.unavailable, faults.truncated, faults.short, faults.at_most, faults.latency = 0.1, 0.025, 0.025, 20, 0.1
    disturbed, s2_again, s1_again = fill(server)
    np.testing.assert_array_equal(s2_again, s2)
    np.testing.assert_array_equal(s1_again, s1)
    assert disturbed.replaced == calm.replaced and rows(disturbed) == rows(calm)
    traffic = disturbed.traffic["earthengine"]
    assert traffic.throttles > 0
    assert server.counts["image"] + server.counts["table"] == traffic.requests
    assert traffic.requests == 2 + SIZE + len(calm.replaced) - _unpaired(calm) + traffic.retries


def test_scenes_that_are_gone_are_replaced(server: EarthEngineServer) -> None:
    calm, _, _ = fill(server)
    gone = {sample.platforms["earthengine"].s2_id for sample in calm.samples[:3]}
    server.faults.missing = gone
    filling, s2, _ = fill(server)
    assert len(filling.samples) == SIZE and s2.any(axis=(1, 2, 3)).all()
    assert not gone & {sample.platforms["earthengine"].s2_id for sample in filling.samples}
    assert sum("not found" in reason for _, reason in filling.replaced) >= 3


def rows(filling: Filling) -> bytes:
    return encode_rows(sample_rows(filling.samples, filling.shop.spec, filling.shard))


def _unpaired(filling: Filling) -> int:
    return sum(reason.startswith("no Sentinel") or "zone" in reason for _, reason in filling.replaced)
