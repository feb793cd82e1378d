"""Earth Engine's rows, refusals and bodies, without a server."""

import io
from typing import Any

import ee
import httplib2
import numpy as np
import pytest
import shapely
from googleapiclient.errors import HttpError
from shapely.geometry import box, mapping

from tasks.errors import CatalogueError, CredentialsError, PixelsError
from tasks.imagery import BANDS
from tasks.imagery.earthengine.catalogue import Collections, Found
from tasks.imagery.earthengine.pixels import tiles_of
from tasks.imagery.earthengine.refusals import Refused, Throttled, TimedOut, Transient, judge, translate
from tasks.imagery.earthengine.scenes import EarthEngineScenes, candidates_of, footprint_of
from tasks.imagery.retries import Verdict
from tasks.places import Patch

COLLECTIONS = Collections(sentinel2="A/SR", sentinel2_l1c="A/TOA", sentinel1="A/GRD")

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
        candidates = candidates_of([Found(s2=rows, twins=[], s1=[])], np.array([3]), COLLECTIONS)
        assert list(candidates.sentinel2.id) == ["A/SR/a"] and list(candidates.s2_draw) == [3]

    def test_a_scene_over_two_places_is_one_scene(self) -> None:
        answers = [Found(s2=[_row("a")], twins=[], s1=[]), Found(s2=[_row("a"), _row("b")], twins=[], s1=[])]
        candidates = candidates_of(answers, np.array([0, 5]), COLLECTIONS)
        assert len(candidates.sentinel2) == 2
        assert candidates.s2_draw.tolist() == [0, 5, 5] and candidates.s2_scene.tolist() == [0, 0, 1]

    def test_the_twin_of_the_same_name_goes_before_a_newer_one(self) -> None:
        datatake = "GS2A_20190401T100000_000001_N02.11"
        newer = ["z", "32UMA", "GS2A_20190401T100000_000001_N05.00", "05.00", 9]
        same = ["a", "32UMA", datatake, "02.11", 1]
        for twins, expected in (([newer, same], "A/TOA/a"), ([newer], "A/TOA/z"), ([], "")):
            scenes = candidates_of([Found(s2=[_row("a")], twins=twins, s1=[])], np.array([0]), COLLECTIONS).sentinel2
            assert isinstance(scenes, EarthEngineScenes) and scenes.twin[0] == expected

    @pytest.mark.parametrize(("tile", "epsg"), [("32UMA", 32632), ("1CAB", 32701), ("60NZZ", 32660), ("21MXX", 32721)])
    def test_zone_of_a_tile(self, tile: str, epsg: int) -> None:
        scenes = candidates_of(
            [Found(s2=[_row("a", tile=tile)], twins=[], s1=[])], np.array([0]), COLLECTIONS
        ).sentinel2
        assert scenes.epsg[0] == epsg and len(scenes.tile[0]) == 5

    @pytest.mark.parametrize("row", [["a"], "a", [None] * 9])
    def test_rows_of_another_shape_are_refused(self, row: Any) -> None:
        with pytest.raises(CatalogueError):
            candidates_of([Found(s2=[row], twins=[], s1=[])], np.array([0]), COLLECTIONS)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "message", "kind"),
        [
            (429, "Too many concurrent aggregations.", Throttled),
            (403, "rateLimitExceeded", Throttled),
            (500, "An internal error has occurred.", Transient),
            (503, "unavailable", Transient),
            (400, "Computation timed out.", TimedOut),
            (400, "User memory limit exceeded.", Refused),
            (404, "Asset not found", Refused),
            (401, "invalid", CredentialsError),
            (403, "Caller does not have permission", CredentialsError),
        ],
    )
    def test_by_status_although_the_client_hides_it(self, status: int, message: str, kind: type[Exception]) -> None:
        content = f'{{"error": {{"code": {status}, "message": "{message}"}}}}'.encode()
        try:
            try:
                raise HttpError(httplib2.Response({"status": str(status)}), content)
            except HttpError as error:
                raise ee.EEException(str(error.reason))  # noqa: B904 as the client does
        except ee.EEException as error:
            meant = translate(error, "proj-x")
        assert type(meant) is kind and (message in str(meant) or kind is CredentialsError)

    def test_verdicts(self) -> None:
        assert judge(Throttled()) is Verdict.THROTTLED and judge(TimedOut()) is Verdict.TRANSIENT
        assert judge(Refused("", too_large=True)) is judge(CredentialsError()) is Verdict.FINAL

    @pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), ValueError("Expecting value")])
    def test_without_an_answer_it_is_transient(self, error: Exception) -> None:
        assert isinstance(translate(error, "proj-x"), Transient)


class TestBodies:
    PATCH = Patch(epsg=32632, xmin=0, ymax=0, pixels=4)

    def test_every_cut_is_damage(self) -> None:
        body = self.body()
        assert tiles_of(body, self.PATCH, twin=True).s2.shape == (13, 4, 4)
        for length in range(len(body)):
            with pytest.raises(Transient):
                tiles_of(body[:length], self.PATCH, twin=True)
        with pytest.raises(Transient):
            tiles_of(body + b"x", self.PATCH, twin=True)

    def test_bands_are_told_by_name(self) -> None:
        tiles = tiles_of(self.body(order=-1), self.PATCH, twin=True)
        assert tiles.s2[:, 0, 0].tolist() == list(range(13)) and tiles.s1[:, 0, 0].tolist() == [20, 21]

    @pytest.mark.parametrize("changed", [{"s1": "<f8"}, {"s2": "<i4"}, {"pixels": 5}])
    def test_another_array_is_not_asked_for_again(self, changed: dict[str, Any]) -> None:
        with pytest.raises(PixelsError, match="asked for"):
            tiles_of(self.body(**changed), self.PATCH, twin=True)

    def test_b10_that_was_not_asked_for(self) -> None:
        with pytest.raises(PixelsError):
            tiles_of(self.body(), self.PATCH, twin=False)

    def body(self, *, order: int = 1, s2: str = "<u2", s1: str = "<f4", pixels: int = 4) -> bytes:
        fields = [*((band, s2) for band in BANDS), ("VV", s1), ("VH", s1)][::order]
        array = np.zeros((pixels, pixels), fields)
        for index, band in enumerate(BANDS):
            array[band] = index
        array["VV"], array["VH"] = 20, 21
        stream = io.BytesIO()
        np.save(stream, array)
        return stream.getvalue()


def _row(index: str, *, time: int | None = 1000, tile: str | None = "32UMA", ring: Any = RING) -> list[Any]:
    return [index, time, tile, "GS2A_20190401T100000_000001_N02.11", "02.11", 2000, 12.5, 108, [ring]]


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
