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
    if platform in ("stac", "demo"):
        # A file a band and polarization.
        return Cost(
            requests_a_sample=15,
            requests_a_shard=0,
            in_flight=settings.stac_reads,
            seconds_a_request=0.01,
            origin="a local disk; over a network multiply by its latency",
        )
    raise KeyError(platform)
