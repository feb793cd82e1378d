"""The platform `stac` on a small real archive: catalogue in, exact pixels out."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio

from tasks.errors import CatalogueError, PixelsError, SceneUnavailable
from tasks.imagery.bands import BANDS
from tasks.imagery.platform import Traffic
from tasks.imagery.stac.cogs.header import AHEAD
from tasks.places.patches import Patch, patches_around
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Sentinel1Scenes
from tests.archive import EPSG, L2A_BANDS, LEFT, TOP, Archive, at, decibels, footprint
from tests.unit.imagery.stac.opening import (
    PATCH,
    RULE,
    WINDOW,
    draws_of,
    expected_s2,
    fetched,
    found_pair,
    ids_of,
    opened,
    opened_at,
    s1_of,
    s2_of,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


# Pixels


def test_fetch_returns_the_archives_pixels_band_by_band(archive: Archive) -> None:
    archive.sentinel2("a", scene=1)
    archive.sentinel1("r", scene=2)
    platform = opened(archive)
    tiles = fetched(platform)
    assert (s2_of(tiles).shape, s2_of(tiles).dtype, s1_of(tiles).shape, s1_of(tiles).dtype) == (
        (13, 64, 64), np.uint16, (2, 64, 64), np.float32,
    )  # fmt: skip
    assert np.array_equal(s2_of(tiles), expected_s2(1))
    assert s1_of(tiles) == pytest.approx(np.stack([decibels(2, p, *at(PATCH, 10)) for p in (0, 1)]), abs=1e-4)
    assert tiles.absent_bands == ()


def test_traffic_counts_what_was_read(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform, traffic = opened(archive), Traffic()
    platform.fetch(PATCH, found_pair(platform), traffic)
    sizes = [path.stat().st_size for path in archive.root.rglob("*.tif")]
    headers = sum(min(size, AHEAD) for size in sizes)
    assert len(sizes) == 12 + 2
    assert traffic.requests >= 2 * len(sizes), "a header and at least one run of blocks a file"
    assert headers < traffic.bytes <= headers + sum(sizes)


def test_neighbouring_patches_read_nothing_twice(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform, traffic = opened(archive), Traffic()
    platform.fetch(PATCH, found_pair(platform), Traffic())
    neighbour = dataclasses.replace(PATCH, xmin=PATCH.xmin + 10)
    tiles = platform.fetch(neighbour, found_pair(platform), traffic)
    assert traffic.counts() == {"requests": 0, "retries": 0, "throttles": 0, "bytes": 0}
    assert np.array_equal(s2_of(tiles), expected_s2(1, patch=neighbour))


def test_the_pair_decides_which_scenes_are_read(archive: Archive) -> None:
    archive.sentinel2("far", "2019-05-03T10:40:21Z", scene=5)
    archive.sentinel2("near", "2018-05-03T10:40:21Z", scene=6)
    archive.sentinel1("r", scene=7)
    archive.sentinel1("s", "2019-05-04T05:30:00Z", scene=8)
    platform = opened(archive)
    assert np.array_equal(s2_of(fetched(platform)), expected_s2(6))
    assert ids_of(found_pair(platform)) == {"s2": "near", "s1": "r"}


def test_sentinel_1_that_is_not_dual_iw_does_not_shift_the_others(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("ew", scene=1, **{"sar:instrument_mode": "EW"})
    archive.sentinel1("iw", scene=2)
    tiles = fetched(opened(archive))
    assert s1_of(tiles) == pytest.approx(np.stack([decibels(2, p, *at(PATCH, 10)) for p in (0, 1)]), abs=1e-4)


def test_many_threads_read_the_same_pixels(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    chosen = found_pair(platform)
    with ThreadPoolExecutor(8) as threads:
        tiles = list(threads.map(lambda _: platform.fetch(PATCH, chosen, Traffic()), range(24)))
    assert all(np.array_equal(s2_of(tile), expected_s2(1)) for tile in tiles)
    assert all(np.array_equal(s1_of(tile), s1_of(tiles[0])) for tile in tiles)


# Bands


def test_b10_comes_from_the_l1c_twin(archive: Archive) -> None:
    archive.sentinel2("a", scene=1)
    archive.sentinel2("twin", scene=3, bands=BANDS, collection="sentinel-2-l1c")
    archive.sentinel1("r")
    platform = opened(archive, sentinel2_b10="sentinel-2-l1c")
    assert platform.bands == BANDS
    tiles = fetched(platform)
    # Everything else is Level-2A's.
    assert np.array_equal(s2_of(tiles)[10], expected_s2(3, BANDS)[10])
    assert np.array_equal(np.delete(s2_of(tiles), 10, axis=0), np.delete(expected_s2(1), 10, axis=0))
    assert tiles.absent_bands == ()


def test_a_band_that_a_scene_lacks_is_absent_and_never_its_twins(archive: Archive) -> None:
    archive.sentinel2("a", scene=1, bands=("B02", "B03", "B04"))
    archive.sentinel2("b", "2019-05-03T10:40:21Z", bands=("B02", "B03", "B04", "B09"))
    archive.sentinel2("twin", scene=3, bands=BANDS, collection="l1c")
    archive.sentinel1("r")
    tiles = fetched(opened(archive, sentinel2_b10="l1c"))
    assert tiles.absent_bands == ("B09",)
    assert not s2_of(tiles)[9].any(), "the top of the atmosphere is no surface"
    assert s2_of(tiles)[10].any()


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
    assert np.array_equal(s2_of(tiles)[10], expected_s2(4, BANDS)[10])


def test_a_scene_without_a_twin_lacks_b10_and_says_so(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel2("b", "2019-05-03T10:40:21Z")
    archive.sentinel2("twin-of-b", "2019-05-03T10:40:21Z", bands=("B10",), collection="l1c")
    archive.sentinel1("r")
    platform = opened(archive, sentinel2_b10="l1c")
    tiles = fetched(platform)
    assert "B10" in platform.bands
    assert tiles.absent_bands == ("B10",)
    assert not s2_of(tiles)[10].any()


def test_a_band_that_the_platform_never_has_is_all_zero_and_not_absent_from_the_sample(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    assert platform.bands == L2A_BANDS
    assert fetched(platform).absent_bands == ()


def test_a_band_that_one_scene_lacks_is_absent_from_its_samples_only(archive: Archive) -> None:
    archive.sentinel2("a", bands=("B02", "B03", "B04"))
    archive.sentinel2("b", "2019-05-03T10:40:21Z", bands=("B03", "B04", "B8A"))
    archive.sentinel1("r")
    platform = opened(archive)
    assert platform.bands == ("B02", "B03", "B04", "B8A")
    tiles = fetched(platform)
    assert tiles.absent_bands == ("B8A",)
    assert np.array_equal(s2_of(tiles), expected_s2(1, ("B02", "B03", "B04")))


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
    assert np.array_equal(s2_of(fetched(opened(archive))), expected_s2(1))


def test_the_twin_has_an_offset_of_its_own(archive: Archive) -> None:
    archive.sentinel2("a", offset=0, **{"s2:processing_baseline": "02.06"})
    archive.sentinel2("t", offset=1000, bands=("B10",), collection="l1c", **{"s2:processing_baseline": "05.00"})
    archive.sentinel1("r")
    tiles = fetched(opened(archive, sentinel2_b10="l1c"))
    assert np.array_equal(s2_of(tiles), expected_s2(1, BANDS))


def test_a_scene_of_which_nothing_tells_whether_it_carries_the_offset_is_unavailable(archive: Archive) -> None:
    archive.sentinel2("a", "2022-05-03T10:40:21Z")
    archive.sentinel1("r", "2022-05-04T05:30:00Z")
    with pytest.raises(SceneUnavailable, match=r"a: nothing tells whether") as caught:
        fetched(opened(archive))
    assert (caught.value.reason, caught.value.scene) == (Reason.OFFSET_UNKNOWN, "a")


# Backscatter


def test_power_becomes_decibels_and_zero_power_nodata(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r", scene=2, power=True)
    patch = Patch(epsg=EPSG, xmin=LEFT, ymax=TOP, pixels=64)
    tiles = fetched(opened(archive, backscatter="power"), patch)
    expected = np.stack([decibels(2, p, *at(patch, 10)) for p in (0, 1)])
    assert np.isnan(s1_of(tiles)[:, 0]).all()
    assert s1_of(tiles)[:, 1:] == pytest.approx(expected[:, 1:], abs=1e-3)


@pytest.mark.parametrize("power", [False, True])
def test_infinite_backscatter_is_nodata(archive: Archive, power: bool) -> None:
    archive.sentinel2("a")
    radar = archive.sentinel1("r", power=power)
    with rasterio.open(radar.assets["vv"].href, "r+") as file:
        values = file.read(1)
        values[20], values[21] = np.inf, -np.inf
        file.write(values, 1)
    tiles = fetched(opened(archive, backscatter="power" if power else "db"))
    assert np.isnan(s1_of(tiles)[0, 20 - 7]).all()
    assert np.isnan(s1_of(tiles)[0, 21 - 7]).all()
    assert np.isfinite(s1_of(tiles)[1]).all()


# Files that are missing or damaged


def test_a_scene_of_which_no_files_are_listed_is_unavailable_where_others_have_them(archive: Archive) -> None:
    archive.sentinel2("a", bands=())
    archive.sentinel2("b", "2019-05-03T10:40:21Z", bands=("B02",))
    archive.sentinel1("r")
    with pytest.raises(SceneUnavailable, match="a: the catalogue lists no files of its bands") as caught:
        fetched(opened(archive))
    assert caught.value.reason == Reason.NO_FILE


def test_a_scene_whose_file_is_gone_is_unavailable_and_named(archive: Archive) -> None:
    scene = archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    Path(scene.assets["B05"].href).unlink()
    with pytest.raises(SceneUnavailable, match=r"^a: .*B05\.tif") as caught:
        fetched(platform)
    assert (caught.value.reason, caught.value.scene) == (Reason.NO_FILE, "a")
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


def test_collections_of_two_catalogues_may_have_one_name(archive: Archive, tmp_path: Path) -> None:
    archive.sentinel2("a", collection="scenes")
    radar = Archive(tmp_path / "radar")
    radar.sentinel1("r")
    radar.collections["scenes"] = radar.collections.pop("sentinel-1-grd")
    apart = opened(archive, sentinel2="scenes", sentinel1_catalog=str(radar.save()), sentinel1="scenes")
    assert ids_of(found_pair(apart)) == {"s2": "a", "s1": "r"}
    assert np.array_equal(s2_of(fetched(apart)), expected_s2(1))


def test_candidates_are_scenes_near_each_draw(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    far = patches_around(np.array([20.0]), np.array([10.0]), 64)[0]
    candidates = platform.candidates(draws_of(far, PATCH), Traffic())
    assert list(candidates) == ["s2", "s1"]
    for nearby in candidates.values():
        assert (nearby.draw.tolist(), nearby.scene.tolist()) == ([1], [0])


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
    nearby = opened(archive).candidates(draws_of(PATCH), Traffic())["s1"]
    assert len(nearby.scenes) == len(nearby.draw) == 0


# Where the archive is


def test_the_archive_tells_where_its_scenes_are(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    reach = opened(archive).reach
    assert reach == pytest.approx(footprint().bounds)


def test_an_archive_without_scenes_reaches_nowhere_that_it_could_tell(archive: Archive) -> None:
    archive.sentinel1("r")
    archive.save()
    catalog = pystac.Catalog.from_file(str(archive.root / "catalog.json"))
    empty = pystac.Collection("sentinel-2-l2a", "none", next(iter(catalog.get_collections())).extent)
    catalog.add_child(empty)
    catalog.normalize_and_save(str(archive.root / "new"), pystac.CatalogType.SELF_CONTAINED)
    assert opened_at(archive.root / "new" / "catalog.json").reach is None


# The same acquisitions, chosen elsewhere


def test_acquisitions_of_another_catalogue_are_found_here_or_named(archive: Archive, tmp_path: Path) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r", **{"s1:product_id": "S1A_y"})
    other = Archive(tmp_path / "other")
    other.sentinel2("b", scene=3)
    other.sentinel1("q", scene=3, **{"s1:product_id": "S1A_y"})
    other.sentinel1("p", "2018-05-05T05:30:00Z", **{"s1:product_id": "S1A_z"})
    here, there = opened(archive), opened(other)
    wanted = found_pair(there)
    radar = wanted["s1"].scenes
    assert isinstance(radar, Sentinel1Scenes)
    absent = {**wanted, "s1": dataclasses.replace(wanted["s1"], scene=radar.id.tolist().index("p"))}
    found, missing = here.resolve([wanted, absent], draws_of(PATCH, PATCH).patches, Traffic())
    assert not isinstance(found, Rejection)
    assert ids_of(found) == {"s2": "a", "s1": "r"}
    assert np.array_equal(s2_of(here.fetch(PATCH, found, Traffic())), expected_s2(1))
    assert missing == Rejection(reason=Reason.NOT_IN_CATALOGUE, scene="S1A_z")


# Other roles


def test_two_roles_of_one_sensor_are_looked_for_and_read(archive: Archive) -> None:
    archive.sentinel2("near", scene=1)
    archive.sentinel2("far", "2018-06-03T10:40:21Z", scene=2)
    archive.sentinel1("r")
    rule = Rule(window=WINDOW, roles={**RULE.roles, "s2_later": Role(near="s2", reach=40 * DAY)})
    platform = opened_at(archive.save(), rule=rule)
    candidates = platform.candidates(draws_of(PATCH), Traffic())
    assert list(candidates) == ["s2", "s1", "s2_later"]
    later = candidates["s2_later"].scenes.id.tolist().index("far")
    acquisitions = found_pair(platform)
    tiles = platform.fetch(
        PATCH, {**acquisitions, "s2_later": dataclasses.replace(acquisitions["s2"], scene=later)}, Traffic()
    )
    assert list(tiles.arrays) == ["stac/s2", "stac/s1", "stac/s2_later"]
    assert np.array_equal(tiles.arrays["stac/s2"], expected_s2(1))
    assert np.array_equal(tiles.arrays["stac/s2_later"], expected_s2(2))


# A check before a run


def test_a_check_pairs_and_reads_a_few_pixels(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    far = patches_around(np.array([20.0]), np.array([10.0]), 64)[0]
    told = platform.check(draws_of(PATCH, far))
    assert told.startswith(
        "catalogue read, 12 of 13 bands; 1 of the first 2 draws pair, and pixels can be read: of 1 scene"
    )
    assert "no pair near the first 1 draws" in platform.check(draws_of(far))
    assert "for want of places" in platform.check(None)


def test_a_check_fails_where_no_pair_has_pixels(archive: Archive) -> None:
    scene = archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    Path(scene.assets["B05"].href).unlink()
    with pytest.raises(PixelsError, match=r"a: the archive has no file B05\.tif.*See that the files are where"):
        platform.check(draws_of(PATCH))


def test_a_check_fails_where_the_catalogue_lists_no_bands(archive: Archive) -> None:
    archive.sentinel2("a", bands=())
    archive.sentinel1("r")
    with pytest.raises(CatalogueError, match="lists no files of Sentinel-2 bands"):
        opened(archive).check(draws_of(PATCH))


def test_an_archive_that_was_closed_can_be_used_again(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    platform = opened(archive)
    platform.close()
    assert np.array_equal(s2_of(fetched(platform)), expected_s2(1))
