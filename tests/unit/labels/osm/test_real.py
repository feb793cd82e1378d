"""Real extracts against GDAL: every object, its classes and its shape, and every pixel of some patches.

Three rules of ours differ from GDAL's, and nothing else does:

- An area whose rings cross themselves, stay open or have no area is not drawn, as osmium has it (and osm2pgsql).
  GDAL closes open rings, and fills crossed ones. An extract that cuts ways, as Aachen's does, has such rings.
- A closed way with a class is drawn, even where it is the outer ring of a multipolygon too. GDAL leaves such ways out.
- GDAL gives areas their tags alone; what is a line, an area or nothing is said by the class file.
"""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from tasks.labels.osm.extract import Counts, features_of
from tasks.labels.osm.layer import open_osm
from tasks.labels.osm.rules import Rules
from tasks.labels.osm.scheme import load_scheme
from tasks.places.patches import Patch
from tests.unit.labels.osm.by_gdal import KINDS, SCHEME, Thing, outers_of_multipolygons, raster, things_of
from tests.unit.labels.osm.world import ingest, places_of, spec_over

DATA = Path(__file__).parents[5] / "shared" / "data" / "labels"

OPEN = {
    "aachen.osm.pbf": {"r1307702", "r2230577", "r2628371", "r12823615"},
    "liechtenstein-2021.osm.pbf": set[str](),
}
"""Multipolygons whose outer ring stays open, which GDAL closes."""

LOST = {"aachen.osm.pbf": 24, "liechtenstein-2021.osm.pbf": 0}
"""Areas that are not drawn; closed ways of two points and less have none that could be lost."""

DRAWN = {
    "aachen.osm.pbf": [(6.137, 50.787), (6.08, 50.752)],
    "liechtenstein-2021.osm.pbf": [(9.521, 47.139), (9.505, 47.165), (9.56, 47.08)],
}
"""Centres of patches: cut by the extract's border; towns, forests, the Rhine, the Alps."""

SIDE = 250

pytestmark = [
    pytest.mark.skipif(not DATA.exists(), reason="the real extracts are not there"),
    pytest.mark.skipif("OSM" not in pyogrio.list_drivers(), reason="this GDAL has no OSM driver"),
    # GDAL says of every open ring that it is one.
    pytest.mark.filterwarnings("ignore:Non closed ring", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", params=["aachen.osm.pbf", "liechtenstein-2021.osm.pbf"])
def extract(request: pytest.FixtureRequest) -> Path:
    return DATA / request.param


@pytest.fixture(scope="module")
def theirs(extract: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Thing]:
    return things_of(extract, tmp_path_factory.mktemp("gdal"))


@pytest.fixture(scope="module")
def ours(extract: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[tuple[str, str], Thing], Counts]:
    counts = Counts()
    scratch = tmp_path_factory.mktemp("scratch")
    found: dict[tuple[str, str], Thing] = {}
    for item in features_of(extract, Rules(load_scheme()), counts, scratch, lambda done: None):
        classes = frozenset(number for number in range(1, 33) if item.bits >> (number - 1) & 1)
        thing = Thing(
            KINDS[item.kind], f"{item.element}{item.osm_id}", classes,
            shapely.from_wkb(item.shape) if item.kind else shapely.Point(item.shape),
        )  # fmt: skip
        found[thing.kind, thing.number] = thing
    return found, counts


def test_every_object_has_the_classes_and_the_shape_that_gdal_gives_it(
    extract: Path, ours: tuple[dict[tuple[str, str], Thing], Counts], theirs: dict[tuple[str, str], Thing]
) -> None:
    found, counts = ours
    both = sorted(found.keys() & theirs.keys())
    assert len(both) > 40_000
    assert [one for one in both if found[one].classes != theirs[one].classes] == []
    mine, other = (np.array([things[one].shape for one in both], object) for things in (found, theirs))
    whole = shapely.is_valid(mine) & shapely.is_valid(other)
    apart = shapely.area(shapely.symmetric_difference(mine[whole], other[whole]))
    apart += np.abs(shapely.length(mine[whole]) - shapely.length(other[whole])) * 1e-6
    assert [one for one, much in zip(np.array(both)[whole].tolist(), apart, strict=True) if much > 1e-13] == []
    assert np.count_nonzero(~whole) < 20, "rings that touch themselves, of which the pixels are compared"

    missing = [theirs[one] for one in sorted(theirs.keys() - found.keys())]
    assert {thing.kind for thing in missing} <= {"polygon"}
    assert {thing.number for thing in missing if shapely.is_valid(thing.shape)} == OPEN[extract.name]
    with_area = {thing.number for thing in missing if shapely.area(thing.shape) > 0}
    assert (counts.lost_areas, counts.cut_areas) == (LOST[extract.name], 0)
    assert len(with_area) <= counts.lost_areas, "of the others GDAL has nothing either"

    more = {one[1] for one in found.keys() - theirs.keys()}
    assert more == set(outers_of_multipolygons(extract, more))


def test_every_pixel_is_that_of_gdal(
    extract: Path,
    ours: tuple[dict[tuple[str, str], Thing], Counts],
    theirs: dict[tuple[str, str], Thing],
    tmp_path: Path,
) -> None:
    found, _ = ours
    omitted = outers_of_multipolygons(extract, {one[1] for one in found.keys() - theirs.keys()})
    rings = [found["polygon", number]._replace(shape=shape) for number, shape in omitted.items()]
    expected = [*(theirs[one] for one in theirs.keys() & found.keys()), *rings]
    tree = shapely.STRtree([thing.shape for thing in expected])
    centres = gpd.GeoDataFrame(geometry=[shapely.Point(at) for at in DRAWN[extract.name]], crs=4326)
    centres.to_file(tmp_path / "centres.gpkg")
    spec = spec_over(
        tmp_path, places={"points": str(tmp_path / "centres.gpkg")}, patch={"pixels": SIDE}, accept=["uncovered"]
    )
    ingest(spec, extract)
    places = places_of(spec)
    layer = open_osm(spec, places)
    pixels = 0
    for shard in range(places.shards(None)):
        patches = places.draws(shard).patches
        rendered = layer.render(patches, shard)
        for index in range(len(patches)):
            patch = patches[index]
            near = tree.query(shapely.buffer(patches.outlines()[index], 0.002))
            for kind in KINDS:
                some = [expected[at] for at in near if expected[at].kind == kind]
                shapes = _in_pixels(some, patch)
                for item in SCHEME[kind]:
                    number = item["id"]
                    mine = np.array([number in thing.classes for thing in some], bool)
                    gdal = raster(kind, number, shapes[mine], SIDE)
                    held = (rendered[f"labels/osm_{kind}"][index] >> np.uint32(number - 1)) & 1 != 0
                    assert np.count_nonzero(held != gdal) == 0, f"{kind} {item['name']}, patch {index}"
                    pixels += np.count_nonzero(gdal)
    print(f"{extract.name}: {pixels:,} pixels with a class, none different")
    assert pixels > 100_000


def _in_pixels(things: list[Thing], patch: Patch) -> NDArray[Any]:
    shapes = np.empty(len(things), object)
    shapes[:] = [thing.shape for thing in things]
    to_utm = Transformer.from_crs(4326, patch.epsg, always_xy=True).transform

    def to_pixels(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = to_utm(lonlat[:, 0], lonlat[:, 1])
        return np.stack([(x - patch.xmin) / 10, (patch.ymax - y) / 10], axis=1)

    return shapely.transform(shapes, to_pixels)
