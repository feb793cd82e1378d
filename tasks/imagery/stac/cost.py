"""What a sample costs from an archive, and the limits in force, before it is opened."""

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.imagery.registry import Cost
from tasks.imagery.stac.settings import StacSettings
from tasks.scenes.roles import roles_of, sensor_of
from tasks.spec import CorpusSpec


def cost(settings: StacSettings, spec: CorpusSpec) -> Cost:
    """A file a band and polarization; the catalogue is read once."""
    files = {"sentinel2": len(BANDS), "sentinel1": len(POLARIZATIONS)}
    return Cost(
        requests_a_sample=sum(files[sensor_of(role)] for role in roles_of(spec)),
        requests_a_shard=0,
        in_flight=settings.stac_reads,
        seconds_a_request=0.01,
        origin="a local disk; over a network multiply by its latency",
    )


def limits(settings: StacSettings) -> str:
    """The limits in force, in words."""
    return (
        f"{settings.stac_reads} samples read at once; of a remote archive an answer is waited for "
        f"{settings.stac_deadline:g} s, and a failing read tried again for {settings.stac_patience:g} s"
    )
