"""Records of STAC items as scenes: what archives call things."""

import datetime as dt
from typing import Any

import numpy as np
import pystac
import pytest
import shapely

from tasks.errors import CatalogueError
from tasks.imagery.stac import scenes as properties
from tasks.imagery.stac.items import records_of_items
from tasks.imagery.stac.scenes import offset_removed
from tasks.scenes.scenes import Sentinel1Scenes, Sentinel2Scenes
from tests.archive import item

PRODUCT = "S2A_MSIL2A_20180503T104021_N0206_R008_T32TMR_20180503T181512"
ZONE = {"proj:code": "EPSG:32632"}
IW = {"sar:instrument_mode": "IW"}


def sentinel2_scenes(items: list[pystac.Item]) -> Sentinel2Scenes:
    return properties.sentinel2_scenes(records_of_items(items))


def sentinel1_scenes(items: list[pystac.Item]) -> tuple[list[str], Sentinel1Scenes]:
    """Ids of the scenes kept, and they themselves."""
    scenes = properties.sentinel1_scenes(records_of_items(items))
    return scenes.id.tolist(), scenes


def one(found: pystac.Item) -> dict[str, Any]:
    scenes = sentinel2_scenes([found])
    names = ("id", "time", "orbit", "epsg", "tile", "datatake", "baseline", "processed", "cloud_cover")
    return {name: getattr(scenes, name)[0] for name in names}


def micro(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1e6)


# Sentinel-2


@pytest.mark.parametrize(
    ("properties", "word"),
    [
        ({}, None),
        ({"earthsearch:boa_offset_applied": True}, True),
        ({"earthsearch:boa_offset_applied": False}, False),
        ({"boa_offset_applied": True}, True),
        ({"boa_offset_applied": "False"}, False),
        ({"boa_offset_applied": "unknown"}, None),
    ],
)
def test_the_archives_word_on_the_offset_is_read(properties: dict[str, Any], word: bool | None) -> None:
    others = [item("b"), item("c", **{"earthsearch:boa_offset_applied": True})]
    assert offset_removed(records_of_items([item("a", **properties), *others])).tolist() == [word, None, True]


def test_a_scene_is_read_from_its_properties() -> None:
    found = one(item("S2A_32TMR_20180503_0_L2A", "2018-05-03T10:40:21.024Z", **{
        "proj:code": "EPSG:32632", "s2:mgrs_tile": "32TMR", "s2:processing_baseline": "05.00",
        "s2:product_uri": f"{PRODUCT}.SAFE", "s2:generation_time": "2023-01-01T00:00:00Z",
        "sat:relative_orbit": 8, "eo:cloud_cover": 12.5, "platform": "sentinel-2a",
    }))  # fmt: skip
    assert found == {
        "id": "S2A_32TMR_20180503_0_L2A", "time": micro("2018-05-03T10:40:21.024+00:00"), "orbit": 8, "epsg": 32632,
        "tile": "32TMR", "datatake": "S2A 20180503T104021", "baseline": "05.00",
        "processed": micro("2023-01-01T00:00:00+00:00"), "cloud_cover": 12.5,
    }  # fmt: skip


def test_what_properties_do_not_say_is_read_from_the_products_name() -> None:
    found = one(item(PRODUCT, **ZONE))
    assert (found["tile"], found["datatake"], found["baseline"], found["orbit"]) == (
        "32TMR", "S2A 20180503T104021", "02.06", 8,
    )  # fmt: skip
    assert found["processed"] == micro("2018-05-03T18:15:12+00:00")


def test_unknown_facts_are_unknown() -> None:
    found = one(item("anything", **ZONE))
    assert (found["tile"], found["baseline"], found["orbit"], found["processed"]) == ("", "", 0, 0)
    assert found["datatake"] == "anything"
    assert np.isnan(found["cloud_cover"])


@pytest.mark.parametrize("tile", [{"s2:mgrs_tile": "32TMR"}, {"grid:code": "MGRS-32TMR"}, {"s2:mgrs_tile": "T32TMR"}])
def test_tiles_are_the_same_whatever_the_archive_writes_before_them(tile: dict[str, str]) -> None:
    assert one(item("a", **ZONE, **tile))["tile"] == "32TMR"


def test_a_tile_of_a_zone_below_10_is_the_same_with_and_without_the_zero() -> None:
    # Earth Search writes grid:code MGRS-5WPN, products are called T05WPN.
    zone = {"proj:code": "EPSG:32605"}
    assert one(item("a", **zone, **{"grid:code": "MGRS-5WPN"}))["tile"] == "05WPN"
    assert one(item("a", **zone, **{"grid:code": "MGRS-05WPN"}))["tile"] == "05WPN"


@pytest.mark.parametrize(
    "zone",
    [
        {"proj:code": "EPSG:32632"}, {"proj:epsg": 32632}, {"proj:epsg": "32632"},
        {"proj:code": None, "proj:epsg": 32632},
    ],
)  # fmt: skip
def test_the_zone_is_read_from_either_property(zone: dict[str, Any]) -> None:
    assert one(item("a", **zone))["epsg"] == 32632


def test_the_zone_may_stand_at_the_bands() -> None:
    found = item("a", assets={"visual": "v.tif", "B02": "b.tif"})
    found.assets["B02"].extra_fields["proj:epsg"] = 32632
    assert one(found)["epsg"] == 32632


def test_processings_of_one_pass_have_one_datatake() -> None:
    reprocessed = PRODUCT.replace("N0206", "N0500").replace("T181512", "T230101")
    by_name = [item("a", **ZONE, **{"s2:product_uri": name}) for name in (PRODUCT, reprocessed)]
    twin = item(PRODUCT.replace("L2A", "L1C"), **ZONE)
    scenes = sentinel2_scenes([*by_name, twin])
    assert len(set(scenes.datatake)) == len(set(scenes.acquisition)) == 1
    by_id = [
        item(f"i{n}", **ZONE, **{"s2:datatake_id": f"GS2A_20180503T104021_014949_N{n}", "s2:mgrs_tile": "32TMR"})
        for n in ("02.06", "05.00")
    ]
    assert len(set(sentinel2_scenes(by_id).acquisition)) == 1


def test_passes_and_tiles_differ() -> None:
    others = [
        PRODUCT,
        PRODUCT.replace("T104021", "T104022"),
        PRODUCT.replace("S2A", "S2B"),
        PRODUCT.replace("32TMR", "32TMS"),
    ]
    assert len(set(sentinel2_scenes([item(name, **ZONE) for name in others]).acquisition)) == 4


def test_the_newest_processing_is_by_baseline_then_time_then_id() -> None:
    names = [
        ("c", "02.06", "2024-01-01T00:00:00Z"), ("b", "05.00", "2023-01-01T00:00:00Z"),
        ("a", "05.00", "2023-02-01T00:00:00Z"), ("d", "05.00", "2023-02-01T00:00:00Z"), ("e", None, None),
    ]  # fmt: skip
    scenes = sentinel2_scenes([
        item(name, **ZONE, **{"s2:processing_baseline": baseline, "s2:generation_time": when})
        for name, baseline, when in names
    ])  # fmt: skip
    assert [scenes.id[i] for i in np.argsort(scenes.newness)] == ["e", "c", "b", "a", "d"]


def test_the_acquisition_starts_where_the_item_says() -> None:
    found = item("a", "2018-05-03T10:40:30Z", **ZONE)
    found.common_metadata.start_datetime = dt.datetime(2018, 5, 3, 10, 40, 21, tzinfo=dt.UTC)
    found.common_metadata.end_datetime = dt.datetime(2018, 5, 3, 10, 40, 40, tzinfo=dt.UTC)
    assert one(found)["time"] == micro("2018-05-03T10:40:21+00:00")


# Sentinel-1


def radar(name: str = "S1A", keys: tuple[str, ...] = ("vv", "vh"), **properties: Any) -> pystac.Item:
    return item(name, assets={key: f"{key}.tif" for key in keys}, **properties)


def test_only_iw_with_both_polarizations_is_kept() -> None:
    items = [
        radar("ew", **{"sar:instrument_mode": "EW"}),
        radar("single", ("vv",), **IW),
        radar("horizontal", ("hh", "hv"), **IW),
        radar("silent"),
        radar("good", ("VV", "VH", "angle"), **IW, **{"sat:relative_orbit": 15, "sat:orbit_state": "DESCENDING"}),
        radar("also", **IW),
    ]
    kept, scenes = sentinel1_scenes(items)
    assert kept == scenes.id.tolist() == ["good", "also"]
    assert scenes.orbit.tolist() == [15, 0]
    assert scenes.direction.tolist() == ["descending", ""]


def test_the_product_is_the_archives_source_or_the_item_itself() -> None:
    _, scenes = sentinel1_scenes([radar("a", **IW), radar("b", **IW, **{"s1:source_product": "S1A_IW_GRDH_X"})])
    assert scenes.product.tolist() == ["a", "S1A_IW_GRDH_X"]


def test_no_items_are_no_scenes() -> None:
    assert len(sentinel2_scenes([])) == 0
    assert len(sentinel1_scenes([])[1]) == 0


# Items that cannot be used


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (None, "has no geometry"),
        ({}, "has no geometry"),
        ({"type": "Point", "coordinates": [9, 45]}, "no polygon"),
        ({"type": "Polygon", "coordinates": []}, "no polygon"),
        ({"type": "Polygon", "coordinates": [[[9, 45], [10, 45]]]}, "cannot be read"),
        ({"type": "Circle", "coordinates": [9, 45]}, "cannot be read"),
        ({"coordinates": [[[9, 45], [10, 45], [10, 46], [9, 45]]]}, "cannot be read"),
        ({"type": "Polygon", "coordinates": [[["a", 45], [10, 45], [10, 46], ["a", 45]]]}, "cannot be read"),
    ],
)
def test_an_item_without_a_usable_geometry_is_refused_by_name(geometry: Any, told: str) -> None:
    for of in (lambda found: sentinel2_scenes([found]), lambda found: sentinel1_scenes([found])):
        found = item("bad-item", assets={"vv": "v", "vh": "h"}, **ZONE, **IW)
        found.geometry = geometry
        with pytest.raises(CatalogueError, match="item bad-item: ") as caught:
            of(found)
        assert told in str(caught.value)


def test_a_geometry_that_crosses_itself_is_mended() -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[9, 45], [10, 46], [10, 45], [9, 46], [9, 45]]]}
    found = sentinel2_scenes([item("a", geometry=bow_tie, **ZONE)]).footprint[0]
    assert found.is_valid
    assert found.area == pytest.approx(0.5)


def test_a_geometry_of_several_polygons_is_a_footprint() -> None:
    parts = shapely.MultiPolygon([shapely.box(9, 45, 10, 46), shapely.box(11, 45, 12, 46)])
    found = sentinel2_scenes([item("a", geometry=shapely.geometry.mapping(parts), **ZONE)]).footprint[0]
    assert found.equals(parts)


@pytest.mark.parametrize(
    "geometry",
    [
        shapely.MultiPolygon([shapely.box(179, 60, 180, 61), shapely.box(-180, 60, -179, 61)]),
        shapely.Polygon([(179, 60), (-179, 60), (-179, 61), (179, 61)]),
        shapely.box(179, 60, 181, 61),
    ],
)
def test_a_footprint_across_the_antimeridian_is_one_piece_that_runs_beyond_it(geometry: shapely.Geometry) -> None:
    found = sentinel2_scenes([item("a", geometry=shapely.geometry.mapping(geometry), **ZONE)]).footprint[0]
    assert found.equals(shapely.box(179, 60, 181, 61))


@pytest.mark.parametrize("zone", [{}, {"proj:code": "UTM 32"}, {"proj:epsg": None}, {"proj:code": "IAU_2015:30100"}])
def test_a_sentinel_2_item_without_a_zone_is_refused_by_name(zone: dict[str, Any]) -> None:
    with pytest.raises(CatalogueError, match="item bad-item: tells no UTM zone"):
        sentinel2_scenes([item("bad-item", **zone)])


def test_an_item_without_a_time_is_refused_by_name() -> None:
    found = item("bad-item", **ZONE)
    found.datetime = None
    with pytest.raises(CatalogueError, match=r"item bad-item: has neither"):
        sentinel2_scenes([found])


def test_figures_that_are_none_are_unknown() -> None:
    found = one(item("a", **ZONE, **{"eo:cloud_cover": "n/a", "sat:relative_orbit": "R008"}))
    assert np.isnan(found["cloud_cover"])
    assert found["orbit"] == 0


# What nobody knows, and what belongs together


@pytest.mark.parametrize(
    ("times", "known"),
    [
        ({}, True),
        ({"start_datetime": "2018-03-01T00:00:00Z", "end_datetime": "2018-06-01T00:00:00Z"}, False),
        ({"start_datetime": "2018-03-01T00:00:00Z", "end_datetime": "2018-03-02T00:00:00Z"}, True),
        ({"start_datetime": "2018-03-01T00:00:00Z", "end_datetime": "2018-03-02T00:00:01Z"}, False),
    ],
)
def test_the_time_of_an_item_without_one_is_known_to_a_day_or_not_at_all(times: dict[str, str], known: bool) -> None:
    found = item("a", **ZONE, **times)
    if times:
        found.datetime = None
        found.properties["datetime"] = None
    scenes = sentinel2_scenes([found, item("b", **ZONE)])
    assert scenes.dated is None if known else (scenes.dated is not None and scenes.dated.tolist() == [False, True])
    if times:
        assert scenes.time[0] == micro("2018-03-01T00:00:00Z"), "the first instant that it may be"


def test_a_long_span_beside_a_time_leaves_it_known() -> None:
    span = {"start_datetime": "2018-03-01T00:00:00Z", "end_datetime": "2018-06-01T00:00:00Z"}
    assert sentinel2_scenes([item("a", **ZONE, **span)]).dated is None


def test_groups_roles_and_dates_are_read_from_properties_of_our_own() -> None:
    said = {"deepsentinel:role": "s2_cloudy", "deepsentinel:group": 7, "deepsentinel:date": 2}
    given = sentinel2_scenes([item("a", **ZONE, **said), item("b", **ZONE)]).given
    assert given is not None
    assert [given.role.tolist(), given.group.tolist(), given.date.tolist()] == [["s2_cloudy", ""], [7, -1], [2, 0]]
    assert sentinel2_scenes([item("b", **ZONE)]).given is None
    _, radar = sentinel1_scenes([item("r", **IW, **{"sar:polarizations": ["VV", "VH"]}, **said)])
    assert radar.given is not None
