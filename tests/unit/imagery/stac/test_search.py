"""Catalogues over HTTP: a STAC API through its real client, item collections, and pixels."""

import datetime as dt
import json
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pystac
import pytest
from shapely.geometry import shape

from tasks import notices
from tasks.errors import CatalogueError, CredentialsError, PixelsError, PlatformUnreachable, SceneUnavailable
from tasks.imagery.platform import Traffic
from tasks.imagery.stac.catalogue import read_collections
from tasks.imagery.stac.cells import Asked
from tasks.imagery.stac.items import Records
from tasks.imagery.stac.scenes import sentinel1_scenes, sentinel2_scenes
from tasks.imagery.stac.searched import Searched
from tasks.imagery.stac.transport import Transport
from tasks.places.patches import Patch
from tasks.scenes.roles import DAY
from tests.archive import EPSG, LEFT, TOP, Archive, item
from tests.servers.stac_api import Files, StacApi, send, serving
from tests.unit.imagery.stac.opening import expected_s2, fetched, found_pair, opened_at, read_onto, rule_over, s2_of

RULE = rule_over((1_514_764_800_000_000, 1_546_300_800_000_000), search_days=30)
"""2018."""
BOUNDS = (8.0, 44.0, 10.0, 46.0)
PLACE = Asked(
    lon=np.array([9.005]),
    lat=np.array([45.15]),
    first=np.array([RULE.window[0] - 3 * DAY]),
    end=np.array([RULE.window[1] + 3 * DAY]),
)
PATCH = Patch(epsg=EPSG, xmin=LEFT + 130, ymax=TOP - 70, pixels=64)
NAMES = ["sentinel-2-l2a", "sentinel-1-grd"]


def read(location: str | Path, names: list[str] = NAMES, patience: float = 10) -> Any:
    """All items of a catalogue; of an API those over one place in the window and three days beside it."""
    found = read_collections(str(location), names, RULE, BOUNDS, Transport(deadline=1, patience=patience))
    return {name: one.over(PLACE, Traffic()) if isinstance(one, Searched) else one for name, one in found.items()}


def day(n: int) -> dt.datetime:
    """Every 30 days; the 8th is 2017-12-30, in the three days before the window."""
    return dt.datetime(2017, 6, 3, 10, tzinfo=dt.UTC) + dt.timedelta(days=30 * n)


WITHIN = [n for n in range(24) if dt.date(2017, 12, 29) <= day(n).date() < dt.date(2019, 1, 4)]


def many(archive: Archive) -> dict[str, list[dict[str, Any]]]:
    """Items of two collections without files, from the middle of 2017 to the middle of 2019."""
    for n in range(24):
        when = day(n).isoformat()
        archive.add("sentinel-2-l2a", item(f"s2-{n}", when, **{"proj:code": f"EPSG:{EPSG}"}))
        iw = {"sar:instrument_mode": "IW", "sar:polarizations": ["VV", "VH"]}
        archive.add("sentinel-1-grd", item(f"s1-{n}", when, **iw))
    return as_dicts(archive)


def as_dicts(archive: Archive, root: str = "") -> dict[str, list[dict[str, Any]]]:
    found = {}
    for name, items in archive.collections.items():
        found[name] = [one.to_dict(include_self_link=False) | {"collection": name} for one in items]
        for one in found[name]:
            for asset in one["assets"].values():
                asset["href"] = asset["href"].replace(f"{archive.root}/", root)
    return found


def ids(records: Records) -> list[str]:
    return records.column("id").tolist()


@pytest.fixture
def api(tmp_path: Path) -> StacApi:
    return StacApi(many(Archive(tmp_path)))


# An API


def test_pages_are_followed_to_the_end(api: StacApi) -> None:
    api.page = 2
    with api.running() as url:
        found = read(url)
    assert set(ids(found["sentinel-2-l2a"])) >= {f"s2-{n}" for n in WITHIN}
    assert set(ids(found["sentinel-1-grd"])) >= {f"s1-{n}" for n in WITHIN}
    assert len(api.searches) >= 12
    assert len(ids(found["sentinel-2-l2a"])) < 16, "and not those of other years"


def test_an_api_that_is_searched_by_get_only_gives_the_same(api: StacApi) -> None:
    with api.running() as url:
        by_post = read(url)
        api.methods, api.page = ("GET",), 2
        by_get = read(url)
    assert {name: ids(records) for name, records in by_get.items()} == {
        name: ids(records) for name, records in by_post.items()
    }


def test_a_search_that_matches_absurdly_many_items_ends_early_and_in_words(
    api: StacApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.imagery.stac.search._MOST", 10)
    api.page = 2
    with (
        api.running() as url,
        pytest.raises(CatalogueError, match=r"more than 10 items of sentinel-2-l2a for 1 places .*does not heed"),
    ):
        read(url)
    assert len(api.searches) <= 16


def test_a_page_without_items_is_not_the_last_one(api: StacApi, monkeypatch: pytest.MonkeyPatch) -> None:
    with api.running() as url:
        whole = {name: ids(found) for name, found in read(url).items()}
    usual = api._search  # pyright: ignore[reportPrivateUsage]

    def holed(asked: dict[str, Any], method: str) -> dict[str, Any]:
        """An empty page before each but the first."""
        token = str(asked.get("token", "skip"))
        if token.isdigit():
            body = {**asked, "token": f"+{token}"}
            following = {"rel": "next", "href": f"{api.url}/search", "method": "POST", "body": body}
            return {"type": "FeatureCollection", "features": [], "links": [following]}
        return usual({**asked, "token": token.removeprefix("+").replace("skip", "0")}, method)

    monkeypatch.setattr(api, "_search", holed)
    with api.running() as url:
        assert {name: ids(found) for name, found in read(url).items()} == whole


@pytest.mark.parametrize("empty", [True, False])
def test_pages_that_never_end_are_not_followed_for_ever(
    api: StacApi, monkeypatch: pytest.MonkeyPatch, empty: bool
) -> None:
    usual = api._search  # pyright: ignore[reportPrivateUsage]

    def endless(asked: dict[str, Any], method: str) -> dict[str, Any]:
        """After the last page empty ones, or the first page again, each with a next one."""
        found = usual({**asked, "token": str(asked.get("token", 0)).replace("after", "0")}, method)
        if empty and asked.get("token") == "after":
            found |= {"features": [], "links": []}
        body = {**asked, "token": "after"}
        again = [{"rel": "next", "href": f"{api.url}/search", "method": "POST", "body": body}]
        return {**found, "links": found["links"] or again}

    with api.running() as url:
        whole = ids(read(url)["sentinel-2-l2a"])
        monkeypatch.setattr(api, "_search", endless)
        api.searches.clear()
        if empty:
            assert ids(read(url)["sentinel-2-l2a"]) == whole
        else:
            with pytest.raises(CatalogueError, match="lead in a circle"):
                read(url)
    assert len(api.searches) < 40


def test_an_api_that_refuses_large_pages_is_asked_for_small_ones(api: StacApi) -> None:
    with api.running() as url:
        whole = ids(read(url)["sentinel-2-l2a"])
    api.most_a_page = 100
    with api.running() as url:
        assert ids(read(url)["sentinel-2-l2a"]) == whole
        api.most_a_page = 5
        with pytest.raises(CatalogueError, match=r"answers 400 Bad Request\. Correct the address"):
            read(url)


def test_a_web_page_in_place_of_a_search_is_told_as_one(api: StacApi) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        if urlsplit(handler.path).path == "/search":
            send(handler, b"<!doctype html><title>Sign in</title>", kind="text/html; charset=utf-8")
        else:
            api(handler)

    with serving(page) as url, pytest.raises(CatalogueError, match="answers with a web page, expected JSON"):
        api.url = url
        read(f"{url}/")


def test_an_api_is_asked_for_the_collection_the_place_and_the_window_with_its_gap(api: StacApi) -> None:
    with api.running() as url:
        read(url)
    assert [search["collections"] for search in api.searches][:1] == [["sentinel-2-l2a"]]
    assert {tuple(search["collections"]) for search in api.searches} == {("sentinel-2-l2a",), ("sentinel-1-grd",)}
    probes = [search for search in api.searches if "bbox" in search]
    assert all(search["bbox"] == list(BOUNDS) and search["limit"] == 10 for search in probes)
    for search in api.searches:
        if search in probes:
            continue
        assert shape(search["intersects"]).area < 0.3**2, "one cell"
        assert search["limit"] >= 100
        first, end = (dt.datetime.fromisoformat(text) for text in search["datetime"].split("/"))
        assert first <= dt.datetime(2017, 12, 29, tzinfo=dt.UTC)
        assert end >= dt.datetime(2019, 1, 4, tzinfo=dt.UTC)
        assert end - first < dt.timedelta(days=365 + 30), "and not for much more"


def test_scenes_of_an_api_are_those_of_the_same_items_in_a_file(api: StacApi, tmp_path: Path) -> None:
    with api.running() as url:
        over_api = read(url)
    path = tmp_path / "items.json"
    everything = [one for items in api.collections.values() for one in items]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": everything}))
    of_file = read(path)
    first, second = (sentinel2_scenes(found["sentinel-2-l2a"]) for found in (over_api, of_file))
    in_file = second.id.tolist()
    common = [in_file.index(name) for name in first.id]
    assert 12 <= len(first) < len(second) == 24
    for name in ("id", "time", "epsg", "tile", "orbit", "datatake"):
        assert getattr(first, name).tolist() == getattr(second, name)[common].tolist()
    assert len(sentinel1_scenes(over_api["sentinel-1-grd"])) == len(first)


def test_a_collection_that_an_api_does_not_have_is_refused_with_those_it_has(api: StacApi) -> None:
    with api.running() as url, pytest.raises(CatalogueError) as caught:
        read(url, ["sentinel-2-c1-l2a"])
    assert "has no collection 'sentinel-2-c1-l2a'" in str(caught.value)
    assert "sentinel-1-grd, sentinel-2-l2a" in str(caught.value)


@pytest.mark.parametrize("path", ["/", "/collections/sentinel-2-l2a", "/search"])
@pytest.mark.parametrize("code", [500, 429, 410, 403])
def test_an_api_that_keeps_failing_is_told_in_words(api: StacApi, path: str, code: int) -> None:
    api.failures[path] = [code] * 1000
    with api.running() as url, pytest.raises(CatalogueError, match=rf"{path}: the server answers {code}") as caught:
        read(url, patience=0.3)
    assert url.rstrip("/") in str(caught.value)
    assert "is not a STAC" not in str(caught.value)
    asked = 1000 - len(api.failures[path])
    assert asked == 1 if code in (403, 410) else asked > 1, "what is final is asked for once"


@pytest.mark.parametrize("path", ["/", "/collections/sentinel-2-l2a", "/search"])
@pytest.mark.parametrize("code", [503, 429])
def test_an_api_that_fails_for_a_moment_is_asked_again(api: StacApi, path: str, code: int) -> None:
    api.failures[path] = [code]
    with api.running() as url:
        assert len(read(url)["sentinel-2-l2a"]) > 5


def test_a_page_that_fails_for_a_moment_loses_nothing(api: StacApi) -> None:
    api.page = 2
    with api.running() as url:
        whole = ids(read(url)["sentinel-2-l2a"])
        api.failures["/search"] = [502]
        assert ids(read(url)["sentinel-2-l2a"]) == whole


@pytest.mark.parametrize("content", [b"<html>hello</html>", b"{}", b"[1]", b'{"type": "Feature"}', b"\xff\xfe"])
def test_a_page_that_is_no_api_is_refused(content: bytes) -> None:
    with serving(lambda handler: send(handler, content)) as url, pytest.raises(CatalogueError, match="not a STAC"):
        read(f"{url}/")


def test_a_wish_to_be_left_alone_is_granted(api: StacApi) -> None:
    api.failures["/search"] = [429]
    api.retry_after = "1"
    with api.running() as url:
        began = time.monotonic()
        read(url)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("path", ["", "catalog.json", "items.parquet?sig=SECRET"])
def test_a_server_that_is_not_there_is_out_of_reach_and_nothing_else(path: str) -> None:
    with serving(lambda handler: send(handler, b"")) as url:
        pass
    with pytest.raises(PlatformUnreachable, match=r"^stac: http://127\.0\.0\.1:\d+/.*out of reach") as caught:
        read(f"{url}/{path}", patience=0.3)
    assert "Connect" in str(caught.value)
    assert "is not a STAC" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_server_that_takes_requests_and_never_answers_is_out_of_reach() -> None:
    with serving(lambda _: time.sleep(2)) as url, pytest.raises(PlatformUnreachable, match=r"no answer within 0\.2 s"):
        read_collections(f"{url}/", NAMES, RULE, BOUNDS, Transport(deadline=0.2, patience=0.3))


def test_a_server_that_goes_away_between_two_files_is_out_of_reach(archive: Archive) -> None:
    archive.save()
    files = Files(archive.root)

    def once(handler: BaseHTTPRequestHandler) -> None:
        if handler.path != "/catalog.json":
            handler.connection.close()
            return
        files(handler)

    with serving(once) as url, pytest.raises(PlatformUnreachable, match=r"collection\.json: out of reach"):
        read(f"{url}/catalog.json", patience=0.3)


def test_a_file_of_a_static_catalogue_that_fails_for_a_moment_is_asked_for_again(archive: Archive) -> None:
    archive.save()
    files = Files(archive.root)
    with serving(files) as url:
        files.failures = [503, 429]
        assert ids(read(f"{url}/catalog.json")["sentinel-1-grd"]) == ["S1A_y"]


def test_a_file_that_a_static_catalogue_lacks_is_told_with_its_address(archive: Archive) -> None:
    archive.save()
    (archive.root / "sentinel-1-grd" / "S1A_y" / "S1A_y.json").unlink()
    with (
        serving(Files(archive.root)) as url,
        pytest.raises(CatalogueError, match=r"S1A_y\.json: the server answers 404"),
    ):
        read(f"{url}/catalog.json")


def test_what_takes_long_is_told(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    archive.save()
    files = Files(archive.root)
    monkeypatch.setattr(notices, "FIRST", 0.1)
    monkeypatch.setattr(notices, "NEXT", 0.1)

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)
        files(handler)

    with caplog.at_level("INFO", "deepsentinel"), serving(slowly) as url:
        read(f"{url}/catalog.json")
    assert f"stac: reading the catalogue {url}/catalog.json ..." in caplog.messages
    assert any(re.search(r"catalog\.json: \d of \d, \d+ s", line) for line in caplog.messages)


def test_an_api_does_not_tell_where_all_of_its_scenes_are(api: StacApi) -> None:
    with api.running() as url:
        assert opened_at(url).reach is None


# Item collections


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path)
    archive.sentinel2("S2A_x")
    archive.sentinel1("S1A_y")
    return archive


def write_items(archive: Archive, root: str) -> Path:
    features = [one for items in as_dicts(archive, root).values() for one in items]
    path = archive.root / "items.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_pixels_of_an_item_collection_lie_beside_it(archive: Archive) -> None:
    tiles = fetched(opened_at(write_items(archive, "./")))
    assert np.array_equal(s2_of(tiles), expected_s2(1))


def test_an_item_collection_without_items_of_a_collection_is_refused(archive: Archive) -> None:
    path = write_items(archive, "./")
    with pytest.raises(CatalogueError, match="has no items of collection 'other'; it has sentinel-1-grd, sentinel-2"):
        read(path, ["other"])


@pytest.mark.parametrize("features", [[{"type": "Feature"}], [7], None, "x", [{"type": "Feature", "id": "a"}]])
def test_an_item_collection_that_is_none_is_refused_by_name(tmp_path: Path, features: Any) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(CatalogueError, match=r"items\.json"):
        read(path)


@pytest.fixture
def served(archive: Archive) -> Iterator[tuple[Files, str]]:
    files = Files(archive.root)
    with serving(files) as url:
        yield files, url


@pytest.mark.parametrize("relative", [True, False])
def test_an_item_collection_and_its_pixels_are_read_over_http(
    archive: Archive, served: tuple[Files, str], relative: bool
) -> None:
    files, url = served
    write_items(archive, "./" if relative else f"{url}/")
    tiles = fetched(opened_at(f"{url}/items.geojson"))
    assert np.array_equal(s2_of(tiles), expected_s2(1))
    assert any(path.endswith("B04.tif") for _, path, _ in files.requests)


def test_a_static_catalogue_and_its_pixels_are_read_over_http(archive: Archive, served: tuple[Files, str]) -> None:
    catalog = pystac.Catalog.from_file(archive.save())
    catalog.make_all_asset_hrefs_relative()
    catalog.save(pystac.CatalogType.SELF_CONTAINED)
    assert np.array_equal(s2_of(fetched(opened_at(f"{served[1]}/catalog.json"))), expected_s2(1))


def test_items_of_an_api_are_fetched_over_http(archive: Archive, served: tuple[Files, str]) -> None:
    api = StacApi(as_dicts(archive, f"{served[1]}/"))
    with api.running() as url:
        tiles = fetched(opened_at(url))
    assert np.array_equal(s2_of(tiles), expected_s2(1))


# Pixels over HTTP


def test_a_raster_is_read_in_ranges(archive: Archive, served: tuple[Files, str]) -> None:
    files, url = served
    path = "sentinel-2-l2a/S2A_x/B04.tif"
    local = read_onto(str(archive.root / path), PATCH, fill=0, dtype=np.uint16)
    files.requests.clear()
    assert np.array_equal(read_onto(f"{url}/{path}", PATCH, fill=0, dtype=np.uint16), local)
    assert all(asked == f"/{path}" for _, asked, _ in files.requests), "no sidecar and no listing is asked for"
    assert any(wanted for *_, wanted in files.requests)


def test_a_file_that_a_server_does_not_have_is_just_not_there(served: tuple[Files, str]) -> None:
    with pytest.raises(SceneUnavailable, match=r"the archive has no file none\.tif"):
        read_onto(f"{served[1]}/sentinel-2-l2a/none.tif", PATCH, fill=0, dtype=np.uint16)


def test_a_scene_whose_file_is_gone_from_the_server_is_unavailable(archive: Archive, served: tuple[Files, str]) -> None:
    write_items(archive, f"{served[1]}/")
    platform = opened_at(archive.root / "items.geojson")
    (archive.root / "sentinel-2-l2a/S2A_x/B05.tif").unlink()
    with pytest.raises(SceneUnavailable, match=r"S2A_x: the archive has no file B05.tif"):
        fetched(platform)


def test_a_server_that_fails_for_a_moment_is_asked_again(archive: Archive, served: tuple[Files, str]) -> None:
    files, url = served
    write_items(archive, f"{url}/")
    platform = opened_at(archive.root / "items.geojson")
    pair, traffic = found_pair(platform), Traffic()
    files.failures = [503, 500, 503]
    tiles = platform.fetch(PATCH, pair, traffic)
    assert np.array_equal(s2_of(tiles), expected_s2(1))
    assert traffic.counts()["retries"] > 0


def test_a_server_that_keeps_failing_fails_the_shard_in_words(archive: Archive, served: tuple[Files, str]) -> None:
    files, url = served
    write_items(archive, f"{url}/")
    platform = opened_at(archive.root / "items.geojson", patience=0.5)
    pair = found_pair(platform)
    files.failures = [503] * 1000
    with pytest.raises(PixelsError, match=r"S2A_x: B01.tif: still failing after \d+ attempts"):
        platform.fetch(PATCH, pair, Traffic())


def test_a_server_of_pixels_that_is_gone_is_out_of_reach(archive: Archive) -> None:
    with serving(Files(archive.root)) as url:
        write_items(archive, f"{url}/")
    platform = opened_at(archive.root / "items.geojson", patience=0.5)
    with pytest.raises(PlatformUnreachable, match=r"stac: S2A_x: B01.tif: out of reach after \d+ attempts"):
        platform.fetch(PATCH, found_pair(platform), Traffic())


def test_a_server_that_refuses_to_serve_stops_the_run(archive: Archive, served: tuple[Files, str]) -> None:
    files, url = served
    write_items(archive, f"{url}/")
    platform = opened_at(archive.root / "items.geojson")
    pair = found_pair(platform)
    files.failures = [403] * 1000
    with pytest.raises(CredentialsError, match=r"refuses to give B01.tif of S2A_x"):
        platform.fetch(PATCH, pair, Traffic())
