"""What the archive's catalogue says, and whether the pixels keep to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from rasterio.warp import transform as warp_points

from tasks.demo.spectra import BANDS

L2A, L1C, GRD = "sentinel-2-l2a", "sentinel-2-l1c", "sentinel-1-grd"


@pytest.fixture(scope="module")
def catalog(archive: Path) -> pystac.Catalog:
    return pystac.Catalog.from_file(str(archive / "catalog.json"))


@pytest.fixture(scope="module")
def items(catalog: pystac.Catalog) -> dict[str, list[pystac.Item]]:
    return {child.id: list(child.get_items()) for child in catalog.get_children()}


def read(item: pystac.Item, asset: str) -> np.ndarray:
    with rasterio.open(item.assets[asset].get_absolute_href()) as raster:
        return raster.read(1)


def qualifies(item: pystac.Item) -> bool:
    both = set(item.properties["sar:polarizations"]) == {"VV", "VH"}
    return both and item.properties["sar:instrument_mode"] == "IW"


def test_every_link_leads_to_a_file_and_is_relative(archive: Path) -> None:
    for path in archive.rglob("*.json"):
        for link in pystac.StacIO.default().read_json(str(path))["links"]:
            assert not urlparse(link["href"]).scheme
            assert (path.parent / link["href"]).is_file()


def test_every_raster_belongs_to_an_asset(archive: Path, items: dict[str, list[pystac.Item]]) -> None:
    hrefs = [asset.get_absolute_href() for each in items.values() for item in each for asset in item.assets.values()]
    files = [path for path in archive.rglob("*.tif") if path.parent.name != "labels"]
    assert sorted(Path(str(href)).resolve() for href in hrefs) == sorted(path.resolve() for path in files)


def test_assets_have_the_grid_the_item_states(items: dict[str, list[pystac.Item]]) -> None:
    for item in (item for each in items.values() for item in each):
        for asset in item.assets.values():
            with rasterio.open(asset.get_absolute_href()) as raster:
                assert raster.shape == tuple(asset.extra_fields["proj:shape"])
                assert list(raster.transform)[:6] == asset.extra_fields["proj:transform"]
                assert raster.crs.to_string() == item.properties["proj:code"] == "EPSG:32629"
                assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_sentinel_2_has_its_bands_at_their_resolutions_on_one_lattice(items: dict[str, list[pystac.Item]]) -> None:
    expected = dict.fromkeys(("B02", "B03", "B04", "B08"), 10.0) | dict.fromkeys(("B01", "B09"), 60.0)
    expected |= dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 20.0)
    for item in items[L2A]:
        found: dict[str, float] = {}
        for band, asset in item.assets.items():
            if band == "SCL":
                continue
            with rasterio.open(asset.get_absolute_href()) as raster:
                found[band] = raster.res[0]
                assert (raster.dtypes[0], raster.nodata) == ("uint16", 0)
                assert (raster.transform.c % 60, raster.transform.f % 60) == (0, 0)
        assert found == expected


def test_each_l2a_item_has_an_l1c_twin_with_b10_and_of_the_year_all_bands(items: dict[str, list[pystac.Item]]) -> None:
    def key(item: pystac.Item) -> tuple[str, str]:
        return item.properties["s2:datatake_id"], item.properties["s2:mgrs_tile"]

    assert sorted(map(key, items[L2A])) == sorted(map(key, items[L1C]))
    for item in items[L1C]:
        assert list(item.assets) == (list(BANDS) if in_year(item) else ["B10"])
        pixels = read(item, "B10")
        assert np.all(pixels[pixels > 0] >= (1002 if item.properties["s2:processing_baseline"] >= "04.00" else 2))


def test_the_scene_classification_is_cloud_where_the_pixels_are_white(items: dict[str, list[pystac.Item]]) -> None:
    cloudy = [item for item in items[L2A] if item.properties["eo:cloud_cover"] > 5]
    assert len(cloudy) >= 5
    for item in items[L2A]:
        classes, blue = read(item, "SCL"), read(item, "B02").astype(int)[1::2, 1::2]
        assert np.array_equal(classes == 0, read(item, "B05") == 0), "nothing outside the swath"
        blue = blue - (1000 if item.assets["B02"].extra_fields["raster:bands"][0]["offset"] else 0)
        cloud, clear = np.isin(classes, (8, 9)), np.isin(classes, (4, 5, 6))
        assert np.mean(blue[clear] < 4_500) > 0.95
        assert not cloud.any() or np.mean(blue[cloud] > 3_000) > 0.95
        share = 100 * cloud.sum() / (classes > 0).sum()
        assert share == pytest.approx(item.properties["eo:cloud_cover"], abs=1.5)


def test_the_year_has_clear_dates_in_every_season_and_cloudy_ones_near_some(
    items: dict[str, list[pystac.Item]],
) -> None:
    year = [item for item in items[L2A] if in_year(item)]
    months = {item.datetime.month for item in year if item.datetime}
    assert months == {*range(1, 13)}
    clear = [item.datetime for item in year if item.properties["eo:cloud_cover"] <= 1]
    cloudy = [item.datetime for item in year if item.properties["eo:cloud_cover"] > 30]
    assert {when.month % 12 // 3 for when in clear if when} == {0, 1, 2, 3}
    assert all(min(abs(when - other) for other in clear if other).days <= 10 for when in cloudy if when)
    radar = [item.datetime for item in items[GRD] if in_year(item)]
    hours = [min(abs(when - other).total_seconds() / 3600 for other in radar if other) for when in clear if when]
    assert sum(one <= 12 for one in hours) >= 6
    assert max(min(abs(item.datetime - other).days for other in radar if other) for item in year if item.datetime) <= 6


def test_the_sun_is_high_in_june_and_low_in_december(items: dict[str, list[pystac.Item]]) -> None:
    by_month = {item.datetime.month: item.properties["view:sun_elevation"] for item in items[L2A] if item.datetime}
    assert by_month[6] == pytest.approx(64, abs=2)
    assert by_month[12] == pytest.approx(18, abs=2)


def in_year(item: pystac.Item) -> bool:
    return item.datetime is not None and item.datetime.year < 2020


def test_ids_agree_with_the_properties(items: dict[str, list[pystac.Item]]) -> None:
    for item in [*items[L2A], *items[L1C]]:
        baseline = item.properties["s2:processing_baseline"]
        _, _, taken, processing, orbit, tile, _ = item.id.split("_")
        assert item.datetime is not None
        assert taken == f"{item.datetime:%Y%m%dT%H%M%S}"
        assert processing == f"N{baseline.replace('.', '')}"
        assert orbit == f"R{item.properties['sat:relative_orbit']:03d}"
        assert tile == f"T{item.properties['s2:mgrs_tile']}" == f"T{item.properties['grid:code'][5:]}"
        assert item.properties["s2:datatake_id"].endswith(f"_N{baseline}")
    for item in items[GRD]:
        assert item.datetime is not None
        # S1A: relative orbit = (absolute - 73) mod 175 + 1; only orbits 45 keep to it here, names do not depend on it.
        assert item.id.split("_")[4] == f"{item.datetime:%Y%m%dT%H%M%S}"
        assert int(item.id.split("_")[6]) == item.properties["sat:absolute_orbit"]


def test_the_offset_is_in_the_pixels_where_the_item_says_so(items: dict[str, list[pystac.Item]]) -> None:
    stated = set()
    for item in items[L2A]:
        applied = item.properties.get("earthsearch:boa_offset_applied")
        new = item.properties["s2:processing_baseline"] >= "04.00"
        pixels = read(item, "B12")
        darkest = int(pixels[pixels > 0].min())
        assert (darkest >= 1000) == (new and not applied)
        assert item.assets["B12"].extra_fields["raster:bands"][0]["offset"] == (-0.1 if new and not applied else 0)
        stated.add((new, applied))
    assert stated == {(False, None), (True, None), (True, False), (True, True)}


def test_processing_before_2022_has_an_old_baseline(items: dict[str, list[pystac.Item]]) -> None:
    for item in items[L2A]:
        made = datetime.fromisoformat(item.properties["created"])
        assert (made >= datetime(2022, 1, 25, tzinfo=UTC)) == (item.properties["s2:processing_baseline"] >= "04.00")


def test_one_acquisition_is_there_in_two_processings(items: dict[str, list[pystac.Item]]) -> None:
    groups = [list(group) for _, group in groupby(items[L2A], key=lambda item: item.datetime)]
    older, newer = next(group for group in groups if len(group) == 2)
    assert older.properties["created"] < newer.properties["created"]
    assert older.properties["s2:processing_baseline"] < newer.properties["s2:processing_baseline"]
    assert older.geometry == newer.geometry
    old, new = read(older, "B02").astype(int), read(newer, "B02").astype(int)
    assert np.mean(old[new > 0] != new[new > 0]) > 0.99
    assert old[new > 0].mean() > new[new > 0].mean() + 150
    assert sorted(len(group) for group in groups if not in_year(group[0])) == [1, 1, 1, 1, 2]


def test_pairs_within_three_days_exist_for_all_dates_of_the_whole_country_but_one(
    items: dict[str, list[pystac.Item]],
) -> None:
    radar = [item.datetime for item in items[GRD] if qualifies(item) and item.datetime]
    times = {item.datetime for item in items[L2A] if item.datetime}
    alone = {time for time in times if min(abs(time - other) for other in radar) > timedelta(days=3)}
    alone = {time for time in alone if time.year > 2020}
    assert alone == {datetime(2022, 8, 15, 11, 54, 11, tzinfo=UTC)}
    others = [item for item in items[GRD] if not qualifies(item) and item.datetime]
    assert len(others) == 2
    assert all(abs(item.datetime - min(alone)) < timedelta(days=3) for item in others if item.datetime)


def test_sentinel_1_is_float_decibel_with_nan_outside(items: dict[str, list[pystac.Item]]) -> None:
    lattices = set()
    for item in filter(qualifies, items[GRD]):
        for name in ("vv", "vh"):
            with rasterio.open(item.assets[name].get_absolute_href()) as raster:
                assert raster.dtypes[0] == "float32"
                assert np.isnan(raster.nodata)
                lattices.add((raster.transform.c % 10, raster.transform.f % 10))
        vv, vh = read(item, "vv"), read(item, "vh")
        assert np.array_equal(np.isnan(vv), np.isnan(vh))
        assert -25 < np.nanmean(vv) < -5
        assert np.nanmean(vh) < np.nanmean(vv) - 4
    assert lattices == {(0.0, 0.0), (4.0, 6.0)}, "one scene lies 4 m east and south of the lattice of the others"


def test_the_footprint_holds_all_valid_pixels_and_no_others_are_missing(items: dict[str, list[pystac.Item]]) -> None:
    shares = []
    for item in (item for each in items.values() for item in each):
        asset = next(iter(item.assets.values()))
        with rasterio.open(asset.get_absolute_href()) as raster:
            pixels, transform, step = raster.read(1), raster.transform, raster.res[0]
        valid = ~np.isnan(pixels) if pixels.dtype == np.float32 else pixels > 0
        rows, columns = np.indices(valid.shape)
        x, y = transform.c + step * (columns.ravel() + 0.5), transform.f - step * (rows.ravel() + 0.5)
        lon, lat = warp_points("EPSG:32629", "EPSG:4326", x, y)
        outline = shapely.geometry.shape(item.geometry)
        inside = shapely.contains_xy(outline, lon, lat).reshape(valid.shape)
        assert np.all(inside[valid]), f"{item.id} has pixels outside of its footprint"
        # Pixels that the border cuts are nodata: at most a strip of two along it.
        assert np.sum(inside & ~valid) < 2 * max(valid.shape), f"{item.id} lacks pixels inside its footprint"
        assert item.bbox == pytest.approx(outline.bounds, abs=1e-6)
        shares.append(round(float(valid.mean()), 1))
        assert step in (10, 40, 60)
    assert sum(share < 0.9 for share in shares) >= 5, "several scenes cover the country in part"


def test_clouds_are_as_frequent_as_stated(items: dict[str, list[pystac.Item]]) -> None:
    cloudy = [item for item in items[L2A] if item.properties["eo:cloud_cover"] > 0]
    assert cloudy
    for item in cloudy:
        offset = 1000 if item.assets["B02"].extra_fields["raster:bands"][0]["offset"] else 0
        blue = read(item, "B02").astype(int)
        share = np.mean(blue[blue > 0] - offset > 3_800)
        assert abs(100 * share - item.properties["eo:cloud_cover"]) < 6
