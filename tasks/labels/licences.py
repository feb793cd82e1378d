"""Licences: what a corpus says of a source's, and how its owner wants to be named."""

from collections.abc import Mapping
from typing import Any

from tasks.spec.labels import LabelSource

_WDPA = (
    "no commercial use of it or of anything derived from it without permission (protectedplanet.net terms)",
    "UNEP-WCMC and IUCN: Protected Planet, the World Database on Protected Areas. www.protectedplanet.net",
)

_OF_ASSETS = {
    "ESA/WorldCover/": ("CC BY 4.0", "ESA WorldCover project. Contains modified Copernicus Sentinel data"),
    "RUB/RUBCLIM/LCZ/": ("CC BY 4.0", "Demuzere et al.: A global map of local climate zones. Earth Syst. Sci. Data"),
    "GOOGLE/DYNAMICWORLD/": ("CC BY 4.0", "Google, World Resources Institute: Dynamic World"),
    "MODIS/": ("no restrictions on use, sale or redistribution", "NASA EOSDIS Land Processes DAAC"),
    "NOAA/VIIRS/": ("public domain", "Earth Observation Group, Payne Institute, Colorado School of Mines"),
    "COPERNICUS/DEM/": (
        "free basic licence of the Copernicus WorldDEM-30",
        "© DLR e.V. 2010-2014 and © Airbus Defence and Space GmbH 2014-2018, provided under COPERNICUS by the European "
        "Union and ESA; all rights reserved",
    ),
}
"""Licence and attribution by how the ids of assets begin. Source: the catalogue of Earth Engine, terms of use."""


def told_of(
    source: LabelSource, version: Mapping[str, Any], named: Mapping[str, Any], asset: str = ""
) -> dict[str, Any]:
    """What a corpus says of a source: what identifies it, how it is called, and whose it is.

    The spec's own words count; without them those that are known.
    """
    known = next((terms for start, terms in _OF_ASSETS.items() if asset.startswith(start)), (None, None))
    licence, attribution = _WDPA if source.needs_acceptance == "wdpa-noncommercial" else known
    return {
        "source": dict(version),
        "named": dict(named),
        "kind": source.kind,
        "licence": source.licence or licence,
        "attribution": source.attribution or attribution,
    }
