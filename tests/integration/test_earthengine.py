"""Earth Engine through its own client, against a server on loopback that checks what it is sent."""

import dataclasses
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tasks.errors import (
    CatalogueError,
    CredentialsError,
    PixelsError,
    PlatformUnreachable,
    SceneUnavailable,
    SettingsError,
    SpecError,
)
from tasks.imagery.bands import BANDS
from tasks.imagery.earthengine import EarthEngineSettings, session
from tasks.imagery.earthengine.pixels import tiles_of
from tasks.imagery.earthengine.platform import EarthEngine
from tasks.imagery.platform import Tiles, Traffic
from tasks.places.draws import Draws
from tasks.scenes.pairing import Outcome, Pairs, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.roles import Role, Rule
from tasks.scenes.scenes import Acquisition, Acquisitions, Candidates, Sentinel1Scenes, Sentinel2Scenes
from tests.integration.earthengine_world import (
    PLACES,
    RULE,
    acquisition,
    draws_at,
    draws_everywhere,
    every_scene,
    expected_pixels,
    world_of,
)
from tests.servers.earthengine import EarthEngineServer
from tests.servers.world import GRD, L1C, L2A, World


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """No login of this machine is found, nothing leaves loopback, and the client's state ends with the test."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    look_up, strangers = socket.getaddrinfo, list[Any]()

    def only_loopback(host: Any, *rest: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            strangers.append(host)
            raise socket.gaierror(f"{host} is not on loopback")
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", only_loopback)
    yield
    session.close()
    assert not strangers, f"the client looked for {strangers}"


@pytest.fixture(scope="module")
def draws() -> Draws:
    return draws_everywhere(250)


@pytest.fixture(scope="module")
def world(draws: Draws) -> World:
    return world_of(draws)


@pytest.fixture
def server(world: World) -> Any:
    with EarthEngineServer(world) as server:
        yield server
        assert not server.complaints


S2, S1 = "earthengine/s2", "earthengine/s1"


def settings_of(server: EarthEngineServer, **changed: Any) -> EarthEngineSettings:
    return EarthEngineSettings(**{
        "url": server.url, "credentials": "anonymous", "project": "proj-x", "patience": 60, "deadline": 60, **changed,
    })  # fmt: skip


@pytest.fixture
def platform(server: EarthEngineServer) -> EarthEngine:
    return EarthEngine(RULE, settings_of(server))


def paired(platform: EarthEngine, draws: Draws) -> dict[int, Acquisitions]:
    """The pairs of draws, by position."""
    candidates = platform.candidates(draws, Traffic())
    return chosen(candidates, pair(draws.patches, draws.preferred, candidates, RULE))


def chosen(candidates: Candidates, pairs: Pairs) -> dict[int, Acquisitions]:
    rows = np.flatnonzero(pairs.outcome == Outcome.PAIRED)
    return {int(index): pairs.acquisitions(candidates, int(index)) for index in rows}


def ids(pairs: dict[int, Acquisitions]) -> dict[int, tuple[str, str]]:
    return {index: (found["s2"].id, found["s1"].id) for index, found in pairs.items()}


def fetch_all(
    platform: EarthEngine, draws: Draws, pairs: dict[int, Acquisitions], traffic: Traffic
) -> dict[int, Tiles]:
    with ThreadPoolExecutor(40) as threads:
        answers = {i: threads.submit(platform.fetch, draws.patches[i], found, traffic) for i, found in pairs.items()}
        return {index: answer.result() for index, answer in answers.items()}


def reference(world: World, draws: Draws) -> dict[int, tuple[str, str]]:
    everything = every_scene(world, draws)
    return ids(chosen(everything, pair(draws.patches, draws.preferred, everything, RULE)))


class TestCatalogue:
    def test_a_shard_of_250_is_one_request(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        traffic = Traffic()
        platform.candidates(draws, traffic)
        assert server.counts["table"] == 1 and not server.counts["image"]
        assert traffic.requests == 2  # with the login
        assert traffic.bytes > 1_000_000

    def test_pairs_are_those_of_the_rule_over_the_whole_archive(
        self, platform: EarthEngine, world: World, draws: Draws
    ) -> None:
        found = ids(paired(platform, draws))
        assert found == reference(world, draws)
        assert len(found) > 200

    def test_little_is_moved(self, platform: EarthEngine, draws: Draws) -> None:
        candidates = platform.candidates(draws, Traffic())
        s2, s1 = candidates["s2"], candidates["s1"]
        distance = np.abs(s2.scenes.time[s2.scene] - draws.preferred[s2.draw])
        assert distance.max() <= RULE.search + 1000
        late = s1.scenes.time[s1.scene] - draws.preferred[s1.draw]
        for furthest in (late.max(), -late.min()):
            assert RULE.search < furthest <= RULE.reach("s1") + 1000

    def test_facts_of_a_scene(self, platform: EarthEngine, world: World, draws: Draws) -> None:
        found = paired(platform, draws)[0]
        optical, radar = world.by_id[found["s2"].id], world.by_id[found["s1"].id]
        s2, s1, i, j = found["s2"].scenes, found["s1"].scenes, found["s2"].scene, found["s1"].scene
        assert isinstance(s2, Sentinel2Scenes) and isinstance(s1, Sentinel1Scenes)
        assert s2.datatake[i] == acquisition(optical)[1][1:4] + " " + acquisition(optical)[1][5:20]
        assert (s2.tile[i], s2.epsg[i], s2.baseline[i]) == (optical.get("MGRS_TILE"), 32632, "02.12")
        assert s2.time[i] == optical.time * 1000 and s2.cloud_cover[i] == optical.get("CLOUDY_PIXEL_PERCENTAGE")
        assert s2.orbit[i] == optical.get("SENSING_ORBIT_NUMBER")
        assert s1.product[j] == radar.index and s1.direction[j] in ("ascending", "descending")
        assert s1.orbit[j] == radar.get("relativeOrbitNumber_start")

    def test_pages_are_followed(self, server: EarthEngineServer, platform: EarthEngine, draws: Draws) -> None:
        whole = ids(paired(platform, draws))
        server.reset_counts()
        server.faults.page = 60
        assert ids(paired(platform, draws)) == whole
        assert server.counts["table"] == 5

    def test_what_takes_the_server_too_long_is_asked_in_parts(
        self, server: EarthEngineServer, platform: EarthEngine, world: World, draws: Draws
    ) -> None:
        server.faults.too_many_places = 100
        assert ids(paired(platform, draws)) == reference(world, draws)
        assert server.counts["table"] == 7  # 250; 125, 125; 62, 63, 62, 63

    def test_an_instant_outside_the_window_has_no_scene(self, platform: EarthEngine, draws: Draws) -> None:
        late = dataclasses.replace(draws, preferred=np.full(len(draws), RULE.window[1] + 90 * 86_400_000_000))
        assert [len(nearby.draw) for nearby in platform.candidates(late, Traffic()).values()] == [0, 0]

    def test_catalogue_survives_damage(
        self, server: EarthEngineServer, platform: EarthEngine, world: World, draws: Draws
    ) -> None:
        server.faults.page = 25
        server.faults.unavailable = server.faults.truncated = server.faults.short = server.faults.garbage = 0.08
        traffic = Traffic()
        candidates = platform.candidates(draws, traffic)
        assert ids(chosen(candidates, pair(draws.patches, draws.preferred, candidates, RULE))) == reference(
            world, draws
        )
        assert traffic.retries > 0 and server.counts["table"] == 10 + traffic.retries

    def test_unknown_product_names_the_setting(self, server: EarthEngineServer, draws: Draws) -> None:
        platform = EarthEngine(RULE, settings_of(server, sentinel2="COPERNICUS/S2_SR"))
        with pytest.raises(CatalogueError, match=r"COPERNICUS/S2_SR.*DEEPSENTINEL_EARTHENGINE_SENTINEL2\.$"):
            platform.candidates(draws, Traffic())
        assert server.counts["table"] == 1


class TestResolve:
    def test_acquisitions_of_another_platform_are_found(
        self, server: EarthEngineServer, platform: EarthEngine, world: World, draws: Draws
    ) -> None:
        everything = every_scene(world, draws)
        # Another platform has other ids, and another opinion of when a pass began.
        theirs = chosen(everything, pair(draws.patches, draws.preferred, everything, RULE))
        optical = everything["s2"].scenes
        foreign = dataclasses.replace(optical, id=optical.id + "-x", time=optical.time - 600_000_000)
        pairs = [{**found, "s2": Acquisition(scenes=foreign, scene=found["s2"].scene)} for found in theirs.values()]
        traffic = Traffic()
        own = platform.resolve(pairs, draws.patches.take(np.array(list(theirs))), traffic)
        found = {index: one for index, one in zip(theirs, own, strict=True) if not isinstance(one, Rejection)}
        assert ids(found) == ids(theirs)
        assert server.counts["table"] == 1

    def test_what_is_missing_is_said(
        self, server: EarthEngineServer, platform: EarthEngine, world: World, draws: Draws
    ) -> None:
        everything = every_scene(world, draws)
        theirs = chosen(everything, pair(draws.patches, draws.preferred, everything, RULE))
        index, found = next(iter(theirs.items()))
        product = found["s1"].id.rsplit("/", 1)[1]
        server.world = World(scenes=[s for s in world.scenes if s.index != product])
        (answer,) = platform.resolve([found], draws.patches.take(np.array([index])), Traffic())
        assert answer == Rejection(reason=Reason.NOT_IN_CATALOGUE, scene=product)
        server.world = world

    def test_nothing_to_resolve_is_no_request(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        assert platform.resolve([], draws.patches.take(np.array([], int)), Traffic()) == []
        assert not server.counts


class TestPixels:
    def test_every_pixel_is_where_it_belongs(
        self, server: EarthEngineServer, platform: EarthEngine, world: World, draws: Draws
    ) -> None:
        pairs, traffic = paired(platform, draws), Traffic()
        assert set(range(len(PLACES))) - set(pairs) <= {5}  # all but Norway's tile, which the swath cuts
        compared = 0
        for index, tiles in fetch_all(platform, draws, pairs, traffic).items():
            patch = draws.patches[index]
            if world.by_id[pairs[index]["s1"].id].epsg != patch.epsg:
                continue
            s2, s1 = expected_pixels(world, patch, pairs[index]["s2"].id, pairs[index]["s1"].id)
            np.testing.assert_array_equal(tiles.arrays[S2], s2)
            np.testing.assert_array_equal(tiles.arrays[S1], s1)
            compared += 1
        assert compared > 150
        assert server.counts["image"] == traffic.requests == len(pairs)
        assert {draws.patches[i].epsg for i in pairs} >= {32632, 32633, 32721, 32735, 32701, 32760}

    def test_grid_is_the_patch(self, server: EarthEngineServer, platform: EarthEngine, draws: Draws) -> None:
        pairs = paired(platform, draws)
        for index in (0, 1):
            platform.fetch(draws.patches[index], pairs[index], Traffic())
            patch = draws.patches[index]
            assert server.grids[-1] == {
                "dimensions": {"width": 64, "height": 64},
                "affineTransform": {
                    "scaleX": 10, "shearX": 0, "translateX": patch.xmin,
                    "shearY": 0, "scaleY": -10, "translateY": patch.ymax,
                },
                "crsCode": patch.crs,
            }  # fmt: skip

    def test_nodata_inside_and_outside_the_footprint(
        self, server: EarthEngineServer, draws: Draws, world: World
    ) -> None:
        one = draws_at([draws.patches.centres()[0][0]], [draws.patches.centres()[1][0]])
        patch = one.patches[0]
        masked = [
            dataclasses.replace(s, masked_west_of=patch.xmin + 200) if s.epsg == patch.epsg else s for s in world.scenes
        ]
        server.world = World(scenes=masked)
        platform = EarthEngine(RULE, settings_of(server))
        found = paired(platform, one)[0]
        tiles = platform.fetch(patch, found, Traffic())
        s2, s1 = expected_pixels(server.world, patch, found["s2"].id, found["s1"].id)
        np.testing.assert_array_equal(tiles.arrays[S2], s2)
        np.testing.assert_array_equal(tiles.arrays[S1], s1)
        assert (tiles.arrays[S2][:, :, :20] == 0).all() and np.isnan(tiles.arrays[S1][:, :, :20]).all()
        far = dataclasses.replace(patch, xmin=patch.xmin + 400_000)
        tiles = platform.fetch(far, found, Traffic())
        assert not tiles.arrays[S2].any() and np.isnan(tiles.arrays[S1]).all()
        server.world = world

    def test_without_a_twin_b10_is_absent(self, server: EarthEngineServer, world: World, draws: Draws) -> None:
        platform = EarthEngine(RULE, settings_of(server))
        first = paired(platform, draws)[0]
        gone = acquisition(world.by_id[first["s2"].id])
        server.world = World(scenes=[s for s in world.scenes if s.collection != L1C or acquisition(s) != gone])
        found = paired(platform, draws)[0]
        tiles = platform.fetch(draws.patches[0], found, Traffic())
        s2 = tiles.arrays[S2]
        assert found["s2"].id == first["s2"].id and tiles.absent_bands == ("B10",)
        assert not s2[BANDS.index("B10")].any() and s2[:10].all() and s2[11:].all()
        server.world = world

    def test_what_is_not_in_its_unit_is_not_to_be_had(
        self, server: EarthEngineServer, draws: Draws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def in_power(*args: Any) -> Tiles:
            tiles = tiles_of(*args)
            return dataclasses.replace(tiles, arrays={**tiles.arrays, S1: 10 ** (tiles.arrays[S1] / 10)})

        monkeypatch.setattr("tasks.imagery.earthengine.platform.tiles_of", in_power)
        platform = EarthEngine(RULE, settings_of(server))
        with pytest.raises(SceneUnavailable, match="DEEPSENTINEL_EARTHENGINE_SENTINEL1 holds") as caught:
            platform.fetch(draws.patches[0], paired(platform, draws)[0], Traffic())
        assert caught.value.reason == Reason.NOT_UNDERSTOOD

    def test_missing_scene_is_final(self, server: EarthEngineServer, platform: EarthEngine, draws: Draws) -> None:
        found, traffic = paired(platform, draws)[0], Traffic()
        server.faults.missing = {found["s2"].id}
        with pytest.raises(SceneUnavailable, match=f"{found['s2'].id}' not found") as caught:
            platform.fetch(draws.patches[0], found, traffic)
        assert traffic.requests == 1 and not traffic.retries
        # The server's words are for people; what is stored is a code and the scenes, whatever they say.
        assert caught.value.reason == Reason.REFUSED
        assert caught.value.scene == f"{found['s2'].id} and {found['s1'].id}"

    def test_a_patch_that_no_request_holds_comes_in_strips(
        self, server: EarthEngineServer, platform: EarthEngine, world: World, draws: Draws
    ) -> None:
        found, patch = paired(platform, draws)[0], dataclasses.replace(draws.patches[0], pixels=1300)
        tiles = platform.fetch(patch, found, Traffic())
        assert [(grid["dimensions"]["height"], grid["affineTransform"]["translateY"]) for grid in server.grids] == [
            (650, patch.ymax), (650, patch.ymax - 6500),
        ]  # fmt: skip
        s2, s1 = expected_pixels(world, patch, found["s2"].id, found["s1"].id)
        np.testing.assert_array_equal(tiles.arrays[S2], s2)
        np.testing.assert_array_equal(tiles.arrays[S1], s1)

    def test_what_takes_the_server_too_much_memory_is_asked_in_parts(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        found, patch = paired(platform, draws)[0], dataclasses.replace(draws.patches[0], pixels=400)
        whole = platform.fetch(patch, found, Traffic())
        server.reset_counts()
        server.faults.most_rows = 300
        parts = platform.fetch(patch, found, Traffic())
        assert [grid["dimensions"]["height"] for grid in server.grids] == [400, 200, 200]
        for path, values in whole.arrays.items():
            np.testing.assert_array_equal(parts.arrays[path], values)
        assert parts.incidence == whole.incidence and 30 <= whole.incidence["s1"] <= 46

    def test_what_takes_too_much_however_small_it_is_is_final(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        found = paired(platform, draws)[0]
        server.faults.most_rows = 1
        with pytest.raises(SceneUnavailable, match="memory limit") as caught:
            platform.fetch(draws.patches[0], found, Traffic())
        assert caught.value.reason == Reason.REFUSED and server.counts["image"] == 1

    def test_another_platforms_scene_is_a_mistake(self, platform: EarthEngine, world: World, draws: Draws) -> None:
        everything = every_scene(world, draws)
        theirs = chosen(everything, pair(draws.patches, draws.preferred, everything, RULE))
        with pytest.raises(TypeError, match="resolve it first"):
            platform.fetch(draws.patches[0], theirs[0], Traffic())

    def test_other_roles_come_with_the_same_request(
        self, server: EarthEngineServer, world: World, draws: Draws
    ) -> None:
        roles = {**RULE.roles, "s2_cloudy": Role(near="s2", reach=RULE.search)}
        platform = EarthEngine(dataclasses.replace(RULE, roles=roles), settings_of(server))
        few = draws.take(slice(0, len(PLACES)))
        candidates = platform.candidates(few, Traffic())
        assert set(candidates) == {"s2", "s1", "s2_cloudy"} and server.counts["table"] == 1
        index, found = next(iter(chosen(candidates, pair(few.patches, few.preferred, candidates, RULE)).items()))
        clear, other = candidates["s2"].scenes, candidates["s2_cloudy"]
        assert isinstance(clear, Sentinel2Scenes) and isinstance(other.scenes, Sentinel2Scenes)
        tile = clear.tile[found["s2"].scene]
        near = other.scene[(other.draw == index) & (other.scenes.tile[other.scene] == tile)]
        second = next(int(scene) for scene in near if other.scenes.id[scene] != found["s2"].id)
        three = {**found, "s2_cloudy": Acquisition(scenes=other.scenes, scene=second)}
        tiles = platform.fetch(draws.patches[index], three, Traffic())
        assert server.counts["image"] == 1
        for role in ("s2", "s2_cloudy"):
            expected, _ = expected_pixels(world, draws.patches[index], three[role].id, found["s1"].id)
            np.testing.assert_array_equal(tiles.arrays[f"earthengine/{role}"], expected)


class TestDisturbed:
    def test_what_comes_is_the_same(self, server: EarthEngineServer, platform: EarthEngine, draws: Draws) -> None:
        pairs = paired(platform, draws)
        calm = fetch_all(platform, draws, pairs, Traffic())
        server.reset_counts()
        server.faults.unavailable, server.faults.truncated, server.faults.short = 0.1, 0.05, 0.05
        server.faults.garbage, server.faults.reset = 0.03, 0.03
        traffic = Traffic()
        disturbed = fetch_all(platform, draws, pairs, traffic)
        for index, tiles in calm.items():
            for path, values in tiles.arrays.items():
                np.testing.assert_array_equal(disturbed[index].arrays[path], values)
        assert traffic.retries > 0.15 * len(pairs)
        assert server.counts["image"] == traffic.requests == len(pairs) + traffic.retries

    def test_throttled_requests_shrink_the_bound_and_it_recovers(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        pairs = paired(platform, draws)
        server.faults.at_most, server.faults.latency, traffic = 10, 0.05, Traffic()
        assert len(fetch_all(platform, draws, pairs, traffic)) == len(pairs)
        limit = platform._session.limit
        assert 0 < traffic.throttles == traffic.retries == server.answered[429] and limit.bound < 40
        assert server.counts["image"] == len(pairs) + traffic.throttles
        before, server.faults.at_most = limit.bound, None
        for _ in range(3):
            fetch_all(platform, draws, pairs, Traffic())
        assert limit.bound > before

    def test_all_slots_are_used_and_connections_kept(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        pairs = dict(list(paired(platform, draws).items())[:100])
        server.reset_counts()
        server.faults.latency = 1.0  # time enough to send 40, on a busy machine too
        fetch_all(platform, draws, pairs, Traffic())
        server.faults.latency = 0
        # The server may count a request a moment longer than the client holds its place.
        assert 38 <= server.most_in_flight <= 44
        assert len(server.peers) <= 44

    def test_an_answer_that_never_comes(self, server: EarthEngineServer, draws: Draws) -> None:
        platform = EarthEngine(RULE, settings_of(server, deadline=0.2, patience=0.5))
        server.faults.latency = 1
        with pytest.raises(PlatformUnreachable, match=r"out of reach after \d attempts.*no answer within 0.2 s"):
            platform.candidates(draws_at([10.3], [50.1]), Traffic())
        server.faults.latency = 0

    def test_a_dead_server(self, server: EarthEngineServer) -> None:
        platform = EarthEngine(RULE, settings_of(server, url="http://127.0.0.1:9", patience=0.2))
        with pytest.raises(PlatformUnreachable, match=r"login at http://127.0.0.1:9: out of reach.*Connection"):
            platform.check()

    @pytest.mark.parametrize("fault", ["unavailable", "truncated", "garbage"])
    def test_a_server_that_answers_in_vain_is_no_reason_to_stop_the_run(
        self, server: EarthEngineServer, draws: Draws, fault: str
    ) -> None:
        platform = EarthEngine(RULE, settings_of(server, patience=0.3))
        found = paired(platform, draws)[0]
        setattr(server.faults, fault, 1.0)
        with pytest.raises(PixelsError, match=r"pixels of .*: still failing after \d+ attempts"):
            platform.fetch(draws.patches[0], found, Traffic())

    def test_a_server_that_dies_on_the_way(self, server: EarthEngineServer, draws: Draws) -> None:
        platform = EarthEngine(RULE, settings_of(server, patience=0.3))
        found = paired(platform, draws)[0]
        server.faults.reset = 1.0
        with pytest.raises(PlatformUnreachable, match=r"pixels of .*: out of reach after \d+ attempts"):
            platform.fetch(draws.patches[0], found, Traffic())


class TestClose:
    def test_what_is_asked_afterwards_logs_in_again(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        found = paired(platform, draws)[0]
        before = platform.fetch(draws.patches[0], found, Traffic())
        connections = set(server.peers)
        platform.close()
        platform.close()
        after = platform.fetch(draws.patches[0], found, Traffic())
        assert server.counts["algorithms"] == 2 and not {*server.peers} <= connections
        np.testing.assert_array_equal(after.arrays[S2], before.arrays[S2])

    def test_another_corpus_that_is_asking_goes_on(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        other = EarthEngine(RULE, settings_of(server))
        pairs = paired(platform, draws)
        server.faults.latency = 0.05
        with ThreadPoolExecutor(8) as threads:
            answers = [threads.submit(platform.fetch, draws.patches[i], found, Traffic()) for i, found in pairs.items()]
            for answer in answers:
                other.close()
                answer.result()
        server.faults.latency = 0

    def test_a_key_file_that_was_replaced_is_read_anew(self, guarded: EarthEngineServer, key_file: Path) -> None:
        platform = EarthEngine(RULE, settings_with(guarded, key_file))
        platform.check()
        platform.close()
        key_file.write_text("{}")
        with pytest.raises(CredentialsError, match="not a usable key file"):
            platform.check()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def guarded(world: World, key: rsa.RSAPrivateKey) -> Any:
    """A server that wants a login."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with EarthEngineServer(world, public_key=public) as server:
        yield server
        assert not server.complaints


@pytest.fixture
def key_file(guarded: EarthEngineServer, key: rsa.RSAPrivateKey, tmp_path: Path) -> Path:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "key.json"
    path.write_text(json.dumps({
        "type": "service_account", "project_id": "proj-x", "private_key": private.decode(), "private_key_id": "abc",
        "client_email": "robot@proj-x.iam.gserviceaccount.com", "token_uri": f"{guarded.url}/token",
    }))  # fmt: skip
    return path


def settings_with(server: EarthEngineServer, path: Path, **changed: Any) -> EarthEngineSettings:
    return settings_of(server, credentials=str(path), project=None, **changed)


class TestLogin:
    def test_service_account(self, guarded: EarthEngineServer, key_file: Path, draws: Draws) -> None:
        platform = EarthEngine(RULE, settings_with(guarded, key_file))
        found = paired(platform, draws)[0]
        platform.fetch(draws.patches[0], found, Traffic())
        assert guarded.counts == {"token": 1, "discovery": 2, "algorithms": 1, "table": 1, "image": 1}

    def test_stored_login_of_a_person(self, guarded: EarthEngineServer, tmp_path: Path) -> None:
        path = tmp_path / "credentials"
        path.write_text(
            json.dumps({"refresh_token": "1//secret", "project": "proj-x", "token_uri": f"{guarded.url}/token"})
        )
        assert "project proj-x" in EarthEngine(RULE, settings_with(guarded, path)).check()

    def test_an_expired_token_is_renewed_and_nothing_lost(
        self, guarded: EarthEngineServer, key_file: Path, draws: Draws
    ) -> None:
        platform, traffic = EarthEngine(RULE, settings_with(guarded, key_file)), Traffic()
        pairs = paired(platform, draws)
        guarded.expire_tokens()
        assert len(fetch_all(platform, draws, pairs, traffic)) == len(pairs)
        assert traffic.retries == 0 and guarded.counts["token"] > 1

    def test_one_login_for_all_corpora_of_a_process(self, guarded: EarthEngineServer, key_file: Path) -> None:
        for _ in range(2):
            EarthEngine(RULE, settings_with(guarded, key_file)).check()
        assert guarded.counts["algorithms"] == 1 and guarded.counts["table"] == 2

    def test_login_is_tried_again(self, server: EarthEngineServer, platform: EarthEngine) -> None:
        server.faults.refusal = (503, "unavailable", {})
        quick = EarthEngine(RULE, settings_of(server, patience=0))
        with pytest.raises(PixelsError, match="login"):
            quick.check()
        server.faults.refusal = None
        assert "can be read" in platform.check()

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (None, "No such file"),
            ("-----BEGIN PRIVATE KEY-----", "is not a key file"),
            ('{"private_key": "-----BEGIN"}', "is not a usable key file"),
            ('{"type": "service_account", "private_key": "SECRET"}', "is not a usable key file"),
            (
                '{"type": "service_account", "client_email": "a", "token_uri": "b", "private_key": "SECRET"}',
                "not a usable",
            ),
            ("[]", "is not a usable key file"),
        ],
    )
    def test_a_file_that_is_no_key(self, server: EarthEngineServer, tmp_path: Path, content: str, says: str) -> None:
        path = tmp_path / "key.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(CredentialsError, match=says) as caught:
            EarthEngine(RULE, settings_with(server, path))
        assert "DEEPSENTINEL_EARTHENGINE_CREDENTIALS" in str(caught.value) and "SECRET" not in str(caught.value)
        assert "BEGIN" not in str(caught.value)

    def test_the_key_itself_in_the_variable_is_not_repeated(self, server: EarthEngineServer) -> None:
        with pytest.raises(CredentialsError, match="text instead of the path") as caught:
            EarthEngine(RULE, settings_of(server, credentials='{"private_key": "SECRET"}'))
        assert "SECRET" not in str(caught.value)

    def test_no_login_at_all(self, server: EarthEngineServer) -> None:
        with pytest.raises(CredentialsError, match=r"no login is stored.*earthengine authenticate"):
            EarthEngine(RULE, settings_of(server, credentials=None))

    def test_no_project(self, server: EarthEngineServer) -> None:
        with pytest.raises(CredentialsError, match="Set DEEPSENTINEL_EARTHENGINE_PROJECT"):
            EarthEngine(RULE, settings_of(server, project=None))

    def test_anonymous_where_a_login_is_wanted(self, guarded: EarthEngineServer) -> None:
        with pytest.raises(CredentialsError, match="Set DEEPSENTINEL_EARTHENGINE_CREDENTIALS"):
            EarthEngine(RULE, settings_of(guarded)).check()

    def test_refused_key(self, guarded: EarthEngineServer, key_file: Path) -> None:
        guarded.faults.login_refusal = "invalid_grant: Invalid JWT Signature."
        with pytest.raises(CredentialsError, match=r"invalid_grant.*Set DEEPSENTINEL_EARTHENGINE_CREDENTIALS"):
            EarthEngine(RULE, settings_with(guarded, key_file)).check()
        assert guarded.counts["token"] == 1

    @pytest.mark.parametrize(
        ("refusal", "says"),
        [
            ((403, "Caller does not have required permission to use project proj-x.", {}), "register it.*Set|set"),
            ((429, "Quota exceeded", {"quota_limit_value": "0"}), "quota of zero.*console"),
            ((404, "Project not found", {}), "DEEPSENTINEL_EARTHENGINE_PROJECT"),
        ],
    )
    def test_a_project_that_cannot_be_used(
        self, server: EarthEngineServer, platform: EarthEngine, refusal: Any, says: str
    ) -> None:
        server.faults.refusal = refusal
        with pytest.raises(CredentialsError, match=says):
            platform.check()

    def test_access_lost_on_the_way_stops_at_once(
        self, server: EarthEngineServer, platform: EarthEngine, draws: Draws
    ) -> None:
        found, traffic = paired(platform, draws)[0], Traffic()
        server.faults.refusal = (403, "no more", {})
        with pytest.raises(CredentialsError, match="no more"):
            platform.fetch(draws.patches[0], found, traffic)
        assert traffic.requests == 1

    @pytest.mark.parametrize("url", ["127.0.0.1", "http://127.0.0.1/v1", "http://me:SECRET@127.0.0.1", "ftp://x"])
    def test_an_address_that_is_none(self, server: EarthEngineServer, url: str) -> None:
        with pytest.raises(SettingsError, match="DEEPSENTINEL_EARTHENGINE_URL") as caught:
            EarthEngine(RULE, settings_of(server, url=url))
        assert "SECRET" not in str(caught.value)

    def test_a_window_before_the_mission_is_refused_of_l2a_alone(self, server: EarthEngineServer) -> None:
        early = dataclasses.replace(RULE, window=(0, 1_300_000_000_000_000))
        assert isinstance(early, Rule)
        with pytest.raises(SpecError, match=r"2017-03-28.*later window, or roles of level: l1c"):
            EarthEngine(early, settings_of(server))
        roles = {**early.roles, "s2": dataclasses.replace(early.roles["s2"], level="l1c")}
        EarthEngine(dataclasses.replace(early, roles=roles), settings_of(server))
        assert not server.counts

    def test_no_secret_is_said_or_logged(
        self, guarded: EarthEngineServer, key_file: Path, draws: Draws, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        platform = EarthEngine(RULE, settings_with(guarded, key_file, patience=1.5))
        said: list[str] = [platform.check()]
        pairs = paired(platform, draws)
        guarded.faults.unavailable = guarded.faults.garbage = 0.2
        guarded.expire_tokens()
        for index in list(pairs)[:8]:
            try:
                platform.fetch(draws.patches[index], pairs[index], Traffic())
            except PixelsError as error:
                said.append(str(error))
        guarded.faults.login_refusal = "invalid_grant"
        guarded.expire_tokens()
        with pytest.raises(CredentialsError) as caught:
            platform.fetch(draws.patches[0], pairs[0], Traffic())
        said += [str(caught.value), caplog.text, repr(platform), str(vars(platform))]
        private = json.loads(key_file.read_text())["private_key"]
        for secret in ("ya29.secret", "Bearer", private.splitlines()[1], private):
            assert not any(secret in text for text in said)


def test_check_says_what_is_in_order(server: EarthEngineServer, platform: EarthEngine) -> None:
    said = platform.check()
    assert all(text in said for text in (server.url, "proj-x", L2A, GRD, "40"))
    assert server.counts["table"] == 1
