"""The rule with more roles and more dates, against today's two roles on one date; a year of the planet as a catalogue.

pytest -s tests/benchmarks/bench_rule.py
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from tasks.assembly.builder import close_builders, open_builder
from tasks.assembly.candidates import pair_draws
from tasks.imagery.platform import Traffic
from tasks.scenes.pairing import Outcome
from tasks.spec import CorpusSpec
from tests.benchmarks.planet import write_planet

_SHARDS = 20

_TRIPLET = {"s2": {"cloud_cover": [0, 40]}, "s2_cloudy": {"near": "s2", "max_days": 14}}

_CASES: dict[str, dict[str, Any]] = {
    "two roles": {"acquisitions": {"s2": {}, "s1": {"near": "s2", "max_days": 3}}},
    "three roles": {"acquisitions": {**_TRIPLET, "s1": {"near": "s2_cloudy", "max_days": 6}}},
    "two roles, 30 dates": {
        "acquisitions": {"s2": {}, "s1": {"near": "s2", "max_days": 7}},
        "instants": {"slices": 30},
    },
}


def test_draws_a_second_by_roles_and_dates(tmp_path: Path) -> None:
    write_planet(tmp_path / "planet.parquet")
    base = 0.0
    for name, changes in _CASES.items():
        close_builders()
        spec = CorpusSpec.model_validate(
            {
                "name": "bench",
                "size": 100_000,
                "places": {"random": "land"},
                "window": ["2019-01-01", "2020-01-01"],
                "platforms": [{"stac": {"catalog": str(tmp_path / "planet.parquet")}}],
                "shard_size": 250 if "instants" not in changes else 50,
                "destinations": [str(tmp_path / "corpus")],
            }
            | changes
        )
        builder = open_builder(spec)
        draws = [builder.places.draws(shard).take(slice(0, spec.shard_size)) for shard in range(_SHARDS)]
        pair_draws(builder, draws[0], {"stac": Traffic()})
        start = time.process_time()
        paired = 0
        for some in draws:
            _, pairs = pair_draws(builder, some, {"stac": Traffic()})
            paired += int(np.count_nonzero(pairs.outcome == Outcome.PAIRED))
        looks = _SHARDS * spec.shard_size * spec.dates
        rate = looks / (time.process_time() - start)
        base = base or rate
        print(
            f"\n{name}: {rate:,.0f} places and dates a CPU-second, {rate / base:.2f} of two roles; "
            f"{100 * paired / looks:.0f} % filled"
        )
    close_builders()
