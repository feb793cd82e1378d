"""Make tasks/places/world.parquet, the countries of the world, from the npm package world-atlas.

    python infra/places/make_world.py [countries-10m.json]

Without a path the package is fetched with `npm pack`. The same input gives the same bytes (with the same pyarrow).

Natural Earth 1:10m (public domain) is in no well-kept Python package; world-atlas 2.0.2 (ISC) has it as TopoJSON. Its
rings are stitched across the 180th meridian for drawing on a sphere, so a planar library reads Russia as 10.5 instead
of 17.0 million km2. Only the polygons that cross are cut (cutting all turns small enclaves inside out), then all are
made valid, and then areas are checked: a country turned inside out cannot pass unnoticed.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from tasks.places.antimeridian import crossing, cut, polygon_parts, valid_parts

PACKAGE = "world-atlas@2.0.2"
MEMBER = "package/countries-10m.json"
SHA256 = "3bc6f1d367a9bcec479841bae0e76092f512838411d0cef124e92eec4db45f79"
TARGET = Path(__file__).parents[2] / "tasks" / "places" / "world.parquet"

EQUAL_AREA = "EPSG:6933"
# Million km2, and the relative tolerance: Natural Earth 1:50m in EPSG:6933, except Fiji (its islands straddle the
# 180th meridian), whose land area is that of the CIA World Factbook.
AREAS = {
    "RU": (16.97, 0.01),
    "CA": (9.92, 0.01),
    "US": (9.46, 0.01),
    "CN": (9.37, 0.01),
    "BR": (8.47, 0.01),
    "AQ": (12.36, 0.02),
    "FJ": (0.01827, 0.05),
}
WORLD_WITHOUT_ANTARCTICA = (134.4, 0.005)

# ISO 3166-1 alpha-2 and numeric, all 249, written from pycountry 26.2.16 (Debian's iso-codes); TopoJSON has numbers.
ISO_3166_1 = """
AD020 AE784 AF004 AG028 AI660 AL008 AM051 AO024 AQ010 AR032 AS016 AT040 AU036 AW533 AX248 AZ031 BA070 BB052
BD050 BE056 BF854 BG100 BH048 BI108 BJ204 BL652 BM060 BN096 BO068 BQ535 BR076 BS044 BT064 BV074 BW072 BY112
BZ084 CA124 CC166 CD180 CF140 CG178 CH756 CI384 CK184 CL152 CM120 CN156 CO170 CR188 CU192 CV132 CW531 CX162
CY196 CZ203 DE276 DJ262 DK208 DM212 DO214 DZ012 EC218 EE233 EG818 EH732 ER232 ES724 ET231 FI246 FJ242 FK238
FM583 FO234 FR250 GA266 GB826 GD308 GE268 GF254 GG831 GH288 GI292 GL304 GM270 GN324 GP312 GQ226 GR300 GS239
GT320 GU316 GW624 GY328 HK344 HM334 HN340 HR191 HT332 HU348 ID360 IE372 IL376 IM833 IN356 IO086 IQ368 IR364
IS352 IT380 JE832 JM388 JO400 JP392 KE404 KG417 KH116 KI296 KM174 KN659 KP408 KR410 KW414 KY136 KZ398 LA418
LB422 LC662 LI438 LK144 LR430 LS426 LT440 LU442 LV428 LY434 MA504 MC492 MD498 ME499 MF663 MG450 MH584 MK807
ML466 MM104 MN496 MO446 MP580 MQ474 MR478 MS500 MT470 MU480 MV462 MW454 MX484 MY458 MZ508 NA516 NC540 NE562
NF574 NG566 NI558 NL528 NO578 NP524 NR520 NU570 NZ554 OM512 PA591 PE604 PF258 PG598 PH608 PK586 PL616 PM666
PN612 PR630 PS275 PT620 PW585 PY600 QA634 RE638 RO642 RS688 RU643 RW646 SA682 SB090 SC690 SD729 SE752 SG702
SH654 SI705 SJ744 SK703 SL694 SM674 SN686 SO706 SR740 SS728 ST678 SV222 SX534 SY760 SZ748 TC796 TD148 TF260
TG768 TH764 TJ762 TK772 TL626 TM795 TN788 TO776 TR792 TT780 TV798 TW158 TZ834 UA804 UG800 UM581 US840 UY858
UZ860 VA336 VC670 VE862 VG092 VI850 VN704 VU548 WF876 WS882 YE887 YT175 ZA710 ZM894 ZW716
"""
ALPHA2 = {code[2:]: code[:2] for code in ISO_3166_1.split()}
# Not in ISO 3166-1; XK is the user-assigned code that the European Union and others use.
WITHOUT_NUMBER = {"Kosovo": "XK"}


def fetch(folder: Path) -> Path:
    """countries-10m.json of the npm package, in `folder`."""
    packed = subprocess.run(
        ["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    with tarfile.open(folder / packed.stdout.strip().splitlines()[-1]) as archive:
        archive.extract(MEMBER, folder, filter="data")
    return folder / MEMBER


def read(path: Path) -> gpd.GeoDataFrame:
    """The countries of `path` (TopoJSON), valid and cut at 180 degrees: alpha2, name, geometry (EPSG:4326)."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"{path} has SHA-256 {digest}; expected {SHA256}, countries-10m.json of {PACKAGE}.")
    table = gpd.read_file(path, layer="countries").set_crs("EPSG:4326")
    alpha2 = [
        ALPHA2.get(number, WITHOUT_NUMBER.get(name)) for number, name in zip(table["id"], table["name"], strict=True)
    ]
    geometry = [mend(geometry, name) for geometry, name in zip(table.geometry, table["name"], strict=True)]
    table = gpd.GeoDataFrame({"alpha2": alpha2, "name": table["name"], "geometry": geometry}, crs=table.crs)
    # Too small for the package's grid of 0.0036 degrees: only the Vatican.
    print("without a shape:", ", ".join(table["name"][table.is_empty]))
    return gpd.GeoDataFrame(table[~table.is_empty].reset_index(drop=True), crs=table.crs)


def mend(geometry: shapely.Geometry, name: str) -> shapely.MultiPolygon:
    """`geometry` cut at 180 degrees where it crosses, and valid; only the parts that have an area."""
    polygons = np.array(polygon_parts(geometry), dtype=object)
    parts: list[shapely.Polygon] = []
    for polygon, crosses in zip(polygons, crossing(polygons), strict=True):
        if crosses:
            parts += cut(polygon, name=name).parts
        elif polygon.is_valid:
            parts.append(polygon)
        else:
            parts += valid_parts(polygon)
    whole = shapely.MultiPolygon([part for part in parts if part.area > 0])
    # Islands that the package's grid moved onto each other, off Canada and Japan.
    return whole if whole.is_valid else shapely.MultiPolygon(polygon_parts(shapely.union_all(parts)))


def check(table: gpd.GeoDataFrame) -> None:
    """Print areas and exit if one is off."""
    area = table.to_crs(EQUAL_AREA).area.to_numpy() / 1e12
    code = table["alpha2"].to_numpy()
    rows = {name: (area[code == name].sum(), *expected) for name, expected in AREAS.items()}
    rows["world without AQ"] = (area[code != "AQ"].sum(), *WORLD_WITHOUT_ANTARCTICA)
    for name, (found, expected, tolerance) in rows.items():
        print(f"{name:17} {found:9.4f} million km2, expected {expected:9.4f} within {tolerance:.1%}")
        if abs(found / expected - 1) > tolerance:
            sys.exit(f"The area of {name} is off: a polygon was cut, mended or lost wrongly.")
    west, _, east, _ = table.total_bounds
    if not shapely.is_valid(table.geometry.to_numpy()).all() or max(-west, east) > 180:
        sys.exit("A polygon is invalid or lies beyond 180 degrees.")


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = read(Path(arguments[0]) if arguments else fetch(Path(folder)))
    check(table)
    table.to_parquet(TARGET, index=False, compression="zstd", compression_level=19, write_covering_bbox=False)
    print(f"{TARGET}: {len(table)} countries, {TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
