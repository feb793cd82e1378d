"""What a sample costs on each platform, for estimates."""

from dataclasses import dataclass

from tasks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Requests and time, as far as they can be told before."""

    requests_a_sample: float
    requests_a_shard: float
    in_flight: int
    seconds_a_request: float
    origin: str
    """Where the seconds come from."""


def cost_of(platform: str, settings: Settings) -> Cost:
    """The cost of a platform: `stac`, `demo`, `earthengine` or `descarteslabs`."""
    if platform == "earthengine":
        return Cost(
            requests_a_sample=1,
            # 1.5 candidates a sample are asked for in portions of the shard's size.
            requests_a_shard=2,
            in_flight=settings.earthengine_requests,
            seconds_a_request=2.0,
            origin="assumed for 15 bands of 250 px; the first shards' run records tell",
        )
    if platform == "descarteslabs":
        return Cost(
            requests_a_sample=2,
            # Two searches for every so many patches.
            requests_a_shard=2 * 250 / settings.descarteslabs_search_patches,
            in_flight=settings.descarteslabs_requests,
            seconds_a_request=2.0,
            origin="assumed for one sensor of 250 px; the first shards' run records tell",
        )
    # A file a band and polarization.
    return Cost(
        requests_a_sample=15,
        requests_a_shard=0,
        in_flight=settings.stac_reads,
        seconds_a_request=0.01,
        origin="a local disk; over a network multiply by its latency",
    )
