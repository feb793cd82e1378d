"""Whose the data of a corpus are: licences, attributions and providers of its imagery and of each of its layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.shards.description import Description
from tasks.spec import archives

COPERNICUS_TERMS = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"

_SENTINEL = (
    "free, full and open: legal notice on the use of Copernicus Sentinel Data and Service Information; Regulation (EU) "
    "1159/2013"
)

_THROUGH = {
    "earthengine": "obtained through Google Earth Engine, under its terms of service",
    "descarteslabs": "obtained through Descartes Labs (EarthDaily), which made the surface reflectance; what may be "
    "passed on of it, the account's agreement says",
}

_HOSTS = {
    "earthengine": {"name": "Google Earth Engine", "url": "https://earthengine.google.com"},
    "descarteslabs": {"name": "EarthDaily EarthOne (Descartes Labs)", "url": "https://earthdaily.com"},
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


def terms_of(description: Description, years: str = "") -> Iterator[Terms]:
    """The terms of all platforms, then of all layers; `years` are those of the acquisitions, where they are known."""
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


def told_terms(description: Description) -> str:
    """The terms of all parts, one after the other."""
    return " ".join(f"{one.part}: {one.licence} ({one.attribution})." for one in terms_of(description))


def licence_links(description: Description) -> list[dict[str, str]]:
    """Where licences stand, as links of STAC: the notice on Sentinel data, where a corpus has such."""
    title = "Legal notice on the use of Copernicus Sentinel data and service information"
    link = {"rel": "license", "href": COPERNICUS_TERMS, "type": "application/pdf", "title": title}
    return [link] if _taken_by_satellites(description) else []


def providers_of(description: Description) -> list[dict[str, Any]]:
    """Who made the imagery and the labels, and who hosts what they were fetched from, as STAC's providers."""
    found: list[dict[str, Any]] = []
    if _taken_by_satellites(description):
        name = "European Space Agency, Copernicus programme"
        found.append({"name": name, "roles": ["producer", "licensor"], "url": "https://www.copernicus.eu"})
    written = {_name(item): item for item in description.spec["platforms"]}
    for platform in description.bands:
        item = written[platform]
        catalogue = "" if isinstance(item, str) else str(item["stac"]["catalog"])
        url = {"url": catalogue} if catalogue.startswith("http") else {}
        found.append(_HOSTS.get(platform, {"name": platform}) | url | {"roles": ["host"]})
    for name, layer in description.layers.items():
        whose = layer.facts.get("attribution") or layer.facts.get("licence")
        found += [{"name": str(whose), "description": f"labels {name}", "roles": ["licensor"]}] if whose else []
    return found


def _taken_by_satellites(description: Description) -> bool:
    return any(name != _INVENTED for name in description.bands)


def _imagery(name: str, item: Any, years: str) -> Terms:
    if name == _INVENTED:
        return Terms(part=name, licence="Apache-2.0", attribution="DeepSentinel's demo: an invented country")
    through = _THROUGH.get(name)
    if through is None:
        catalogs = _catalogs(item)
        named = " and ".join(f"the catalogue {catalog}" for catalog in catalogs)
        through = "; ".join([f"obtained from {named}, whose own terms apply too", *archives.terms_of(catalogs)])
    return Terms(
        part=name,
        licence=f"{_SENTINEL}; {through}",
        attribution=f"contains modified Copernicus Sentinel data {years}".rstrip(),
    )


def _catalogs(item: Any) -> list[str]:
    """The catalogues of an archive, that of Sentinel-1 last where it is another one."""
    source = item["stac"]
    return [f"{source[key]}" for key in ("catalog", "sentinel1_catalog") if source.get(key)]


def _name(item: Any) -> str:
    return item if isinstance(item, str) else str(item["stac"]["name"])
