"""Whose a corpus is: providers, licences and attributions, for records that other tools read."""

from typing import Any

from tasks.shards.description import Description

COPERNICUS_TERMS = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
"""Legal notice on the use of Copernicus Sentinel data and service information."""

LICENSE_LINKS = [
    {
        "rel": "license",
        "href": COPERNICUS_TERMS,
        "type": "application/pdf",
        "title": "Legal notice on the use of Copernicus Sentinel data and service information",
    }
]

_HOSTS = {
    "earthengine": {"name": "Google Earth Engine", "url": "https://earthengine.google.com"},
    "descarteslabs": {"name": "EarthDaily EarthOne (Descartes Labs)", "url": "https://earthdaily.com"},
}
"""Platforms by the names that specs have for them."""


def providers_of(description: Description) -> list[dict[str, Any]]:
    """Who made the imagery and the labels, and who hosts what they were fetched from."""
    found: list[dict[str, Any]] = [
        {
            "name": "European Space Agency, Copernicus programme",
            "roles": ["producer", "licensor"],
            "url": "https://www.copernicus.eu",
        }
    ]
    platforms = description.spec["platforms"]
    catalogues = {item["stac"]["name"]: item["stac"] for item in platforms if not isinstance(item, str)}
    for platform in description.bands:
        told = _HOSTS.get(platform, {"name": platform})
        catalogue = str(catalogues.get(platform, {}).get("catalog", ""))
        found.append(told | ({"url": catalogue} if catalogue.startswith("http") else {}) | {"roles": ["host"]})
    for name, layer in description.layers.items():
        whose = layer.facts.get("attribution") or layer.facts.get("licence")
        found += [{"name": str(whose), "description": f"labels {name}", "roles": ["licensor"]}] if whose else []
    return found


def terms_of(description: Description) -> str:
    """The licences of imagery and labels, in a sentence each."""
    lines = ["The imagery contains modified Copernicus Sentinel data, free and open under the Copernicus terms."]
    for name, layer in description.layers.items():
        told = [layer.facts.get("licence"), layer.facts.get("attribution")]
        terms = "; ".join(dict.fromkeys(str(one) for one in told if one)) or "unknown, ask their owner"
        lines.append(f"Labels {name}: {terms}.")
    return " ".join(lines)
