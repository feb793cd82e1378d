"""What samples and shards cost on Earth Engine."""

from math import ceil

from tasks.imagery.earthengine.parts import bytes_of, date_of, dates_together, strips
from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.imagery.earthengine.sources import days_of, requests_for
from tasks.imagery.registry import Cost, assumed_seconds
from tasks.places.capacity import CANDIDATES_PER_SAMPLE
from tasks.scenes.roles import rule_of
from tasks.spec import CorpusSpec


def cost_of(settings: EarthEngineSettings, spec: CorpusSpec) -> Cost:
    """Of a spec under the settings."""
    rule, pixels = rule_of(spec), spec.patch.pixels
    date = date_of(rule)
    # Which types labels come in their assets tell; most are of 16 bits.
    sent = {f"{item.name} {band}": "<u2" for item in spec.labels_sent for band in range(item.bands)}
    asked = ceil(spec.dates / dates_together(date, sent, pixels))
    together = ceil(spec.dates / asked)
    days = days_of(rule)
    requests = asked * strips(pixels, bytes_of(date) * together + bytes_of(sent))
    # Labels come with every request: each has all that it needs.
    moved = float(pixels**2 * (bytes_of(date) * spec.dates + bytes_of(sent) * asked))
    return Cost(
        requests_a_sample=requests,
        # Candidates are asked for in portions of the shard's size: a whole one, and what there is beyond it.
        requests_a_shard=sum(
            requests_for(ceil(part * spec.shard_size), days) for part in (1, CANDIDATES_PER_SAMPLE - 1)
        ),
        in_flight=settings.requests,
        seconds_a_request=assumed_seconds(moved / requests),
        origin="assumed: 2 s for 250 px, more in proportion for more; the first shards' run records tell",
        bytes_a_sample=moved,
    )
