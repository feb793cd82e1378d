"""Several roles and dates from Earth Engine: shards of the real client and a server on loopback, pixel by pixel."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tasks.assembly.builder import close_builders, open_builder
from tasks.assembly.filling import Filling
from tasks.errors import CatalogueError
from tasks.imagery.earthengine import EarthEngineSettings
from tasks.imagery.earthengine.platform import EarthEngine
from tasks.scenes.looks import date_of, role_of
from tasks.scenes.roles import DAY, Role, Rule
from tasks.settings import load
from tasks.shards.rows import Sample, decode_rows, encode_rows, sample_rows
from tasks.spec import CorpusSpec
from tests.integration.earthengine_world import draws_at, expected_l1c, expected_mask, expected_pixels, world_of
from tests.servers.assets import Raster
from tests.servers.earthengine import EarthEngineServer
from tests.servers.world import GRD, L1C, L2A, PROBABILITY, SCORE, World

LON, LAT = 10.3 + np.array([0.0, 0.02, 0.04]), 50.1 + np.array([0.0, 0.015, 0.03])

CLC = "COPERNICUS/CORINE/V20/100m/2018"

MONTH = 30 * 86_400_000
"""Milliseconds."""

ROLES = {
    "s2": {"level": "l1c", "mask": "cloud"},
    "s2_cloudy": {"near": "s2", "max_days": 15},
    "s1": {"near": "s2", "max_days": 12},
}
"""Of each level, and two of one sensor."""


@pytest.fixture(scope="module")
def world() -> World:
    """In one month of four no image has a mask."""
    held = world_of(draws_at(LON, LAT)).scenes
    return World(scenes=[one for one in held if one.collection not in (SCORE, PROBABILITY) or one.time // MONTH % 4])


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngineServer]:
    clc = Raster(id=CLC, bands={"landcover": np.full((900, 900), 111, "i2")}, left=4_000_000, top=3_300_000, pixel=1000)
    with EarthEngineServer(World(scenes=world.scenes, assets={CLC: clc})) as server:
        for name, value in {
            "DEEPSENTINEL_EARTHENGINE_URL": server.url,
            "DEEPSENTINEL_EARTHENGINE_CREDENTIALS": "anonymous",
            "DEEPSENTINEL_EARTHENGINE_PROJECT": "proj-x",
            "DEEPSENTINEL_EARTHENGINE_PATIENCE": "5",
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield server
        close_builders()
        assert not server.complaints


Fill = Callable[..., tuple[Filling, dict[str, Any]]]


@pytest.fixture
def filled(server: EarthEngineServer, tmp_path: Path) -> Fill:
    gpd.GeoDataFrame(geometry=shapely.points(LON, LAT), crs=4326).to_file(tmp_path / "points.gpkg")

    def fill(**changes: Any) -> tuple[Filling, dict[str, Any]]:
        builder = open_builder(CorpusSpec.model_validate({
            "name": "series", "places": {"points": str(tmp_path / "points.gpkg")}, "acquisitions": ROLES,
            "window": ("2019-04-01", "2019-07-30"), "patch": {"pixels": 32}, "platforms": ["earthengine"],
            "shard_size": 3, "destinations": [str(tmp_path / "corpus")], **changes,
        }))  # fmt: skip
        filling = Filling(builder=builder, shard=0, traffic=builder.traffic())
        arrays = filling.fill()
        return filling, arrays

    return fill


def compare(world: World, sample: Sample, arrays: dict[str, Any], dates: int) -> int:
    """See that each look of a sample is what the world holds; how many had a mask."""
    masks = 0
    for look, acquisition in sample.acquisitions.items():
        role, at = role_of(look), (sample.row, date_of(look)) if dates > 1 else (sample.row,)
        id, held = acquisition.id, arrays[f"earthengine/{role}"][at]
        if role == "s1":
            _, s1 = expected_pixels(world, sample.patch, world.collection(L2A)[0].id, id)
            np.testing.assert_array_equal(held, np.round(s1 * 100))
        elif role == "s2_cloudy":
            s2, _ = expected_pixels(world, sample.patch, id, world.collection(GRD)[0].id)
            np.testing.assert_array_equal(held, s2)
        else:
            assert id.startswith(f"{L1C}/")
            np.testing.assert_array_equal(held, expected_l1c(world, sample.patch, id))
            expected = expected_mask(world, sample.patch, id)
            np.testing.assert_array_equal(arrays["earthengine/s2_cloud"][at], expected)
            masks += int((expected != 255).any())
    return masks


def test_three_roles_of_three_sources_come_in_one_request(
    filled: Fill, server: EarthEngineServer, world: World
) -> None:
    filling, arrays = filled(labels=["corine"])
    assert sorted(arrays) == [
        "earthengine/s1", "earthengine/s2", "earthengine/s2_cloud", "earthengine/s2_cloudy", "labels/corine",
    ]  # fmt: skip
    assert server.counts["table"] == 1 and server.counts["image"] == len(filling.samples) == 3
    for sample in filling.samples:
        assert set(sample.acquisitions) == set(ROLES)
        compare(world, sample, arrays, 1)
    assert (arrays["labels/corine"] == 1).all()


def test_four_dates_of_three_roles_come_in_one_request(filled: Fill, server: EarthEngineServer, world: World) -> None:
    filling, arrays = filled(instants={"slices": 4}, labels=["corine"])
    assert filling.builder.platforms[0].dates_together >= 4
    assert server.counts["table"] == 1, "a place is asked about once, not for each date"
    assert server.counts["image"] == 3
    looks = [look for sample in filling.samples for look in sample.acquisitions]
    assert len(looks) == 3 * 4 * 3 and {date_of(look) for look in looks} == {0, 1, 2, 3}
    masks = sum(compare(world, sample, arrays, 4) for sample in filling.samples)
    assert 0 < masks < 12, "some images have a mask and some have none"
    assert arrays["earthengine/s2"].shape == (3, 4, 13, 32, 32)
    assert (arrays["labels/corine"] == 1).all()


def test_rows_tell_satellites_and_angles_of_each_date(filled: Fill, world: World) -> None:
    filling, _ = filled(instants={"slices": 4})
    rows = decode_rows(encode_rows(sample_rows(filling.samples, filling.builder.spec, 0)))
    for sample, row in zip(filling.samples, rows.to_dict("records"), strict=True):
        for date in range(4):
            optical = world.by_id[sample.acquisitions[f"s2__{date:03d}"].id]
            assert row["s2_satellite"][date] == optical.get("DATATAKE_IDENTIFIER")[1:4]
            assert row["s2_sun_elevation"][date] == 90 - optical.get("MEAN_SOLAR_ZENITH_ANGLE")
            radar = world.by_id[sample.acquisitions[f"s1__{date:03d}"].id]
            steps = sample.patch.xmin + 10 * np.arange(32) + 5
            assert row["s1_incidence"][date] == round(float(np.mean(radar.values("angle", steps, steps))), 2)
            assert row["s1_satellite"][date] == "S1A"
        assert row["s2_clear"][0] == pytest.approx((expected_mask_of(world, sample, 0) < 40).mean())


def expected_mask_of(world: World, sample: Sample, date: int) -> Any:
    return expected_mask(world, sample.patch, sample.acquisitions[f"s2__{date:03d}"].id)


def test_masks_of_s2cloudless_by_a_setting_and_of_l2a_by_its_twin(
    filled: Fill, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_CLOUD", PROBABILITY)
    roles = {"s2": {"mask": "cloud"}, "s1": {"near": "s2", "max_days": 12}}
    filling, arrays = filled(acquisitions=roles, instants={"slices": 4})
    seen = 0
    for sample in filling.samples:
        for look, acquisition in sample.acquisitions.items():
            if role_of(look) != "s2":
                continue
            scenes: Any = acquisition.scenes
            twin = str(scenes.twin[acquisition.scene])
            expected = expected_mask(world, sample.patch, twin, PROBABILITY) if twin else np.full((32, 32), 255)
            np.testing.assert_array_equal(arrays["earthengine/s2_cloud"][sample.row, date_of(look)], expected)
            seen += int((expected != 255).any())
    assert seen > 0


def test_a_date_larger_than_a_request_comes_in_strips_with_its_labels(
    filled: Fill, server: EarthEngineServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.imagery.earthengine.parts.MOST_BYTES", 32 * 32 * 40)
    filling, arrays = filled(instants={"slices": 2}, labels=["corine"])
    assert filling.builder.platforms[0].dates_together == 1
    assert server.counts["image"] == 3 * 2 * 2, "a request a strip and date"
    assert {grid["dimensions"]["height"] for grid in server.grids} == {16}
    for sample in filling.samples:
        compare(world, sample, arrays, 2)
    assert (arrays["labels/corine"] == 1).all()


def test_a_listed_place_whose_request_is_refused_keeps_the_dates_that_are_not(
    filled: Fill, server: EarthEngineServer, world: World
) -> None:
    whole, _ = filled(instants={"slices": 4})
    close_builders()
    gone = whole.samples[0].acquisitions["s2__002"].id
    server.reset_counts()
    server.faults.missing = {gone}
    filling, arrays = filled(instants={"slices": 4})
    affected = [sample for sample in whole.samples if gone in {one.id for one in sample.acquisitions.values()}]
    assert server.counts["image"] == 3 + 4 * len(affected), "date by date where the request was refused"
    first = filling.samples[0]
    assert set(first.lacking) == {2} and {date_of(look) for look in first.acquisitions} == {0, 1, 3}
    compare(world, first, arrays, 4)
    assert not arrays["earthengine/s2"][0, 2].any() and (arrays["earthengine/s2_cloud"][0, 2] == 255).all()


def test_a_collection_of_masks_that_cannot_be_read_is_told_before_and_blames_no_scene(
    filled: Fill, server: EarthEngineServer
) -> None:
    server.faults.missing = {SCORE}
    with pytest.raises(CatalogueError, match=f"no image collection {SCORE}.*DEEPSENTINEL_EARTHENGINE_CLOUD"):
        filled()
    close_builders()
    rule = Rule(window=(0, 2**60), roles={"s2": Role(near=None, reach=DAY, mask=True)})
    platform = EarthEngine(rule, load(EarthEngineSettings))
    with pytest.raises(CatalogueError, match="DEEPSENTINEL_EARTHENGINE_CLOUD"):
        platform.check()
    server.faults.missing = set()
    assert SCORE in platform.check()
