"""The platform `stac` on a small real archive: catalogue in, exact pixels out."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio

from tasks.errors import CatalogueError, PixelsError, SceneUnavailable, SpecError
from tasks.imagery import open_platforms
from tasks.imagery.platform import BANDS, Tiles, Traffic
from tasks.imagery.stac.platform import StacArchive
from tasks.places import Draws, Patch, Patches
from tasks.places.patches import patches_around
from tasks.scenes import DAY, Outcome, Rule, ScenePair, pair
from tasks.settings import Settings
from tasks.spec import CorpusSpec, StacSource
from tests.archive import EPSG, L2A_BANDS, LEFT, RESOLUTION, TOP, Archive, at, decibels, item, pattern

PATCH = Patch(epsg=EPSG, xmin=LEFT + 130, ymax=TOP - 70, pixels=64)
WINDOW = (1_483_228_800_000_000, 1_704_067_200_000_000)
"""2017 to 2024."""


RULE = Rule(window=WINDOW, max_gap=3 * DAY, search=3_000 * DAY, max_cloud_cover=None)
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


def opened_at(catalog: Path, *, rule: Rule = RULE, patience: float = 300, **source: Any) -> StacArchive:
    return StacArchive(
        StacSource(catalog="", **source), str(catalog), rule=rule, bounds=EVERYWHERE, in_flight=4, patience=patience
    )


def opened(archive: Archive, **source: Any) -> StacArchive:
    return opened_at(archive.save(), **source)


def draws_of(*patches: Patch, preferred: int = 1_525_344_021_000_000) -> Draws:
    columns = Patches(
        epsg=np.array([p.epsg for p in patches], np.int32),
        xmin=np.array([p.xmin for p in patches], np.int64),
        ymax=np.array([p.ymax for p in patches], np.int64),
        pixels=patches[0].pixels,
    )
    return Draws(cell=np.arange(len(patches)), preferred=np.full(len(patches), preferred, np.int64), patches=columns)


def found_pair(platform: StacArchive, patch: Patch = PATCH) -> ScenePair:
    draws = draws_of(patch)
    scenes = platform.candidates(draws, Traffic())
    pairs = pair(draws.patches, draws.preferred, scenes, RULE)
    assert pairs.outcome[0] == Outcome.PAIRED, Outcome(int(pairs.outcome[0])).reason
    return ScenePair(
        s2=scenes.sentinel2, s2_scene=int(pairs.s2_scene[0]), s1=scenes.sentinel1, s1_scene=int(pairs.s1_scene[0])
    )


def fetched(platform: StacArchive, patch: Patch = PATCH) -> Tiles:
    return platform.fetch(patch, found_pair(platform, patch), Traffic())


def expected_s2(scene: int, bands: tuple[str, ...] = L2A_BANDS, patch: Patch = PATCH) -> np.ndarray:
    tiles = [
        pattern(scene, index, *at(patch, RESOLUTION[band])) if band in bands else np.zeros(patch.shape)
        for index, band in enumerate(BANDS)
    ]
    return np.stack(tiles).astype(np.uint16)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


# Pixels


def test_fetch_returns_the_archives_pixels_band_by_band(archive: Archive) -> None:
    archive.sentinel2("a", scene=1)
    archive.sentinel1("r", scene=2)
    platform = opened(archive)
    tiles = fetched(platform)
    assert (tiles.s2.shape, tiles.s2.dtype, tiles.s1.shape, tiles.s1.dtype) == (
        (13, 64, 64), np.uint16, (2, 64, 64), np.float32,
    )  # fmt: skip
    assert np.array_equal(tiles.s2, expected_s2(1))
    assert tiles.s1 == pytest.approx(np.stack([decibels(2, p, *at(PATCH, 10)) for p in (0, 1)]), abs=1e-4)
    assert tiles.absent == ()


def test_traffic_counts_what_was_read(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform, traffic = opened(archive), Traffic()
    platform.fetch(PATCH, found_pair(platform), traffic)
    assert traffic.counts()["requests"] == 12 + 2
    assert traffic.counts()["bytes"] == 64 * 64 * (12 * 2 + 2 * 4)


def test_the_pair_decides_which_scenes_are_read(archive: Archive) -> None:
    archive.sentinel2("far", "2019-05-03T10:40:21Z", scene=5)
    archive.sentinel2("near", "2018-05-03T10:40:21Z", scene=6)
    archive.sentinel1("r", scene=7)
    archive.sentinel1("s", "2019-05-04T05:30:00Z", scene=8)
    platform = opened(archive)
    assert np.array_equal(fetched(platform).s2, expected_s2(6))
    chosen = found_pair(platform)
    assert (chosen.s2_id, chosen.s1_id) == ("near", "r")


def test_sentinel_1_that_is_not_dual_iw_does_not_shift_the_others(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("ew", scene=1, **{"sar:instrument_mode": "EW"})
    archive.sentinel1("iw", scene=2)
    tiles = fetched(opened(archive))
    assert tiles.s1 == pytest.approx(np.stack([decibels(2, p, *at(PATCH, 10)) for p in (0, 1)]), abs=1e-4)


def test_many_threads_read_the_same_pixels(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    chosen = found_pair(platform)
    with ThreadPoolExecutor(8) as threads:
        tiles = list(threads.map(lambda _: platform.fetch(PATCH, chosen, Traffic()), range(24)))
    assert all(np.array_equal(tile.s2, expected_s2(1)) for tile in tiles)
    assert all(np.array_equal(tile.s1, tiles[0].s1) for tile in tiles)


# Bands


def test_b10_comes_from_the_l1c_twin(archive: Archive) -> None:
    archive.sentinel2("a", scene=1)
    archive.sentinel2("twin", scene=3, bands=BANDS, collection="sentinel-2-l1c")
    archive.sentinel1("r")
    platform = opened(archive, sentinel2_b10="sentinel-2-l1c")
    assert platform.bands == BANDS
    tiles = fetched(platform)
    # Everything else is Level-2A's.
    assert np.array_equal(tiles.s2[10], expected_s2(3, BANDS)[10])
    assert np.array_equal(np.delete(tiles.s2, 10, axis=0), np.delete(expected_s2(1), 10, axis=0))
    assert tiles.absent == ()


def test_the_newest_twin_of_the_same_pass_and_tile_is_taken(archive: Archive) -> None:
    archive.sentinel2("a", scene=1)
    for name, scene, when, properties in (
        ("old", 3, "2018-05-03T10:40:21Z", {"s2:processing_baseline": "02.06"}),
        ("new", 4, "2018-05-03T10:40:21Z", {"s2:processing_baseline": "02.08"}),
        ("other-tile", 5, "2018-05-03T10:40:21Z", {"s2:processing_baseline": "03.01", "s2:mgrs_tile": "32TMS"}),
        ("other-pass", 6, "2018-05-06T10:40:21Z", {"s2:processing_baseline": "03.01"}),
    ):
        archive.sentinel2(name, when, scene=scene, bands=("B10",), collection="l1c", **properties)
    archive.sentinel1("r")
    tiles = fetched(opened(archive, sentinel2_b10="l1c"))
    assert np.array_equal(tiles.s2[10], expected_s2(4, BANDS)[10])


def test_a_scene_without_a_twin_lacks_b10_and_says_so(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel2("b", "2019-05-03T10:40:21Z")
    archive.sentinel2("twin-of-b", "2019-05-03T10:40:21Z", bands=("B10",), collection="l1c")
    archive.sentinel1("r")
    platform = opened(archive, sentinel2_b10="l1c")
    tiles = fetched(platform)
    assert "B10" in platform.bands
    assert tiles.absent == ("B10",)
    assert not tiles.s2[10].any()


def test_a_band_that_the_platform_never_has_is_all_zero_and_not_absent_from_the_sample(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    assert platform.bands == L2A_BANDS
    assert fetched(platform).absent == ()


def test_a_band_that_one_scene_lacks_is_absent_from_its_samples_only(archive: Archive) -> None:
    archive.sentinel2("a", bands=("B02", "B03", "B04"))
    archive.sentinel2("b", "2019-05-03T10:40:21Z", bands=("B03", "B04", "B8A"))
    archive.sentinel1("r")
    platform = opened(archive)
    assert platform.bands == ("B02", "B03", "B04", "B8A")
    tiles = fetched(platform)
    assert tiles.absent == ("B8A",)
    assert np.array_equal(tiles.s2, expected_s2(1, ("B02", "B03", "B04")))


# The offset


@pytest.mark.parametrize(
    ("properties", "stored"),
    [
        ({"s2:processing_baseline": "02.06"}, 0),
        ({"s2:processing_baseline": "05.00"}, 1000),
        ({"s2:processing_baseline": "05.00", "earthsearch:boa_offset_applied": True}, 0),
        ({"s2:processing_baseline": "05.00", "earthsearch:boa_offset_applied": False}, 1000),
        ({"s2:product_uri": "S2A_MSIL2A_20180503T104021_N0500_R008_T32TMR_20230101T000000.SAFE"}, 1000),
    ],
)
def test_the_offset_is_taken_out_once_where_there_is_one(
    archive: Archive, properties: dict[str, Any], stored: int
) -> None:
    archive.sentinel2("a", offset=stored, **properties)
    archive.sentinel1("r")
    assert np.array_equal(fetched(opened(archive)).s2, expected_s2(1))


def test_the_twin_has_an_offset_of_its_own(archive: Archive) -> None:
    archive.sentinel2("a", offset=0, **{"s2:processing_baseline": "02.06"})
    archive.sentinel2("t", offset=1000, bands=("B10",), collection="l1c", **{"s2:processing_baseline": "05.00"})
    archive.sentinel1("r")
    tiles = fetched(opened(archive, sentinel2_b10="l1c"))
    assert np.array_equal(tiles.s2, expected_s2(1, BANDS))


def test_a_scene_of_which_nothing_tells_whether_it_carries_the_offset_is_unavailable(archive: Archive) -> None:
    archive.sentinel2("a", "2022-05-03T10:40:21Z")
    archive.sentinel1("r", "2022-05-04T05:30:00Z")
    with pytest.raises(SceneUnavailable, match=r"a: nothing tells whether"):
        fetched(opened(archive))


# Backscatter


def test_power_becomes_decibels_and_zero_power_nodata(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r", scene=2, power=True)
    patch = Patch(epsg=EPSG, xmin=LEFT, ymax=TOP, pixels=64)
    tiles = fetched(opened(archive, backscatter="power"), patch)
    expected = np.stack([decibels(2, p, *at(patch, 10)) for p in (0, 1)])
    assert np.isnan(tiles.s1[:, 0]).all()
    assert tiles.s1[:, 1:] == pytest.approx(expected[:, 1:], abs=1e-3)


@pytest.mark.parametrize("power", [False, True])
def test_infinite_backscatter_is_nodata(archive: Archive, power: bool) -> None:
    archive.sentinel2("a")
    radar = archive.sentinel1("r", power=power)
    with rasterio.open(radar.assets["vv"].href, "r+") as file:
        values = file.read(1)
        values[20], values[21] = np.inf, -np.inf
        file.write(values, 1)
    tiles = fetched(opened(archive, backscatter="power" if power else "db"))
    assert np.isnan(tiles.s1[0, 20 - 7]).all()
    assert np.isnan(tiles.s1[0, 21 - 7]).all()
    assert np.isfinite(tiles.s1[1]).all()


# Files that are missing or damaged


def test_a_scene_whose_file_is_gone_is_unavailable_and_named(archive: Archive) -> None:
    scene = archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    Path(scene.assets["B05"].href).unlink()
    with pytest.raises(SceneUnavailable, match=r"^a: .*B05\.tif") as caught:
        fetched(platform)
    # The reason goes into the commit record, which must not depend on where the archive lies.
    assert str(archive.root) not in str(caught.value)


def test_a_scene_whose_file_is_damaged_fails_the_shard(archive: Archive) -> None:
    archive.sentinel2("a")
    radar = archive.sentinel1("r")
    platform = opened(archive)
    path = Path(radar.assets["vh"].href)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(PixelsError, match=r"VH\.tif"):
        fetched(platform)


# Candidates


def test_candidates_are_scenes_near_each_draw(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    far = patches_around(np.array([20.0]), np.array([10.0]), 64)[0]
    scenes = platform.candidates(draws_of(far, PATCH), Traffic())
    assert (scenes.s2_draw.tolist(), scenes.s2_scene.tolist()) == ([1], [0])
    assert (scenes.s1_draw.tolist(), scenes.s1_scene.tolist()) == ([1], [0])


def test_a_patch_partly_outside_the_footprint_is_not_covered(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    draws = draws_of(
        Patch(epsg=EPSG, xmin=LEFT - 20, ymax=TOP, pixels=64), Patch(epsg=EPSG, xmin=LEFT, ymax=TOP, pixels=64)
    )
    scenes = opened(archive).candidates(draws, Traffic())
    assert pair(draws.patches, draws.preferred, scenes, RULE).outcome.tolist() == [
        Outcome.NOT_COVERED, Outcome.PAIRED,
    ]  # fmt: skip


def test_an_archive_without_sentinel_1_has_no_pairs_but_opens(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("ew", **{"sar:instrument_mode": "EW"})
    scenes = opened(archive).candidates(draws_of(PATCH), Traffic())
    assert len(scenes.sentinel1) == len(scenes.s1_draw) == 0


# Catalogues


def test_a_catalogue_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no such catalogue"):
        opened_at(tmp_path / "catalog.json")


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"type": "Circus"}', '"text"', "null"])
def test_a_file_that_is_no_catalogue_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(content)
    with pytest.raises(CatalogueError) as caught:
        opened_at(path)
    assert str(path) in str(caught.value)


def test_an_item_is_no_catalogue(tmp_path: Path) -> None:
    found = item("a")
    found.set_self_href(str(tmp_path / "item.json"))
    found.save_object()
    with pytest.raises(CatalogueError, match=r"item\.json: is not a STAC catalogue"):
        opened_at(tmp_path / "item.json")


def test_a_collection_that_is_not_there_is_refused_with_those_that_are(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    with pytest.raises(CatalogueError, match=r"no collection 'sentinel-2-c1'; it has sentinel-1-grd, sentinel-2-l2a"):
        opened(archive, sentinel2="sentinel-2-c1")


def test_a_folder_stands_for_its_catalogue(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    folder = archive.save().parent
    assert opened_at(folder).bands == L2A_BANDS


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: "",
        lambda content: "[]",
        lambda content: content.replace('"type": "Feature"', '"type": "Figure"'),
        lambda content: json.dumps(json.loads(content) | {"properties": {"datetime": "yesterday"}}),
        lambda content: json.dumps({k: v for k, v in json.loads(content).items() if k != "id"}),
    ],
)
def test_an_item_that_cannot_be_read_is_told_with_its_collection(archive: Archive, damage: Any) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = archive.save()
    (path,) = archive.root.rglob("a/a.json")
    path.write_text(damage(path.read_text()))
    with pytest.raises(CatalogueError, match="sentinel-2-l2a"):
        opened_at(catalog)


def test_an_item_without_geometry_is_refused_by_name(archive: Archive) -> None:
    archive.sentinel2("a")
    found = archive.sentinel1("no-outline")
    found.geometry, found.bbox = None, None
    with pytest.raises(CatalogueError, match="item no-outline: has no geometry"):
        opened(archive)


def test_items_below_a_collection_in_catalogues_of_their_own_are_found(archive: Archive) -> None:
    scene = archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = pystac.Catalog.from_file(str(archive.save()))
    collection = next(c for c in catalog.get_children() if c.id == "sentinel-2-l2a")
    collection.remove_item(scene.id)
    year = pystac.Catalog("2018", "A year.")
    year.add_item(scene.clone())
    collection.add_child(year)
    catalog.normalize_and_save(str(archive.root / "deep"), pystac.CatalogType.SELF_CONTAINED)
    platform = opened_at(archive.root / "deep" / "catalog.json")
    assert platform.bands == L2A_BANDS


# Opening the platforms of a spec


def spec(*platforms: Any) -> CorpusSpec:
    return CorpusSpec.model_validate({
        "name": "x", "size": 250, "places": {"random": "land"}, "window": ["2018-01-01", "2021-01-01"],
        "destinations": ["out"], "platforms": list(platforms),
    })  # fmt: skip


def test_platforms_are_opened_in_the_specs_order_under_its_names(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    archive.save()
    sources = [{"stac": {"catalog": "catalog.json", "name": name}} for name in ("second", "first")]
    found = open_platforms(spec(*sources), EVERYWHERE, archive.root, Settings(stac_reads=3))
    assert [platform.name for platform in found] == ["second", "first"]
    assert [platform.in_flight for platform in found] == [3, 3]


def test_a_demo_without_its_archive_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="deepsentinel demo"):
        open_platforms(spec("demo"), EVERYWHERE, tmp_path, Settings(demo_archive=tmp_path / "none"))


def test_a_catalogue_that_is_not_there_is_refused_with_the_key(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"platforms\.stac\.catalog: no file"):
        open_platforms(spec({"stac": {"catalog": "none/catalog.json"}}), EVERYWHERE, tmp_path, Settings())
