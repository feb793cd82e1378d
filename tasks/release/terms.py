"""Whose the data of a corpus are: licences and attributions of its imagery and of each of its layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.shards.description import Description

_SENTINEL = (
    "free, full and open: legal notice on the use of Copernicus Sentinel Data and Service Information; Regulation (EU) "
    "1159/2013"
)

_THROUGH = {
    "earthengine": "obtained through Google Earth Engine, under its terms of service",
    "descarteslabs": "obtained through Descartes Labs (EarthDaily), which made the surface reflectance; what may be "
    "passed on of it, the account's agreement says",
}

_INVENTED = "demo"
"""The name that is kept for the archive of the demo, which holds no satellite's images."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Of one part of a corpus."""

    part: str
    """A platform or a layer."""
    licence: str
    attribution: str


def terms_of(description: Description, years: str) -> Iterator[Terms]:
    """The terms of all platforms, then of all layers; `years` are those of the acquisitions."""
    written = {_name(item): item for item in description.spec["platforms"]}
    for name in description.bands:
        yield _imagery(name, written[name], years)
    for name, layer in description.layers.items():
        facts = layer.facts
        extracts = {str(one["licence"]) for one in dict(facts.get("extracts", {})).values() if one.get("licence")}
        licence = facts.get("licence") or "; ".join(sorted(extracts))
        yield Terms(
            part=f"labels: {name}",
            licence=str(licence or "not told by its source: ask its owner before passing the corpus on"),
            attribution=str(facts.get("attribution") or licence or "not told by its source"),
        )


def _imagery(name: str, item: Any, years: str) -> Terms:
    if name == _INVENTED:
        return Terms(part=name, licence="Apache-2.0", attribution="DeepSentinel's demo: an invented country")
    through = _THROUGH.get(name)
    if through is None:
        through = f"obtained from the catalogue {item['stac']['catalog']}, whose own terms apply too"
    return Terms(
        part=name,
        licence=f"{_SENTINEL}; {through}",
        attribution=f"contains modified Copernicus Sentinel data {years}".rstrip(),
    )


def _name(item: Any) -> str:
    return item if isinstance(item, str) else str(item["stac"]["name"])
