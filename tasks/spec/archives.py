"""Public archives that a spec may name by a word: where they are, and what their collections hold.

A word stands for keys of `tasks.spec.platforms.StacSource`; written out they are what a corpus keeps, so what it was
made of does not depend on this list. None of these archives asks for an account, but the last one for its files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A public archive."""

    catalog: str
    both: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Keys that hold whichever sensor is taken from it."""
    optical: Mapping[str, Any]
    """Keys of its Sentinel-2."""
    radar: Mapping[str, Any] | None
    """Keys of its Sentinel-1; None: it has no calibrated backscatter."""
    terms: str = ""
    """What holds besides the notice on Copernicus Sentinel data."""


ARCHIVES = {
    "earth-search": Archive(
        catalog="https://earth-search.aws.element84.com/v1",
        # Collection 1: of `sentinel-2-l2a` some items say the wrong thing of the +1000 offset (Element84/earth-search
        # #66, #71), and its L1C twins and GRD lie in a bucket where the reader pays.
        optical={"sentinel2": "sentinel-2-c1-l2a"},
        radar=None,
    ),
    "planetary-computer": Archive(
        catalog="https://planetarycomputer.microsoft.com/api/stac/v1",
        both={"signatures": "https://planetarycomputer.microsoft.com/api/sas/v1/token"},
        # As ESA delivers them: the offset goes by the baseline.
        optical={"sentinel2": "sentinel-2-l2a"},
        # Gamma nought, terrain-corrected by Catalyst, linear power; `sentinel-1-grd` there is digital numbers.
        radar={"sentinel1": "sentinel-1-rtc", "backscatter": "power"},
        terms="Sentinel-1 RTC made by Catalyst and hosted by Microsoft: CC BY 4.0",
    ),
    "copernicus": Archive(
        catalog="https://stac.dataspace.copernicus.eu/v1",
        # JPEG 2000 under s3://eodata/, for whoever has keys of the Data Space.
        both={"s3": "https://eodata.dataspace.copernicus.eu"},
        optical={"sentinel2": "sentinel-2-l2a", "sentinel2_b10": "sentinel-2-l1c"},
        radar=None,
    ),
}
"""By the word that stands for them."""


def written_out(source: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a source with those that the names of archives stand for; keys that are written come first.

    Raises ValueError: an archive has no Sentinel-1 that a corpus can hold, and no other one is named.
    """
    keys = dict(source)
    named, named_radar = keys.get("catalog"), keys.get("sentinel1_catalog", keys.get("catalog"))
    if isinstance(named, str) and named in ARCHIVES:
        optical = ARCHIVES[named]
        keys = {**optical.optical, **optical.both, **keys, "catalog": optical.catalog}
    if isinstance(named_radar, str) and named_radar in ARCHIVES:
        radar = ARCHIVES[named_radar]
        if radar.radar is None and "sentinel1" not in keys:
            others = " or ".join(name for name, archive in ARCHIVES.items() if archive.radar is not None)
            raise ValueError(
                f"{named_radar} has no calibrated Sentinel-1, only digital numbers of GRD; name another archive for it "
                f"with sentinel1_catalog: {others}"
            )
        keys = {**(radar.radar or {}), **radar.both, **keys}
        if "sentinel1_catalog" in keys:
            keys["sentinel1_catalog"] = radar.catalog
    return keys


def terms_of(catalogs: Iterable[str]) -> tuple[str, ...]:
    """What holds of pixels of some catalogues besides the notice on Copernicus Sentinel data, each once, in order."""
    found = [archive.terms for catalog in catalogs for archive in ARCHIVES.values() if archive.catalog == catalog]
    return tuple(dict.fromkeys(terms for terms in found if terms))
