"""An estimate: what building a corpus takes, before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.imagery.registry import room_of
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.scenes.roles import Sensor, sensor_of
from tasks.settings import PlatformSettings, Settings
from tasks.spec import CorpusSpec
from tasks.spec.labels import EARTHENGINE

STORED: Mapping[Sensor, float] = {"sentinel2": 612_000 / 250**2, "sentinel1": 168_000 / 250**2}
"""Bytes stored a pixel of an acquisition: of a pair 0.78 MB at 250 px, measured on real chips (13 + 2 bands)."""

MASK_STORED = 0.3
"""The same of a cloud mask: between a probability of 10 m and classes of 20 m; assumed."""

LABELS_STORED = {"corine": 1_900 / 250**2, "osm": 16_600 / 250**2}
"""Bytes stored a pixel of a sample; measured with zstd 3 on European patches."""

OTHER_STORED = 0.1
"""The same of a band of a label of the spec's own: between CORINE's classes of 100 m and those of 10 m."""

INGESTED = 2_500_000
"""Bytes of an OpenStreetMap extract read a second, of one core; measured on 77.5 MB."""

MOVED: Mapping[Sensor, int] = {"sentinel2": 13 * 2, "sentinel1": 2 * 4}
"""Bytes moved a pixel of an acquisition: 13 bands of 16 bits, 2 of 32."""

MASK_MOVED = 1
"""The same of a cloud mask: 8 bits."""

LABELS_MOVED = 2
"""The same of a band of a label that comes with the images: 16 bits; measured values and negative ones take 32."""

_GB = 1e9
"""Clouds bill in decimal gigabytes."""


@dataclass(frozen=True, kw_only=True)
class PlatformEstimate:
    """What one platform is asked for."""

    name: str
    requests: int
    bytes_moved: int
    hours: float
    limit: str
    """What bounds the hours, in words."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a build takes if every candidate can be served."""

    samples: int
    shards: int
    capacity: int
    """Samples that the region would hold."""
    platforms: tuple[PlatformEstimate, ...]
    bytes_stored: int
    """In each destination."""
    prices: tuple[tuple[str, float | None], ...]
    """Destinations and what storing the corpus there costs a month in US dollars; None where nobody bills."""

    @property
    def hours(self) -> float:
        """Platforms are asked at the same time, so the slowest counts."""
        return max(platform.hours for platform in self.platforms)


def estimate(
    spec: CorpusSpec,
    places: RandomPlaces | ListedPlaces,
    settings: Settings,
    of_platforms: tuple[PlatformSettings, ...],
) -> Estimate:
    """Estimate a build from its spec, its places and the limits in force.

    `of_platforms` are the settings of the spec's platforms, in its order. Raises PlacesError: too large.
    """
    shards = places.shards(spec.size)
    samples = min(shards * spec.shard_size, len(places.patches)) if isinstance(places, ListedPlaces) else spec.size or 0
    pixels = samples * spec.patch.pixels**2
    labels = sum(LABELS_STORED.get(item.name, OTHER_STORED * item.bands) for item in spec.label_items)
    sent = LABELS_MOVED * sum(item.bands for item in spec.labels_sent)
    masks = sum(one.mask is not None for one in spec.roles.values())
    images = sum(STORED[sensor_of(role)] for role in spec.roles) + MASK_STORED * masks
    moved = spec.dates * (sum(MOVED[sensor_of(role)] for role in spec.roles) + MASK_MOVED * masks)
    stored = round(pixels * (images * spec.dates * len(spec.platforms) + labels))
    platforms: list[PlatformEstimate] = []
    for item, own in zip(spec.platform_items, of_platforms, strict=True):
        cost = room_of(item.kind).cost(own, spec)
        requests = samples * cost.requests_a_sample + shards * cost.requests_a_shard
        platforms.append(
            PlatformEstimate(
                name=item.name,
                requests=round(requests),
                bytes_moved=pixels * (moved + (sent if item.kind == EARTHENGINE else 0))
                if cost.bytes_a_sample is None
                else round(samples * cost.bytes_a_sample),
                hours=requests * cost.seconds_a_request / cost.in_flight / 3600,
                limit=f"{cost.in_flight} in flight, {cost.seconds_a_request:.3g} s a request ({cost.origin})",
            )
        )
    return Estimate(
        samples=samples,
        shards=shards,
        capacity=len(places.patches) if isinstance(places, ListedPlaces) else places.capacity * spec.shard_size,
        platforms=tuple(platforms),
        bytes_stored=stored,
        prices=tuple((place, _price(place, stored, settings)) for place in spec.destinations),
    )


def _price(destination: str, stored: int, settings: Settings) -> float | None:
    scheme = destination.partition("://")[0]
    prices = {"gs": settings.price_gs, "az": settings.price_az}
    return stored / _GB * prices[scheme] if scheme in prices else None
