"""The platform `descarteslabs`: the real client against EarthOne over loopback."""

import builtins
import datetime as dt
import io
import logging
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tasks.assembly.builder import close_builders, open_builder
from tasks.assembly.filling import Filling
from tasks.assembly.shard import make_shard
from tasks.errors import (
    CatalogueError,
    CredentialsError,
    DeepSentinelError,
    PixelsError,
    PlatformUnreachable,
    SceneUnavailable,
    SettingsError,
    SpecError,
)
from tasks.imagery.bands import BANDS
from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.platform import Platform, Tiles, Traffic
from tasks.imagery.registry import Opening, open_platforms, room_of
from tasks.places.draws import Draws
from tasks.places.patches import PIXEL, Patch, patches_around
from tasks.scenes.looks import date_of, role_of
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates, Sentinel1Scenes, Sentinel2Scenes
from tasks.shards.description import describe_everywhere
from tasks.shards.rows import decode_rows, encode_rows, sample_rows
from tasks.spec import CorpusSpec, PlatformItem
from tests.integration.conftest import tree
from tests.servers.earthone import (
    S2_BANDS,
    SENTINEL1,
    SENTINEL2,
    TOP,
    Scene,
    Server,
    World,
    decibels,
    raw_values,
)
from tests.servers.worlds import PLACES, START, draws_at, micros, world_over
from tests.servers.worlds import Acquisition as Taken

S2, S1 = "descarteslabs/s2", "descarteslabs/s1"


def rule_with(max_cloud_cover: float | None) -> Rule:
    """The rule of a year, with a cloud limit."""
    return Rule(
        window=(micros(START), micros(START) + 365 * DAY),
        roles={
            "s2": Role(
                near=None, reach=30 * DAY, cloud_cover=None if max_cloud_cover is None else (0.0, max_cloud_cover)
            ),
            "s1": Role(near="s2", reach=3 * DAY),
        },
    )


RULE = rule_with(60.0)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(World()) as server:
        yield server


def settings_for(server: Server, **changes: object) -> DescartesLabsSettings:
    given: dict[str, object] = {
        "url": server.url,
        "iam_url": server.url,
        "client_id": server.world.client[0],
        "client_secret": server.world.client[1],
        "requests": 8,
        "patience": 30,
    }
    return DescartesLabsSettings.model_validate(given | changes)


_opened: list[Platform] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """What a test opens ends with it."""
    yield
    close_builders()
    while _opened:
        _opened.pop().close()


def open_at(server: Server, rule: Rule = RULE, **changes: object) -> Platform:
    item = PlatformItem(kind="descarteslabs", name="descarteslabs")
    opening = Opening(item=item, rule=rule, bounds=(-180, -90, 180, 90))
    _opened.append(room_of("descarteslabs").open(opening, settings_for(server, **changes)))
    return _opened[-1]


def acquisitions_of(s2_id: str, s1_id: str, *, baseline: str = "02.07", time: int = micros(START)) -> Acquisitions:
    """Acquisitions of this platform, as `candidates` would have found them."""
    texts = [np.array([text], dtype=object) for text in (s2_id, s1_id, baseline, "32UAA", "S2A 20190101T100000", "")]
    globe = np.array([shapely.box(-180, -90, 180, 90)], dtype=object)
    times, zero, cloud = np.array([time]), np.array([0]), np.array([0.0])
    s2 = Sentinel2Scenes(id=texts[0], time=times, footprint=globe, orbit=zero, epsg=zero, tile=texts[3],
                         datatake=texts[4], baseline=texts[2], processed=zero, cloud_cover=cloud)  # fmt: skip
    s1 = Sentinel1Scenes(id=texts[1], time=times, footprint=globe, orbit=zero, product=texts[1], direction=texts[5])
    return {"s2": Acquisition(scenes=s2, scene=0), "s1": Acquisition(scenes=s1, scene=0)}


def scenes_for(patch: Patch, name: str = "a", **changes: object) -> tuple[list[Scene], Acquisitions]:
    """A Sentinel-2 and a Sentinel-1 scene to fetch on a patch."""
    common = {"acquired": "2019-01-01T10:00:00Z", "footprint": shapely.box(-180, -90, 180, 90)}
    s2 = Scene(id=f"{SENTINEL2}:{name}", product=SENTINEL2, epsg=patch.epsg, **common | changes)  # type: ignore[arg-type]
    s1 = Scene(id=f"{SENTINEL1}:{name}", product=SENTINEL1, **common)  # type: ignore[arg-type]
    return [s2, s1], acquisitions_of(s2.id, s1.id)


def expected_tiles(patch: Patch, found: Acquisitions) -> Tiles:
    """What the server's pixels are on a patch, in our units."""
    where = (patch.xmin, patch.ymax, patch.shape)
    s2 = [raw_values(found["s2"].id, band, *where, most=9973) for band in range(13)]
    s1 = [decibels(raw_values(found["s1"].id, band, *where, most=4095)) for band in range(2)]
    return Tiles(arrays={S2: np.stack(s2).astype(np.uint16), S1: np.stack(s1)})


def assert_same(tiles: Tiles, expected: Tiles) -> None:
    assert {path: array.dtype.name for path, array in tiles.arrays.items()} == {S2: "uint16", S1: "float32"}
    np.testing.assert_array_equal(tiles.arrays[S2], expected.arrays[S2])
    np.testing.assert_allclose(tiles.arrays[S1], expected.arrays[S1], rtol=0, atol=1e-5)


def patch_at(lon: float, lat: float, pixels: int = 250) -> Patch:
    return patches_around(np.array([lon]), np.array([lat]), pixels)[0]


class TestPixels:
    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("pixels", [250, 37])
    def test_are_those_of_the_patch_to_the_last_one(self, server: Server, place: str, pixels: int) -> None:
        patch = patch_at(*PLACES[place], pixels)
        server.world.scenes, found = scenes_for(patch)
        traffic = Traffic()
        tiles = open_at(server).fetch(patch, found, traffic)
        assert_same(tiles, expected_tiles(patch, found))
        assert server.world.problems == []
        assert server.world.requests == {"token": 1, "bands": 2, "raster": 2}
        assert traffic.requests == 5
        assert traffic.retries == traffic.throttles == 0
        assert traffic.bytes == server.world.sent["bands"] + server.world.sent["raster"]

    def test_outside_the_data_are_nodata(self, server: Server) -> None:
        patch = patch_at(9, 48, 40)
        valid = (patch.xmin + 100, patch.ymin + 50, patch.xmax, patch.ymax - 70)
        scenes, found = scenes_for(patch)
        server.world.scenes = [replace(scene, valid=valid) for scene in scenes]
        tiles, expected = open_at(server).fetch(patch, found, Traffic()), expected_tiles(patch, found)
        inside = np.zeros(patch.shape, bool)
        inside[7:-5, 10:] = True
        np.testing.assert_array_equal(tiles.arrays[S2], np.where(inside, expected.arrays[S2], 0))
        np.testing.assert_array_equal(np.isnan(tiles.arrays[S1]), np.broadcast_to(~inside, tiles.arrays[S1].shape))

    def test_of_a_product_kept_in_other_units_are_scaled_to_ten_thousandths(self, server: Server) -> None:
        server.world.s2_ranges = ((0, 20000), (0.0, 1.0))
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        tiles = open_at(server).fetch(patch, found, Traffic())
        halved = np.rint(expected_tiles(patch, found).arrays[S2] / 2)
        np.testing.assert_array_equal(tiles.arrays[S2], np.maximum(halved, 1))

    @pytest.mark.parametrize("chunked", [True, False])
    def test_come_over_one_connection(self, server: Server, chunked: bool) -> None:
        server.world.chunked = chunked
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        platform, traffic = open_at(server), Traffic()
        for _ in range(5):
            assert_same(platform.fetch(patch, found, traffic), expected_tiles(patch, found))
        # One each to log in, to the catalogue and to the raster service.
        assert server.world.connections == 3

    def test_of_bands_that_the_product_lacks_are_zero(self, server: Server) -> None:
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        platform = open_at(server, sentinel2_bands=[b if b != "cirrus" else "-" for b in S2_BANDS])
        assert platform.bands == tuple(band for band in BANDS if band != "B10")
        tiles, expected = platform.fetch(patch, found, Traffic()), expected_tiles(patch, found).arrays[S2].copy()
        expected[10] = 0
        np.testing.assert_array_equal(tiles.arrays[S2], expected)

    def test_keep_or_lose_the_offset_as_the_settings_say(self, server: Server) -> None:
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        keys = found["s2"].id, found["s1"].id
        new = acquisitions_of(*keys, baseline="05.00")
        expected = expected_tiles(patch, found).arrays[S2]
        kept = open_at(server, offset="kept")
        np.testing.assert_array_equal(kept.fetch(patch, found, Traffic()).arrays[S2], expected)
        np.testing.assert_array_equal(kept.fetch(patch, new, Traffic()).arrays[S2], np.maximum(expected, 1001) - 1000)
        np.testing.assert_array_equal(open_at(server).fetch(patch, new, Traffic()).arrays[S2], expected)

    def test_whose_offset_nothing_tells_are_not_to_be_had(self, server: Server) -> None:
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        late = micros(dt.datetime(2023, 1, 1, tzinfo=dt.UTC))
        unknown = acquisitions_of(found["s2"].id, found["s1"].id, baseline="", time=late)
        with pytest.raises(SceneUnavailable) as caught:
            open_at(server, offset="kept").fetch(patch, unknown, Traffic())
        assert (caught.value.reason, caught.value.scene) == (Reason.OFFSET_UNKNOWN, found["s2"].id)
        assert open_at(server).fetch(patch, unknown, Traffic()).arrays[S2].any()

    def test_of_linear_power_become_decibels(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.servers.earthone.S1_DECIBELS", (0.0, 4.095))
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        tiles = open_at(server, backscatter="power").fetch(patch, found, Traffic())
        raw = raw_values(found["s1"].id, 1, patch.xmin, patch.ymax, patch.shape, most=4095)
        np.testing.assert_allclose(tiles.arrays[S1][1], 10 * np.log10(raw / 1000), atol=1e-4)


class TestUnits:
    """Settings that an account has wrong: the scene is refused, with the setting that puts it right."""

    def refusal(self, server: Server, **settings: Any) -> str:
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        with pytest.raises(SceneUnavailable) as caught:
            open_at(server, **settings).fetch(patch, found, Traffic())
        assert caught.value.reason == Reason.NOT_UNDERSTOOD
        return str(caught.value)

    def test_power_is_not_taken_for_decibels(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.servers.earthone.S1_DECIBELS", (0.0, 4.095))
        assert "DEEPSENTINEL_DESCARTESLABS_BACKSCATTER (`power`" in self.refusal(server)

    def test_decibels_are_not_taken_for_power(self, server: Server) -> None:
        assert "Set DEEPSENTINEL_DESCARTESLABS_BACKSCATTER=db" in self.refusal(server, backscatter="power")


def by_the_rule(draws: Draws, s2: list[Taken], s1: list[Taken], rule: Rule) -> list[tuple[str, str] | None]:
    """The pairing rule, written out draw by draw."""
    chosen: list[tuple[str, str] | None] = []
    for draw, outline in enumerate(draws.patches.outlines(inset=PIXEL / 2)):
        preferred = int(draws.preferred[draw])
        mine = [a for a in s2 if a.place == draw and a.footprint.covers(outline)]
        mine = [a for a in mine if rule.window[0] <= a.time < rule.window[1]]
        mine = [a for a in mine if a.newness == max(b.newness for b in mine if b.datatake == a.datatake)]
        limits = rule.roles["s2"].cloud_cover
        mine = [a for a in mine if limits is None or a.cloud <= limits[1]]
        options = [
            (abs(a.time - preferred), a.id, abs(b.time - a.time), b.id)
            for a in mine
            for b in s1
            if abs(a.time - preferred) <= rule.search
            if b.place == draw and b.footprint.covers(outline) and abs(b.time - a.time) <= rule.roles["s1"].reach
        ]
        chosen.append((min(options)[1], min(options)[3]) if options else None)
    return chosen


def chosen_of(draws: Draws, candidates: Candidates, rule: Rule) -> list[tuple[str, str] | None]:
    pairs = pair(draws.patches, draws.preferred, candidates, rule)
    paired = pairs.outcome == Outcome.PAIRED
    chosen = [pairs.acquisitions(candidates, n) if paired[n] else None for n in range(len(draws))]
    return [found and (found["s2"].id, found["s1"].id) for found in chosen]


def rows_of(found: Candidates) -> set[tuple[int, str]]:
    """Which scene is near which draw, whatever else a search has brought."""
    return {
        (draw, key)
        for near in found.values()
        for draw, key in zip(near.draw.tolist(), near.scenes.id[near.scene], strict=True)
    }


def scattered(count: int) -> list[tuple[float, float]]:
    """Points all over the globe, no two of which share a scene."""
    return [(-175.0 + 29.3 * n % 350, -50.0 + 2.7 * (n % 40)) for n in range(count)]


class TestCandidates:
    @pytest.mark.parametrize("named", [True, False])
    @pytest.mark.parametrize("max_cloud_cover", [None, 40.0])
    def test_pair_as_the_rule_says(self, server: Server, named: bool, max_cloud_cover: float | None) -> None:
        draws, rule = draws_at(list(PLACES.values())), rule_with(max_cloud_cover)
        server.world.scenes, s2, s1 = world_over(draws, named=named)
        expected = by_the_rule(draws, s2, s1, rule)
        assert sum(chosen is not None for chosen in expected) >= 7
        found = open_at(server, rule).candidates(draws, Traffic())
        if named:
            assert chosen_of(draws, found, rule) == expected
        else:
            # Without ESA's name the time of processing is unknown, and so is which of two processings is the newer.
            pass_of = [chosen and (chosen[0].rsplit("_v", 1)[0], chosen[1]) for chosen in chosen_of(draws, found, rule)]
            assert pass_of == [chosen and (chosen[0].rsplit("_v", 1)[0], chosen[1]) for chosen in expected]
        assert server.world.problems == []

    def test_are_the_same_whatever_shares_a_search_or_a_page(self, server: Server) -> None:
        draws = draws_at(scattered(20))
        server.world.scenes, s2, s1 = world_over(draws)
        expected = by_the_rule(draws, s2, s1, RULE)
        first = open_at(server).candidates(draws, Traffic())
        for together, page in ((1, 1000), (250, 7), (3, 50)):
            server.world.page = page
            found = open_at(server, search_patches=together).candidates(draws, Traffic())
            assert chosen_of(draws, found, RULE) == expected
            assert rows_of(found) == rows_of(first)

    def test_of_a_shard_cost_two_requests_for_sixteen_draws(self, server: Server) -> None:
        count = 250
        draws = draws_at(scattered(count), days=[60 * n / count + 30 for n in range(count)])
        server.world.scenes, s2, s1 = world_over(draws, days=120)
        traffic = Traffic()
        found = open_at(server).candidates(draws, traffic)
        assert chosen_of(draws, found, RULE) == by_the_rule(draws, s2, s1, RULE)
        searches = 2 * -(-count // 16)
        assert server.world.requests == {"token": 1, "bands": 2, "search": searches}
        assert traffic.requests == searches + 3

    def test_carry_what_the_names_say(self, server: Server) -> None:
        draws = draws_at([PLACES["south"]])
        server.world.scenes, s2, s1 = world_over(draws)
        found = open_at(server).candidates(draws, Traffic())
        truth = {a.id: a for a in s2}
        optical, radar = found["s2"].scenes, found["s1"].scenes
        assert isinstance(optical, Sentinel2Scenes) and isinstance(radar, Sentinel1Scenes)
        for n, key in enumerate(optical.id):
            a = truth[key]
            assert optical.datatake[n] == a.datatake
            assert (optical.baseline[n], optical.processed[n]) == (a.newness[0], a.newness[1])
            assert (optical.tile[n], optical.epsg[n]) == (a.tile, draws.patches.epsg[0])
            assert optical.cloud_cover[n] == pytest.approx(a.cloud)
        products = {a.id: a.datatake for a in s1}
        assert list(radar.product) == [products[key] for key in radar.id]
        assert set(radar.direction) == {"descending"}
        assert all(1 <= orbit <= 175 for orbit in radar.orbit)

    def test_of_an_unknown_product_say_which_setting(self, server: Server) -> None:
        with pytest.raises(CatalogueError, match=r"'sentinel-9:X'.*DEEPSENTINEL_DESCARTESLABS_SENTINEL1"):
            open_at(server, sentinel1="sentinel-9:X").candidates(draws_at([(9, 48)]), Traffic())

    def test_of_a_product_without_a_band_say_which_it_has(self, server: Server) -> None:
        platform = open_at(server, sentinel1_bands="vv,hv")
        with pytest.raises(CatalogueError, match=r"no band hv; it has alpha, vh, vv.*SENTINEL1_BANDS"):
            platform.candidates(draws_at([(9, 48)]), Traffic())


class TestResolve:
    def chosen_elsewhere(self, draws: Draws, s2: list[Taken], s1: list[Taken]) -> list[Acquisitions]:
        """The rule's choices as another platform knows them: its own ids, other times, other names of one product."""
        wanted: list[Acquisitions] = []
        truth = {a.id: a for a in (*s2, *s1)}
        for chosen in by_the_rule(draws, s2, s1, RULE):
            assert chosen is not None
            a, b = truth[chosen[0]], truth[chosen[1]]
            found = acquisitions_of("COPERNICUS/S2/x", "COPERNICUS/S1_GRD/x")
            texts = {"datatake": a.datatake, "tile": a.tile}
            other = replace(
                found["s2"].scenes, time=np.array([a.time + 900_000_000]),
                **{name: np.array([text], dtype=object) for name, text in texts.items()},
            )  # fmt: skip
            name = b.datatake[:-4] + "FFFF"
            radar = replace(
                found["s1"].scenes, time=np.array([b.time]), product=np.array([name], dtype=object)
            )  # fmt: skip
            wanted.append({"s2": Acquisition(scenes=other, scene=0), "s1": Acquisition(scenes=radar, scene=0)})
        return wanted

    @pytest.mark.parametrize("named", [True, False])
    def test_finds_the_acquisitions_that_another_platform_chose(self, server: Server, named: bool) -> None:
        draws = draws_at(scattered(40))
        server.world.scenes, s2, s1 = world_over(draws, named=named)
        wanted = self.chosen_elsewhere(draws, s2, s1)
        found = open_at(server).resolve(wanted, draws.patches, Traffic())
        own = [one if isinstance(one, Rejection) else (one["s2"].id, one["s1"].id) for one in found]
        assert own == by_the_rule(draws, s2, s1, RULE)
        assert server.world.requests["search"] == 2 * -(-40 // 16)

    def test_says_what_is_missing(self, server: Server) -> None:
        draws = draws_at(scattered(3))
        scenes, s2, s1 = world_over(draws)
        wanted, chosen = self.chosen_elsewhere(draws, s2, s1), by_the_rule(draws, s2, s1, RULE)
        assert chosen[0] is not None
        assert chosen[2] is not None
        gone = {a.id for a in s2 if a.id.rsplit("_v", 1)[0] == chosen[0][0].rsplit("_v", 1)[0]} | {chosen[2][1]}
        server.world.scenes = [scene for scene in scenes if scene.id not in gone]
        found = open_at(server).resolve(wanted, draws.patches, Traffic())
        optical = wanted[0]["s2"].scenes
        assert isinstance(optical, Sentinel2Scenes)
        name = f"{optical.datatake[0]} {optical.tile[0]}"
        assert found[0] == Rejection(reason=Reason.NOT_IN_CATALOGUE, scene=name)
        assert not isinstance(found[1], Rejection)
        radar = wanted[2]["s1"].scenes
        assert isinstance(radar, Sentinel1Scenes)
        assert found[2] == Rejection(reason=Reason.NOT_IN_CATALOGUE, scene=str(radar.product[0]))

    def test_of_nothing_asks_nothing(self, server: Server) -> None:
        assert open_at(server).resolve([], draws_at([(9, 48)]).patches, Traffic()) == []
        assert not server.world.requests


class TestRoles:
    def test_are_those_of_the_rule_whatever_they_are_called(self, server: Server) -> None:
        """A clear scene, a cloudy one near it and one of radar, as corpora to come ask for."""
        more = {"s2_cloudy": Role(near="s2", reach=10 * DAY), "s1": Role(near="s2", reach=3 * DAY)}
        rule = replace(RULE, roles={"s2": RULE.roles["s2"], **more})
        draws = draws_at([PLACES["north"], PLACES["south"]])
        server.world.scenes, s2, s1 = world_over(draws)
        platform = open_at(server, rule)

        candidates = platform.candidates(draws, Traffic())
        assert list(candidates) == ["s2", "s2_cloudy", "s1"]
        assert candidates["s2"].scenes is candidates["s2_cloudy"].scenes, "one search serves both"
        assert server.world.requests["search"] == 2
        near = {role: set(found.scenes.id[found.scene]) for role, found in candidates.items()}
        assert near["s2"] < near["s2_cloudy"] <= {a.id for a in s2}
        times = {role: near.scenes.time[near.scene[near.draw == 0]] for role, near in candidates.items()}
        assert np.ptp(times["s2"]) <= 60 * DAY < np.ptp(times["s2_cloudy"]) <= 80 * DAY
        assert set(candidates["s1"].scenes.id) <= {a.id for a in s1}

        outlines = draws.patches.outlines()
        wanted: list[Acquisitions] = []
        for n, outline in enumerate(outlines):
            chosen: dict[str, Acquisition] = {}
            for role, near in candidates.items():
                mine = near.scene[near.draw == n]
                whole = [scene for scene in mine if near.scenes.footprint[scene].covers(outline)]
                chosen[role] = Acquisition(scenes=near.scenes, scene=int(whole[-1 if role == "s2_cloudy" else 0]))
            wanted.append(chosen)
        for one, own in zip(wanted, platform.resolve(wanted, draws.patches, Traffic()), strict=True):
            assert not isinstance(own, Rejection)
            assert list(own) == ["s2", "s2_cloudy", "s1"]
            assert [own[role].time for role in own] == [one[role].time for role in one]

        tiles = platform.fetch(draws.patches[0], wanted[0], Traffic())
        assert list(tiles.arrays) == [S2, "descarteslabs/s2_cloudy", S1]
        other = {"s2": wanted[0]["s2_cloudy"], "s1": wanted[0]["s1"]}
        np.testing.assert_array_equal(
            tiles.arrays["descarteslabs/s2_cloudy"], expected_tiles(draws.patches[0], other).arrays[S2]
        )

    def test_of_several_dates_and_levels_come_look_by_look(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "URL": server.url, "IAM_URL": server.url, "CLIENT_ID": server.world.client[0],
            "CLIENT_SECRET": server.world.client[1], "SENTINEL2_L1C": TOP,
        }.items():  # fmt: skip
            monkeypatch.setenv(f"DEEPSENTINEL_DESCARTESLABS_{name}", value)
        lon, lat = np.array([PLACES["north"], PLACES["south"]]).T
        gpd.GeoDataFrame(geometry=shapely.points(lon, lat), crs=4326).to_file(tmp_path / "points.gpkg")
        draws = draws_at([PLACES["north"], PLACES["south"]])
        scenes, _, _ = world_over(draws)
        server.world.scenes = scenes + [
            replace(one, id=one.id.replace(SENTINEL2, TOP), product=TOP) for one in scenes if one.product == SENTINEL2
        ]
        roles = {
            "s2": {"level": "l1c"}, "s2_cloudy": {"near": "s2", "max_days": 15}, "s1": {"near": "s2", "max_days": 6},
        }  # fmt: skip
        builder = open_builder(CorpusSpec.model_validate({
            "name": "series", "places": {"points": str(tmp_path / "points.gpkg")}, "acquisitions": roles,
            "instants": {"slices": 3}, "window": ["2019-01-01", "2020-01-01"], "patch": {"pixels": 32},
            "platforms": ["descarteslabs"], "shard_size": 2, "destinations": [str(tmp_path / "corpus")],
        }))  # fmt: skip
        filling = Filling(builder=builder, shard=0, traffic=builder.traffic())
        arrays = filling.fill()
        assert server.world.requests["search"] == 3, "one a product, however many dates"
        assert server.world.requests["raster"] == 2 * 3 * 3, "one a look"
        assert arrays["descarteslabs/s2"].shape == (2, 3, 13, 32, 32)
        for sample in filling.samples:
            assert len(sample.acquisitions) == 9
            for look, acquisition in sample.acquisitions.items():
                role = role_of(look)
                assert acquisition.id.startswith({"s2": TOP, "s2_cloudy": SENTINEL2, "s1": SENTINEL1}[role])
                path = S1 if role == "s1" else S2
                expected = expected_tiles(sample.patch, {"s2": acquisition, "s1": acquisition}).arrays[path]
                held = arrays[f"descarteslabs/{role}"][sample.row, date_of(look)]
                steps, off = (np.round(expected * 100), 1) if role == "s1" else (expected, 0)
                np.testing.assert_allclose(held.astype(int), steps, rtol=0, atol=off)
        rows = decode_rows(encode_rows(sample_rows(filling.samples, builder.spec, 0)))
        assert rows["s2_satellite"][0].tolist() == ["S2A"] * 3 and rows["s1_satellite"][1].tolist() == ["S1A"] * 3
        assert server.world.problems == []

    @pytest.mark.parametrize(
        ("role", "told"),
        [
            (Role(near=None, reach=DAY, level="l1c"), r"s2: level: .*Set DEEPSENTINEL_DESCARTESLABS_SENTINEL2_L1C to"),
            (Role(near=None, reach=DAY, mask=True), r"s2: mask: descarteslabs has no cloud masks. Leave"),
        ],
    )
    def test_that_the_platform_lacks_are_refused_before_anything_is_asked(
        self, server: Server, role: Role, told: str
    ) -> None:
        with pytest.raises(SpecError, match=told):
            open_at(server, replace(RULE, roles={"s2": role}))
        assert not server.world.requests


def some_faults(kind: str, content: int, attempt: int) -> str | None:
    """10 % of requests are answered with 503, 5 % with a damaged body."""
    draw = zlib.crc32(f"{content} {attempt}".encode()) % 100
    return "503" if draw < 10 else ("truncated", "garbage", "short")[draw % 3] if draw < 15 else None


FAULTS = ("429", "429-after", "500", "503", "truncated", "short", "garbage", "empty", "reset")


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("kind", ["token", "bands", "search", "raster"])
    def test_that_pass_are_tried_again_and_counted(self, server: Server, kind: str, fault: str) -> None:
        draws = draws_at([(9, 48)], pixels=64)
        server.world.scenes, s2, s1 = world_over(draws)
        server.world.fault = lambda k, _, attempt: fault if k == kind and attempt == 0 else None
        traffic, platform = Traffic(), open_at(server)
        candidates = platform.candidates(draws, traffic)
        pairs = pair(draws.patches, draws.preferred, candidates, RULE)
        found = pairs.acquisitions(candidates, 0)
        assert [(found["s2"].id, found["s1"].id)] == by_the_rule(draws, s2, s1, RULE)
        assert_same(platform.fetch(draws.patches[0], found, traffic), expected_tiles(draws.patches[0], found))
        assert traffic.requests == server.world.requests.total()
        # The login is one request of its kind, the others are two each.
        assert traffic.retries == (1 if kind == "token" else 2)
        assert traffic.throttles == (traffic.retries if fault.startswith("429") else 0)

    def test_of_one_in_seven_requests_change_no_pixel(self, server: Server) -> None:
        patches = [patch_at(9 + 0.1 * n, 48, 64) for n in range(60)]
        made = [scenes_for(patch, f"scene{n}") for n, patch in enumerate(patches)]
        server.world.scenes = [scene for scenes, _ in made for scene in scenes]

        server.world.fault = some_faults
        traffic, platform = Traffic(), open_at(server)
        with ThreadPoolExecutor(8) as threads:
            tiles = list(threads.map(lambda n: platform.fetch(patches[n], made[n][1], traffic), range(60)))
        for patch, (_, found), tile in zip(patches, made, tiles, strict=True):
            assert_same(tile, expected_tiles(patch, found))
        assert traffic.requests == server.world.requests.total()
        assert traffic.retries >= 10
        assert server.world.requests["raster"] <= 120 + traffic.retries

    def test_that_ask_for_a_pause_get_it(self, server: Server) -> None:
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda kind, _, attempt: "429-after" if kind == "bands" and not attempt else None
        traffic, began = Traffic(), time.monotonic()
        open_at(server).fetch(patch, found, traffic)
        assert time.monotonic() - began >= 2  # one second each, for two products
        assert traffic.throttles == traffic.retries == 2

    def test_of_a_body_longer_than_it_says_are_tried_again(self, server: Server) -> None:
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda kind, _, attempt: "longer" if kind == "raster" and not attempt else None
        traffic = Traffic()
        assert_same(open_at(server).fetch(patch, found, traffic), expected_tiles(patch, found))
        assert traffic.retries == 2

    @pytest.mark.parametrize("fault", ["404", "400"])
    def test_of_one_scene_are_final_and_told_without_the_servers_words(self, server: Server, fault: str) -> None:
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda kind, *_: fault if kind == "raster" else None
        traffic = Traffic()
        with pytest.raises(SceneUnavailable) as caught:
            open_at(server).fetch(patch, found, traffic)
        key = found["s2"].id
        assert (caught.value.reason, caught.value.scene) == (Reason.REFUSED, key)
        assert str(caught.value) == f"{key}: the platform cannot render this scene on this patch"
        assert server.world.requests["raster"] == 1
        assert traffic.retries == 0

    def test_that_last_end_with_the_patience(self, server: Server) -> None:
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda kind, *_: "truncated" if kind == "raster" else None
        with pytest.raises(PixelsError, match=r"descarteslabs: \S+:a: its pixels: still failing .* damaged body"):
            open_at(server, patience=1).fetch(patch, found, Traffic())

    def test_of_an_unknown_status_are_final(self, server: Server) -> None:
        server.world.fault = lambda kind, *_: "418" if kind == "search" else None
        with pytest.raises(CatalogueError, match="a status that its client does not know"):
            open_at(server).candidates(draws_at([(9, 48)]), Traffic())
        assert server.world.requests["search"] <= 2

    def test_of_a_search_that_is_refused_are_final(self, server: Server) -> None:
        server.world.fault = lambda kind, *_: "400" if kind == "search" else None
        with pytest.raises(CatalogueError, match="refused a search"):
            open_at(server).candidates(draws_at([(9, 48)]), Traffic())

    def test_of_another_grid_are_not_believed(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        from tests.servers import earthone

        whole = earthone._npz
        monkeypatch.setattr(
            earthone, "_npz", lambda v, m, facts: whole(v, m, facts | {"geoTransform": [patch.xmin + 5.0, 10, 0,
                                                                                       patch.ymax, 0, -10]}),
        )  # fmt: skip
        with pytest.raises(PixelsError, match="another grid than asked for"):
            open_at(server).fetch(patch, found, Traffic())


def slow(kind: str) -> Callable[[str, int, int], None]:
    """Requests of a kind are answered after a second."""
    return lambda k, *_: time.sleep(1.0) if k == kind else None


class TestOutOfReach:
    @pytest.mark.parametrize("kind", ["token", "bands", "search", "raster"])
    def test_is_a_platform_that_does_not_answer_within_the_deadline(self, server: Server, kind: str) -> None:
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = slow(kind)  # type: ignore[assignment]
        platform, traffic, began = open_at(server, deadline=0.2, patience=1), Traffic(), time.monotonic()
        with pytest.raises(PlatformUnreachable, match=r"descarteslabs: .*: out of reach after [2-9] attempts in 1 s"):
            if kind == "raster":
                platform.fetch(patch, found, traffic)
            else:
                platform.candidates(draws_at([(9, 48)]), traffic)
        assert time.monotonic() - began < 4
        assert traffic.retries >= 1

    def test_is_not_a_platform_whose_every_answer_comes_in_time(self, server: Server) -> None:
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        server.world.latency = 0.4
        # Each of five requests stays below the deadline; together they take longer, also than the patience.
        tiles = open_at(server, deadline=1, patience=0.5).fetch(patch, found, Traffic())
        assert_same(tiles, expected_tiles(patch, found))

    @pytest.mark.parametrize("fault", ["reset", "nobody"])
    def test_is_a_platform_that_refuses_connections(self, server: Server, fault: str) -> None:
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        platform = open_at(server, patience=0.5)
        platform.fetch(patch, found, Traffic())
        if fault == "nobody":
            platform.close()
            server.shutdown()
            server.server_close()
        else:
            server.world.fault = lambda *_: "reset"
        for act in (
            lambda: platform.fetch(patch, found, Traffic()),
            lambda: platform.candidates(draws_at([(9, 48)]), Traffic()),
        ):
            with pytest.raises(PlatformUnreachable, match=r"Run the same command later"):
                act()

    def test_costs_all_threads_together_one_patience(self, server: Server) -> None:
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda kind, *_: "reset" if kind == "token" else None
        platform, began = open_at(server, patience=1), time.monotonic()

        def fetch(_: int) -> type[BaseException] | None:
            try:
                platform.fetch(patch, found, Traffic())
            except PlatformUnreachable as error:
                return type(error)
            return None

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(fetch, range(8))) == {PlatformUnreachable}
        assert time.monotonic() - began < 4


class TestClose:
    def test_ends_threads_and_connections_and_opens_them_again_when_asked(self, server: Server) -> None:
        draws, patch = draws_at([(9, 48)]), patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        own = {thread.name for thread in threading.enumerate()}
        platform = open_at(server)
        for times in (1, 2):
            platform.candidates(draws, Traffic())
            with ThreadPoolExecutor(4) as threads:
                for tiles in threads.map(lambda _: platform.fetch(patch, found, Traffic()), range(8)):
                    assert_same(tiles, expected_tiles(patch, found))
                # The threads that fetch live on, as those of a build do: only what they have opened ends.
                assert server.world.open_connections > 0
                platform.close()
                _until(lambda: server.world.open_connections == 0)
            assert not [t.name for t in threading.enumerate() if t.name not in own and "descarteslabs" in t.name]
            assert server.world.requests["token"] == times, "the login is forgotten"

    def test_of_what_was_never_used_or_is_closed_already_does_nothing(self, server: Server) -> None:
        platform = open_at(server)
        platform.close()
        platform.check(None)
        platform.close()
        platform.close()
        assert server.world.requests == {"token": 1, "bands": 2}


def _until(done: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.01)


class TestThreads:
    def test_compile_nothing(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python's `ast`, which numpy's readers use on headers, is not safe in many threads on CPython 3.11."""
        draws, patch = draws_at([(9, 48)]), patch_at(9, 48, 64)
        scenes, found = scenes_for(patch)
        server.world.scenes = [*scenes, *world_over(draws)[0]]
        platform = open_at(server)
        compiled: list[str] = []
        real = builtins.compile

        def compiling(source: Any, *args: Any, **options: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                compiled.append(str(source)[:200])
            return real(source, *args, **options)

        def work(_: int) -> None:
            platform.candidates(draws, Traffic())
            platform.fetch(patch, found, Traffic())

        # What is imported late is compiled once.
        work(0)
        monkeypatch.setattr(builtins, "compile", compiling)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(16)))
            assert compiled == []
            list(threads.map(lambda _: np.load(io.BytesIO(_npy())), range(1)))
        assert compiled, "the trap works"


def _npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


class TestLimit:
    def test_is_kept_by_all_threads_together(self, server: Server) -> None:
        patches = [patch_at(9 + 0.1 * n, 48, 16) for n in range(24)]
        made = [scenes_for(patch, f"scene{n}") for n, patch in enumerate(patches)]
        server.world.scenes = [scene for scenes, _ in made for scene in scenes]
        server.world.latency = 0.02
        platform = open_at(server, requests=3)
        with ThreadPoolExecutor(12) as threads:
            list(threads.map(lambda n: platform.fetch(patches[n], made[n][1], Traffic()), range(24)))
        # The server counts a request until its thread is done with it, when the client may have sent the next one
        # already: one more a slot at most, where 12 threads without a limit would be 12.
        assert 3 <= server.world.most_in_flight <= 6
        assert server.world.requests == {"token": 1, "bands": 2, "raster": 48}


class TestLogin:
    def refused(self, server: Server, **changes: object) -> str:
        with pytest.raises(CredentialsError) as caught:
            open_at(server, **changes).candidates(draws_at([(9, 48)]), Traffic())
        return str(caught.value)

    def test_works_with_a_token(self, server: Server) -> None:
        token = server.world.issue(3600)
        platform = open_at(server, token=token, client_id=None, client_secret=None)
        platform.candidates(draws_at([(9, 48)]), Traffic())
        assert server.world.requests["token"] == 0

    def test_is_renewed_before_the_token_ends_by_one_thread(self, server: Server) -> None:
        server.world.token_seconds = 502.0  # of which the client leaves 500
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        platform = open_at(server)
        platform.fetch(patch, found, Traffic())
        assert server.world.requests["token"] == 1
        server.world.token_seconds = 3600
        threading.Event().wait(2.1)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: platform.fetch(patch, found, Traffic()), range(16)))
        assert server.world.requests["token"] == 2

    def test_needs_credentials(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("TOKEN", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN"):
            monkeypatch.delenv(f"EARTHONE_{name}", raising=False)
        message = self.refused(server, client_id=None, client_secret=None)
        assert "there is no login" in message
        assert "DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET" in message
        assert not server.world.requests

    @pytest.mark.parametrize("token", ["garbage", "a.b.c"])
    def test_needs_a_token_that_is_one(self, server: Server, token: str) -> None:
        none = {"client_id": None, "client_secret": None}
        message = self.refused(server, token=token, **none)
        assert "DEEPSENTINEL_DESCARTESLABS_TOKEN" in message
        assert token not in message.replace("DEEPSENTINEL_DESCARTESLABS_TOKEN", "").split()

    def test_needs_a_token_that_has_not_expired(self, server: Server) -> None:
        none = {"client_id": None, "client_secret": None}
        message = self.refused(server, token=server.world.issue(-5), **none)
        assert "expired" in message

    def test_needs_the_right_secret(self, server: Server) -> None:
        message = self.refused(server, client_secret="wr0ng")
        assert "DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET" in message
        assert "wr0ng" not in message
        assert server.world.requests == {"token": 1}

    @pytest.mark.parametrize(("fault", "remedy"), [("401", "CLIENT_SECRET"), ("403", "Ask the platform for access")])
    @pytest.mark.parametrize("kind", ["bands", "search", "raster"])
    def test_that_is_refused_later_stops_at_once(self, server: Server, kind: str, fault: str, remedy: str) -> None:
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda k, *_: fault if k == kind else None
        platform, traffic = open_at(server), Traffic()
        with pytest.raises(CredentialsError, match=remedy):
            if kind == "raster":
                platform.fetch(patch, found, traffic)
            else:
                platform.candidates(draws_at([(9, 48)]), traffic)
        assert traffic.retries == 0

    def test_writes_nothing_in_the_users_home(self, server: Server) -> None:
        open_at(server).candidates(draws_at([(9, 48)]), Traffic())
        assert not (Path.home() / ".earthone").exists()

    def test_at_an_address_that_is_none_says_so(self, server: Server) -> None:
        with pytest.raises(SettingsError, match="DEEPSENTINEL_DESCARTESLABS_URL"):
            open_at(server, iam_url="nowhere").candidates(draws_at([(9, 48)]), Traffic())


class TestCheck:
    def test_says_what_there_is(self, server: Server) -> None:
        assert open_at(server).check(None) == (
            "logged in; sentinel-2:L1C with 13 of 13 bands, sentinel-1:GRD with VV and VH; at most 8 requests in flight"
        )
        assert server.world.requests == {"token": 1, "bands": 2}

    def test_raises_with_the_remedy(self, server: Server) -> None:
        with pytest.raises(CredentialsError, match="DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET"):
            open_at(server, client_secret="wr0ng").check(None)


class TestSecrets:
    def test_are_in_no_message_log_or_repr(self, server: Server, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        token = server.world.issue(3600)
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        said: list[str] = []
        logins = (
            {"token": token},
            {},
            {"client_secret": "wr0ng-secret"},
            {
                "token": "n0t-a-token",
                "client_id": None,
                "client_secret": None,
            },
        )
        for fault in (None, "400", "401", "403", "404", "418", "429", "500", "truncated", "garbage"):
            for login in logins:
                # The server quotes the token in each of its errors.
                server.world.fault = lambda kind, *_, fault=fault: fault if kind in ("search", "raster") else None
                platform = open_at(server, patience=0.02, **login)
                said += [repr(platform), repr(vars(platform)), repr(settings_for(server, **login))]
                for act in (
                    lambda platform=platform: platform.fetch(patch, found, Traffic()),
                    lambda platform=platform: platform.candidates(draws_at([(9, 48)]), Traffic()),
                ):
                    try:
                        act()
                    except DeepSentinelError as error:
                        said.append(str(error))
        said.append(caplog.text)
        secrets = [*server.world.tokens, server.world.client[1], "wr0ng-secret", "n0t-a-token"]
        assert len(said) > 100
        for text in said:
            assert not [secret for secret in secrets if secret in text], text

    def test_stay_out_of_the_environment(self, server: Server) -> None:
        import os

        before = dict(os.environ)
        open_at(server).candidates(draws_at([(9, 48)]), Traffic())
        assert dict(os.environ) == before


SPEC = {
    "name": "x", "size": 10, "shard_size": 10, "places": {"random": ["LU"]}, "destinations": ["out"],
    "window": ["2018-01-01", "2021-01-01"], "platforms": ["descarteslabs"],
}  # fmt: skip


class TestBuild:
    def test_of_a_shard_gives_the_same_bytes_whatever_goes_wrong_on_the_way(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("URL", "IAM_URL"):
            monkeypatch.setenv(f"DEEPSENTINEL_DESCARTESLABS_{name}", server.url)
        for name, value in zip(("CLIENT_ID", "CLIENT_SECRET"), server.world.client, strict=True):
            monkeypatch.setenv(f"DEEPSENTINEL_DESCARTESLABS_{name}", value)
        common = SPEC | {"window": ["2019-01-01", "2020-01-01"], "patch": {"pixels": 64}}
        built: list[dict[str, bytes]] = []
        for disturbed in (False, True):
            corpus = tmp_path / str(disturbed)
            builder = open_builder(CorpusSpec.model_validate(common | {"destinations": [str(corpus)]}))
            server.world.scenes, _, _ = world_over(builder.places.draws(0))
            server.world.fault = some_faults if disturbed else lambda *_: None
            describe_everywhere(builder.destinations, builder.description)
            make_shard(builder, 0)
            built.append(tree(corpus))
        assert "descarteslabs/s2/c/0/0/0/0" in built[0]
        assert server.world.problems == []
        assert built[0] == built[1]
        for held in built[0].values():
            assert server.world.client[1].encode() not in held


class TestOpening:
    def test_goes_by_the_name_in_a_spec(self, server: Server) -> None:
        bounds = (-180, -90, 180, 90)
        (platform,) = open_platforms(CorpusSpec.model_validate(SPEC), bounds, (settings_for(server),))
        assert (platform.name, platform.bands, platform.in_flight) == ("descarteslabs", BANDS, 8)
        assert not server.world.requests

    def test_without_the_client_says_what_to_install(self) -> None:
        code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "earthdaily":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from tasks.errors import SpecError
from tasks.imagery.registry import open_platforms, platform_settings
from tasks.spec import CorpusSpec
spec = CorpusSpec.model_validate(SPEC)
try:
    open_platforms(spec, (-180, -90, 180, 90), platform_settings(spec))
except SpecError as error:
    print(error)
""".replace("SPEC)", f"{SPEC!r})")
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "pip install 'deepsentinel[descarteslabs]'" in answer.stdout

    def test_imports_the_client_only_where_it_is_named(self) -> None:
        code = "import sys, tasks.imagery; print('earthdaily' in sys.modules)"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "False"
