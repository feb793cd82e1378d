"""The platform `descarteslabs`: the real client against EarthOne over loopback."""

import logging
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from tasks.assembly.builder import open_workshop
from tasks.build_shard import make_shard
from tasks.errors import (
    CatalogueError,
    CredentialsError,
    DeepSentinelError,
    PixelsError,
    SceneUnavailable,
    SettingsError,
)
from tasks.imagery import BANDS, Tiles, Traffic, open_platforms
from tasks.imagery.descarteslabs import open_descarteslabs
from tasks.places import PIXEL, Draws, Patch, open_places
from tasks.places.patches import patches_around
from tasks.prepare_corpus import describe_everywhere
from tasks.scenes import DAY, Candidates, Outcome, Rule, ScenePair, Sentinel1Scenes, Sentinel2Scenes, pair
from tasks.settings import Settings
from tasks.spec import CorpusSpec
from tests.servers.earthone import (
    S2_BANDS,
    SENTINEL1,
    SENTINEL2,
    Scene,
    Server,
    World,
    decibels,
    raw_values,
)
from tests.servers.worlds import PLACES, START, Acquisition, draws_at, micros, world_over

RULE = Rule(window=(micros(START), micros(START) + 365 * DAY), max_gap=3 * DAY, search=30 * DAY, max_cloud_cover=60.0)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(World()) as server:
        yield server


def settings_for(server: Server, **changes: object) -> Settings:
    given: dict[str, object] = {
        "descarteslabs_url": server.url,
        "descarteslabs_iam_url": server.url,
        "descarteslabs_client_id": server.world.client[0],
        "descarteslabs_client_secret": server.world.client[1],
        "descarteslabs_requests": 8,
        "descarteslabs_deadline": 30,
    }
    return Settings.model_validate(given | changes)


def open_at(server: Server, rule: Rule = RULE, **changes: object):
    return open_descarteslabs(settings_for(server, **changes), rule)


def one_pair(s2_id: str, s1_id: str, *, baseline: str = "02.07") -> ScenePair:
    """A pair of this platform's scenes, as `candidates` would have found them."""
    texts = [np.array([text], dtype=object) for text in (s2_id, s1_id, baseline, "32UAA", "S2A 20190101T100000", "")]
    globe = np.array([shapely.box(-180, -90, 180, 90)], dtype=object)
    time, zero, cloud = np.array([micros(START)]), np.array([0]), np.array([0.0])
    return ScenePair(
        s2=Sentinel2Scenes(id=texts[0], time=time, footprint=globe, orbit=zero, epsg=zero, tile=texts[3],
                           datatake=texts[4], baseline=texts[2], processed=zero, cloud_cover=cloud),
        s2_scene=0,
        s1=Sentinel1Scenes(id=texts[1], time=time, footprint=globe, orbit=zero, product=texts[1], direction=texts[5]),
        s1_scene=0,
    )  # fmt: skip


def scenes_for(patch: Patch, name: str = "a", **changes: object) -> tuple[list[Scene], ScenePair]:
    """A Sentinel-2 and a Sentinel-1 scene to fetch on a patch."""
    common = {"acquired": "2019-01-01T10:00:00Z", "footprint": shapely.box(-180, -90, 180, 90)}
    s2 = Scene(id=f"{SENTINEL2}:{name}", product=SENTINEL2, epsg=patch.epsg, **common | changes)  # type: ignore[arg-type]
    s1 = Scene(id=f"{SENTINEL1}:{name}", product=SENTINEL1, **common)  # type: ignore[arg-type]
    return [s2, s1], one_pair(s2.id, s1.id)


def expected_tiles(patch: Patch, found: ScenePair) -> Tiles:
    """What the server's pixels are on a patch, in our units."""
    s2 = [raw_values(found.s2_id, b, patch.xmin, patch.ymax, patch.shape, most=9973) for b in range(13)]
    s1 = [decibels(raw_values(found.s1_id, b, patch.xmin, patch.ymax, patch.shape, most=4095)) for b in range(2)]
    return Tiles(s2=np.stack(s2).astype(np.uint16), s1=np.stack(s1))


def assert_same(tiles: Tiles, expected: Tiles) -> None:
    assert tiles.s2.dtype == np.uint16
    assert tiles.s1.dtype == np.float32
    np.testing.assert_array_equal(tiles.s2, expected.s2)
    np.testing.assert_allclose(tiles.s1, expected.s1, rtol=0, atol=1e-5)


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
        np.testing.assert_array_equal(tiles.s2, np.where(inside, expected.s2, 0))
        np.testing.assert_array_equal(np.isnan(tiles.s1), np.broadcast_to(~inside, tiles.s1.shape))

    def test_of_a_product_kept_in_other_units_are_scaled_to_ten_thousandths(self, server: Server) -> None:
        server.world.s2_ranges = ((0, 20000), (0.0, 1.0))
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        tiles = open_at(server).fetch(patch, found, Traffic())
        halved = np.rint(expected_tiles(patch, found).s2 / 2)
        np.testing.assert_array_equal(tiles.s2, np.maximum(halved, 1))

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
        platform = open_at(server, descarteslabs_sentinel2_bands=[b if b != "cirrus" else "-" for b in S2_BANDS])
        assert platform.bands == tuple(band for band in BANDS if band != "B10")
        tiles, expected = platform.fetch(patch, found, Traffic()), expected_tiles(patch, found).s2.copy()
        expected[10] = 0
        np.testing.assert_array_equal(tiles.s2, expected)

    def test_keep_or_lose_the_offset_as_the_settings_say(self, server: Server) -> None:
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        new = one_pair(found.s2_id, found.s1_id, baseline="05.00")
        expected = expected_tiles(patch, found).s2
        kept = open_at(server, descarteslabs_offset="kept")
        np.testing.assert_array_equal(kept.fetch(patch, found, Traffic()).s2, expected)
        np.testing.assert_array_equal(kept.fetch(patch, new, Traffic()).s2, np.maximum(expected, 1001) - 1000)
        np.testing.assert_array_equal(open_at(server).fetch(patch, new, Traffic()).s2, expected)

    def test_of_linear_power_become_decibels(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.servers.earthone.S1_DECIBELS", (0.0, 4.095))
        patch = patch_at(9, 48, 40)
        server.world.scenes, found = scenes_for(patch)
        tiles = open_at(server, descarteslabs_backscatter="power").fetch(patch, found, Traffic())
        raw = raw_values(found.s1_id, 1, patch.xmin, patch.ymax, patch.shape, most=4095)
        np.testing.assert_allclose(tiles.s1[1], 10 * np.log10(raw / 1000), atol=1e-4)


def by_the_rule(draws: Draws, s2: list[Acquisition], s1: list[Acquisition], rule: Rule) -> list[tuple[str, str] | None]:
    """The pairing rule, written out draw by draw."""
    chosen: list[tuple[str, str] | None] = []
    for draw, outline in enumerate(draws.patches.outlines(inset=PIXEL / 2)):
        preferred = int(draws.preferred[draw])
        mine = [a for a in s2 if a.place == draw and a.footprint.covers(outline)]
        mine = [a for a in mine if rule.window[0] <= a.time < rule.window[1]]
        mine = [a for a in mine if a.newness == max(b.newness for b in mine if b.datatake == a.datatake)]
        mine = [a for a in mine if rule.max_cloud_cover is None or a.cloud <= rule.max_cloud_cover]
        options = [
            (abs(a.time - preferred), a.id, abs(b.time - a.time), b.id)
            for a in mine
            for b in s1
            if abs(a.time - preferred) <= rule.search
            if b.place == draw and b.footprint.covers(outline) and abs(b.time - a.time) <= rule.max_gap
        ]
        chosen.append((min(options)[1], min(options)[3]) if options else None)
    return chosen


def chosen_of(draws: Draws, candidates: Candidates, rule: Rule) -> list[tuple[str, str] | None]:
    pairs = pair(draws.patches, draws.preferred, candidates, rule)
    return [
        (str(candidates.sentinel2.id[pairs.s2_scene[n]]), str(candidates.sentinel1.id[pairs.s1_scene[n]]))
        if pairs.outcome[n] == Outcome.PAIRED
        else None
        for n in range(len(draws))
    ]


def rows_of(found: Candidates) -> set[tuple[int, str]]:
    """Which scene is near which draw, whatever else a search has brought."""
    s2 = zip(found.s2_draw.tolist(), found.sentinel2.id[found.s2_scene], strict=True)
    return set(s2) | set(zip(found.s1_draw.tolist(), found.sentinel1.id[found.s1_scene], strict=True))


def scattered(count: int) -> list[tuple[float, float]]:
    """Points all over the globe, no two of which share a scene."""
    return [(-175.0 + 29.3 * n % 350, -50.0 + 2.7 * (n % 40)) for n in range(count)]


class TestCandidates:
    @pytest.mark.parametrize("named", [True, False])
    @pytest.mark.parametrize("max_cloud_cover", [None, 40.0])
    def test_pair_as_the_rule_says(self, server: Server, named: bool, max_cloud_cover: float | None) -> None:
        draws, rule = draws_at(list(PLACES.values())), replace(RULE, max_cloud_cover=max_cloud_cover)
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
            found = open_at(server, descarteslabs_search_patches=together).candidates(draws, Traffic())
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
        for n, key in enumerate(found.sentinel2.id):
            a = truth[key]
            assert found.sentinel2.datatake[n] == a.datatake
            assert (found.sentinel2.baseline[n], found.sentinel2.processed[n]) == (a.newness[0], a.newness[1])
            assert (found.sentinel2.tile[n], found.sentinel2.epsg[n]) == (a.tile, draws.patches.epsg[0])
            assert found.sentinel2.cloud_cover[n] == pytest.approx(a.cloud)
        products = {a.id: a.datatake for a in s1}
        assert list(found.sentinel1.product) == [products[key] for key in found.sentinel1.id]
        assert set(found.sentinel1.direction) == {"descending"}
        assert all(1 <= orbit <= 175 for orbit in found.sentinel1.orbit)

    def test_of_an_unknown_product_say_which_setting(self, server: Server) -> None:
        with pytest.raises(CatalogueError, match=r"'sentinel-9:X'.*DEEPSENTINEL_DESCARTESLABS_SENTINEL1"):
            open_at(server, descarteslabs_sentinel1="sentinel-9:X").candidates(draws_at([(9, 48)]), Traffic())

    def test_of_a_product_without_a_band_say_which_it_has(self, server: Server) -> None:
        platform = open_at(server, descarteslabs_sentinel1_bands="vv,hv")
        with pytest.raises(CatalogueError, match=r"no band hv; it has alpha, vh, vv.*SENTINEL1_BANDS"):
            platform.candidates(draws_at([(9, 48)]), Traffic())


class TestResolve:
    def pairs_elsewhere(self, draws: Draws, s2: list[Acquisition], s1: list[Acquisition]) -> list[ScenePair]:
        """The rule's pairs as another platform knows them: its own ids, other times, other names of one product."""
        pairs = []
        truth = {a.id: a for a in (*s2, *s1)}
        for chosen in by_the_rule(draws, s2, s1, RULE):
            assert chosen is not None
            a, b = truth[chosen[0]], truth[chosen[1]]
            found = one_pair("COPERNICUS/S2/x", "COPERNICUS/S1_GRD/x")
            texts = {"datatake": a.datatake, "tile": a.tile}
            other = replace(
                found.s2, time=np.array([a.time + 900_000_000]),
                **{name: np.array([text], dtype=object) for name, text in texts.items()},
            )  # fmt: skip
            name = b.datatake[:-4] + "FFFF"
            radar = replace(found.s1, time=np.array([b.time]), product=np.array([name], dtype=object))
            pairs.append(ScenePair(s2=other, s2_scene=0, s1=radar, s1_scene=0))
        return pairs

    @pytest.mark.parametrize("named", [True, False])
    def test_finds_the_acquisitions_that_another_platform_chose(self, server: Server, named: bool) -> None:
        draws = draws_at(scattered(40))
        server.world.scenes, s2, s1 = world_over(draws, named=named)
        pairs = self.pairs_elsewhere(draws, s2, s1)
        traffic = Traffic()
        found = open_at(server).resolve(pairs, draws.patches, traffic)
        assert [f if isinstance(f, str) else (f.s2_id, f.s1_id) for f in found] == by_the_rule(draws, s2, s1, RULE)
        assert server.world.requests["search"] == 2 * -(-40 // 16)

    def test_says_what_is_missing(self, server: Server) -> None:
        draws = draws_at(scattered(3))
        scenes, s2, s1 = world_over(draws)
        pairs, chosen = self.pairs_elsewhere(draws, s2, s1), by_the_rule(draws, s2, s1, RULE)
        assert chosen[0] is not None
        assert chosen[2] is not None
        gone = {a.id for a in s2 if a.id.rsplit("_v", 1)[0] == chosen[0][0].rsplit("_v", 1)[0]} | {chosen[2][1]}
        server.world.scenes = [scene for scene in scenes if scene.id not in gone]
        found = open_at(server).resolve(pairs, draws.patches, Traffic())
        assert isinstance(found[0], str)
        assert "not in its catalogue" in found[0]
        assert isinstance(found[1], ScenePair)
        assert isinstance(found[2], str)
        assert found[2].startswith("S1A_IW_GRDH")

    def test_of_nothing_asks_nothing(self, server: Server) -> None:
        assert open_at(server).resolve([], draws_at([(9, 48)]).patches, Traffic()) == []
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
        found = ScenePair(
            s2=candidates.sentinel2, s2_scene=int(pairs.s2_scene[0]),
            s1=candidates.sentinel1, s1_scene=int(pairs.s1_scene[0]),
        )  # fmt: skip
        assert [(found.s2_id, found.s1_id)] == by_the_rule(draws, s2, s1, RULE)
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

    @pytest.mark.parametrize(("fault", "reason"), [("404", "cannot render"), ("400", "cannot render")])
    def test_of_one_scene_are_final_and_told_without_the_servers_words(
        self, server: Server, fault: str, reason: str
    ) -> None:
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda kind, *_: fault if kind == "raster" else None
        traffic = Traffic()
        with pytest.raises(SceneUnavailable) as caught:
            open_at(server).fetch(patch, found, traffic)
        # Records of a shard quote it, and must be the same whenever it is built.
        assert str(caught.value) == f"{found.s2_id}: the platform {reason} this scene on this patch"
        assert server.world.requests["raster"] == 1
        assert traffic.retries == 0

    def test_that_last_end_at_the_deadline(self, server: Server) -> None:
        patch = patch_at(9, 48, 64)
        server.world.scenes, found = scenes_for(patch)
        server.world.fault = lambda kind, *_: "truncated" if kind == "raster" else None
        with pytest.raises(PixelsError, match=r"sentinel-2:L1C:a: its pixels: still failing .* damaged body"):
            open_at(server, descarteslabs_deadline=1).fetch(patch, found, Traffic())

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


class TestLimit:
    def test_is_kept_by_all_threads_together(self, server: Server) -> None:
        patches = [patch_at(9 + 0.1 * n, 48, 16) for n in range(24)]
        made = [scenes_for(patch, f"scene{n}") for n, patch in enumerate(patches)]
        server.world.scenes = [scene for scenes, _ in made for scene in scenes]
        server.world.latency = 0.02
        platform = open_at(server, descarteslabs_requests=3)
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
        platform = open_at(
            server, descarteslabs_token=token, descarteslabs_client_id=None, descarteslabs_client_secret=None
        )
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
        message = self.refused(server, descarteslabs_client_id=None, descarteslabs_client_secret=None)
        assert "there is no login" in message
        assert "DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET" in message
        assert not server.world.requests

    @pytest.mark.parametrize("token", ["garbage", "a.b.c"])
    def test_needs_a_token_that_is_one(self, server: Server, token: str) -> None:
        none = {"descarteslabs_client_id": None, "descarteslabs_client_secret": None}
        message = self.refused(server, descarteslabs_token=token, **none)
        assert "DEEPSENTINEL_DESCARTESLABS_TOKEN" in message
        assert token not in message.replace("DEEPSENTINEL_DESCARTESLABS_TOKEN", "").split()

    def test_needs_a_token_that_has_not_expired(self, server: Server) -> None:
        none = {"descarteslabs_client_id": None, "descarteslabs_client_secret": None}
        message = self.refused(server, descarteslabs_token=server.world.issue(-5), **none)
        assert "expired" in message

    def test_needs_the_right_secret(self, server: Server) -> None:
        message = self.refused(server, descarteslabs_client_secret="wr0ng")
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
            open_at(server, descarteslabs_iam_url="nowhere").candidates(draws_at([(9, 48)]), Traffic())


class TestCheck:
    def test_says_what_there_is(self, server: Server) -> None:
        assert open_at(server).check() == (
            "logged in; sentinel-2:L1C with 13 of 13 bands, sentinel-1:GRD with VV and VH; at most 8 requests in flight"
        )
        assert server.world.requests == {"token": 1, "bands": 2}

    def test_raises_with_the_remedy(self, server: Server) -> None:
        with pytest.raises(CredentialsError, match="DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET"):
            open_at(server, descarteslabs_client_secret="wr0ng").check()


class TestSecrets:
    def test_are_in_no_message_log_or_repr(self, server: Server, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        token = server.world.issue(3600)
        patch = patch_at(9, 48, 16)
        server.world.scenes, found = scenes_for(patch)
        said: list[str] = []
        logins = (
            {"descarteslabs_token": token},
            {},
            {"descarteslabs_client_secret": "wr0ng-secret"},
            {
                "descarteslabs_token": "n0t-a-token",
                "descarteslabs_client_id": None,
                "descarteslabs_client_secret": None,
            },
        )
        for fault in (None, "400", "401", "403", "404", "418", "429", "500", "truncated", "garbage"):
            for login in logins:
                # The server quotes the token in each of its errors.
                server.world.fault = lambda kind, *_, fault=fault: fault if kind in ("search", "raster") else None
                platform = open_at(server, descarteslabs_deadline=0.02, **login)
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
    def build(self, folder: Path, spec: CorpusSpec, server: Server) -> dict[str, bytes]:
        """Build shard 0; gives everything that is a function of spec and platform, by path."""
        shop = open_workshop(spec, folder)
        describe_everywhere(shop)
        make_shard(shop, 0)
        out = folder / "out"
        files = (path for path in out.rglob("*") if path.is_file() and "runs" not in path.parts)
        return {str(path.relative_to(out)): path.read_bytes() for path in files}

    def test_of_a_shard_gives_the_same_bytes_whatever_goes_wrong_on_the_way(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = settings_for(server)
        for name in ("url", "iam_url", "client_id"):
            monkeypatch.setenv(f"DEEPSENTINEL_DESCARTESLABS_{name.upper()}", getattr(settings, f"descarteslabs_{name}"))
        # The workshop keeps the settings; as text their secrets would be stars.
        monkeypatch.setenv("DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET", server.world.client[1])
        spec = CorpusSpec.model_validate(
            SPEC | {"window": ["2019-01-01", "2020-01-01"], "patch": {"pixels": 64}, "destinations": ["out"]}
        )
        draws = open_places(spec, tmp_path).draws(0)
        server.world.scenes, _, _ = world_over(draws)
        built: list[dict[str, bytes]] = []
        for disturbed in (False, True):
            folder = tmp_path / str(disturbed)
            folder.mkdir()
            server.world.fault = some_faults if disturbed else lambda *_: None
            own = spec.model_copy(update={"destinations": (str(folder / "out"),)})
            built.append(self.build(folder, own, server))
        assert "descarteslabs/s2/c/0/0/0/0" in built[0]
        assert server.world.problems == []
        assert built[0].keys() == built[1].keys()
        same = {path: built[0][path] == built[1][path] for path in built[0] if path != "corpus.json"}
        assert all(same.values()), same
        for held in (*built[0].values(), *built[1].values()):
            assert server.world.client[1].encode() not in held


class TestOpening:
    def test_goes_by_the_name_in_a_spec(self, server: Server, tmp_path: Path) -> None:
        (platform,) = open_platforms(
            CorpusSpec.model_validate(SPEC), (-180, -90, 180, 90), tmp_path, settings_for(server)
        )
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
from pathlib import Path
from tasks.errors import SpecError
from tasks.imagery import open_platforms
from tasks.settings import Settings
from tasks.spec import CorpusSpec
try:
    open_platforms(CorpusSpec.model_validate(SPEC), (-180, -90, 180, 90), Path("."), Settings())
except SpecError as error:
    print(error)
""".replace("SPEC)", f"{SPEC!r})")
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "pip install 'deepsentinel[descarteslabs]'" in answer.stdout

    def test_imports_the_client_only_where_it_is_named(self) -> None:
        code = "import sys, tasks.imagery; print('earthdaily' in sys.modules)"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "False"
