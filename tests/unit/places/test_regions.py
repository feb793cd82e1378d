"""Regions: land, countries and the user's own polygons."""

import json
from pathlib import Path

import antimeridian
import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely import MultiPolygon, Point, Polygon, box

from tasks.errors import PlacesError
from tasks.places.antimeridian import cut
from tasks.places.containment import grid_over
from tasks.places.regions import Region, load_region

EQUAL_AREA = "EPSG:6933"


def area(region: Region) -> float:
    """Million km2."""
    return gpd.GeoSeries(region.polygons, crs="EPSG:4326").to_crs(EQUAL_AREA).area.sum() / 1e12


def saved(
    folder: Path, *geometries: shapely.Geometry | None, crs: object = "EPSG:4326", name: str = "own.gpkg"
) -> Path:
    path = folder / name
    table = gpd.GeoDataFrame(geometry=list(geometries), crs=crs)
    if name.endswith("parquet"):
        table.to_parquet(path)
    else:
        table.to_file(path)
    return path


def plain(polygons: NDArray[np.object_], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    return shapely.intersects_xy(polygons[:, None], x, y).any(axis=0)


@pytest.fixture(scope="module")
def land() -> Region:
    return load_region("land")


# The world


@pytest.mark.parametrize(
    ("place", "lon", "lat", "expected"),
    [
        ("Chukotka, east of 180", -175.0, 66.5, True),
        ("Chukotka, west of 180", 178.0, 67.5, True),
        ("Chukotka, at 180", 180.0, 68.0, True),
        ("Chukotka, at -180", -180.0, 68.0, True),
        ("Wrangel Island, west of 180", 179.5, 71.2, True),
        ("Wrangel Island, east of 180", -179.5, 71.2, True),
        ("Siberia", 100.0, 60.0, True),
        ("Taveuni, Fiji, west of 180", 179.95, -16.9, True),
        ("Vanua Levu, Fiji", 179.2, -16.6, True),
        ("Rabi, Fiji, at 180 sea", -179.6, -16.5, False),
        ("Greenland's ice", -40.0, 72.0, True),
        ("the Pacific at 180", 180.0, 0.0, False),
        ("the Pacific", -150.0, 10.0, False),
        ("the Pacific off Chukotka", -178.0, 60.0, False),
        ("Caspian Sea", 51.0, 41.0, False),
        ("Lesotho", 28.2, -29.5, True),
        ("Rome and the Vatican", 12.4534, 41.9029, True),
        ("Antarctica", 0.0, -80.0, False),
        ("the North Pole", 0.0, 90.0, False),
    ],
)
def test_land_is_land(land: Region, place: str, lon: float, lat: float, expected: bool):
    assert bool(land.contains(lon, lat)) is expected, place


def test_land_has_its_area_and_no_antarctica(land: Region):
    assert area(land) == pytest.approx(134.4, rel=0.005)
    assert land.bounds[1] > -60
    assert land.bounds[::2] == (-180, 180)


def test_land_is_the_same_in_every_session(land: Region):
    # What corpora record: a change of world.parquet is a change of every corpus drawn from it.
    assert land.digest == "8b48d431a56220e4ec301f1344388b34d9cf5b689fda86f7b3f372aab080e1d7"
    assert land.name == "land"
    assert land.notes == ()


@pytest.mark.parametrize(("outer", "enclave", "lon", "lat"), [("ZA", "LS", 28.2, -29.5), ("IT", "SM", 12.46, 43.94)])
def test_enclaves_belong_to_themselves(outer: str, enclave: str, lon: float, lat: float):
    assert not load_region([outer]).contains(lon, lat)
    assert load_region([enclave]).contains(lon, lat)
    assert load_region([outer, enclave]).contains(lon, lat)


def test_europe_has_its_area():
    region = load_region(["EU27", "GB"])
    assert region.name == "EU27+GB"
    assert 4.4 < area(region) < 4.5
    inside = region.contains([2.35, -0.12, 24.9, 8.5], [48.85, 51.5, 60.2, 47.4])
    assert inside.tolist() == [True, True, True, False]  # Paris, London, Helsinki; not Zurich


def test_the_order_of_countries_does_not_change_the_digest():
    assert load_region(["FR", "DE"]).digest == load_region(["DE", "FR", "FR"]).digest
    assert load_region(["FR"]).digest != load_region(["DE"]).digest


def test_a_country_has_to_be_in_a_list():
    with pytest.raises(PlacesError, match=r"'FR' is no region.*\[FR\]"):
        load_region("FR")


# Points in polygons


@pytest.mark.parametrize("codes", [["RU"], ["CA"], ["NO"], ["IT"], ["FJ"]])
def test_contains_is_what_shapely_says(codes: list[str]):
    region = load_region(codes)
    rng = np.random.default_rng(1)
    west, south, east, north = region.bounds
    corners = shapely.get_coordinates(region.polygons)
    corners = corners[rng.choice(len(corners), min(2_000, len(corners)), replace=False)]
    # Anywhere, near the border, and on it.
    near = corners + rng.normal(scale=0.01, size=corners.shape)
    x = np.concatenate([rng.uniform(west - 1, east + 1, 2_000), near[:, 0], corners[:, 0]])
    y = np.concatenate([rng.uniform(south - 1, north + 1, 2_000), near[:, 1], corners[:, 1]])
    found = region.contains(x, y)
    tree = shapely.STRtree(region.polygons)
    expected = np.zeros(len(x), dtype=bool)
    expected[tree.query(shapely.points(x, y), predicate="intersects")[0]] = True
    np.testing.assert_array_equal(found, expected)
    assert found[-len(corners) :].all()


# Few values, so that edges run along tiles' borders, cross at points asked for, and polygons overlap.
coordinate = st.integers(-12, 12).map(lambda value: value / 4)
ring = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12)


@settings(max_examples=200, deadline=None)
@example(rings=[[(0.0, 0.0), (0.0, 0.25), (2.0, -1.75)]], scale=1e-6)  # an edge along the diagonals of tiles
@given(rings=st.lists(ring, min_size=1, max_size=4), scale=st.sampled_from([1e-6, 1.0, 50.0]))
def test_contains_is_what_shapely_says_of_any_polygons(rings: list[list[tuple[float, float]]], scale: float):
    made = shapely.make_valid(shapely.polygons([shapely.linearrings([*points, points[0]]) for points in rings]))
    parts = shapely.get_parts(shapely.get_parts(made))
    polygons = parts[shapely.area(parts) > 0]
    if len(polygons) == 0:
        return
    polygons = shapely.transform(polygons, lambda xy: xy * scale)
    x, y = (np.ravel(axis) for axis in np.meshgrid(*[np.arange(-26, 27) / 8 * scale] * 2))
    np.testing.assert_array_equal(grid_over(polygons).contain(x, y), plain(polygons, x, y))


def test_contains_keeps_the_shape_and_knows_no_nan(land: Region):
    lon, lat = np.meshgrid([2.35, -30.0, np.nan], [48.85, 46.0])
    assert land.contains(lon, lat).tolist() == [[True, False, False], [True, False, False]]
    assert land.contains(lon[0], 48.85).tolist() == [True, False, False]
    assert land.contains([], []).shape == (0,)


# Own polygons


@pytest.mark.parametrize("name", ["own.gpkg", "own.geojson", "own.parquet", "own.shp"])
def test_any_format(tmp_path: Path, name: str):
    region = load_region(saved(tmp_path, box(5, 50, 6, 51), name=name))
    assert region.name == name
    assert region.notes == ()
    assert region.bounds == (5, 50, 6, 51)
    assert region.contains([5.5, 5, 6.01], [50.5, 51, 50.5]).tolist() == [True, True, False]


@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:32632", "EPSG:2263"])
def test_straight_edges_stay_straight_in_any_crs(tmp_path: Path, crs: str):
    # 400 km a side in metres or feet: the border drawn between the corners in degrees would be kilometres off.
    centre = {"EPSG:3035": (4_321_000, 3_210_000), "EPSG:32632": (500_000, 5_300_000), "EPSG:2263": (984_250, 656_000)}
    x, y = centre[crs]
    half = 200_000 / (0.3048 if crs == "EPSG:2263" else 1)
    outline = box(x - half, y - half, x + half, y + half)
    region = load_region(saved(tmp_path, outline, crs=crs))
    for offset, inside in ((-1e-5, True), (1e-5, False)):  # 2 m
        border = shapely.get_coordinates(shapely.segmentize(outline.exterior, half / 7.3))
        points = (border - [x, y]) * (1 + offset) + [x, y]
        degrees = gpd.GeoSeries(shapely.points(points), crs=crs).to_crs("EPSG:4326")
        assert (region.contains(degrees.x.to_numpy(), degrees.y.to_numpy()) == inside).all()


def test_a_bow_tie_is_mended_with_both_wings(tmp_path: Path):
    bow_tie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    for crs, scale in (("EPSG:4326", 1), ("EPSG:32631", 10_000)):
        shapes = [shapely.transform(shape, lambda xy, scale=scale: xy * scale) for shape in (bow_tie, box(5, 0, 6, 1))]
        region = load_region(saved(tmp_path, *shapes, crs=crs, name=f"{scale}.gpkg"))
        assert region.notes == ("1 of 2 polygons had crossing rings and were mended",)
        points = gpd.GeoSeries(shapely.points(np.array([(0.2, 1), (1.8, 1), (1, 0.2), (1, 1.8)]) * scale), crs=crs)
        degrees = points.to_crs("EPSG:4326")
        assert region.contains(degrees.x, degrees.y).tolist() == [True, True, False, False]
        assert shapely.is_valid(region.polygons).all()


def test_holes_and_islands_are_kept(tmp_path: Path):
    lake = Polygon(box(0, 0, 9, 9).exterior, [box(3, 3, 6, 6).exterior])
    region = load_region(saved(tmp_path, MultiPolygon([lake, box(4, 4, 5, 5)])))
    assert region.contains([1, 3.5, 4.5], [1, 3.5, 4.5]).tolist() == [True, False, True]


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4258"])
@pytest.mark.parametrize(
    "across",
    [
        box(170, -20, 190, -10),
        box(-190, -20, -170, -10),
        Polygon([(170, -20), (-170, -20), (-170, -10), (170, -10)]),
        Polygon([(-170, -10), (170, -10), (170, -20), (-170, -20)]),
    ],
)
def test_polygons_across_180_are_cut_there(tmp_path: Path, across: Polygon, crs: str):
    region = load_region(saved(tmp_path, across, box(0, 0, 1, 1), crs=crs))
    assert "1 of 2 polygons cross the 180th meridian" in region.notes[0]
    assert len(region.polygons) == 3
    assert shapely.is_valid(region.polygons).all()
    lon = [175, 180, -180, -175, 169, -169, 0]
    assert region.contains(lon, -15.0).tolist() == [True, True, True, True, False, False, False]


def test_holes_across_180_are_kept(tmp_path: Path):
    outline = [(170, -20), (-170, -20), (-170, -10), (170, -10)]
    hole = [(178, -16), (-178, -16), (-178, -14), (178, -14)]
    region = load_region(saved(tmp_path, Polygon(outline, [hole])))
    assert region.contains([179, -179, 175, -175], -15.0).tolist() == [False, False, True, True]


def test_projected_polygons_across_180_are_cut_there(tmp_path: Path):
    # UTM zone 60 beyond its eastern edge.
    region = load_region(saved(tmp_path, box(600_000, 7_000_000, 900_000, 7_100_000), crs="EPSG:32660"))
    assert region.contains([179.9, -179.9, 170.0, 0.0], 63.5).tolist() == [True, True, False, False]
    assert area(region) == pytest.approx(0.03, rel=0.01)


@pytest.mark.parametrize(("crs", "south"), [("EPSG:3031", True), ("EPSG:3413", False)])
def test_a_polygon_round_a_pole(tmp_path: Path, crs: str, south: bool):
    ring = Point(0, 0).buffer(2_000_000, quad_segs=64).difference(Point(0, 0).buffer(500_000, quad_segs=64))
    region = load_region(saved(tmp_path, ring, crs=crs))
    lon = np.linspace(-180, 180, 25)
    sign = -1 if south else 1
    assert region.contains(lon, sign * 80.0).all()
    assert not region.contains(lon, sign * 88.0).any()
    assert not region.contains(lon, sign * 60.0).any()


def test_a_band_round_the_globe_stays_one(tmp_path: Path):
    region = load_region(saved(tmp_path, box(-180, -10, 180, 10)))
    assert region.contains(np.linspace(-180, 180, 25), 0.0).all()
    assert region.bounds == (-180, -10, 180, 10)


@settings(max_examples=100, deadline=None)
@given(
    west=st.integers(1000, 1790),
    steps=st.lists(st.tuples(st.integers(20, 300), st.integers(-300, 300)), min_size=4, max_size=8),
)
def test_cutting_agrees_with_the_package_antimeridian(west: int, steps: list[tuple[int, int]]):
    # A strip from `west` eastward, its northern and southern edges apart, beyond 180 in part or whole or not at all.
    lon = west / 10 + np.concatenate([[0], np.cumsum([step for step, _ in steps]) / 20])
    lat = np.array([0, *[height / 10 for _, height in steps]])
    strip = Polygon([*zip(lon, lat - 5, strict=True), *zip(lon[::-1], lat[::-1] + 5, strict=True)])
    jumping = shapely.transform(strip, lambda xy: np.column_stack([(xy[:, 0] + 180) % 360 - 180, xy[:, 1]]))
    ours = MultiPolygon(cut(jumping, name="strip").parts)
    theirs = antimeridian.fix_polygon(jumping, great_circle=False, fix_winding=True)
    assert ours.is_valid
    assert ours.area == pytest.approx(strip.area)
    assert ours.symmetric_difference(theirs).area < 1e-6


def test_what_is_no_polygon_is_left_out_with_a_note(tmp_path: Path):
    region = load_region(saved(tmp_path, box(0, 0, 1, 1), Point(5, 5), None, name="own.geojson"))
    assert set(region.notes) == {
        "1 of 3 features are empty and were left out",
        "1 of 3 features are not polygons and were left out",
    }


def test_heights_do_not_matter(tmp_path: Path):
    flat = load_region(saved(tmp_path, box(0, 0, 1, 1)))
    high = load_region(saved(tmp_path, shapely.force_3d(box(0, 0, 1, 1), 7.0), name="high.gpkg"))
    assert high.digest == flat.digest
    assert high.name != flat.name


# Refusals


@pytest.mark.filterwarnings("ignore:'crs' was not provided:UserWarning")  # pyogrio, as the file is written
def test_a_file_without_a_crs_is_refused(tmp_path: Path):
    for name in ("own.shp", "own.parquet"):
        path = saved(tmp_path, box(0, 0, 1, 1), crs=None, name=name)
        with pytest.raises(PlacesError, match=rf"{name} has no CRS.*set_crs"):
            load_region(path)


def test_geojson_needs_no_crs(tmp_path: Path):
    path = tmp_path / "own.geojson"
    path.write_text(json.dumps(shapely.geometry.mapping(box(0, 0, 1, 1))))
    assert load_region(path).contains(0.5, 0.5)


def test_files_without_polygons_are_refused(tmp_path: Path):
    with pytest.raises(PlacesError, match="has no features"):
        load_region(saved(tmp_path, name="none.parquet"))
    with pytest.raises(PlacesError, match="no polygons: 2 of its 2 features are something else"):
        load_region(saved(tmp_path, Point(0, 0), Point(1, 1), name="points.gpkg"))
    with pytest.raises(PlacesError, match=r"no polygons.*2 are empty"):
        load_region(saved(tmp_path, Polygon(), None, name="empty.parquet"))
    with pytest.raises(PlacesError, match="none of its 1 polygons has an area"):
        load_region(saved(tmp_path, Polygon([(0, 0), (1, 1), (0, 0)]), name="line.gpkg"))


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        (box(500_000, 5_000_000, 510_000, 5_010_000), "longitudes 500000 to 510000"),
        (box(0, 89, 1, 91), "latitudes 89 to 91"),
        (box(300, 0, 370, 1), "longitudes 300 to 370"),
    ],
)
def test_coordinates_out_of_range_name_the_feature(tmp_path: Path, shape: Polygon, found: str):
    with pytest.raises(PlacesError, match=rf"feature 2 of 2 reaches .*{found}.*expected degrees"):
        load_region(saved(tmp_path, box(0, 0, 1, 1), shape))


def test_coordinates_outside_the_crs_name_the_feature(tmp_path: Path):
    far = box(1e9, 1e9, 1.1e9, 1.1e9)
    with pytest.raises(PlacesError, match=r"feature 1 of 1 has coordinates that are no places in ETRS89.*EPSG:3035"):
        load_region(saved(tmp_path, far, crs="EPSG:3035"))


def test_a_ring_wider_than_the_globe_names_the_feature(tmp_path: Path):
    wide = shapely.segmentize(box(-200, 0, 200, 1), 10)
    with pytest.raises(PlacesError, match="feature 1 of 1: a ring spans 400 degrees"):
        load_region(saved(tmp_path, wide))


def test_several_layers_of_polygons_are_refused(tmp_path: Path):
    path = tmp_path / "own.gpkg"
    for layer in ("fields", "woods"):
        gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs="EPSG:4326").to_file(path, layer=layer)
    with pytest.raises(PlacesError, match=r"several layers of polygons \(fields, woods\)"):
        load_region(path)


def test_one_layer_of_polygons_among_others_is_read(tmp_path: Path):
    path = tmp_path / "own.gpkg"
    gpd.GeoDataFrame(geometry=[Point(0, 0)], crs="EPSG:4326").to_file(path, layer="wells")
    gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs="EPSG:4326").to_file(path, layer="woods")
    assert load_region(path).contains(0.5, 0.5)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path):
    with pytest.raises(PlacesError, match="does not exist"):
        load_region(tmp_path / "missing.gpkg")
    for name in ("noise.gpkg", "noise.parquet", "noise.geojson"):
        (tmp_path / name).write_bytes(b"no polygons here")
        with pytest.raises(PlacesError, match=rf"{name} cannot be read"):
            load_region(tmp_path / name)
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(PlacesError, match="has no geometry"):
        load_region(table)
