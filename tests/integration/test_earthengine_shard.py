"""A shard filled from Earth Engine under every disturbance is the shard that comes from a calm service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tasks.assembly.builder import Builder
from tasks.assembly.filling import Filling
from tasks.imagery.earthengine import EarthEngineSettings, session
from tasks.imagery.earthengine.platform import EarthEngine
from tasks.places.draws import Draws
from tasks.scenes.reasons import Reason
from tasks.settings import Settings
from tasks.shards.rows import encode_rows, sample_rows
from tasks.spec import CorpusSpec
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
    digest = ""

    def shards(self, size: int | None) -> int:
        return 1

    @property
    def quotas(self) -> tuple[int, ...]:
        return (SIZE,)

    def columns_of(self, shard: int, cells: Sequence[int]) -> dict[str, Any]:
        return {}

    def draws(self, shard: int, attempt: int = 0) -> Draws:
        return self.candidates


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with EarthEngineServer(world_of(draws_everywhere(SIZE * 3 // 2))) as server:
        yield server
    session.close()


def fill(server: EarthEngineServer) -> tuple[Filling, dict[str, Any]]:
    settings = EarthEngineSettings(url=server.url, credentials="anonymous", project="proj-x", patience=120)
    spec = CorpusSpec.model_validate({
        "name": "x", "size": SIZE, "shard_size": SIZE, "places": {"random": "land"},
        "window": ("2019-04-01", "2019-07-30"), "patch": {"pixels": 64}, "pairing": {"max_cloud_cover": 80},
        "platforms": ["earthengine"], "destinations": ["/x"],
    })  # fmt: skip
    places: Any = Shard(draws_everywhere(SIZE * 3 // 2))
    builder = Builder(spec, Settings(), places, (EarthEngine(RULE, settings),), ())
    assert builder.rule == RULE
    filling = Filling(builder=builder, shard=0, traffic=builder.traffic())
    try:
        return filling, filling.fill()
    finally:
        builder.close()


def test_disturbed_shard_is_the_calm_one(server: EarthEngineServer) -> None:
    calm, arrays = fill(server)
    # Two portions of candidates are asked for, because some of the first have no pair; every sample is one request.
    assert server.counts["table"] == 2 and server.counts["image"] == SIZE + len(calm.replaced) - _unpaired(calm)

    server.reset_counts()
    faults = server.faults
    faults.unavailable, faults.truncated, faults.short, faults.throttled = 0.1, 0.025, 0.025, 0.05
    faults.at_most, faults.latency = 20, 0.1
    disturbed, arrays_again = fill(server)
    assert list(arrays) == list(arrays_again) == ["earthengine/s2", "earthengine/s1"]
    for path, values in arrays.items():
        np.testing.assert_array_equal(arrays_again[path], values)
    assert disturbed.replaced == calm.replaced and rows(disturbed) == rows(calm)
    traffic = disturbed.traffic["earthengine"]
    assert traffic.throttles > 0
    assert server.counts["image"] + server.counts["table"] == traffic.requests - 1  # the login
    assert traffic.requests == 1 + 2 + SIZE + len(calm.replaced) - _unpaired(calm) + traffic.retries


def test_scenes_that_are_gone_are_replaced_for_a_reason_without_the_servers_words(server: EarthEngineServer) -> None:
    calm, _ = fill(server)
    gone = {sample.platforms["earthengine"].ids["s2"] for sample in calm.samples[:3]}
    server.faults.missing = gone
    filling, arrays = fill(server)
    assert len(filling.samples) == SIZE and arrays["earthengine/s2"].any(axis=(1, 2, 3)).all()
    assert not gone & {sample.platforms["earthengine"].ids["s2"] for sample in filling.samples}
    refused = [item.why for item in filling.replaced if item.why.reason is Reason.REFUSED]
    assert len(refused) >= 3 and {why.platform for why in refused} == {"earthengine"}
    assert {str(why.scene).split(" and ")[0] for why in refused} == gone
    assert not any("not found" in str(item.why) for item in filling.replaced)
    assert any("not found" in said for said in filling.notes)


def rows(filling: Filling) -> bytes:
    return encode_rows(sample_rows(filling.samples, filling.builder.spec, filling.shard))


def _unpaired(filling: Filling) -> int:
    """Candidates that were replaced before a pixel of theirs was asked for."""
    return sum(item.why.reason not in (Reason.REFUSED, Reason.MOSTLY_NODATA) for item in filling.replaced)
