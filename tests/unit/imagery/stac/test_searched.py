"""Searching an API for draws: every draw gets the scenes that it would get alone, each asked for once."""

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings

from tasks.errors import CatalogueError
from tasks.imagery.platform import Traffic
from tasks.imagery.stac import search
from tasks.imagery.stac.platform import StacArchive
from tasks.places.draws import Draws
from tasks.places.patches import utm_epsg
from tasks.scenes.pairing import pair
from tasks.scenes.roles import DAY, Role, Rule
from tasks.scenes.scenes import Candidates
from tests.servers.stac_api import CONFORMANCE, StacApi
from tests.servers.worlds import START, draws_at, micros
from tests.unit.imagery.stac.opening import opened_at

RULE = Rule(
    window=(micros(START), micros(START) + 120 * DAY),
    roles={"s2": Role(near=None, reach=15 * DAY), "s1": Role(near="s2", reach=3 * DAY)},
)
SPOTS = [(9.0, 45.0), (9.24, 45.24), (9.26, 44.99), (10.3, 45.0), (179.99, 10.1), (-179.99, 10.1), (-70.0, -33.4)]
"""Near each other and far, on either side of a cell's edge and of 180 degrees."""


def scene(name: str, west: float, south: float, side: float, day: float, epsg: int, **told: Any) -> dict[str, Any]:
    west = (west + 180) % 360 - 180
    box = shapely.box(west, south, west + side, south + side)
    if west + side > 180:
        inside = shapely.box(-180, -90, 180, 90)
        turned = shapely.box(west - 360, south, west + side - 360, south + side)
        box = shapely.MultiPolygon([shapely.intersection(box, inside), shapely.intersection(turned, inside)])
    files = {key: {"href": f"https://example.com/{name}/{key}.tif"} for key in ("B04", "vv", "vh", "preview")}
    at = START + dt.timedelta(days=day)
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": shapely.geometry.mapping(box),
        "bbox": list(box.bounds), "links": [], "assets": files,
        "properties": {
            "datetime": at.isoformat(), "proj:epsg": epsg, "sar:instrument_mode": "IW",
            "sar:polarizations": ["VV", "VH"], **told,
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def api() -> Iterator[StacApi]:
    """Scenes of one degree around each spot, some twice in several processings, some that hold only a part of it."""
    rng = np.random.default_rng(7)
    optical: list[dict[str, Any]] = []
    radar: list[dict[str, Any]] = []
    for n, (lon, lat) in enumerate(SPOTS):
        epsg = int(utm_epsg(np.array([lon]), np.array([lat]))[0])
        for day in range(-25, 150, 5):
            west, south = lon - rng.uniform(-0.2, 1.0), lat - rng.uniform(0, 1.0)
            tile = {"s2:mgrs_tile": f"32T{n}", "s2:datatake_id": f"GS2A_{n}_{day}"}
            for version in ("02.06", "05.00")[: 1 + day % 2]:
                told = {**tile, "s2:processing_baseline": version, "eo:cloud_cover": float(rng.uniform(0, 100))}
                optical.append(scene(f"o{n}_{day}_{version}", west, south, 1.1, day + 0.4, epsg, **told))
            radar.append(scene(f"r{n}_{day}", lon - rng.uniform(0, 1.5), lat - 0.7, 1.5, day + rng.uniform(0, 4), epsg))
    served = StacApi({"sentinel-2-l2a": optical, "sentinel-1-grd": radar}, page=1000)
    with served.running():
        yield served


def opened(api: StacApi) -> StacArchive:
    return opened_at(f"{api.url}/", rule=RULE, patience=5)


def told(candidates: Candidates, draw: int) -> dict[str, list[str]]:
    """Ids of the scenes of a draw, by role."""
    return {role: sorted(one.scenes.id[one.scene[one.draw == draw]]) for role, one in candidates.items()}


def drawn(spots: list[int], days: list[float]) -> Draws:
    return draws_at([SPOTS[spot] for spot in spots], days=days)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(range(len(SPOTS))), st.floats(0, 119.9)), min_size=1, max_size=4))
def test_together_draws_find_what_each_finds_alone(api: StacApi, rows: list[tuple[int, float]]) -> None:
    draws = drawn(*map(list, zip(*rows, strict=True)))
    together = opened(api)
    found = together.candidates(draws, Traffic())
    pairs = pair(draws.patches, draws.preferred, found, RULE)
    for n in range(len(draws)):
        one, archive = draws.take(slice(n, n + 1)), opened(api)
        alone = archive.candidates(one, Traffic())
        again = together.candidates(one, Traffic())
        assert told(found, n) == told(alone, 0) == told(again, 0) == expected(api, one)
        own = pair(one.patches, one.preferred, alone, RULE)
        assert own.outcome[0] == pairs.outcome[n]
        for role, scene in own.scene.items():
            chosen = (alone[role].scenes.id[scene[0]], found[role].scenes.id[pairs.scene[role][n]])
            assert scene[0] < 0 or chosen[0] == chosen[1]
        archive.close()
    together.close()


def expected(api: StacApi, draw: Draws) -> dict[str, list[str]]:
    """By role the scenes that hold the centre of the only draw within the reach, of all there are."""
    (lon,), (lat,) = draw.patches.centres()
    (preferred,) = draw.preferred.tolist()
    found: dict[str, list[str]] = {}
    for role, items in zip(("s2", "s1"), api.collections.values(), strict=True):
        first = max(preferred - RULE.reach(role), RULE.window[0] - RULE.margin(role))
        end = min(preferred + RULE.reach(role) + 1, RULE.window[1] + RULE.margin(role))
        found[role] = sorted(
            item["id"]
            for item in items
            if first <= micros(dt.datetime.fromisoformat(item["properties"]["datetime"])) < end
            and shapely.geometry.shape(item["geometry"]).covers(shapely.Point(lon, lat))
        )
    return found


def test_what_is_known_is_not_searched_again_and_nothing_is_a_thing_to_know(api: StacApi) -> None:
    archive, traffic = opened(api), Traffic()
    nowhere = draws_at([(100.0, 0.0)], days=[50.0])
    draws = drawn([0, 1, 2], [50.0, 51.0, 55.0])
    for some in (draws, nowhere):
        archive.candidates(some, traffic)
        before = traffic.requests
        archive.candidates(some, traffic)
        assert traffic.requests == before
    archive.candidates(drawn([0], [52.0]), traffic)
    assert traffic.requests == before, "nor for another draw beside it"


def test_shards_that_want_the_same_at_the_same_time_ask_once(api: StacApi) -> None:
    archive, draws = opened(api), drawn([0, 3, 6], [50.0, 60.0, 70.0])
    traffic = [Traffic() for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda one: archive.candidates(draws, one), traffic))
    alone = Traffic()
    opened(api).candidates(draws, alone)
    assert sum(one.requests for one in traffic) == alone.requests
    assert all(told(one, n) == told(found[0], n) for one in found for n in range(3))


def test_assets_are_asked_for_of_scenes_that_are_used_together(api: StacApi) -> None:
    archive, draws = opened(api), drawn([0, 1, 2, 3], [50.0, 50.0, 50.0, 50.0])
    api.searches.clear()
    found = archive.candidates(draws, Traffic())
    by_place = [one for one in api.searches if "intersects" in one]
    assert all("assets" in one["fields"]["exclude"] for one in by_place)
    (optical, radar) = (one for one in api.searches if "ids" in one)
    pairs = pair(draws.patches, draws.preferred, found, RULE)
    (scene,) = {int(one) for one in pairs.scene["s2"][:1]}
    asked = len(api.searches)
    scenes: Any = found["s2"].scenes
    assert scenes.assets(scene)["B04"].href.endswith("B04.tif")
    assert len(api.searches) == asked
    assert {"assets.B04"} < {*optical["fields"]["include"]}
    assert "assets.preview" not in {*optical["fields"]["include"], *radar["fields"]["include"]}


def test_twins_are_searched_and_their_files_asked_for_together() -> None:
    told = {"s2:processing_baseline": "05.00", "eo:cloud_cover": 5.0}
    optical: list[dict[str, Any]] = []
    twins: list[dict[str, Any]] = []
    radar: list[dict[str, Any]] = []
    for n, (lon, lat) in enumerate(SPOTS[:3]):
        tile = {"s2:mgrs_tile": f"32T{n}", "s2:datatake_id": f"GS2A_{n}", **told}
        optical.append(scene(f"o{n}", lon - 0.5, lat - 0.5, 1.1, 50, 32632, **tile))
        twins.append(scene(f"t{n}", lon - 0.5, lat - 0.5, 1.1, 50, 32632, **tile))
        twins[n]["assets"] = {"B10": {"href": f"https://example.com/t{n}/B10.tif"}}
        radar.append(scene(f"r{n}", lon - 0.7, lat - 0.7, 1.5, 51, 32632))
    api = StacApi({"sentinel-2-l2a": optical, "l1c": twins, "sentinel-1-grd": radar})
    draws = drawn([0, 1, 2], [50.0] * 3)
    with api.running():
        archive = opened_at(f"{api.url}/", rule=RULE, patience=5, sentinel2_b10="l1c")
        found = archive.candidates(draws, Traffic())
        pairs = pair(draws.patches, draws.preferred, found, RULE)
        asked = len(api.searches)
        for n in range(3):
            acquisition = pairs.acquisitions(found, n)["s2"]
            files = archive._stocks.channels("s2", draws.patches[n], acquisition, Traffic())  # pyright: ignore
            (b10,) = (one for one in files if one.channel == "B10")
            assert b10.said.href.endswith(f"/t{acquisition.id[1:]}/B10.tif")
        assert len(api.searches) == asked
        archive.close()


def test_an_api_that_sends_whole_items_only_serves_as_well(api: StacApi) -> None:
    draws = drawn([0, 1], [50.0, 50.0])
    lean = opened(api).candidates(draws, Traffic())
    api.conforms = CONFORMANCE
    try:
        whole = opened(api).candidates(draws, Traffic())
    finally:
        api.conforms = StacApi({}).conforms
    scenes: Any = whole["s2"].scenes
    assert scenes.assets(0)["B04"].href.startswith("https://example.com/")
    assert [told(lean, n) for n in (0, 1)] == [told(whole, n) for n in (0, 1)]


def test_an_api_that_fails_over_large_pages_is_asked_for_smaller_ones(api: StacApi) -> None:
    draws = drawn([0, 1, 4], [50.0, 50.0, 60.0])
    usual = opened(api).candidates(draws, Traffic())
    archive = opened(api)
    api.largest = 16_000
    api.searches.clear()
    try:
        found = archive.candidates(draws, Traffic())
    finally:
        api.largest = None
    assert [told(found, n) for n in range(3)] == [told(usual, n) for n in range(3)]
    assert {one["limit"] for one in api.searches if "intersects" in one} == {*search._PAGES}  # pyright: ignore[reportPrivateUsage]


def test_a_scene_that_is_gone_when_its_files_are_asked_for_is_told(
    api: StacApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(api).candidates(drawn([0], [50.0]), Traffic())
    scenes: Any = found["s2"].scenes
    monkeypatch.setattr(StacApi, "_matching", lambda *_: [])
    with pytest.raises(CatalogueError, match=r"o0_\S+ of sentinel-2-l2a is found by its place, but not by its id"):
        [scenes.assets(index) for index in range(len(scenes))]
