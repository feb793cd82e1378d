"""What the platform `descarteslabs` is asked for, and the limits under which it is."""

from math import ceil

from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.registry import Cost
from tasks.spec import CorpusSpec


def cost_of(settings: DescartesLabsSettings, spec: CorpusSpec) -> Cost:
    """A rendering a role and sample; a search a role for every so many patches."""
    roles = len(spec.roles)
    return Cost(
        requests_a_sample=roles,
        requests_a_shard=roles * ceil(spec.shard_size / settings.search_patches),
        in_flight=settings.requests,
        seconds_a_request=2.0,
        origin="assumed for one sensor of 250 px; the first shards' run records tell",
    )


def limits_of(settings: DescartesLabsSettings) -> str:
    """The limits in force, in words."""
    return (
        f"{settings.requests} requests in flight; without an answer for {settings.deadline:g} s one is given up, and "
        f"tried again for {settings.patience:g} s"
    )
