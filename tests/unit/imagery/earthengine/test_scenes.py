"""Earth Engine's rows as scenes, without a server."""

from typing import Any

import numpy as np
import pytest
import shapely
from shapely.geometry import box, mapping

from tasks.errors import CatalogueError
from tasks.imagery.earthengine.catalogue import Found
from tasks.imagery.earthengine.scenes import EarthEngineScenes, Wanted, candidates_of, footprint_of
from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.scenes.roles import Role
from tasks.scenes.scenes import Candidates, Nearby, Sentinel1Scenes, Sentinel2Scenes

SETTINGS = EarthEngineSettings(sentinel2="A/SR", sentinel2_l1c="A/TOA", sentinel1="A/GRD")

RING = [[10, 50], [11, 50], [11, 51], [10, 51], [10, 50]]


class TestFootprint:
    @pytest.mark.parametrize("coordinates", [RING, [RING], [[RING]], RING[:-1]])
    def test_however_it_is_written(self, coordinates: Any) -> None:
        assert footprint_of(coordinates).equals(box(10, 50, 11, 51))

    def test_holes_stay(self) -> None:
        hole = [[10.4, 50.4], [10.6, 50.4], [10.6, 50.6], [10.4, 50.6], [10.4, 50.4]]
        assert footprint_of([RING, hole]).area == pytest.approx(0.96)

    def test_heights_are_dropped(self) -> None:
        assert footprint_of([[[x, y, 7] for x, y in RING]]).equals(box(10, 50, 11, 51))

    @pytest.mark.parametrize("coordinates", [[], None, [10, 50], [[10, 50], [11, 51]], [RING[:2]]])
    def test_without_area_it_is_none(self, coordinates: Any) -> None:
        assert footprint_of(coordinates) is None

    @pytest.mark.parametrize(
        "coordinates",
        [
            [[179, -17], [-179, -17], [-179, -16], [179, -16], [179, -17]],
            [[-179, -17], [-179, -16], [179, -16], [179, -17], [-179, -17]],
            [[179, -17], [181, -17], [181, -16], [179, -16], [179, -17]],
            [[-181, -17], [-179, -17], [-179, -16], [-181, -16], [-181, -17]],
            mapping(shapely.MultiPolygon([box(179, -17, 180, -16), box(-180, -17, -179, -16)]))["coordinates"],
        ],
    )
    def test_across_the_antimeridian_it_covers_both_sides(self, coordinates: Any) -> None:
        footprint = footprint_of(_lists(coordinates))
        for patch in (
            box(179.5, -16.6, 179.6, -16.5), box(-179.6, -16.6, -179.5, -16.5),
            box(179.95, -16.6, 180.05, -16.5), box(-180.05, -16.6, -179.95, -16.5),
        ):  # fmt: skip
            assert footprint.covers(patch)
        assert footprint.area == pytest.approx(4)

    def test_a_bow_tie_is_repaired(self) -> None:
        assert footprint_of([[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]).is_valid


class TestRows:
    def test_scenes_that_tell_no_place_or_time_are_left_out(self) -> None:
        rows = [_row("a"), _row("b", time=None), _row("c", ring=[]), _row("d", tile=None)]
        nearby = _nearby([_found(rows)], [3])
        assert list(nearby.scenes.id) == ["A/SR/a"] and list(nearby.draw) == [3]

    def test_a_scene_over_two_places_is_one_scene(self) -> None:
        nearby = _nearby([_found([_row("a")]), _found([_row("a"), _row("b")])], [0, 5])
        assert len(nearby.scenes) == 2
        assert nearby.draw.tolist() == [0, 5, 5] and nearby.scene.tolist() == [0, 0, 1]

    def test_the_twin_of_the_same_name_goes_before_a_newer_one(self) -> None:
        datatake = "GS2A_20190401T100000_000001_N02.11"
        newer = ["z", "32UMA", "GS2A_20190401T100000_000001_N05.00", "05.00", 9]
        same = ["a", "32UMA", datatake, "02.11", 1]
        for twins, expected in (([newer, same], "A/TOA/a"), ([newer], "A/TOA/z"), ([], "")):
            scenes = _nearby([_found([_row("a")], twins)], [0]).scenes
            assert isinstance(scenes, EarthEngineScenes) and scenes.twin[0] == expected

    @pytest.mark.parametrize(("tile", "epsg"), [("32UMA", 32632), ("1CAB", 32701), ("60NZZ", 32660), ("21MXX", 32721)])
    def test_zone_of_a_tile(self, tile: str, epsg: int) -> None:
        scenes = _nearby([_found([_row("a", tile=tile)])], [0]).scenes
        assert isinstance(scenes, Sentinel2Scenes) and scenes.epsg[0] == epsg and len(scenes.tile[0]) == 5

    def test_a_tile_that_is_none_is_refused(self) -> None:
        with pytest.raises(CatalogueError, match="'33ABC' is not a tile"):
            _nearby([_found([_row("a", tile="33ABC")])], [0])

    def test_the_datatake_is_as_everywhere_else(self) -> None:
        scenes = _nearby([_found([_row("a"), [*_row("b")[:3], "unknown", *_row("b")[4:]]])], [0]).scenes
        assert isinstance(scenes, Sentinel2Scenes) and list(scenes.datatake) == ["S2A 20190401T100000", "b"]

    @pytest.mark.parametrize("row", [["a"], "a", [None] * 10])
    def test_rows_of_another_shape_are_refused(self, row: Any) -> None:
        with pytest.raises(CatalogueError):
            _nearby([_found([row])], [0])

    def test_roles_of_one_source_share_its_scenes_and_those_of_another_have_others(self) -> None:
        radar = ["S1A_x", 3000, 44, "ASCENDING", [RING]]
        found = Found(scenes={"l2a": [_row("a")], "s1": [radar], "l1c": [_row("b")]}, twins=[["a", *_row("a")[2:6]]])
        roles = {"s2": L2A, "s1": RADAR, "s2_cloudy": Role(near="s2", reach=1, level="l1c"), "s2_other": L2A}
        candidates = _candidates([found], [7], roles)
        assert {role: list(nearby.scenes.id) for role, nearby in candidates.items()} == {
            "s2": ["A/SR/a"], "s1": ["A/GRD/S1A_x"], "s2_cloudy": ["A/TOA/b"], "s2_other": ["A/SR/a"],
        }  # fmt: skip
        assert candidates["s2_other"].scenes is candidates["s2"].scenes
        cloudy, clear, radars = (candidates[role].scenes for role in ("s2_cloudy", "s2", "s1"))
        assert isinstance(cloudy, EarthEngineScenes) and cloudy.twin[0] == ""
        assert isinstance(clear, EarthEngineScenes) and clear.twin[0] == "A/TOA/a"
        assert (
            isinstance(radars, Sentinel1Scenes) and radars.direction[0] == "ascending" and radars.time[0] == 3_000_000
        )

    def test_of_a_place_that_is_looked_at_twice_each_look_has_the_scenes_of_its_time(self) -> None:
        found = _found([_row("a", time=1000), _row("b", time=2000)])
        spans = np.array([[0, 1_500_000], [1_500_000, 2_000_001], [0, 1_000_000]])
        wanted = Wanted(place=np.array([0, 0, 0]), spans={"s2": spans}, draw=np.array([4, 5, 6]))
        nearby = candidates_of([found], wanted, {"s2": L2A}, SETTINGS)["s2"]
        assert [(draw, nearby.scenes.id[at]) for draw, at in zip(nearby.draw, nearby.scene, strict=True)] == [
            (4, "A/SR/a"), (5, "A/SR/b"),
        ]  # fmt: skip

    def test_satellite_and_sun_are_told_where_the_catalogue_tells_them(self) -> None:
        rows = [_row("a"), [*_row("b")[:3], "unknown", *_row("b")[4:8], None, *_row("b")[9:]]]
        scenes = _nearby([_found(rows)], [0]).scenes
        assert isinstance(scenes, EarthEngineScenes)
        assert scenes.satellite is not None and list(scenes.satellite) == ["S2A", ""]
        assert scenes.sun_elevation is not None
        np.testing.assert_array_equal(scenes.sun_elevation, [58.5, np.nan])

    def test_without_answers_every_role_is_there_and_empty(self) -> None:
        candidates = _candidates([], [], {"s2": L2A, "s1": RADAR})
        assert [len(candidates[role].scenes) + len(candidates[role].draw) for role in ("s2", "s1")] == [0, 0]


L2A, RADAR = Role(near=None, reach=1), Role(near="s2", reach=1)


def _found(s2: list[Any], twins: list[Any] | None = None) -> Found:
    return Found(scenes={"l2a": s2}, twins=twins or [])


def _candidates(answers: list[Found], draws: list[int], roles: dict[str, Role]) -> Candidates:
    always = np.tile([0, 10**15], (len(draws), 1))
    wanted = Wanted(place=np.arange(len(draws)), spans=dict.fromkeys(roles, always), draw=np.array(draws, int))
    return candidates_of(answers, wanted, roles, SETTINGS)


def _nearby(answers: list[Found], draws: list[int]) -> Nearby:
    return _candidates(answers, draws, {"s2": L2A})["s2"]


def _row(index: str, *, time: int | None = 1000, tile: str | None = "32UMA", ring: Any = RING) -> list[Any]:
    return [index, time, tile, "GS2A_20190401T100000_000001_N02.11", "02.11", 2000, 12.5, 108, 31.5, [ring]]


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
