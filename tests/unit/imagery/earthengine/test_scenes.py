"""Earth Engine's rows as scenes, without a server."""

from typing import Any

import numpy as np
import pytest
import shapely
from shapely.geometry import box, mapping

from tasks.errors import CatalogueError
from tasks.imagery.earthengine.catalogue import Found
from tasks.imagery.earthengine.scenes import EarthEngineScenes, candidates_of, footprint_of
from tasks.imagery.earthengine.settings import EarthEngineSettings
from tasks.scenes.scenes import Nearby, Sentinel1Scenes, Sentinel2Scenes

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

    @pytest.mark.parametrize("row", [["a"], "a", [None] * 9])
    def test_rows_of_another_shape_are_refused(self, row: Any) -> None:
        with pytest.raises(CatalogueError):
            _nearby([_found([row])], [0])

    def test_each_role_has_its_own_scenes(self) -> None:
        radar = ["S1A_x", 3000, 44, "ASCENDING", [RING]]
        found = Found(
            scenes={"s2": [_row("a")], "s1": [radar], "s2_cloudy": [_row("b")]},
            twins={"s2": [], "s1": [], "s2_cloudy": [["b", *_row("b")[2:6]]]},
        )
        candidates = candidates_of([found], np.array([7]), ("s2", "s1", "s2_cloudy"), SETTINGS)
        assert {role: list(nearby.scenes.id) for role, nearby in candidates.items()} == {
            "s2": ["A/SR/a"], "s1": ["A/GRD/S1A_x"], "s2_cloudy": ["A/SR/b"],
        }  # fmt: skip
        cloudy, radars = candidates["s2_cloudy"].scenes, candidates["s1"].scenes
        assert isinstance(cloudy, EarthEngineScenes) and cloudy.twin[0] == "A/TOA/b"
        assert (
            isinstance(radars, Sentinel1Scenes) and radars.direction[0] == "ascending" and radars.time[0] == 3_000_000
        )

    def test_without_answers_every_role_is_there_and_empty(self) -> None:
        candidates = candidates_of([], np.array([], int), ("s2", "s1"), SETTINGS)
        assert [len(candidates[role].scenes) + len(candidates[role].draw) for role in ("s2", "s1")] == [0, 0]


def _found(s2: list[Any], twins: list[Any] | None = None) -> Found:
    return Found(scenes={"s2": s2}, twins={"s2": twins or []})


def _nearby(answers: list[Found], draws: list[int]) -> Nearby:
    return candidates_of(answers, np.array(draws), ("s2",), SETTINGS)["s2"]


def _row(index: str, *, time: int | None = 1000, tile: str | None = "32UMA", ring: Any = RING) -> list[Any]:
    return [index, time, tile, "GS2A_20190401T100000_000001_N02.11", "02.11", 2000, 12.5, 108, [ring]]


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
