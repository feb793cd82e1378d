"""What a sample costs from an archive, and the limits in force, before it is opened."""

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.imagery.registry import Cost
from tasks.imagery.stac.settings import StacSettings
from tasks.scenes.roles import sensor_of
from tasks.spec import CorpusSpec
from tasks.spec.locations import is_url

_METRES = {
    band: {"B02": 10, "B03": 10, "B04": 10, "B08": 10, "B01": 60, "B09": 60, "B10": 60}.get(band, 20) for band in BANDS
}
"""Size of a band's pixels in products of Sentinel-2."""

_PACKED = 0.65
"""What deflate leaves of the pixels of land, with or without a predictor."""

_LOCAL, _REMOTE = 0.006, 0.2
"""Seconds a request: of a disk as measured, decoding included; of a server, 30 ms and a line of some 100 Mbit/s."""


_SEARCHES = 0.15
"""Requests to an API a sample and sensor, of places all over the world and several years (tests/benchmarks
/bench_search.py: 75 a shard of 250); of a country and a summer there are a few a shard."""


def cost(settings: StacSettings, spec: CorpusSpec) -> Cost:
    """A file a band and polarization, of a server its header and its blocks; of catalogues, only APIs are searched."""
    sources = [item.stac for item in spec.platform_items if item.stac is not None]
    catalogs = [catalog for source in sources for catalog in (source.catalog, source.radar_catalog)]
    remote = any(map(is_url, catalogs))
    files = {"sentinel2": len(BANDS), "sentinel1": len(POLARIZATIONS)}
    masks = sum(one.mask is not None for one in spec.roles.values())
    a_date = masks + sum(files[sensor_of(role)] for role in spec.roles)
    return Cost(
        requests_a_sample=(2 if remote else 1) * spec.dates * a_date,
        requests_a_shard=_SEARCHES * sum(map(_is_searched, catalogs)) * spec.shard_size,
        in_flight=settings.stac_requests if remote else settings.samples_at_once(remote=False),
        seconds_a_request=_REMOTE if remote else _LOCAL,
        bytes_a_sample=_bytes(spec) if remote else None,
        origin="a block of 1.3 MB over a network" if remote else "a local disk",
    )


def _is_searched(catalog: str) -> bool:
    """Whether a catalogue looks like an API, which is known when it answers only."""
    return is_url(catalog) and not catalog.partition("?")[0].endswith((".json", ".geojson", ".parquet", ".pq"))


def _bytes(spec: CorpusSpec) -> float:
    """Compressed bytes of the blocks that a patch touches on average: of 1024 pixels of 16 bits in Sentinel-2's files,
    of 512 of 32 bits in Sentinel-1's.
    """
    side = spec.patch.pixels
    bands = sum(2 * (1024 + side * 10 / metres) ** 2 for metres in _METRES.values())
    of_sensor = {"sentinel2": bands, "sentinel1": len(POLARIZATIONS) * 4 * (512 + side) ** 2}
    return spec.dates * _PACKED * sum(of_sensor[sensor_of(role)] for role in spec.roles)


def limits(settings: StacSettings) -> str:
    """The limits in force, in words."""
    return (
        f"{settings.samples_at_once(remote=False)} samples read at once from a disk, "
        f"{settings.samples_at_once(remote=True)} from servers; of these each gets at most {settings.stac_requests} "
        f"requests at once, is waited for {settings.stac_deadline:g} s for an answer, and a failing request is tried "
        f"again for {settings.stac_patience:g} s"
    )
