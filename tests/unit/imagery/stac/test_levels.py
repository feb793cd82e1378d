"""Levels and cloud masks of an archive: which collection a role's pixels come from, and what its clouds are."""

from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest

from tasks.errors import CatalogueError, SceneUnavailable, SpecError
from tasks.imagery.bands import BANDS
from tasks.imagery.platform import Tiles, Traffic
from tasks.imagery.stac.platform import StacArchive
from tasks.imagery.stac.scenes import OpticalScenes, RadarScenes
from tasks.scenes.looks import look
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.reasons import Reason
from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Acquisitions
from tests.archive import L2A_BANDS, SIDE, Archive, at, write_raster
from tests.unit.imagery.stac.opening import PATCH, WINDOW, draws_of, expected_s2, opened_at

L1C = "sentinel-2-l1c"
ROOT = Role(near=None, reach=3_000 * DAY)
S1 = Role(near="s2", reach=3 * DAY)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An acquisition in both levels, with other pixels in each, and one of Sentinel-1."""
    made = Archive(tmp_path)
    with_classes(made, made.sentinel2("a", scene=1))
    made.sentinel2("a-l1c", scene=5, bands=BANDS, collection=L1C)
    made.sentinel1("r")
    return made


def classes(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Classes 0 to 11."""
    return ((5 * rows[:, None] + columns[None, :]) % 12).astype(np.uint8)


def with_classes(archive: Archive, item: pystac.Item, key: str = "SCL", beyond: int = 0) -> None:
    """Give an item a scene classification."""
    count = np.arange(SIDE // 20)
    path = archive.root / f"{item.id}-{key}.tif"
    item.add_asset(key, pystac.Asset(write_raster(path, classes(count, count) + np.uint8(beyond), pixel=20, nodata=0)))


def over(archive: Archive, *, b10: str | None = L1C, **roles: Role) -> StacArchive:
    rule = Rule(window=WINDOW, roles=roles)
    return opened_at(archive.save(), rule=rule, **({"sentinel2_b10": b10} if b10 else {}))


def acquisitions_of(platform: StacArchive, **roles: Role) -> Acquisitions:
    draws = draws_of(PATCH)
    candidates = platform.candidates(draws, Traffic())
    pairs = pair(draws.patches, draws.preferred, candidates, Rule(window=WINDOW, roles=roles))
    assert pairs.outcome[0] == Outcome.PAIRED
    return pairs.acquisitions(candidates, 0)


def fetched(archive: Archive, **roles: Role) -> Tiles:
    platform = over(archive, **roles)
    return platform.fetch(PATCH, acquisitions_of(platform, **roles), Traffic())


def role(**limits: Any) -> Role:
    return Role(**({"near": None, "reach": 3_000 * DAY} | limits))


def test_a_role_of_level_1c_has_all_bands_of_that_product(archive: Archive) -> None:
    platform = over(archive, s2=role(level="l1c"), s1=S1)
    chosen = acquisitions_of(platform, s2=role(level="l1c"), s1=S1)
    assert chosen["s2"].id == "a-l1c"
    assert platform.bands == BANDS
    tiles = platform.fetch(PATCH, chosen, Traffic())
    assert np.array_equal(tiles.arrays["stac/s2"], expected_s2(5, bands=BANDS))
    assert tiles.absent_bands == ()


def test_of_a_role_of_level_2a_b10_alone_comes_from_level_1c(archive: Archive) -> None:
    expected = expected_s2(1)
    expected[BANDS.index("B10")] = expected_s2(5, bands=BANDS)[BANDS.index("B10")]
    assert np.array_equal(fetched(archive, s2=ROOT, s1=S1).arrays["stac/s2"], expected)


def test_a_band_that_level_2a_lacks_is_absent_and_not_taken_from_the_top_of_the_atmosphere(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.sentinel2("a", bands=tuple(band for band in L2A_BANDS if band != "B09"))
    archive.sentinel2("b", "2018-06-03T10:40:21Z", bands=L2A_BANDS)
    archive.sentinel2("a-l1c", scene=5, bands=BANDS, collection=L1C)
    archive.sentinel1("r")
    tiles = fetched(archive, s2=ROOT, s1=S1)
    assert not tiles.arrays["stac/s2"][BANDS.index("B09")].any()
    assert tiles.absent_bands == ("B09",)


def test_roles_of_both_levels_are_read_side_by_side(archive: Archive) -> None:
    archive.sentinel2("b-l1c", "2018-05-08T10:40:21Z", scene=7, bands=BANDS, collection=L1C)
    tiles = fetched(archive, s2=ROOT, s2_top=Role(near="s2", reach=9 * DAY, level="l1c"), s1=S1)
    assert np.array_equal(tiles.arrays["stac/s2_top"], expected_s2(7, bands=BANDS))
    assert tiles.arrays["stac/s2"][0, 0, 0] == expected_s2(1)[0, 0, 0]


def test_a_product_of_level_1c_that_lacks_a_band_is_refused(archive: Archive) -> None:
    archive.collections[L1C][0].assets.pop("B05")
    archive.sentinel2("b-l1c", "2018-08-08T10:40:21Z", bands=BANDS, collection=L1C)
    with pytest.raises(SceneUnavailable, match="B05") as refused:
        fetched(archive, s2=role(level="l1c"), s1=S1)
    assert (refused.value.reason, refused.value.scene) == (Reason.NO_FILE, "a-l1c")


def test_level_1c_of_an_archive_that_names_none_is_refused_before_it_is_read(tmp_path: Path) -> None:
    rule = Rule(window=WINDOW, roles={"s2": role(level="l1c"), "s1": S1})
    with pytest.raises(SpecError, match=r"role s2 is of level l1c.*sentinel2_b10"):
        opened_at(tmp_path / "not there" / "catalog.json", rule=rule)


def test_a_mask_is_cloud_where_the_scene_classification_says_so(archive: Archive) -> None:
    tiles = fetched(archive, s2=role(mask=True), s1=S1)
    expected = np.array([255, 255, 0, 0, 0, 0, 0, 0, 100, 100, 100, 0], np.uint8)[classes(*at(PATCH, 20))]
    mask = tiles.arrays["stac/s2_cloud"]
    assert (mask.dtype, mask.shape) == (np.uint8, PATCH.shape)
    assert np.array_equal(mask, expected), "shadows (3) are no clouds; nothing (0) and defects (1) are nodata"


def test_the_mask_of_level_1c_is_that_of_its_level_2a_twin(archive: Archive) -> None:
    other = archive.sentinel2("b", "2018-07-03T10:40:21Z")
    with_classes(archive, other, beyond=1)
    top = role(level="l1c", mask=True)
    tiles = fetched(archive, s2=top, s1=S1)
    assert np.array_equal(tiles.arrays["stac/s2"], expected_s2(5, bands=BANDS))
    assert np.array_equal(
        tiles.arrays["stac/s2_cloud"], fetched(archive, s2=role(mask=True), s1=S1).arrays["stac/s2_cloud"]
    )


def test_a_scene_of_level_1c_without_a_twin_has_no_mask(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    with_classes(archive, archive.sentinel2("other", "2018-09-03T10:40:21Z"))
    archive.sentinel2("a-l1c", bands=BANDS, collection=L1C)
    archive.sentinel1("r")
    with pytest.raises(SceneUnavailable, match="no Level-2A twin") as refused:
        fetched(archive, s2=role(level="l1c", mask=True), s1=S1)
    assert refused.value.reason == Reason.NO_FILE


def test_masks_of_several_dates_lie_each_under_its_look(archive: Archive) -> None:
    platform = over(archive, s2=role(mask=True), s1=S1)
    chosen = acquisitions_of(platform, s2=role(mask=True), s1=S1)
    tiles = platform.fetch(PATCH, {look(name, 3, 12): one for name, one in chosen.items()}, Traffic())
    assert {*tiles.arrays} == {"stac/s2__003", "stac/s2_cloud__003", "stac/s1__003"}


def test_a_mask_of_a_collection_without_scene_classifications_is_refused_before_any_pixel(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.sentinel2("a")
    archive.sentinel1("r")
    with pytest.raises(CatalogueError, match=r"no scene classification.*`mask: cloud` of role s2"):
        over(archive, b10=None, s2=role(mask=True), s1=S1)


def test_a_scene_without_a_classification_among_others_that_have_one_is_refused(archive: Archive) -> None:
    archive.collections["sentinel-2-l2a"][0].assets.pop("SCL")
    with_classes(archive, archive.sentinel2("b", "2018-07-03T10:40:21Z"), key="scl")
    with pytest.raises(SceneUnavailable, match="no scene classification") as refused:
        fetched(archive, s2=role(mask=True), s1=S1)
    assert refused.value.reason == Reason.NO_FILE


def test_values_that_are_no_classes_are_refused(archive: Archive) -> None:
    archive.collections["sentinel-2-l2a"][0].assets.pop("SCL")
    with_classes(archive, archive.collections["sentinel-2-l2a"][0], key="scl", beyond=30)
    with pytest.raises(SceneUnavailable, match="classes 0 to 11"):
        fetched(archive, s2=role(mask=True), s1=S1)


def test_scenes_tell_satellite_sun_and_incidence_and_what_is_unknown(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.sentinel2("a", **{"view:sun_elevation": 51.5})
    archive.sentinel2("S2C_MSIL2A_20250503T104021_N0511_R008_T32TMR_20250503T150000", **{"s2:mean_solar_zenith": 30.0})
    archive.sentinel2("b", "2018-06-03T10:40:21Z", platform="other")
    archive.sentinel1("S1C_IW_GRDH_1SDV_x", **{"view:incidence_angle": 38.5})
    archive.sentinel1("r", platform="SENTINEL-1B")
    candidates = over(archive, b10=None, s2=ROOT, s1=Role(near="s2", reach=3_000 * DAY)).candidates(
        draws_of(PATCH), Traffic()
    )
    optical, radar = candidates["s2"].scenes, candidates["s1"].scenes
    assert isinstance(optical, OpticalScenes)
    assert isinstance(radar, RadarScenes)
    assert optical.satellite is not None
    assert optical.sun_elevation is not None
    assert radar.satellite is not None
    assert radar.incidence is not None
    assert dict(zip(optical.id, optical.satellite, strict=True)) == {
        "a": "S2A", optical.id[1]: "S2C", "b": ""
    }  # fmt: skip
    assert optical.sun_elevation.tolist() == pytest.approx([51.5, 60, np.nan], nan_ok=True)
    assert radar.satellite.tolist() == ["S1C", "S1B"]
    assert radar.incidence.tolist() == pytest.approx([38.5, np.nan], nan_ok=True)
