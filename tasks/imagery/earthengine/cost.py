"""What samples and shards cost on Earth Engine."""

from math import ceil

from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.imagery.rooms import Cost
from tasks.spec import CorpusSpec

PLACES = 250
"""Places a catalogue request: the default shard. Its answer is about 10 MB before compression."""


def cost_of(settings: EarthEngineSettings, spec: CorpusSpec) -> Cost:
    """Of a spec under the settings."""
    return Cost(
        requests_a_sample=1,
        # 1.5 candidates a sample are asked for in portions of the shard's size: a whole one and a half.
        requests_a_shard=ceil(spec.shard_size / PLACES) + ceil(spec.shard_size / 2 / PLACES),
        in_flight=settings.requests,
        seconds_a_request=2.0,
        origin="assumed for 15 bands of 250 px; the first shards' run records tell",
    )
