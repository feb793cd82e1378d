"""An estimate: what a build takes, from nothing but spec, places and settings."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import PlacesError
from tasks.imagery.registry import Cost, platform_settings, room_of
from tasks.imagery.stac.settings import StacSettings
from tasks.places.draws import ListedPlaces, draw_region
from tasks.places.opening import open_places
from tasks.places.patches import patches_around
from tasks.places.regions import load_region
from tasks.planning.estimate import LABELS_STORED, MASK_STORED, STORED, Estimate, estimate
from tasks.settings import Settings
from tasks.spec import CorpusSpec

SETTINGS = Settings(price_gs=0.02, price_az=0.01)


def spec(**changes: Any) -> CorpusSpec:
    return CorpusSpec.model_validate(
        {
            "name": "tiny", "size": 1000, "places": {"random": ["LU"]}, "window": ["2018-01-01", "2021-01-01"],
            "patch": {"pixels": 64}, "shard_size": 250, "destinations": ["out"],
        }
        | changes
    )  # fmt: skip


@pytest.fixture(scope="module")
def places() -> Any:
    """Luxembourg, in cells of 1.28 km: some 1,580."""
    return draw_region(load_region(["LU"]), pixels=64, seed=0, window=(0, 10**15), shard_size=250)


def estimated(places: Any, **changes: Any) -> Estimate:
    return estimated_of(spec(**changes), places)


def estimated_of(wanted: CorpusSpec, places: Any) -> Estimate:
    return estimate(wanted, places, SETTINGS, platform_settings(wanted))


def test_a_random_corpus_has_its_size_in_whole_shards(places: Any) -> None:
    found = estimated(places)
    assert (found.samples, found.shards) == (1000, 4)
    assert found.capacity == places.capacity * 250 >= 1000


def test_more_than_the_region_holds_is_refused_with_what_fits(places: Any) -> None:
    fits = places.capacity * 250
    assert estimated(places, size=fits).samples == fits
    with pytest.raises(PlacesError, match=f"Use size: {fits} or less"):
        estimated(places, size=fits + 250)


@pytest.mark.parametrize("platform", ["demo", "earthengine", "descarteslabs"])
def test_requests_bytes_and_hours_follow_from_the_cost_of_the_platform(places: Any, platform: str) -> None:
    (found,) = estimated(places, platforms=[platform]).platforms
    wanted = spec(platforms=[platform])
    cost = room_of(platform).cost(*platform_settings(wanted), wanted)
    requests = 1000 * cost.requests_a_sample + 4 * cost.requests_a_shard
    assert found.name == platform
    assert found.requests == pytest.approx(requests, abs=1)
    assert found.hours == pytest.approx(requests * cost.seconds_a_request / cost.in_flight / 3600)
    angle = 2 if platform == "earthengine" else 0
    assert found.bytes_moved == 1000 * 64 * 64 * (13 * 2 + 2 * 4 + angle)
    assert f"{cost.in_flight} in flight" in found.limit


def test_a_stac_platform_costs_a_request_a_file_under_its_own_name(places: Any) -> None:
    (found,) = estimated(places, platforms=[{"stac": {"catalog": "a", "name": "archive"}}]).platforms
    assert (found.name, found.requests) == ("archive", 15_000)


def test_of_a_remote_archive_whole_blocks_are_moved(places: Any) -> None:
    (found,) = estimated(places, platforms=[{"stac": {"catalog": "https://example.org/catalog.json"}}]).platforms
    assert found.bytes_moved > 10 * 1000 * 64 * 64 * (13 * 2 + 2 * 4)


def test_more_requests_in_flight_take_less_time(places: Any) -> None:
    wanted = spec(platforms=["demo"])
    slow, fast = (estimate(wanted, places, SETTINGS, (StacSettings(stac_reads=n),)).hours for n in (2, 8))
    assert slow == pytest.approx(4 * fast)


def test_platforms_are_asked_at_the_same_time_so_the_slowest_counts(places: Any) -> None:
    found = estimated(places, platforms=["demo", "earthengine"])
    assert found.hours == max(platform.hours for platform in found.platforms)
    assert [platform.name for platform in found.platforms] == ["demo", "earthengine"]


def test_a_sample_of_250_pixels_is_stored_in_less_than_0_8_mb_a_platform() -> None:
    whole = draw_region(load_region(["LU", "BE"]), pixels=250, seed=0, window=(0, 10**15), shard_size=250)
    found = estimated(whole, size=250, patch={"pixels": 250}, platforms=["demo", "earthengine"])
    assert found.bytes_stored / 250 / 2 == pytest.approx(780_000, rel=0.001)


@pytest.mark.parametrize("labels", [[], ["corine"], ["osm"], ["corine", "osm"]])
def test_labels_come_on_top_of_the_pixels_of_each_platform(places: Any, labels: list[str]) -> None:
    found = estimated(places, labels=labels, platforms=["demo", "earthengine"])
    pixels = 1000 * 64 * 64
    assert found.bytes_stored == round(
        pixels * (2 * sum(STORED.values()) + sum(LABELS_STORED[label] for label in labels))
    )


def test_a_label_that_comes_with_the_images_is_moved_with_them(places: Any) -> None:
    labels = ["corine", {"modis": {"earthengine": "MODIS/061/MCD12Q1/2016_01_01", "bands": ["a", "b"], "values": [1]}}]
    found = estimated(places, labels=labels, platforms=["demo", "earthengine"])
    bare, sent = (platform.bytes_moved / (1000 * 64 * 64) for platform in found.platforms)
    assert (bare, sent) == (34, 34 + 2 + 3 * 2)  # and an angle of 16 bits
    own = estimated(places, labels=["corine"], sources={"corine": "/clc.tif"}, platforms=["earthengine"])
    assert own.platforms[0].bytes_moved == 1000 * 64 * 64 * 36


def test_prices_are_those_of_the_settings_for_each_destination_that_bills(places: Any) -> None:
    where = ["gs://bucket/a", "az://container/a", "/data/out", "file:///data"]
    found = estimated(places, destinations=where)
    gigabytes = found.bytes_stored / 1e9
    assert [name for name, _ in found.prices] == where
    gs, az, folder, file = (price for _, price in found.prices)
    assert gs == pytest.approx(0.02 * gigabytes)
    assert az == pytest.approx(0.01 * gigabytes)
    assert (folder, file) == (None, None)


@given(st.integers(1, 4), st.sampled_from([10, 50, 250]))
def test_an_estimate_is_linear_in_the_size(shards: int, shard_size: int) -> None:
    places = draw_region(load_region(["LU"]), pixels=64, seed=0, window=(0, 10**15), shard_size=shard_size)
    one, many = (
        estimated(places, size=n * shard_size, shard_size=shard_size, platforms=["earthengine"]) for n in (1, shards)
    )
    assert (many.samples, many.shards) == (shards * one.samples, shards * one.shards)
    assert many.bytes_stored == pytest.approx(shards * one.bytes_stored, abs=shards)
    assert many.platforms[0].requests == pytest.approx(shards * one.platforms[0].requests, abs=shards)
    assert many.hours == pytest.approx(shards * one.hours)


# Listed places


def listed(count: int) -> ListedPlaces:
    return ListedPlaces(
        patches=patches_around(np.linspace(8, 9, count), np.full(count, 45.0), 64),
        preferred=np.zeros(count, np.int64),
        window=(0, 10**15),
        shard_size=250,
        digest="x",
    )


@pytest.mark.parametrize(("count", "shards"), [(1, 1), (250, 1), (251, 2), (777, 4)])
def test_listed_places_are_as_many_as_the_file_lists(count: int, shards: int) -> None:
    found = estimated_of(spec(places={"points": "sites.gpkg"}, size=None), listed(count))
    assert (found.samples, found.shards, found.capacity) == (count, shards, count)
    assert found.platforms[0].requests == 15 * count


def test_a_size_that_is_not_the_number_of_places_is_refused() -> None:
    with pytest.raises(PlacesError):
        estimated_of(spec(places={"points": "sites.gpkg"}, size=5), listed(6))


def test_an_estimate_of_a_cover_counts_its_tiles(tmp_path: Path) -> None:
    gpd.GeoDataFrame(geometry=[shapely.box(640 * 785, 640 * 7810, 640 * 795, 640 * 7811)], crs=32632).to_file(
        tmp_path / "farm.gpkg"
    )
    wanted = spec(places={"cover": str(tmp_path / "farm.gpkg")}, size=None)
    assert estimated_of(wanted, open_places(wanted)).samples == 10


# Roles and dates

TRIPLET: dict[str, Any] = {
    "s2": {"mask": "cloud"},
    "s2_cloudy": {"near": "s2", "max_days": 14},
    "s1": {"near": "s2", "max_days": 3},
}


def test_what_is_stored_and_moved_is_that_of_all_roles_masks_and_dates(places: Any) -> None:
    pair, triplet, year = (
        estimated(places, platforms=["demo"], **changes)
        for changes in ({}, {"acquisitions": TRIPLET}, {"acquisitions": TRIPLET, "instants": {"slices": 12}})
    )
    pixels = 1000 * 64 * 64
    optical, radar = STORED["sentinel2"], STORED["sentinel1"]
    assert pair.bytes_stored == round(pixels * (optical + radar))
    assert triplet.bytes_stored == round(pixels * (2 * optical + radar + MASK_STORED))
    assert year.bytes_stored == pytest.approx(12 * triplet.bytes_stored, abs=12)
    assert triplet.platforms[0].bytes_moved == pixels * (2 * 26 + 8 + 1)
    assert year.platforms[0].bytes_moved == 12 * triplet.platforms[0].bytes_moved


def test_a_file_is_read_for_each_band_and_date(places: Any) -> None:
    once, year = (
        estimated(places, platforms=["demo"], acquisitions={"s2": {}, "s2_b": {"near": "s2", "max_days": 9}}, **changes)
        for changes in ({}, {"instants": {"slices": 12}})
    )
    assert once.platforms[0].requests == 26_000
    assert year.platforms[0].requests == 12 * 26_000
    assert year.hours == pytest.approx(12 * once.hours)


def test_labels_are_stored_once_whatever_the_dates(places: Any) -> None:
    labelled, plain = (
        estimated(places, platforms=["demo"], instants={"seasons": 4}, labels=labels) for labels in (["corine"], [])
    )
    assert labelled.bytes_stored - plain.bytes_stored == pytest.approx(1000 * 64 * 64 * LABELS_STORED["corine"], abs=1)


@pytest.mark.parametrize("platform", ["earthengine", "descarteslabs"])
def test_a_large_patch_takes_as_much_longer_as_it_is_larger(platform: str) -> None:
    def cost(pixels: int) -> Cost:
        spec = CorpusSpec.model_validate(
            {
                "name": "tiny", "size": 8, "shard_size": 4, "places": {"random": "land"},
                "window": ["2019-01-01", "2020-01-01"], "patch": {"pixels": pixels}, "platforms": [platform],
                "destinations": ["out"],
            }
        )  # fmt: skip
        room = room_of(platform)
        return room.cost(room.settings(), spec)

    plain, large = cost(250), cost(2000)
    assert plain.seconds_a_request == 2
    longer = large.seconds_a_request * large.requests_a_sample / (plain.seconds_a_request * plain.requests_a_sample)
    assert 20 < longer <= 64, "64 times the pixels; small answers take no less than the shortest time"
