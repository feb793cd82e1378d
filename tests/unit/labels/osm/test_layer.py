"""From extracts to rasters: made extracts with every trap, several extracts, growth, coverage."""

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pytest
import shapely
import yaml
from numpy.typing import NDArray

from tasks.errors import CatalogueError, CorpusError, SpecError
from tasks.labels.osm import extract
from tasks.labels.osm.layer import open_osm
from tasks.labels.osm.scheme import OWN
from tests.unit.labels.osm.world import MadeExtract, degrees, ingest, middle, places_of, spec_over


def rendered(folder: Path, made: MadeExtract) -> dict[str, NDArray[np.uint32]]:
    """The patch in the middle: points, lines and polygons, row 0 in the north, 160 m north of the middle."""
    spec = spec_over(folder)
    ingest(spec, made.write(folder / "made.osm.pbf"))
    found = open_osm(spec, places_of(spec)).render(middle(), 0)
    return {name: found[f"labels/osm_{name}"][0] for name in ("point", "line", "polygon")}


def bit(number: int) -> int:
    return 1 << (number - 1)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_an_area_has_its_pixels_and_no_other(tmp_path: Path) -> None:
    made = MadeExtract()
    made.area(-100, -50, 0, 50, landuse="forest")
    found = rendered(tmp_path, made)["polygon"]
    expected = np.zeros((32, 32), np.uint32)
    expected[11:21, 6:16] = bit(13)
    assert np.array_equal(found, expected)


def test_a_multipolygon_has_its_hole_and_what_lies_in_it(tmp_path: Path) -> None:
    made = MadeExtract()
    outer = made.area(-100, -100, 100, 100)
    inner = made.area(-20, -20, 20, 20, natural="water")
    made.relation([(outer, "outer"), (inner, "inner")], landuse="forest")
    found = rendered(tmp_path, made)["polygon"]
    assert found[16, 16] == bit(20)
    assert found[10, 10] == bit(13)
    assert found[0, 0] == 0


def test_a_lake_that_covers_the_patch_with_no_node_inside_it(tmp_path: Path) -> None:
    made = MadeExtract()
    made.area(-9_000, -9_000, 9_000, 9_000, natural="water")
    assert (rendered(tmp_path, made)["polygon"] == bit(20)).all()


def test_features_across_the_border_of_two_patches_are_in_both(tmp_path: Path) -> None:
    made = MadeExtract()
    made.area(60, -50, 260, 50, landuse="forest")
    made.way([(-3_000, 5), (3_000, 5)], highway="motorway")
    spec = spec_over(tmp_path)
    ingest(spec, made.write(tmp_path / "made.osm.pbf"))
    places = places_of(spec)
    found = open_osm(spec, places).render(places.draws(0).patches, 0)
    polygon, line = found["labels/osm_polygon"], found["labels/osm_line"]
    assert polygon[0, 16, 22:].all()
    assert not polygon[0, 16, :22].any()
    assert polygon[2, 16, :10].all()
    assert not polygon[2, 16, 10:].any()
    assert (line[[0, 2], 15] == bit(1)).all(), "as wide as the patch"
    assert found["osm_features"].tolist()[::2] == [2, 2]


def test_lines_have_their_widths(tmp_path: Path) -> None:
    made = MadeExtract()
    made.way([(-250, 110), (250, 110)], highway="motorway")  # 20 m: centres within 10 m
    made.way([(-250, 51), (250, 51)], highway="track")  # 4 m: touches one row of pixels
    made.way([(-250, 1), (250, 1)], highway="path")  # 2 m: from 0 to 2 m, on the border of two rows
    made.way([(-250, -51), (250, -51)], highway="residential")  # 8 m: touches two rows
    found = rendered(tmp_path, made)["line"]
    rows = {number: np.flatnonzero((found & bit(number)).any(axis=1)).tolist() for number in (1, 5, 6, 3)}
    assert rows[1] == [4, 5]
    assert rows[5] == [10, 11]
    assert 15 in rows[6]
    assert rows[3] == [20, 21]


def test_a_line_just_outside_reaches_in_with_its_band(tmp_path: Path) -> None:
    made = MadeExtract()
    made.way([(-3_000, 168), (3_000, 168)], aeroway="runway")  # 30 m
    assert (rendered(tmp_path, made)["line"][0] == bit(17)).all()


@pytest.mark.parametrize(
    ("tags", "line"),
    [
        ({"highway": "pedestrian"}, 3),
        ({"barrier": "hedge"}, 13),
        ({"man_made": "pier"}, 18),
        ({"highway": "residential", "junction": "roundabout"}, 3),
        ({"natural": "coastline", "place": "island"}, 11),
        ({"leisure": "track"}, 0),
        ({"railway": "platform"}, 0),
        ({"boundary": "protected_area"}, 0),
        ({"boundary": "administrative"}, 0),
        ({"place": "square"}, 0),
        ({"leisure": "nature_reserve"}, 0),
    ],
)
def test_closed_ways_that_are_not_filled(tmp_path: Path, tags: dict[str, str], line: int) -> None:
    made = MadeExtract()
    made.area(-100, -100, 100, 100, **tags)
    found = rendered(tmp_path, made)
    assert not found["polygon"].any()
    assert np.bitwise_or.reduce(found["line"], axis=None) == (bit(line) if line else 0)
    assert not found["line"][16, 16]


def test_points_are_in_their_pixels(tmp_path: Path) -> None:
    made = MadeExtract()
    made.node(-155, 155, natural="tree")
    made.node(-155, 155, power="tower")
    made.node(-165, 155, natural="tree")
    found = rendered(tmp_path, made)["point"]
    assert found[0, 0] == bit(1) | bit(2)
    assert np.count_nonzero(found) == 1


def test_a_way_that_the_extract_cuts_keeps_the_rest_of_it(tmp_path: Path) -> None:
    made = MadeExtract()
    made.way([(-100, 5), (0, 5), (100, 5)], highway="primary")
    spec = spec_over(tmp_path)
    (found,) = ingest(spec, made.write(tmp_path / "made.osm.pbf", without_nodes=1))
    assert found.record.cut_lines == 1
    line = open_osm(spec, places_of(spec)).render(middle(), 0)["labels/osm_line"][0]
    assert line[15, 17:25].all()
    assert not line[15, :15].any()


def test_areas_that_cannot_be_drawn_are_counted_and_no_other(tmp_path: Path) -> None:
    made = MadeExtract()
    open_ring = made.way([(-50, 0), (0, 50), (50, 0)])
    made.relation([(open_ring, "outer")], osm_id=77, natural="water")
    whole = made.area(-100, -100, 0, 0)
    made.relation([(whole, "outer")], osm_id=78, natural="water")
    made.relation([(whole, "outer"), (999, "outer")], osm_id=79, natural="wood")
    made.relation([(999, "outer")], osm_id=80, boundary="administrative")
    crossed = made.way([(-60, -60), (60, 60), (60, -60), (-60, 60)], closed=True, building="yes")
    made.area(0, 0, 50, 50, building="yes")
    made.area(0, 0, 50, 50, name="of no class")
    made.way([(0, 0), (10, 0), (10, 10)], closed=True, junction="roundabout", highway="residential")
    (found,) = ingest(spec_over(tmp_path), made.write(tmp_path / "made.osm.pbf"))
    record = found.record
    assert record.features["polygon"] == 2
    assert (record.lost_areas, record.cut_areas) == (2, 1)
    assert record.lost == ["r77", f"w{crossed}", "r79"]
    told = "\n".join(found.lines("made"))
    assert "2 areas are not drawn: their rings cross themselves" in told
    assert "1 multipolygons are not drawn: members of them are not in the extract" in told
    assert f"among them r77, w{crossed}, r79" in told


def test_the_store_opens_as_geoparquet_sorted_by_place(tmp_path: Path) -> None:
    made = MadeExtract()
    made.area(-9_000, -9_000, 9_000, 9_000, natural="water")
    made.node(0, 0, natural="tree")
    ingest(spec_over(tmp_path), made.write(tmp_path / "made.osm.pbf"))
    (path,) = (tmp_path / "corpus" / "osm").glob("*/shard-00000.parquet")
    table = gpd.read_parquet(path)
    assert table["place"].is_monotonic_increasing
    assert table.crs == "OGC:CRS84"
    assert table.columns.tolist()[:6] == ["place", "kind", "element", "osm_id", "classes", "tags"]
    water = table[table["kind"] == 2].iloc[0]
    assert water["tags"] == '{"natural": "water"}'
    sides = gpd.GeoSeries([water.geometry], crs=4326).to_crs(32632).bounds.iloc[0]
    assert 320 + 90 < sides["maxx"] - sides["minx"] < 320 + 140, "the patch and 50 m around it"


def made_twice(folder: Path) -> tuple[Path, Path]:
    """Two extracts that share a lake and a road, of which the second has only a stretch."""
    first, second = MadeExtract(), MadeExtract()
    for made in (first, second):
        made.area(-100, -100, 100, 100, natural="water")
    first.way([(-200, 5), (0, 5), (200, 5)], osm_id=9, highway="primary")
    second.way([(-200, 5), (0, 5)], osm_id=9, highway="primary")
    second.area(110, 110, 140, 140, building="yes")
    return first.write(folder / "first.osm.pbf"), second.write(folder / "second.osm.pbf")


def test_what_stands_in_two_extracts_is_taken_once_and_whole(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    ingest(spec, *made_twice(tmp_path))
    found = open_osm(spec, places_of(spec)).render(middle(), 0)
    assert found["osm_features"].tolist() == [3]
    assert (found["labels/osm_line"][0, 15] == bit(2)).all()


def test_the_order_of_extracts_and_of_shards_does_not_matter(tmp_path: Path) -> None:
    first, second = made_twice(tmp_path)
    stores = [tmp_path / name for name in "abc"]
    specs = [spec_over(tmp_path, destinations=[str(store)]) for store in stores]
    ingest(specs[0], first, second)
    ingest(specs[1], second, first)
    ingest(specs[2], first, second, shards=[0])
    (grown, _) = ingest(specs[2], first, second, shards=[0, 1])
    assert grown.shards == 1, "only the new one"
    assert tree(stores[0]) == tree(stores[1]) == tree(stores[2])


def test_a_second_ingest_reads_nothing(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    first, _ = made_twice(tmp_path)
    ingest(spec, first)
    before = tree(tmp_path / "corpus")
    (again,) = ingest(spec, first)
    assert again.shards == 0
    assert tree(tmp_path / "corpus") == before


def test_a_large_extract_has_its_index_in_a_file_and_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = made_twice(tmp_path)
    in_memory, in_a_file = (spec_over(tmp_path, destinations=[str(tmp_path / name)]) for name in "ab")
    ingest(in_memory, first)
    monkeypatch.setattr(extract, "IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ingest(in_a_file, first)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1))
    with pytest.raises(
        CatalogueError, match=r"the index of its nodes may take .* free\. Make room there, or set TMPDIR"
    ):
        ingest(spec_over(tmp_path, destinations=[str(tmp_path / "c")]), first)
    assert not list(tmp_path.glob("deepsentinel-osm-*"))


def test_a_patch_across_the_antimeridian_has_both_sides_of_it(tmp_path: Path) -> None:
    made = MadeExtract(lambda lon, lat: (lon, lat))
    made.area(179.99, -17.01, 180, -16.99, natural="water")
    made.area(-180, -17.01, -179.99, -16.99, natural="water")
    made.way([(179.99, -17), (180, -17)], highway="motorway")
    made.way([(-180, -17), (-179.99, -17)], highway="motorway")
    made.node(-179.9995, -17.0005, natural="tree")
    made.node(179.9995, -17.0005, natural="tree")
    made.node(0.0005, -17.0005, natural="tree")
    gpd.GeoDataFrame(geometry=[shapely.Point(180, -17), shapely.Point(-180, -17)], crs=4326).to_file(
        tmp_path / "fiji.gpkg"
    )
    spec = spec_over(tmp_path, places={"points": str(tmp_path / "fiji.gpkg")}, accept=["uncovered"])
    ingest(spec, made.write(tmp_path / "fiji.osm.pbf", box=None))
    places = places_of(spec)
    patches = places.draws(0).patches
    found = open_osm(spec, places).render(patches, 0)
    assert set(patches.epsg.tolist()) == {32701, 32760}
    for index in range(len(patches)):
        assert (found["labels/osm_polygon"][index] == bit(20)).all()
        assert (found["labels/osm_line"][index] & bit(1)).any(axis=0).all(), "from one border to the other"
        assert np.count_nonzero(found["labels/osm_point"][index]) == 2
        assert found["osm_features"][index] == 6


def test_random_places_have_labels_in_every_attempt(tmp_path: Path) -> None:
    made = MadeExtract()
    rng = np.random.default_rng(3)
    areas = [(x, y, x + 150, y + 90) for x, y in rng.uniform(-5_000, 5_000, (400, 2))]
    for area in areas:
        made.area(*area, landuse="forest")
    spec_over(tmp_path)  # which writes the square
    spec = spec_over(tmp_path, places={"random": str(tmp_path / "square.gpkg")}, size=8, shard_size=4)
    ingest(spec, made.write(tmp_path / "made.osm.pbf"))
    places = places_of(spec)
    layer = open_osm(spec, places)
    whole = gpd.GeoSeries([shapely.box(*area) for area in areas]).translate(500_000, 5_300_000).union_all()
    shapely.prepare(whole)
    for attempt in range(places.attempts):
        patches = places.draws(1, attempt).patches
        found = layer.render(patches, 1)["labels/osm_polygon"] != 0
        for index in range(len(patches)):
            patch = patches[index]
            x, y = np.meshgrid(patch.xmin + 10 * np.arange(32) + 5, patch.ymax - 10 * np.arange(32) - 5)
            inside = shapely.contains_xy(whole, x, y)
            clear = np.abs(shapely.distance(whole.boundary, shapely.points(x, y))) > 0.1
            assert np.array_equal(found[index][clear], inside[clear])


def test_a_build_without_ingest_is_told_what_to_do(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    with pytest.raises(CorpusError, match=r"holds no extract\. Run `deepsentinel ingest"):
        open_osm(spec, places_of(spec))


def test_shards_that_an_extract_was_not_ingested_for_are_told(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    ingest(spec, made_twice(tmp_path)[0], shards=[0])
    with pytest.raises(CorpusError, match="was ingested for 1 shards; 1 lack it"):
        open_osm(spec, places_of(spec))


def test_other_classes_need_another_ingest_which_replaces_the_first(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    first, _ = made_twice(tmp_path)
    ingest(spec, first)
    content = yaml.safe_load(OWN.read_text())
    content["polygon"] = [{"id": 5, "name": "lake", "color": "#0000ff", "order": 1, "tags": {"natural": ["water"]}}]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(content))
    own = spec_over(tmp_path, sources={"osm_classes": str(tmp_path / "own.yaml")})
    with pytest.raises(CorpusError, match="with other classes"):
        open_osm(own, places_of(own))
    ingest(own, first)
    found = open_osm(own, places_of(own)).render(middle(), 0)["labels/osm_polygon"]
    assert found[0, 16, 16] == bit(5)


def test_places_beyond_the_box_of_the_extracts_are_counted_and_refused(tmp_path: Path) -> None:
    made = MadeExtract()
    made.node(0, 0, natural="tree")
    spec = spec_over(tmp_path)
    ingest(spec, made.write(tmp_path / "made.osm.pbf", box=600))
    with pytest.raises(SpecError, match="2 places are not wholly within the 1 ingested extracts"):
        open_osm(spec, places_of(spec))


def test_a_border_beside_the_extract_counts_instead_of_its_box(tmp_path: Path) -> None:
    made = MadeExtract()
    made.node(0, 0, natural="tree")
    path = made.write(tmp_path / "made-latest.osm.pbf")
    corners = [degrees(x, y) for x, y in ((-3_000, -3_000), (3_000, -3_000), (3_000, 3_000), (-3_000, 3_000))]
    ring = "\n".join(f"  {lon} {lat}" for lon, lat in [*corners, corners[0]])
    (tmp_path / "made.poly").write_text(f"made\n1\n{ring}\nEND\nEND\n")
    spec = spec_over(tmp_path)
    ingest(spec, path)
    with pytest.raises(SpecError, match="1 places are not wholly within"):
        open_osm(spec, places_of(spec))


def test_an_extract_without_a_box_says_so(tmp_path: Path) -> None:
    made = MadeExtract()
    made.node(0, 0, natural="tree")
    spec = spec_over(tmp_path)
    (found,) = ingest(spec, made.write(tmp_path / "made.osm.pbf", box=None))
    assert "no box in its header" in "\n".join(found.lines("made"))
    with pytest.raises(SpecError, match="say nothing of where they hold"):
        open_osm(spec, places_of(spec))


def test_what_is_no_extract_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.osm.pbf").write_text("<html>not found</html>")
    with pytest.raises(CatalogueError, match=r"is not an \.osm\.pbf"):
        ingest(spec_over(tmp_path), tmp_path / "page.osm.pbf")
    with pytest.raises(CatalogueError, match="No such file"):
        ingest(spec_over(tmp_path), tmp_path / "absent.osm.pbf")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_extract_is_refused_and_leaves_no_record(tmp_path: Path, share: float) -> None:
    made = MadeExtract()
    for index in range(20_000):
        made.node(index / 10, index % 97, natural="tree")
    path = made.write(tmp_path / "made.osm.pbf")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    spec = spec_over(tmp_path)
    with pytest.raises(CatalogueError, match="truncated or damaged"):
        ingest(spec, path)
    assert not list(tmp_path.glob("corpus/osm/*.json"))


def test_what_a_corpus_says_of_its_labels(tmp_path: Path) -> None:
    spec = spec_over(tmp_path)
    ingest(spec, *made_twice(tmp_path))
    layer = open_osm(spec, places_of(spec))
    facts = layer.describe()
    assert len(facts["extracts"]) == 2
    assert {item["timestamp"] for item in facts["extracts"].values()} == {"2024-01-01T00:00:00Z"}
    assert "ODbL" in facts["licence"]
    assert facts["classes"] == layer.scheme.digest
    patches = places_of(spec).draws(0).patches
    assert layer.facts(patches, 0, layer.render(patches, 0))["osm_coverage"].tolist() == [1, 1, 1, 1]
