"""What samples and shards cost on Earth Engine."""

from math import ceil

from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.imagery.registry import Cost
from tasks.places.capacity import CANDIDATES_PER_SAMPLE
from tasks.spec import CorpusSpec

PLACES = 250
"""Places a catalogue request: the default shard. Its answer is about 10 MB before compression."""


def cost_of(settings: EarthEngineSettings, spec: CorpusSpec) -> Cost:
    """Of a spec under the settings."""
    return Cost(
        requests_a_sample=1,
        # Candidates are asked for in portions of the shard's size: a whole one, and what there is beyond it.
        requests_a_shard=sum(ceil(part * spec.shard_size / PLACES) for part in (1, CANDIDATES_PER_SAMPLE - 1)),
        in_flight=settings.requests,
        seconds_a_request=2.0,
        origin="assumed for 15 bands of 250 px; the first shards' run records tell",
    )
