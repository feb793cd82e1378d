"""The countries of the world, and the codes that name them.

`world.parquet` is made by `infra/places/make_world.py` from Natural Earth 1:10m (public domain) as kept by the npm
package world-atlas 2.0.2, which rounds to 0.0036 degrees of longitude and 0.0017 of latitude. A country is what Natural
Earth counts as one: FR has French Guiana, Guadeloupe, Martinique, Mayotte and Reunion, NO has Svalbard.
"""

import difflib
from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files

import geopandas as gpd

from tasks.errors import PlacesError

ANTARCTICA = "AQ"

# https://european-union.europa.eu/principles-countries-history/eu-countries_en, the members since 2020-02-01.
_EU27 = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
    *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
)
GROUPS = {
    "EU27": _EU27,
    # https://www.efta.int/about-efta
    "EFTA": ("CH", "IS", "LI", "NO"),
    # https://www.efta.int/eea: the EU and EFTA without Switzerland.
    "EEA": (*_EU27, "IS", "LI", "NO"),
    # What CORINE Land Cover 2018 covers: the European Environment Agency's 38 members and cooperating countries and
    # the United Kingdom, https://land.copernicus.eu/en/products/corine-land-cover/clc2018
    "EEA39": (*_EU27, "AL", "BA", "CH", "GB", "IS", "LI", "ME", "MK", "NO", "RS", "TR", "XK"),
}
"""Shorthands for several ISO 3166-1 alpha-2 codes."""

# What people write for an ISO code: the European Union's own abbreviations, and others.
_ALIASES = {"UK": "GB", "EL": "GR", "EU": "EU27", "KOSOVO": "XK", "USA": "US", "UAE": "AE"}
# ISO codes to which Natural Earth gives no shape of their own.
_PART_OF = dict.fromkeys(("GF", "GP", "MQ", "RE", "YT"), "FR") | {"SJ": "NO", "BV": "NO", "BQ": "NL", "TK": "NZ"}
_WITHOUT_SHAPE = ("CC", "CX", "VA")


@cache
def world() -> gpd.GeoDataFrame:
    """The countries: `alpha2` (null where ISO 3166-1 has no code, "XK" for Kosovo), `name`, `geometry`.

    Geometries are valid multi-polygons in EPSG:4326, cut at 180 degrees. The table is shared: do not change it.
    """
    with as_file(files("tasks.places") / "world.parquet") as path:
        return gpd.read_parquet(path)


def country_codes(values: Sequence[object]) -> tuple[str, ...]:
    """The ISO 3166-1 alpha-2 codes that `values` (codes and names of GROUPS, in any case) stand for, each once.

    Raises PlacesError for an empty list and for a value that is no code of a country with a shape.
    """
    if not values:
        raise PlacesError(f"The list of countries is empty; expected {_EXPECTED}.")
    known = set(world()["alpha2"].dropna())
    codes: dict[str, None] = {}
    for value in values:
        code = value.strip().upper() if isinstance(value, str) else ""
        if code in GROUPS:
            codes.update(dict.fromkeys(GROUPS[code]))
        elif code in known:
            codes[code] = None
        else:
            raise PlacesError(_unknown(value, known))
    return tuple(codes)


_EXPECTED = f"ISO 3166-1 alpha-2 codes such as FR, or a shorthand ({', '.join(GROUPS)})"


def _unknown(value: object, known: set[str]) -> str:
    if value is False:
        return 'The list of countries has the value false: YAML reads NO that way. Write "NO" in quotes for Norway.'
    if not isinstance(value, str):
        return f"The list of countries has {value!r}; expected {_EXPECTED}, as text."
    code = value.strip().upper()
    if code in _PART_OF:
        return f"{value!r} has no shape of its own: Natural Earth has it in {_PART_OF[code]}. Use your own polygons."
    if code in _WITHOUT_SHAPE:
        return f"{value!r} has no shape in Natural Earth at this scale. Use your own polygons."
    return f"{value!r} is no known country; expected {_EXPECTED}. Closest: {', '.join(_closest(code, known))}."


def _closest(text: str, known: set[str]) -> list[str]:
    if text in _ALIASES:
        return [_ALIASES[text]]
    table = world().dropna(subset="alpha2")
    code_of = {str(name).upper(): str(code) for name, code in zip(table["name"], table["alpha2"], strict=True)}
    # With two letters almost any code is close, so names are asked first and codes have to share a letter in place.
    if len(text) > 3 and (names := difflib.get_close_matches(text, code_of, n=3)):
        return [f"{code_of[name]} ({name.title()})" for name in names]
    candidates = sorted(known | set(GROUPS))
    return difflib.get_close_matches(text, candidates, n=5, cutoff=0.5) or sorted(GROUPS)
