"""The room of the platforms `stac` and `demo`: settings, cost, limits, and how they are opened."""

from pathlib import Path
from typing import Any

import pytest

from tasks.errors import SettingsError, SpecError
from tasks.imagery.bands import BANDS
from tasks.imagery.registry import open_platforms, platform_settings, room_of
from tasks.imagery.stac import StacSettings
from tasks.imagery.stac.settings import FROM_DISK, FROM_SERVERS
from tasks.settings import load
from tasks.spec import CorpusSpec
from tests.archive import Archive
from tests.unit.imagery.stac.opening import (
    EVERYWHERE,
    fetched,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def spec(*platforms: Any) -> CorpusSpec:
    return CorpusSpec.model_validate({
        "name": "x", "size": 250, "places": {"random": "land"}, "window": ["2018-01-01", "2021-01-01"],
        "destinations": ["out"], "platforms": list(platforms),
    })  # fmt: skip


def opened_of(of: CorpusSpec) -> list[Any]:
    return open_platforms(of, EVERYWHERE, platform_settings(of))


def test_platforms_are_opened_in_the_specs_order_under_its_names(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = str(archive.save())
    monkeypatch.setenv("DEEPSENTINEL_STAC_READS", "3")
    found = opened_of(spec(*({"stac": {"catalog": catalog, "name": name}} for name in ("second", "first"))))
    assert [platform.name for platform in found] == ["second", "first"]
    assert [platform.in_flight for platform in found] == [3, 3]


def test_the_demo_archive_is_a_catalogue_whose_b10_is_level_1c(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.sentinel2("a")
    archive.sentinel2("t", bands=BANDS, collection="sentinel-2-l1c")
    archive.sentinel1("r")
    archive.save()
    monkeypatch.setenv("DEEPSENTINEL_DEMO_ARCHIVE", str(archive.root))
    (platform,) = opened_of(spec("demo"))
    assert (platform.name, platform.bands) == ("demo", BANDS)
    assert list(fetched(platform).arrays) == ["demo/s2", "demo/s1"]


def test_a_demo_without_its_archive_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSENTINEL_DEMO_ARCHIVE", str(tmp_path / "none"))
    with pytest.raises(SpecError, match="deepsentinel demo"):
        opened_of(spec("demo"))


def test_a_catalogue_that_is_not_there_is_refused_with_the_key(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"platforms\.stac\.catalog: there is no file .*none/catalog\.json"):
        opened_of(spec({"stac": {"catalog": str(tmp_path / "none/catalog.json")}}))


def test_a_sample_costs_a_request_a_band_and_polarization() -> None:
    room = room_of("stac")
    cost = room.cost(StacSettings(stac_reads=7), spec("demo"))
    assert (cost.requests_a_sample, cost.requests_a_shard, cost.in_flight) == (15, 0, 7)
    assert room.limits(StacSettings(stac_reads=7, stac_requests=9, stac_deadline=5, stac_patience=20)) == (
        "7 samples read at once from a disk, 7 from servers; of these each gets at most 9 requests at once, is waited "
        "for 5 s for an answer, and a failing request is tried again for 20 s"
    )


def test_whole_blocks_of_a_remote_archive_are_moved() -> None:
    room = room_of("stac")
    cost = room.cost(StacSettings(), spec({"stac": {"catalog": "https://example.org/catalog.json"}}))
    assert cost.bytes_a_sample is not None
    assert 20e6 < cost.bytes_a_sample < 30e6, "measured: 22.5 MB of large scenes, 2.1 MB of them pixels that are wanted"
    assert room.cost(StacSettings(), spec("demo")).bytes_a_sample is None


def test_more_is_read_at_once_from_servers_than_from_a_disk(archive: Archive) -> None:
    room, address = room_of("stac"), {"stac": {"catalog": "https://example.org/catalog.json"}}
    remote = room.cost(StacSettings(), spec(address))
    assert (remote.in_flight, remote.requests_a_sample) == (StacSettings().stac_requests, 2 * 15)
    assert room.cost(StacSettings(), spec("demo")).in_flight == FROM_DISK < FROM_SERVERS
    archive.sentinel2("a")
    archive.sentinel1("r")
    (platform,) = opened_of(spec({"stac": {"catalog": str(archive.save())}}))
    assert platform.in_flight == FROM_DISK
    scene = archive.collections["sentinel-2-l2a"][0]
    scene.assets["B02"].href = "https://example.org/B02.tif"
    (platform,) = opened_of(spec({"stac": {"catalog": str(archive.save())}}))
    assert platform.in_flight == FROM_SERVERS, "a catalogue on a disk may name files of servers"


@pytest.mark.parametrize(
    "name", ["STAC_READS", "STAC_REQUESTS", "STAC_KEPT", "STAC_DEADLINE", "STAC_PATIENCE", "DEMO_ARCHIVE"]
)
def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"DEEPSENTINEL_{name}", "7")
    assert str(getattr(load(StacSettings), name.lower())).removesuffix(".0") == "7"


@pytest.mark.parametrize(("name", "value"), [("STAC_READS", "257"), ("STAC_DEADLINE", "0"), ("STAC_PATIENCE", "-1")])
def test_a_setting_out_of_its_bounds_is_refused_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"DEEPSENTINEL_{name}", value)
    with pytest.raises(SettingsError, match=f"DEEPSENTINEL_{name}='{value}'"):
        load(StacSettings)
