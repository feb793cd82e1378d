"""Draws over the planet: as many to an area anywhere, none on another, all inside; and the cells kept for next time."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from tasks import notices
from tasks.places import cells as module
from tasks.places.draws import RandomPlaces, draw_region
from tasks.places.lattice import Lattice
from tasks.places.patches import Patches
from tasks.places.regions import Region, load_region

WINDOW = (1_514_764_800_000_000, 1_609_459_200_000_000)

EQUAL_AREA = Transformer.from_crs(4326, 6933, always_xy=True)
"""Degrees to the cylindrical equal-area projection of the ellipsoid (EASE-Grid 2.0): parallels are straight lines."""

CELL = 5_000.0**2


def region(*polygons: shapely.Polygon, digest: str = "test") -> Region:
    return Region(name="test", polygons=np.array(polygons, dtype=object), digest=digest)


def drawn(where: Region, *, seed: int = 1, shard_size: int = 1000, pixels: int = 250, **more: Any) -> RandomPlaces:
    return draw_region(where, pixels=pixels, seed=seed, window=WINDOW, shard_size=shard_size, **more)


def equal_area(geometry: Any) -> Any:
    """Polygons in degrees, whose edges are straight there, in metres."""
    there = shapely.transform(shapely.segmentize(geometry, 0.1), lambda xy: np.stack(EQUAL_AREA.transform(*xy.T), 1))
    return shapely.make_valid(there)  # after rounding, rings that nearly touch may cross


def limit(freedom: int) -> float:
    """Chi-squared that is exceeded once in a thousand (Wilson and Hilferty, 1931)."""
    return freedom * (1 - 2 / (9 * freedom) + 3.09 * np.sqrt(2 / (9 * freedom))) ** 3


def chi_squared(counts: np.ndarray, areas: np.ndarray) -> float:
    expected = counts.sum() * areas / areas.sum()
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.fixture(scope="module")
def land() -> tuple[Region, RandomPlaces]:
    where = load_region("land")
    return where, drawn(where, seed=2020)


@pytest.fixture(scope="module")
def bands(land: tuple[Region, RandomPlaces]) -> tuple[np.ndarray, np.ndarray]:
    """Land in bands of equal area of the globe from 57 S to 83.7 N: their edges in latitude, and m2 of land in each.

    Edges are moved to those of the lattice's rows, 2.5 km at most: a row that lay in two bands would be counted in one.
    """
    low, high = EQUAL_AREA.transform([0, 0], [-57, 83.7])[1]
    latitudes = EQUAL_AREA.transform(np.zeros(31), np.linspace(low, high, 31), direction="INVERSE")[1]
    row = land[1].lattice.row_height
    edges = EQUAL_AREA.transform(np.zeros(31), np.round((latitudes + 90) / row) * row - 90)[1]
    parts = equal_area(land[0].polygons)
    areas = [
        shapely.area(shapely.intersection(parts, shapely.box(-2e7, south, 2e7, north))).sum()
        for south, north in pairwise(edges)
    ]
    return EQUAL_AREA.transform(np.zeros(31), edges, direction="INVERSE")[1], np.array(areas)


# As many to an area


def test_cells_of_the_land_are_its_area_band_by_band_to_half_a_percent(
    land: tuple[Region, RandomPlaces], bands: tuple[np.ndarray, np.ndarray]
) -> None:
    edges, areas = bands
    lattice, cells = land[1].lattice, land[1].cells
    _, lat = lattice.places_in(cells, np.full(len(cells), 0.5), np.full(len(cells), 0.5))
    counts = np.histogram(lat, edges)[0]
    assert counts.sum() * CELL == pytest.approx(areas.sum(), rel=0.001)
    large = areas > 0.1 * areas.max()
    assert large.sum() > 20
    assert np.abs(counts * CELL / areas - 1)[large].max() < 0.005


@pytest.mark.parametrize("seed", [0, 2020])
def test_draws_over_the_land_are_uniform_in_area_by_bands_of_latitude(
    bands: tuple[np.ndarray, np.ndarray], land: tuple[Region, RandomPlaces], seed: int
) -> None:
    places = land[1] if seed == 2020 else drawn(land[0], seed=seed)
    edges, areas = bands
    _, lat = np.concatenate([places.draws(shard).patches.centres() for shard in range(40)], axis=1)
    counts = np.histogram(lat, edges)[0]
    assert counts.sum() > 59_000
    assert chi_squared(counts, areas) < limit(29)


def test_draws_over_the_land_are_uniform_in_longitude_too(land: tuple[Region, RandomPlaces]) -> None:
    where, places = land
    edges = np.arange(-180, 181, 15)
    parts = equal_area(where.polygons)
    x = EQUAL_AREA.transform(edges, np.zeros(len(edges)))[0]
    areas = np.array(
        [
            shapely.area(shapely.intersection(parts, shapely.box(west, -8e6, east, 8e6))).sum()
            for west, east in pairwise(x)
        ]
    )
    lon, _ = np.concatenate([places.draws(shard).patches.centres() for shard in range(40)], axis=1)
    counts = np.histogram(lon, edges)[0]
    assert chi_squared(counts, areas) < limit(len(areas) - 1)


def star(random: np.random.Generator) -> shapely.Polygon:
    """A polygon of some 2 to 20 degrees with 5 to 30 corners, anywhere UTM is."""
    corners = int(random.integers(5, 31))
    size = random.uniform(1, 10)
    lat, lon = random.uniform(-65, 68), random.uniform(-150, 150)
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    radii = size * random.uniform(0.3, 1, corners)
    ring = np.stack([lon + radii * np.cos(angles) / np.cos(np.radians(lat)), lat + radii * np.sin(angles)], axis=1)
    return shapely.make_valid(shapely.Polygon(ring))


@pytest.mark.parametrize("seed", range(12))
def test_draws_in_any_polygon_are_uniform_in_its_area(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = [part for part in shapely.get_parts(star(random)) if isinstance(part, shapely.Polygon)]
    places = drawn(region(*parts), seed=seed, shard_size=10)
    there = equal_area(shapely.union_all(parts))
    # As many cells as its area holds, off by what a random rim of cells may be.
    rim = 4 * np.sqrt(there.length / 5_000) + 4
    assert abs(len(places.cells) - there.area / CELL) < rim + 0.001 * len(places.cells)
    # And evenly spread: half of the draws, on a grid of 5 x 5 over the polygon.
    half = [places.draws(shard).patches.centres() for shard in range(0, places.capacity, 2)]
    x, y = EQUAL_AREA.transform(*np.concatenate(half, axis=1))
    west, south, east, north = there.bounds
    columns, rows = np.linspace(west - 10, east + 10, 6), np.linspace(south - 10, north + 10, 6)
    counts = np.histogram2d(x, y, [columns, rows])[0].ravel()
    areas = np.array(
        [
            shapely.intersection(there, shapely.box(columns[i], rows[j], columns[i + 1], rows[j + 1])).area
            for i in range(5)
            for j in range(5)
        ]
    )
    expected = counts.sum() * areas / areas.sum()
    large = expected >= 5
    assert chi_squared(counts[large], areas[large]) < limit(int(large.sum()) - 1)


def test_jitter_over_the_land_is_uniform_and_independent_in_both_directions(land: tuple[Region, RandomPlaces]) -> None:
    places = land[1]
    cells = np.concatenate([places.draws(shard).cell for shard in range(30)])
    lon, lat = np.concatenate([places.draws(shard).patches.centres() for shard in range(30)], axis=1)
    zeros, ones = np.zeros(len(cells)), np.ones(len(cells))
    (west, south), (east, north) = (
        places.lattice.places_in(cells, zeros, zeros),
        places.lattice.places_in(cells, ones, ones),
    )
    # In the far north a cell has no room to spare in longitude; snapping moves a centre by 5 m at most.
    u, v = (lon - west) / (east - west), (lat - south) / (north - south)
    for jitter in (u, v):
        assert -0.02 < jitter.min() < 0.02
        assert 0.98 < jitter.max() < 1.02
        counts = np.histogram(np.clip(jitter, 0, 1), 20, (0, 1))[0]
        assert chi_squared(counts, np.ones(20)) < limit(19)
    assert abs(np.corrcoef(u, v)[0, 1]) < 4 / np.sqrt(len(cells))


# None on another


PLACES = {
    "the equator": (10.0, -0.4),
    "the border of two zones": (12.0, 45.0),
    "the border of two zones in the south": (-66.0, -45.0),
    "the border of two zones on the equator": (18.0, -0.3),
    "the wide zone of Norway": (3.0, 60.0),
    "the southern end of Norway's zone": (6.0, 55.7),
    "Svalbard between 33X and 35X": (21.0, 78.0),
    "Svalbard between 31X and 33X": (9.0, 79.5),
    "the southern end of Svalbard's zones": (12.0, 71.7),
    "the north of Greenland": (-36.0, 82.9),
    "the far south": (-70.0, -79.0),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("pixels", [64, 250])
def test_no_two_patches_of_a_corpus_overlap(place: str, pixels: int) -> None:
    lon, lat = PLACES[place]
    reach = 0.6 * pixels / 250
    wide = reach / np.cos(np.radians(lat))
    places = drawn(region(shapely.box(lon - wide, lat, lon + wide, lat + reach)), seed=pixels, pixels=pixels)
    patches = all_patches(places)
    assert len(patches) > 250
    assert_apart(patches)


def test_no_two_patches_overlap_across_the_antimeridian() -> None:
    sides = shapely.box(179.0, 65.0, 180.0, 65.5), shapely.box(-180.0, 65.0, -179.0, 65.5)
    patches = all_patches(drawn(region(*sides)))
    assert set(patches.epsg.tolist()) == {32601, 32660}
    assert_apart(patches, turn=True)


@given(st.integers(0, 2**63 - 1), st.floats(-180, 179), st.floats(-79, 82))
@settings(max_examples=25)
def test_no_two_patches_overlap_anywhere(seed: int, lon: float, lat: float) -> None:
    box = shapely.box(lon, lat, min(180, lon + 0.3 / np.cos(np.radians(lat))), lat + 0.3)
    assert_apart(all_patches(drawn(region(box), seed=seed)))


def all_patches(places: RandomPlaces) -> Patches:
    some = [places.draws(shard).patches for shard in range(places.capacity)]
    return Patches(
        epsg=np.concatenate([p.epsg for p in some]),
        xmin=np.concatenate([p.xmin for p in some]),
        ymax=np.concatenate([p.ymax for p in some]),
        pixels=some[0].pixels,
    )


def assert_apart(patches: Patches, *, turn: bool = False) -> None:
    """Outlines are off the true sides by 1.5 m at most, and patches keep further apart."""
    outlines = patches.outlines()
    if turn:
        outlines = shapely.transform(outlines, lambda xy: np.stack([xy[:, 0] % 360, xy[:, 1]], axis=1))
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    assert (first == second).all()
    assert len(first) == len(outlines)


def test_later_attempts_are_other_places_and_instants_in_the_same_cells() -> None:
    where = region(shapely.box(11.5, 45.0, 12.5, 45.6))
    places = drawn(where, shard_size=100)
    first, later = places.draws(0), [places.draws(0, attempt) for attempt in range(1, places.attempts)]
    assert len(later) > 1
    for draws in later:
        assert np.isin(draws.cell, first.cell).all()
        assert len(draws) > 0.9 * len(first)
        assert where.contains(*draws.patches.centres()).mean() > 0.99
        same = first.take(np.isin(first.cell, draws.cell))
        assert (same.patches.xmin != draws.patches.xmin).mean() > 0.95
        assert not (same.preferred == draws.preferred).any()


@pytest.mark.parametrize("seed", range(4))
def test_patches_of_whatever_attempts_do_not_overlap(seed: int) -> None:
    places = drawn(region(shapely.box(11.5, 45.0, 12.5, 45.6)), seed=seed, shard_size=10)
    random = np.random.default_rng(seed)
    taken: dict[int, Any] = {}
    for shard in range(places.capacity):
        for attempt in random.permutation(places.attempts):
            draws = places.draws(shard, int(attempt))
            for cell, patch in zip(draws.cell.tolist(), (draws.patches[n] for n in range(len(draws))), strict=True):
                taken.setdefault(cell, patch)
    patches = list(taken.values())
    assert len(patches) >= len(places.cells) - 20
    assert_apart(
        Patches(
            epsg=np.array([p.epsg for p in patches], np.int32),
            xmin=np.array([p.xmin for p in patches]),
            ymax=np.array([p.ymax for p in patches]),
            pixels=250,
        )
    )


# All inside


def test_every_patch_has_its_centre_on_land(land: tuple[Region, RandomPlaces]) -> None:
    where, places = land
    lon, lat = np.concatenate([places.draws(shard).patches.centres() for shard in range(40)], axis=1)
    outside = ~where.contains(lon, lat)
    assert outside.mean() < 0.001
    # Those outside were moved there by snapping, by 7 m at most.
    tree = shapely.STRtree(where.polygons)
    near = tree.query(shapely.points(lon[outside], lat[outside]), predicate="dwithin", distance=7.2 / 111_000 * 6)[0]
    assert len(np.unique(near)) == outside.sum()


@pytest.mark.parametrize("seed", range(5))
def test_every_patch_has_its_centre_in_any_polygon(seed: int) -> None:
    parts = [p for p in shapely.get_parts(star(np.random.default_rng(seed))) if isinstance(p, shapely.Polygon)]
    places = drawn(region(*parts), seed=seed, shard_size=10)
    points = shapely.points(*all_patches(places).centres())
    assert shapely.dwithin(shapely.union_all(parts), points, 2e-4).all()
    assert shapely.intersects(shapely.union_all(parts), points).mean() > 0.99


# Regions that take long


def test_a_slow_region_says_how_far_its_cells_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = module.batches
    monkeypatch.setattr(module, "batches", lambda *given: whole(*given, at_least=100))
    monkeypatch.setattr(notices, "NEXT", 0.0)
    with caplog.at_level("INFO", "deepsentinel"):
        drawn(region(BOX))
    assert caplog.messages[0].startswith("places: finding the cells of test, by rows of the lattice: ")
    rows = [tuple(map(int, re.findall(r"(\d+) of (\d+)", line)[0])) for line in caplog.messages]
    assert [done for done, _ in rows] == sorted({done for done, _ in rows})
    assert rows[-1][0] == rows[-1][1]


# Cells that are kept


BOX = shapely.box(8.0, 45.0, 9.0, 46.0)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for cells, of however small a region."""
    monkeypatch.setattr(module, "WORTH_KEEPING", 1)
    return tmp_path / "cache"


def test_the_second_call_takes_the_cells_from_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = drawn(region(BOX), cache=cache)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(module, "_cells", lambda *_: pytest.fail("the cells were looked for again"))
    second = drawn(region(BOX), cache=cache)
    assert np.array_equal(first.cells, second.cells)
    assert second.cells.dtype == np.int64
    assert drawn(region(BOX), cache=cache, shard_size=7).capacity == int(len(first.cells) // 10.5)


def test_cells_from_the_cache_are_those_found_without_one(cache: Path) -> None:
    drawn(region(BOX), cache=cache)
    assert np.array_equal(drawn(region(BOX), cache=cache).cells, drawn(region(BOX)).cells)


def test_other_regions_patches_and_seeds_have_cells_of_their_own(cache: Path) -> None:
    other = region(shapely.box(20.0, -5.0, 21.0, -4.0), digest="other")
    for _ in range(2):
        for where, pixels, seed in (
            (region(BOX), 250, 1),
            (other, 250, 1),
            (region(BOX), 128, 1),
            (region(BOX), 250, 2),
        ):
            found = drawn(where, pixels=pixels, seed=seed, cache=cache)
            assert np.array_equal(found.cells, drawn(where, pixels=pixels, seed=seed).cells)
    assert len(list(cache.iterdir())) == 4


def test_small_regions_are_not_kept(tmp_path: Path) -> None:
    drawn(region(BOX), cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def damaged(content: bytes, kind: str) -> bytes:
    if kind == "flipped":
        return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]
    return {
        "empty": b"",
        "short": content[: len(content) // 2],
        "only the header": content[:128],
        "text": b"no cells at all",
        "an archive": b"PK\x03\x04 cut short",
        "a header without sense": content[:20] + b"((((" + content[24:],
        "longer": content + content,
    }[kind]


@pytest.mark.parametrize(
    "kind", ["empty", "short", "only the header", "text", "an archive", "a header without sense", "longer", "flipped"]
)
def test_a_damaged_cache_is_ignored_and_replaced(cache: Path, kind: str) -> None:
    expected = drawn(region(BOX), cache=cache).cells
    (path,) = cache.iterdir()
    path.write_bytes(damaged(path.read_bytes(), kind))
    assert np.array_equal(drawn(region(BOX), cache=cache).cells, expected)
    assert np.array_equal(drawn(region(BOX), cache=cache).cells, expected)


@pytest.mark.parametrize("values", [np.arange(3.0), np.zeros((2, 2), np.int64), np.array(["a"]), np.int64(5)])
def test_a_file_of_something_else_is_no_cache(cache: Path, values: Any) -> None:
    expected = drawn(region(BOX), cache=cache).cells
    (path,) = cache.iterdir()
    with path.open("wb") as file:
        np.save(file, values)
    assert np.array_equal(drawn(region(BOX), cache=cache).cells, expected)


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert np.array_equal(drawn(region(BOX), cache=cache).cells, drawn(region(BOX)).cells)


def test_the_lattice_has_as_many_cells_as_the_globe_has_area() -> None:
    lattice = Lattice(pixels=250)
    assert lattice.first[-1] * CELL == pytest.approx(510_065_621_724_089, rel=1e-4)
