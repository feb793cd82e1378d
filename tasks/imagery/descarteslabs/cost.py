"""What the platform `descarteslabs` is asked for, and the limits under which it is."""

from math import ceil

from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.registry import Cost, assumed_seconds
from tasks.scenes.roles import rule_of, sensor_of
from tasks.spec import CorpusSpec

_PIXEL = {"sentinel2": 13 * 2, "sentinel1": 2 * 4}
"""Bytes of a pixel of a look, before compression."""


def cost_of(settings: DescartesLabsSettings, spec: CorpusSpec) -> Cost:
    """A rendering a role and date of a sample; a search a product for every so many patches, whatever the dates."""
    roles = rule_of(spec).roles
    products = {(sensor_of(name), role.level) for name, role in roles.items()}
    looks = len(roles) * spec.dates
    moved = float(spec.dates * spec.patch.pixels**2 * sum(_PIXEL[sensor_of(name)] for name in roles))
    return Cost(
        requests_a_sample=looks,
        requests_a_shard=len(products) * ceil(spec.shard_size / settings.search_patches),
        bytes_a_sample=moved,
        in_flight=settings.requests,
        seconds_a_request=assumed_seconds(moved / looks),
        origin="assumed: 2 s for 250 px, more in proportion for more; the first shards' run records tell",
    )


def limits_of(settings: DescartesLabsSettings) -> str:
    """The limits in force, in words."""
    return (
        f"{settings.requests} requests in flight; without an answer for {settings.deadline:g} s one is given up, and "
        f"tried again for {settings.patience:g} s"
    )
