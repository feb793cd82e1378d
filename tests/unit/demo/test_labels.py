"""Labels and imagery show the same ground."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import osmium
import pytest
import rasterio
import rasterio.features
import shapely
from pyproj import Transformer
from rasterio.vrt import WarpedVRT

CLEAR = "S2A_MSIL2A_20220613T114401_N0400_R080_T29UMP_20220613T175022"  # cloudless and complete, offset in the pixels


class Areas(osmium.SimpleHandler):
    """Polygons of an extract by their class, in EPSG:32629, and counts of all objects by their main tag."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[shapely.Geometry]] = {}
        self.counts: Counter[str] = Counter()
        self.with_holes = 0
        self._factory = osmium.geom.WKBFactory()
        self._project = Transformer.from_crs(4326, 32629, always_xy=True)

    def node(self, node: osmium.osm.Node) -> None:
        self._count(node)

    def way(self, way: osmium.osm.Way) -> None:
        self._count(way)

    def relation(self, relation: osmium.osm.Relation) -> None:
        self._count(relation)

    def _count(self, thing: osmium.osm.OSMObject) -> None:
        for key in ("building", "highway", "railway", "power", "place", "waterway", "natural", "landuse", "type"):
            if key in thing.tags:
                self.counts[f"{key}={thing.tags[key]}"] += 1
                self.counts[key] += 1

    def area(self, area: osmium.osm.Area) -> None:
        kind = area.tags.get("landuse") or area.tags.get("natural") or ("building" if "building" in area.tags else None)
        if kind is None:
            return
        shape = shapely.from_wkb(self._factory.create_multipolygon(area), on_invalid="raise")
        self.with_holes += kind in ("forest", "wood") and any(part.interiors for part in shape.geoms)
        self.found.setdefault(kind, []).append(
            shapely.transform(shape, lambda x, y: self._project.transform(x, y), interleaved=False)
        )


@pytest.fixture(scope="module")
def osm(archive: Path) -> Areas:
    areas = Areas()
    areas.apply_file(str(archive / "labels" / "country.osm.pbf"), locations=True)
    return areas


def band(archive: Path, name: str) -> np.ndarray:
    with rasterio.open(archive / "sentinel-2-l2a" / CLEAR / f"{name}.tif") as raster:
        return raster.read(1).astype(float) - 1000


def burn(archive: Path, shapes: list[shapely.Geometry]) -> np.ndarray:
    filled = [shape for shape in shapes if not shape.is_empty]
    with rasterio.open(archive / "sentinel-2-l2a" / CLEAR / "B08.tif") as raster:
        return rasterio.features.rasterize(filled, raster.shape, transform=raster.transform).astype(bool)


def test_the_extract_has_every_kind_of_feature(osm: Areas) -> None:
    for key in (
        *("building", "landuse=farmland", "landuse=meadow", "landuse=residential", "natural=water", "natural=tree"),
        *("highway=residential", "highway=track", "waterway", "railway=rail", "power=line"),
        *("power=tower", "place=city", "natural=coastline", "type=multipolygon"),
    ):
        assert osm.counts[key] > 0, key
    assert sum(key.startswith("highway=") for key in osm.counts) >= 3, "roads of several classes"
    assert osm.with_holes, "a forest with a clearing is a multipolygon relation"


def test_the_extract_is_ordered_as_planet_files_are(archive: Path) -> None:
    order = [
        ("nwr".index(thing.type_str()), thing.id)
        for thing in osmium.FileProcessor(str(archive / "labels" / "country.osm.pbf"))
    ]
    assert order == sorted(set(order))


def test_water_is_dark_in_infrared_to_the_pixel(archive: Path, osm: Areas) -> None:
    water = burn(archive, osm.found["water"])
    infrared = band(archive, "B08")
    green = burn(archive, [*osm.found["forest"], *osm.found["meadow"]]) & ~water
    assert np.mean(infrared[water] < 400) > 0.95  # the rest are bridges
    assert np.mean(infrared[green] > 1_000) > 0.97
    sharp = shapely.union_all(osm.found["water"])
    ring = burn(archive, [sharp.buffer(25).difference(sharp.buffer(6))])
    assert np.mean(infrared[ring] > 400) > 0.9, "and it ends where the label ends"


def test_forest_is_greener_than_roofs(archive: Path, osm: Areas) -> None:
    index = (band(archive, "B08") - band(archive, "B04")) / (band(archive, "B08") + band(archive, "B04"))
    assert np.median(index[burn(archive, osm.found["forest"])]) > 0.6
    assert np.median(index[burn(archive, osm.found["building"])]) < 0.25


def test_fields_are_one_colour_each(archive: Path, osm: Areas) -> None:
    red = band(archive, "B04")
    fields = [field for field in osm.found["farmland"] if field.area > 40_000][:60]
    spread = [red[burn(archive, [field.buffer(-20)])].std() for field in fields]
    assert np.median(spread) < 0.3 * red[burn(archive, fields)].std()


def test_polygons_of_land_cover_hardly_overlap(osm: Areas) -> None:
    kinds = ("farmland", "meadow", "forest", "wood", "water", "residential", "industrial", "heath", "scrub")
    shapes = [shape for kind in kinds for shape in osm.found.get(kind, [])]
    assert sum(shape.area for shape in shapes) <= 1.003 * shapely.union_all(shapes).area


def test_corine_has_the_class_of_the_ground(archive: Path, osm: Areas) -> None:
    with (
        rasterio.open(archive / "sentinel-2-l2a" / CLEAR / "B08.tif") as grid,
        rasterio.open(archive / "labels" / "corine.tif") as raster,
        WarpedVRT(raster, crs=grid.crs, transform=grid.transform, width=grid.width, height=grid.height) as warped,
    ):
        assert (raster.crs.to_epsg(), raster.res, raster.dtypes[0], raster.nodata) == (3035, (100, 100), "uint8", 0)
        assert (raster.transform.c % 100, raster.transform.f % 100) == (0, 0)
        assert raster.read(1).max() <= 44
        codes = warped.read(1)
    inner = [shape.buffer(-120) for shape in osm.found["forest"]]
    assert np.mean(np.isin(codes[burn(archive, inner)], (23, 24, 25))) > 0.95
    lakes = [shape.buffer(-120) for shape in osm.found["water"] if shape.area > 300_000]
    assert np.mean(np.isin(codes[burn(archive, lakes)], (40, 41))) > 0.9
    assert np.mean(np.isin(codes[burn(archive, osm.found["farmland"])], (12, 15, 16, 18, 21))) > 0.8
    assert np.all(codes[15] == 44), "the square's border is sea"


def test_the_country_keeps_clear_of_the_border_and_is_land(archive: Path) -> None:
    outline = shapely.geometry.shape(json.loads((archive / "country.geojson").read_text())["features"][0]["geometry"])
    assert outline.is_valid
    project = Transformer.from_crs(4326, 32629, always_xy=True)
    country = shapely.transform(outline, lambda x, y: project.transform(x, y), interleaved=False)
    with rasterio.open(archive / "sentinel-2-l2a" / CLEAR / "B08.tif") as raster:
        square = shapely.box(*raster.bounds)
    assert square.buffer(-1_700).contains(country), "a patch of 2.5 km centred on land lies inside the scenes"
    land = burn(archive, [country.buffer(-30)])
    sea = ~burn(archive, [country.buffer(30)])
    infrared = band(archive, "B08")
    assert np.mean(infrared[land] > 700) > 0.9
    assert np.all(infrared[sea] < 400)


def test_radar_sees_water_dark_and_buildings_bright(archive: Path, osm: Areas) -> None:
    scene = next((archive / "sentinel-1-grd").glob("S1A_IW_GRDH_1SDV_20220916*"))
    with rasterio.open(scene / "vv.tif") as raster:
        decibel = raster.read(1)
    means = {kind: np.nanmean(decibel[burn(archive, osm.found[kind])]) for kind in ("water", "forest", "building")}
    assert means["water"] < means["forest"] - 5 < means["building"] - 7
