"""Cover: tiles over polygons, without gaps or overlap."""

import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from shapely import Polygon

from tasks import notices
from tasks.errors import PlacesError
from tasks.places import tiling as module
from tasks.places.draws import ListedPlaces, instants_of_points
from tasks.places.opening import open_places
from tasks.places.patches import utm_epsg
from tasks.places.tiling import load_cover
from tasks.spec import CorpusSpec

WINDOW = (1_514_764_800_000_000, 1_609_459_200_000_000)
PIXELS, SIDE = 100, 1_000
"""Tiles of 1 km."""


def saved(folder: Path, polygons: list[Any], *, crs: Any = 4326, name: str = "farms.parquet") -> Path:
    path = folder / name
    frame = gpd.GeoDataFrame(geometry=polygons, crs=crs)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    return path


def covered(path: Path, *, pixels: int = PIXELS, seed: int = 1, shard_size: int = 10) -> ListedPlaces:
    return load_cover(path, pixels=pixels, seed=seed, window=WINDOW, shard_size=shard_size)


def tiles(found: ListedPlaces, epsg: int | None = None) -> set[tuple[int, int]]:
    """Lower left corners in metres, of one zone."""
    patches = found.patches
    side = 10 * patches.pixels
    zones = patches.epsg if epsg is None else np.full(len(patches), epsg)
    here = patches.epsg == zones
    return set(zip(patches.xmin[here].tolist(), (patches.ymax[here] - side).tolist(), strict=True))


def metres(polygon: shapely.Geometry, epsg: int) -> shapely.Geometry:
    """A polygon in degrees, its edges straight in degrees, in a zone."""
    to = Transformer.from_crs(4326, epsg, always_xy=True)
    return shapely.transform(shapely.segmentize(polygon, 0.002), lambda xy: np.stack(to.transform(*xy.T), axis=1))


def degrees(polygon: shapely.Geometry, epsg: int) -> shapely.Geometry:
    to = Transformer.from_crs(epsg, 4326, always_xy=True)
    return shapely.transform(shapely.segmentize(polygon, 200), lambda xy: np.stack(to.transform(*xy.T), axis=1))


def shares(region: shapely.Geometry, side: int) -> dict[tuple[int, int], float]:
    """Share of each lattice tile round `region` (metres) that lies in it."""
    west, south, east, north = np.floor(np.array(shapely.bounds(region)) / side).astype(int)
    shapely.prepare(region)
    found: dict[tuple[int, int], float] = {}
    for column in range(west - 1, east + 2):
        for row in range(south - 1, north + 2):
            box = shapely.box(column * side, row * side, (column + 1) * side, (row + 1) * side)
            found[column * side, row * side] = shapely.area(shapely.intersection(region, box)) / side**2
    return found


@st.composite
def stars(draw: st.DrawFn) -> tuple[list[Polygon], int]:
    """One to three polygons, some with a hole, which may touch and overlap, well inside one UTM zone; and its code."""
    zone = draw(st.sampled_from([1, 17, 30, 38, 60]))
    lat = draw(st.floats(-78, -0.5) | st.floats(0.5, 82))
    lon = 6 * zone - 183 + draw(st.floats(-1.0, 1.0) if abs(lat) < 70 else st.floats(-0.3, 0.3))
    epsg = int(utm_epsg(np.array([lon]), np.array([lat]))[0])
    wide = 0.1 / np.cos(np.radians(lat))
    polygons = []
    for _ in range(draw(st.integers(1, 3))):
        centre = lon + draw(st.floats(-0.5, 0.5)) * wide, lat + draw(st.floats(-0.05, 0.05))
        radii = np.array(draw(st.lists(st.floats(0.05, 0.6), min_size=3, max_size=8)))
        angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
        ring = [
            (centre[0] + r * wide * np.cos(a), centre[1] + 0.1 * r * np.sin(a))
            for r, a in zip(radii, angles, strict=True)
        ]
        polygon = Polygon(ring)
        if draw(st.booleans()):
            hole = shapely.affinity.scale(polygon, 0.4, 0.4, origin=(*centre, 0))
            polygon = polygon.difference(hole)
        polygons += [part for part in shapely.get_parts(polygon) if part.area > 0]
    return polygons, epsg


@given(stars())
@settings(max_examples=60)
def test_the_tiles_are_those_of_which_more_than_half_lies_inside(
    tmp_path_factory: pytest.TempPathFactory, given_: tuple[list[Polygon], int]
) -> None:
    polygons, epsg = given_
    path = saved(tmp_path_factory.mktemp("cover"), polygons)
    expected = shares(shapely.union_all([metres(polygon, epsg) for polygon in polygons]), SIDE)
    if max(expected.values()) < 0.51:
        return
    found = covered(path)
    assert set(found.patches.epsg.tolist()) == {epsg}
    kept = tiles(found)
    assert len(kept) == len(found.patches), "each tile once"
    for tile, share in expected.items():
        # Between vertices a straight edge is off by a metre or so.
        if abs(share - 0.5) > 0.005:
            assert (tile in kept) == (share > 0.5), (tile, share)
    assert kept <= set(expected)


def test_tiles_lie_on_the_lattice_of_their_side_north_to_south_and_west_to_east(tmp_path: Path) -> None:
    patches = covered(saved(tmp_path, [shapely.box(8.8, 44.9, 9.3, 45.1)])).patches
    assert (patches.xmin % SIDE == 0).all()
    assert (patches.ymax % SIDE == 0).all()
    order = list(zip((-patches.ymax).tolist(), patches.xmin.tolist(), strict=True))
    assert order == sorted(order)
    assert len(order) > 500


def test_a_whole_number_of_tiles_is_covered_exactly(tmp_path: Path) -> None:
    square = shapely.box(500_000, 5_000_000, 505_000, 5_003_000)
    for crs, polygon in ((32632, square), (4326, degrees(square, 32632))):
        found = covered(saved(tmp_path, [polygon], crs=crs, name=f"{crs}.parquet"))
        assert tiles(found) == {(500_000 + 1000 * i, 5_000_000 + 1000 * j) for i in range(5) for j in range(3)}


def test_a_tile_that_straddles_the_border_is_kept_if_more_than_half_of_it_is_inside(tmp_path: Path) -> None:
    for width, kept in ((1_480, 1), (1_520, 2)):
        path = saved(tmp_path, [shapely.box(500_000, 5_000_000, 500_000 + width, 5_001_000)], crs=32632)
        assert len(covered(path).patches) == kept


@pytest.mark.parametrize("pixels", [16, 64, 250, 1024])
def test_tiles_are_as_large_as_patches(tmp_path: Path, pixels: int) -> None:
    side = 10 * pixels
    column, row = 500_000 // side, 5_000_000 // side
    box = shapely.box(column * side, row * side, (column + 3) * side, (row + 2) * side)
    path = saved(tmp_path, [box], crs=32632)
    found = covered(path, pixels=pixels)
    assert found.patches.pixels == pixels
    assert tiles(found) == {((column + i) * side, (row + j) * side) for i in range(3) for j in range(2)}


# Several polygons


def test_polygons_that_overlap_are_covered_once(tmp_path: Path) -> None:
    first, second = shapely.box(8.8, 45.0, 9.0, 45.1), shapely.box(8.9, 45.05, 9.1, 45.2)
    both = covered(saved(tmp_path, [first, second, first]))
    union = covered(saved(tmp_path, [shapely.union(first, second)], name="union.parquet"))
    assert tiles(both) == tiles(union)
    assert len(both.patches) == len(tiles(both))


def test_slivers_that_overlap_do_not_count_a_place_twice(tmp_path: Path) -> None:
    # Two polygons on the same 40 % of a tile are not 80 % of it; two that lie side by side are.
    low, high = shapely.box(500_000, 5_000_000, 501_000, 5_000_400), shapely.box(500_000, 5_000_400, 501_000, 5_000_800)
    with pytest.raises(PlacesError):
        covered(saved(tmp_path, [low, low], crs=32632))
    assert len(covered(saved(tmp_path, [low, high], crs=32632)).patches) == 1


def test_polygons_that_share_a_border_leave_no_gap_along_it(tmp_path: Path) -> None:
    # 400 parcels of 330 m, none of which fills half a tile.
    parcels = [
        shapely.box(x, y, x + 330, y + 330)
        for x in np.arange(500_000, 506_600, 330)
        for y in np.arange(5_000_000, 5_006_600, 330)
    ]
    whole = saved(tmp_path, [shapely.box(500_000, 5_000_000, 506_600, 5_006_600)], crs=32632, name="whole.parquet")
    assert tiles(covered(saved(tmp_path, parcels, crs=32632))) == tiles(covered(whole))


def test_holes_are_not_covered(tmp_path: Path) -> None:
    hole = shapely.box(503_000, 5_003_000, 507_000, 5_006_000)
    found = tiles(
        covered(saved(tmp_path, [shapely.box(500_000, 5_000_000, 510_000, 5_010_000).difference(hole)], crs=32632))
    )
    assert len(found) == 100 - 12
    assert not any(503_000 <= x < 507_000 and 5_003_000 <= y < 5_006_000 for x, y in found)


def test_the_order_of_polygons_does_not_matter(tmp_path: Path) -> None:
    parts = [shapely.box(8.8, 44.9, 9.0, 45.0), shapely.box(11.9, 45.0, 12.2, 45.1), shapely.box(20, -1, 20.1, 1)]
    first, second = covered(saved(tmp_path, parts)), covered(saved(tmp_path, parts[::-1], name="b.parquet"))
    assert first.digest == second.digest
    assert [first.patches[i] for i in range(9)] == [second.patches[i] for i in range(9)]


# Zones and hemispheres


def overlapping(found: ListedPlaces, epsg: int) -> int:
    """Pairs of tiles that share more than rounding, seen in the metres of one zone."""
    outlines = np.array([metres(outline, epsg) for outline in found.patches.outlines()])
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    pairs = first < second
    return int((shapely.area(shapely.intersection(outlines[first[pairs]], outlines[second[pairs]])) > 1).sum())


def gap(found: ListedPlaces, region: shapely.Geometry, epsg: int, side: int) -> float:
    """Square metres not covered, over a tile inside the region, less what is narrower than a tile's diagonal."""
    outlines = [metres(outline, epsg) for outline in found.patches.outlines()]
    inner = shapely.buffer(metres(region, epsg), -1.5 * side)
    bare = shapely.difference(inner, shapely.buffer(shapely.union_all(outlines), 1))
    return float(shapely.area(shapely.buffer(bare, -side / 2**0.5)))


@pytest.mark.parametrize(
    ("region", "epsg"),
    [
        (shapely.box(5.8, 45.0, 6.2, 45.2), 32632),
        (shapely.box(5.6, 45.0, 6.1, 45.2), 32631),
        (shapely.box(5.9, 45.0, 6.49, 45.2), 32632),
        (shapely.box(2.9, 60.0, 3.3, 60.1), 32632),  # 32V begins at 3 degrees east
        (shapely.box(8.8, 78.0, 9.4, 78.1), 32633),
        (shapely.box(5.9, 55.9, 6.1, 56.1), 32632),
    ],
)
def test_a_polygon_across_a_border_of_zones_is_tiled_whole_in_the_zone_of_its_representative_point(
    tmp_path: Path, region: shapely.Polygon, epsg: int
) -> None:
    found = covered(saved(tmp_path, [region]))
    assert set(found.patches.epsg.tolist()) == {epsg}
    expected = shares(metres(region, epsg), SIDE)
    sure = {tile for tile, share in expected.items() if abs(share - 0.5) > 0.005}
    assert tiles(found) & sure == {tile for tile in sure if expected[tile] > 0.5}
    assert overlapping(found, epsg) == 0


def test_parcels_that_touch_across_a_border_of_zones_are_one_polygon(tmp_path: Path) -> None:
    parcels = [shapely.box(5.8 + 0.05 * i, 45.0, 5.85 + 0.05 * i, 45.1) for i in range(8)]
    found = covered(saved(tmp_path, parcels))
    assert len(set(found.patches.epsg.tolist())) == 1
    assert overlapping(found, 32632) == 0
    assert gap(found, shapely.box(5.8, 45.0, 6.2, 45.1), 32632, SIDE) == 0


@pytest.mark.parametrize("pixels", [100, 256])
@pytest.mark.parametrize(
    ("region", "epsgs"),
    [
        (shapely.box(5.4, 45.0, 6.6, 45.2), {32631, 32632}),
        (shapely.box(11.4, -0.3, 12.6, 0.3), {32632, 32633, 32732, 32733}),
        (shapely.box(2.0, 60.0, 3.7, 60.1), {32631, 32632}),
        (shapely.box(20.0, 78.0, 22.0, 78.1), {32633, 32635}),
    ],
)
def test_a_larger_polygon_is_cut_along_the_border_without_overlap_and_with_gaps_narrower_than_its_diagonal(
    tmp_path: Path, region: shapely.Polygon, epsgs: set[int], pixels: int
) -> None:
    found = covered(saved(tmp_path, [region]), pixels=pixels)
    assert set(found.patches.epsg.tolist()) == epsgs
    assert (np.diff(found.patches.epsg % 100) >= 0).all(), "zone by zone"
    assert overlapping(found, min(epsgs)) == 0
    assert gap(found, region, min(epsgs), 10 * pixels) == 0
    assert any("1 of 1 connected polygons are wider" in note for note in found.notes)


def test_tiles_of_polygons_in_different_zones_do_not_overlap(tmp_path: Path) -> None:
    west, east = shapely.box(5.7, 45.0, 6.0, 45.2), shapely.box(6.001, 45.0, 6.3, 45.2)
    found = covered(saved(tmp_path, [west, east]))
    assert set(found.patches.epsg.tolist()) == {32631, 32632}
    assert overlapping(found, 32632) == 0
    assert gap(found, shapely.box(5.7, 45.0, 6.3, 45.2), 32632, SIDE) == 0


def test_a_large_polygon_across_the_antimeridian_has_no_overlap_there(tmp_path: Path) -> None:
    region = shapely.box(179.0, 10.0, 181.0, 10.2)
    found = covered(saved(tmp_path, [region]))
    assert set(found.patches.epsg.tolist()) == {32660, 32601}
    assert overlapping(found, 32660) == 0
    assert gap(found, region, 32660, SIDE) == 0


@pytest.mark.parametrize("pixels", [100, 800])
def test_a_polygon_of_many_vertices_has_the_tiles_of_its_shape(tmp_path: Path, pixels: int) -> None:
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    radius = 0.15 + 0.02 * np.sin(40 * angle)
    region = Polygon(np.column_stack([9 + radius * np.cos(angle), 45 + radius * np.sin(angle)]))
    expected = shares(metres(region, 32632), 10 * pixels)
    sure = {tile for tile, share in expected.items() if abs(share - 0.5) > 0.005}
    assert tiles(covered(saved(tmp_path, [region]), pixels=pixels)) & sure == {
        tile for tile in sure if expected[tile] > 0.5
    }


def test_southern_tiles_count_from_the_false_northing(tmp_path: Path) -> None:
    found = covered(saved(tmp_path, [shapely.box(151.0, -34.0, 151.2, -33.9)]))
    assert set(found.patches.epsg.tolist()) == {32756}
    expected = shares(metres(shapely.box(151.0, -34.0, 151.2, -33.9), 32756), SIDE)
    sure = {tile for tile, share in expected.items() if abs(share - 0.5) > 0.005}
    assert tiles(found) & sure == {tile for tile in sure if expected[tile] > 0.5}


@pytest.mark.parametrize("pixels", [100, 256])
def test_across_the_equator_there_is_one_lattice_and_each_tile_has_its_own_hemisphere(
    tmp_path: Path, pixels: int
) -> None:
    found = covered(saved(tmp_path, [shapely.box(20.0, -0.1, 20.1, 0.1)]), pixels=pixels)
    side, south = 10 * pixels, found.patches.epsg == 32734
    assert set(found.patches.epsg.tolist()) == {32634, 32734}
    assert south.sum() * 2 == len(south)
    assert found.patches.ymax[south].max() == 10_000_000
    assert found.patches.ymax[~south].min() == side
    assert len(set(zip(found.patches.xmin.tolist(), found.patches.ymax.tolist(), strict=True))) == len(south)
    assert overlapping(found, 32634) == 0
    assert gap(found, shapely.box(20.0, -0.1, 20.1, 0.1), 32634, side) == 0


@pytest.mark.parametrize(
    "polygon",
    [
        shapely.box(179.9, 65.0, 180.1, 65.1),
        Polygon([(179.9, 65.0), (-179.9, 65.0), (-179.9, 65.1), (179.9, 65.1)]),
        shapely.MultiPolygon([shapely.box(179.9, 65.0, 180.0, 65.1), shapely.box(-180.0, 65.0, -179.9, 65.1)]),
    ],
)
def test_a_polygon_across_the_antimeridian_is_covered_on_both_sides_in_one_zone(tmp_path: Path, polygon: Any) -> None:
    found = covered(saved(tmp_path, [polygon]))
    assert set(found.patches.epsg.tolist()) == {32601}
    assert overlapping(found, 32601) == 0
    lon, _ = found.patches.centres()
    assert (np.abs(lon) > 179.85).all()
    assert set(np.sign(lon)) == {-1, 1}
    assert len(found.patches) == pytest.approx(9.4 * 11.1, rel=0.15)


# What the places are


def test_a_polygon_in_another_crs_is_the_same_place(tmp_path: Path) -> None:
    region = shapely.box(8.8, 44.9, 9.2, 45.1)
    there = gpd.GeoSeries([shapely.segmentize(region, 0.01)], crs=4326).to_crs(3035)
    first = tiles(covered(saved(tmp_path, [region])))
    second = tiles(covered(saved(tmp_path, list(there), crs=3035, name="laea.gpkg")))
    assert len(first ^ second) <= 2


def test_each_tile_is_used_once_in_order_with_a_seeded_instant(tmp_path: Path) -> None:
    path = saved(tmp_path, [shapely.box(500_000, 5_000_000, 505_000, 5_003_000)], crs=32632)
    found = covered(path, seed=7)
    assert found.capacity == 2
    assert found.shards(None) == 2
    assert [len(found.draws(shard)) for shard in range(2)] == [10, 5]
    draws = found.draws(1)
    assert draws.alternatives == 1, "in another zone tiles would overlap"
    assert draws.cell.tolist() == [10, 11, 12, 13, 14]
    assert [draws.patches[i] for i in range(5)] == [found.patches[i] for i in range(10, 15)]
    assert np.array_equal(found.preferred, instants_of_points(15, 7, WINDOW))
    assert found.digest != covered(path, seed=8).digest
    assert found.digest == covered(path, seed=7).digest


def test_a_spec_with_cover_opens_its_tiles(tmp_path: Path) -> None:
    saved(tmp_path, [shapely.box(8.8, 44.9, 9.0, 45.0)], name="farms.gpkg")
    spec = CorpusSpec.model_validate(
        {
            "name": "farms",
            "seed": 4,
            "places": {"cover": str(tmp_path / "farms.gpkg")},
            "window": ["2018-01-01", "2021-01-01"],
            "patch": {"pixels": PIXELS},
            "destinations": ["out"],
        }
    )
    found = open_places(spec)
    assert isinstance(found, ListedPlaces)
    assert found.digest == covered(tmp_path / "farms.gpkg", seed=4).digest


def test_rings_that_cross_are_mended_and_it_is_said(tmp_path: Path) -> None:
    bow = Polygon([(8.8, 44.9), (9.2, 45.1), (9.2, 44.9), (8.8, 45.1)])
    found = covered(saved(tmp_path, [bow]))
    assert any("were mended" in note for note in found.notes)
    assert len(found.patches) > 150, "both wings"


# Covers that take long


def test_tiles_are_the_same_however_many_are_measured_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, [shapely.Point(8.9, 45.0).buffer(0.2), shapely.Point(9.1, 45.0).buffer(0.1)])
    whole = covered(path)
    for at_once in (1, 7, 500):
        monkeypatch.setattr(module, "TILES_AT_ONCE", at_once)
        assert covered(path).digest == whole.digest


def test_a_slow_one_says_what_is_done_and_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, [shapely.box(5.4, 45.0, 6.6, 45.4)])
    with caplog.at_level("INFO", "deepsentinel"):
        covered(path)
    assert not caplog.messages, "nothing of what is done at once"
    monkeypatch.setattr(module, "TILES_AT_ONCE", 500)
    monkeypatch.setattr(notices, "NEXT", 0.0)
    with caplog.at_level("INFO", "deepsentinel"):
        count = len(covered(path).patches)
    told = [
        re.fullmatch(rf"places.cover: tiling {path}: ([\d,]+) of ([\d,]+), \d+ s", line) for line in caplog.messages
    ]
    assert len(told) > 5
    done, expected = np.array([[int(n.replace(",", "")) for n in line.groups()] for line in told if line]).T
    assert (np.diff(done) >= 0).all()
    assert done[-1] == pytest.approx(count, rel=0.02)
    assert (expected == expected[0]).all()
    assert expected[0] == pytest.approx(count, rel=0.02)


# What is refused


def test_polygons_too_small_for_a_tile_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = saved(tmp_path, [shapely.box(9.0, 45.0, 9.001, 45.001)])
    with pytest.raises(PlacesError, match="no tile of 1 km lies more than half inside") as caught:
        covered(path)
    assert str(path) in str(caught.value)
    assert "smaller patches" in str(caught.value)


@pytest.mark.parametrize("lat", [-85.0, 85.0])
def test_a_polygon_where_utm_is_not_defined_is_refused(tmp_path: Path, lat: float) -> None:
    with pytest.raises(PlacesError):
        covered(saved(tmp_path, [shapely.box(9.0, lat, 10.0, lat + 1)]))


def test_what_lies_beyond_the_latitudes_of_utm_is_left_out_and_it_is_said(tmp_path: Path) -> None:
    note = "1 of 2 polygons reach beyond the latitudes of UTM (80 S to 84 N); what lies beyond was left out"
    inside, across = shapely.box(9.0, 45.0, 9.1, 45.1), shapely.box(9.2, 83.9, 9.6, 84.2)
    found = covered(saved(tmp_path, [inside, across]))
    assert note in found.notes
    assert found.patches.centres()[1].max() == pytest.approx(84, abs=0.02)
    assert covered(saved(tmp_path, [inside], name="inside.parquet")).notes == ()
    with pytest.raises(PlacesError, match=r"1 of 1 polygons reach beyond the latitudes of UTM"):
        covered(saved(tmp_path, [shapely.box(9, 85, 10, 86)], name="beyond.parquet"))


@pytest.mark.parametrize("name", ["farms.geoparquet", "FARMS.PARQUET"])
def test_geoparquet_is_read_whatever_its_suffix(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, [shapely.box(9.0, 45.0, 9.1, 45.1)]).rename(tmp_path / name)
    assert len(covered(path).patches) > 50


def test_too_many_tiles_are_refused_before_they_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TILES_A_ZONE", 1_000)
    path = saved(tmp_path, [shapely.box(8.0, 44.0, 9.0, 45.0)])
    with pytest.raises(PlacesError, match="over 1,000 tiles in one UTM zone"):
        covered(path)


def test_a_file_without_a_crs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlacesError, match="has no CRS"):
        covered(saved(tmp_path, [shapely.box(8, 44, 9, 45)], crs=None))
