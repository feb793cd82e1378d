"""Images of the platform `descarteslabs` to scenes: what is taken from where."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import shapely

from tasks.imagery.descarteslabs.scenes import adopt_datatakes, sentinel1_scenes, sentinel2_scenes
from tasks.scenes.products import SENTINEL1_PRODUCT, SENTINEL2_PRODUCT, relative_orbit
from tasks.scenes.scenes import Acquisition

S2_NAME = "S2B_MSIL1C_20180503T104021_N0206_R008_T32TMS_20180503T125214"
S1_NAME = "S1B_IW_GRDH_1SDV_20170903T175659_20170903T175724_007231_00CBEF_874B"
NOON = dt.datetime(2018, 5, 3, 10, 40, 21, tzinfo=dt.UTC)


def image(id: str = "p:x", **attributes: Any) -> Any:
    """An image of the catalogue with these attributes, and None for all others."""
    names = (
        "provider_id", "name", "extra_properties", "cs_code", "cloud_fraction", "published", "created",
        "satellite_id", "storage_state", "solar_elevation_angle", "incidence_angle",
    )  # fmt: skip
    given = dict.fromkeys(names) | {"acquired": NOON, "geometry": shapely.box(8, 47, 9, 48)} | attributes
    return SimpleNamespace(id=id, **given)


@pytest.mark.parametrize(
    "where",
    [
        {"provider_id": S2_NAME},
        {"provider_id": f"{S2_NAME}.SAFE"},
        {"name": S2_NAME},
        {"id": f"p:{S2_NAME}_v1"},
        {"extra_properties": {"anything": S2_NAME}},
    ],
)
def test_esas_name_is_read_wherever_it_stands(where: dict[str, Any]) -> None:
    s2 = sentinel2_scenes([image(**where, cloud_fraction=0.25)])
    assert (s2.datatake[0], s2.tile[0], s2.baseline[0], s2.orbit[0]) == ("S2B 20180503T104021", "32TMS", "02.06", 8)
    assert (s2.epsg[0], s2.cloud_cover[0]) == (32632, 25.0)
    assert s2.processed[0] == dt.datetime(2018, 5, 3, 12, 52, 14, tzinfo=dt.UTC).timestamp() * 1e6


def test_satellite_and_angles_are_told_where_the_catalogue_tells_them() -> None:
    s2 = sentinel2_scenes([image("p:a", provider_id=S2_NAME, solar_elevation_angle=41.5), image("p:b")])
    s1 = sentinel1_scenes([image("p:a", provider_id=S1_NAME, incidence_angle=38.25), image("p:b", satellite_id="S1A")])
    assert (list(s2.satellite), list(s1.satellite)) == (["S2B", ""], ["S1B", "S1A"])
    np.testing.assert_array_equal([s2.sun_elevation, s1.incidence], [[41.5, np.nan], [38.25, np.nan]])


def test_without_it_the_platforms_own_name_tells_tile_and_satellite() -> None:
    s2 = sentinel2_scenes([image("sentinel-2:L1C:2018-01-08_35MKR_99_S2B_v1", published=NOON)])
    assert (s2.tile[0], s2.epsg[0], s2.datatake[0]) == ("35MKR", 32735, "S2B ~20180503T104021")
    assert (s2.baseline[0], s2.orbit[0], s2.processed[0]) == ("", 0, NOON.timestamp() * 1e6)
    assert np.isnan(s2.cloud_cover[0])


def test_what_nothing_tells_is_unknown() -> None:
    s2 = sentinel2_scenes([image(cs_code="EPSG:32733"), image("p:y", cs_code=None)])
    assert list(s2.datatake) == ["p:x", "p:y"]
    assert list(s2.tile) == ["", ""]
    assert list(s2.epsg) == [32733, 0]


@pytest.mark.parametrize(
    "useless", [{"geometry": None}, {"acquired": None}, {"storage_state": "remote"}], ids=lambda u: next(iter(u))
)
def test_images_without_pixels_place_or_time_are_left_out(useless: dict[str, Any]) -> None:
    assert list(sentinel2_scenes([image("p:z"), image(**useless), image("p:a"), image("p:a")]).id) == ["p:a", "p:z"]


def test_a_footprint_in_two_parts_across_the_antimeridian_is_one() -> None:
    halves = shapely.MultiPolygon([shapely.box(179, 1, 180, 2), shapely.box(-180, 1, -179.5, 2)])
    (footprint,) = sentinel2_scenes([image(geometry=halves)]).footprint
    assert footprint.bounds == (179, 1, 180.5, 2)


def test_sentinel_1_by_its_name() -> None:
    s1 = sentinel1_scenes([image(provider_id=S1_NAME, extra_properties={"pass": "ASCENDING"})])
    assert (s1.product[0], s1.orbit[0], s1.direction[0]) == (S1_NAME, 30, "ascending")


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({"provider_id": S1_NAME.replace("_IW_", "_EW_")}, False),
        ({"provider_id": S1_NAME.replace("1SDV", "1SSV")}, False),
        ({"provider_id": S1_NAME.replace("1SDV", "1SDH")}, False),
        ({"extra_properties": {"mode": "EW"}}, False),
        ({"extra_properties": {"mode": "IW", "polarisation": "VV+VH"}}, True),
        ({}, True),
    ],
)
def test_sentinel_1_known_not_to_be_iw_with_vv_and_vh_is_left_out(attributes: dict[str, Any], kept: bool) -> None:
    assert len(sentinel1_scenes([image(**attributes)])) == kept


def test_a_datatake_known_by_its_time_alone_becomes_that_of_the_same_pass() -> None:
    chosen = sentinel2_scenes([image("e:1", provider_id=S2_NAME)])
    own = sentinel2_scenes(
        [
            image("p:1_32TMS_0_S2B_v1", acquired=NOON + dt.timedelta(minutes=14)),
            image("p:2_32TMS_0_S2B_v1", acquired=NOON + dt.timedelta(minutes=100)),
            image("p:3_32TMS_0_S2A_v1"),
            image("p:4_32TMT_0_S2B_v1"),
            image("p:5", provider_id=S2_NAME.replace("S2B", "S2A")),
        ]
    )
    adopted = list(adopt_datatakes(own, [Acquisition(scenes=chosen, scene=0)]).datatake)
    assert adopted[0] == "S2B 20180503T104021"
    assert adopted[1:] == list(own.datatake[1:])


def test_a_datatake_is_not_taken_from_another_sensor() -> None:
    radar = Acquisition(scenes=sentinel1_scenes([image()]), scene=0)
    with pytest.raises(TypeError, match="another sensor"):
        adopt_datatakes(sentinel2_scenes([]), [radar])


@pytest.mark.parametrize(("platform", "absolute", "relative"), [("S1A", 18302, 30), ("S1B", 7231, 30), ("S1Z", 5, 0)])
def test_relative_orbits_are_those_of_esa(platform: str, absolute: int, relative: int) -> None:
    assert relative_orbit(platform, absolute) == relative


def test_names_of_products_are_told_apart() -> None:
    assert SENTINEL2_PRODUCT.search(S2_NAME)
    assert not SENTINEL2_PRODUCT.search(S1_NAME)
    found = SENTINEL1_PRODUCT.search(S1_NAME + ".SAFE")
    assert found
    assert (found["mode"], found["polarization"], found["orbit"]) == ("IW", "DV", "007231")
