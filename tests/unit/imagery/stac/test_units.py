"""Archives with other types and units than today's corpora, end to end: exact pixels, or a refusal that helps."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from tasks.assembly.builder import open_builder
from tasks.assembly.shard import make_shard
from tasks.errors import NotUnderstood, SceneUnavailable
from tasks.imagery.bands import BANDS
from tasks.scenes.reasons import Reason
from tests.archive import RESOLUTION, Archive, at, decibels, write_raster
from tests.unit.builders import described, spec_over
from tests.unit.imagery.stac.opening import PATCH, expected_s2, fetched, opened, s1_of, s2_of

Change = Callable[[np.ndarray], np.ndarray]


def rewritten(folder: Path, change: Change, **facts: Any) -> None:
    """Write every raster of a folder again, with other values, or facts of the file."""
    for path in folder.rglob("*.tif"):
        with rasterio.open(path) as file:
            pixels, pixel, nodata = file.read(1), file.transform.a, file.nodata
        path.unlink()
        write_raster(path, change(pixels), pixel=pixel, nodata=facts.get("nodata", nodata))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path)
    archive.sentinel2("a", scene=1)
    archive.sentinel1("r", scene=2)
    return archive


def refusal(archive: Archive, **source: Any) -> str:
    with pytest.raises(SceneUnavailable) as caught:
        fetched(opened(archive, **source))
    assert caught.value.reason == Reason.NOT_UNDERSTOOD
    assert str(archive.root) not in str(caught.value)
    return str(caught.value)


def say(archive: Archive, collection: str, **asset: Any) -> None:
    """Let all assets of a collection's items say something of their pixels."""
    for item in archive.collections[collection]:
        for held in item.assets.values():
            held.extra_fields.update(asset)


# Sentinel-2


def test_signed_integers_with_negatives_are_the_darkest_valid_value_and_counted(archive: Archive) -> None:
    dark = int(np.median(expected_s2(1)[0]))

    def lower(pixels: np.ndarray) -> np.ndarray:
        return np.maximum(pixels.astype(np.int16) - dark, -1500)

    rewritten(archive.root / "sentinel-2-l2a", lower)
    tiles = fetched(opened(archive))
    native = np.stack([lower(band) for band in expected_s2(1)])
    there = [index for index, band in enumerate(BANDS) if band != "B10"]
    expected = np.where(native == 0, 0, np.maximum(native, 1))
    assert np.array_equal(s2_of(tiles)[there], expected[there])
    assert (native[there] < 0).any()
    assert tiles.clipped == {"stac/s2": (native[there] < 0).sum()}


def test_reflectance_from_0_to_1_is_refused_until_the_spec_or_the_item_says_so(archive: Archive) -> None:
    rewritten(archive.root / "sentinel-2-l2a", lambda pixels: (pixels / 10_000).astype(np.float32), nodata=np.nan)
    assert "B01.tif: is float32" in refusal(archive)
    assert "`reflectance_scale: 1`" in refusal(archive)
    assert np.array_equal(s2_of(fetched(opened(archive, reflectance_scale=1))), expected_s2(1))
    say(archive, "sentinel-2-l2a", **{"raster:bands": [{"scale": 1.0, "unit": "reflectance"}]})
    assert np.array_equal(s2_of(fetched(opened(archive))), expected_s2(1))


def test_a_scale_that_does_not_fit_is_refused_with_file_type_range_and_key(archive: Archive) -> None:
    said = refusal(archive, reflectance_scale=1)
    assert "uint16 with values from" in said
    assert "which reflectance_scale of the spec is for" in said


def test_pictures_of_8_bits_are_refused(archive: Archive) -> None:
    rewritten(archive.root / "sentinel-2-l2a", lambda pixels: (pixels % 255 + 1).astype(np.uint8))
    assert "picture for the eye" in refusal(archive)


def test_an_offset_that_an_archive_took_out_without_saying_so_is_not_taken_out_again(archive: Archive) -> None:
    # As in some items of Earth Search (Element84/earth-search#71): dark ground, a new baseline, and a wrong flag.
    rewritten(archive.root / "sentinel-2-l2a", lambda pixels: (pixels // 10).astype(np.uint16))
    item = archive.collections["sentinel-2-l2a"][0]
    item.properties |= {"s2:processing_baseline": "05.11", "earthsearch:boa_offset_applied": False}
    assert "boa_offset_applied: true" in refusal(archive)
    item.properties["earthsearch:boa_offset_applied"] = True
    assert s2_of(fetched(opened(archive))).max() < 1000


def test_a_file_of_many_bands_gives_those_that_the_item_names(archive: Archive) -> None:
    item = archive.collections["sentinel-2-l2a"][0]
    path = archive.root / "both.tif"
    with rasterio.open(item.assets["B03"].href) as file:
        profile, pixels = file.profile | {"count": 2}, file.read(1)
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.stack([pixels + 1, pixels]))
    item.assets["B03"].href = str(path)
    assert "both.tif: has 2 bands, and the catalogue does not say which of them is B03" in refusal(archive)
    item.assets["B03"].extra_fields["bands"] = [{"name": "red"}, {"name": "green"}]
    assert np.array_equal(s2_of(fetched(opened(archive))), expected_s2(1))


# Sentinel-1


def expected_s1() -> np.ndarray:
    return np.stack([decibels(2, index, *at(PATCH, RESOLUTION["B02"])) for index in (0, 1)])


def test_power_that_is_taken_for_decibels_is_refused_until_spec_or_item_says_so(archive: Archive) -> None:
    rewritten(archive.root / "s1", lambda pixels: 10 ** (pixels / 10))
    said = refusal(archive)
    assert "VV.tif (float32), VH.tif (float32), taken for dB" in said
    assert "`backscatter: power`" in said
    assert s1_of(fetched(opened(archive, backscatter="power"))) == pytest.approx(expected_s1(), abs=1e-3)
    say(archive, "sentinel-1-grd", bands=[{"unit": "linear power"}])
    assert s1_of(fetched(opened(archive))) == pytest.approx(expected_s1(), abs=1e-3)


def test_decibels_that_are_taken_for_power_are_refused(archive: Archive) -> None:
    assert "`backscatter: db`" in refusal(archive, backscatter="power")


@pytest.mark.parametrize("backscatter", ["db", "power"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_digital_numbers_of_grd_are_refused_with_an_explanation(archive: Archive, backscatter: str, dtype: Any) -> None:
    rewritten(archive.root / "s1", lambda p: np.nan_to_num(500 * 10 ** (p / 20), nan=0).astype(dtype), nodata=0)
    assert "not calibrated" in refusal(archive, backscatter=backscatter)


def test_grd_in_no_projection_is_refused_with_an_explanation(archive: Archive) -> None:
    for path in (archive.root / "s1").rglob("*.tif"):
        path.unlink()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            write_raster(path, np.full((120, 120), 80, np.uint16), crs=None, left=0, top=0, pixel=-1)
    assert "not calibrated" in refusal(archive)


def test_a_nodata_of_backscatter_that_nobody_marked_is_refused_until_the_item_marks_it(archive: Archive) -> None:
    def holed(pixels: np.ndarray) -> np.ndarray:
        pixels[20] = -9999
        return pixels

    rewritten(archive.root / "s1", holed)
    assert "values from -9999 to" in refusal(archive)
    say(archive, "sentinel-1-grd", **{"raster:bands": [{"nodata": -9999}]})
    found = s1_of(fetched(opened(archive)))
    assert np.isnan(found[:, 20 - 7]).all()
    assert np.isnan(found).sum() == 2 * 64


# A corpus


def test_a_corpus_over_an_archive_that_nobody_understands_stops_with_the_key_that_sets_it_right(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.sentinel2("S2A_x")
    archive.sentinel1("S1A_y", power=True)
    archive.save()
    builder = open_builder(spec_over(tmp_path))
    described(builder)
    with pytest.raises(NotUnderstood, match=r"of none are what they are said to be.*`backscatter: power`"):
        make_shard(builder, 0)
    right = {"stac": {"catalog": str(tmp_path / "catalog.json"), "backscatter": "power"}}
    builder = open_builder(spec_over(tmp_path, platforms=[right], destinations=[str(tmp_path / "right")]))
    described(builder)
    assert make_shard(builder, 0).samples == 5
