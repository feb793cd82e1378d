"""`deepsentinel doctor`: real clients, real servers on loopback, and every way in which a run would fail later."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.imagery.earthengine import session
from tasks.labels.corine import ASSET as CORINE
from tests.integration.building import build
from tests.integration.conftest import ROOT, Command, Ended
from tests.integration.earthengine_world import draws_at, world_of
from tests.servers.assets import Raster
from tests.servers.earthengine import EarthEngineServer
from tests.servers.earthone import Server, World

Here = Callable[..., Ended]
WriteSpec = Callable[..., Path]

BOTH = "[earthengine, descarteslabs]"


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No login of this machine is found, and the client's state ends with the test."""
    for name in [name for name in os.environ if name.startswith(("DEEPSENTINEL_", "EARTHONE_"))]:
        monkeypatch.delenv(name)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    yield
    session.close()


@pytest.fixture
def earthengine(monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngineServer]:
    """Earth Engine, and settings that lead to it."""
    with EarthEngineServer(world_of(draws_at([10.3], [50.1]))) as server:
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_URL", server.url)
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_CREDENTIALS", "anonymous")
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_PROJECT", "proj-x")
        yield server


@pytest.fixture
def earthone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """EarthOne, and settings that lead to it."""
    with Server(World()) as server:
        for name, value in {
            "URL": server.url,
            "IAM_URL": server.url,
            "CLIENT_ID": server.world.client[0],
            "CLIENT_SECRET": server.world.client[1],
        }.items():
            monkeypatch.setenv(f"DEEPSENTINEL_DESCARTESLABS_{name}", value)
        yield server


def finding(ended: Ended, what: str) -> str:
    """The lines about one thing: finding and remedy. Fails unless there is exactly one finding."""
    lines = ended.output.splitlines()
    (at,) = (index for index, line in enumerate(lines) if line.startswith(f"{what}  "))
    return "\n".join([lines[at], *(line for line in lines[at + 1 : at + 2] if line.lstrip().startswith("remedy:"))])


def wrongs(ended: Ended) -> list[str]:
    """What is wrong, in order."""
    return [line.partition("  ")[0] for line in ended.output.splitlines() if "  WRONG  " in line]


class TestInOrder:
    def test_all_is_told_and_nothing_left_behind(
        self, here: Here, write_spec: WriteSpec, tmp_path: Path, earthengine: EarthEngineServer, earthone: Server
    ) -> None:
        ended = here("doctor", write_spec(platforms=BOTH))
        assert ended.code == 0, ended.output
        assert not wrongs(ended)
        assert "room for" in finding(ended, "places")
        assert "logged in at http://127.0.0.1" in finding(ended, "platform earthengine")
        assert "13 of 13 bands" in finding(ended, "platform descarteslabs")
        assert "writable;" in finding(ended, f"destination {tmp_path / 'corpus'}")
        assert "embedded" in finding(ended, "prefect")
        assert "40 requests in flight" in finding(ended, "limits of earthengine")
        assert "16 requests in flight" in finding(ended, "limits of descarteslabs")
        assert "2 shards in flight" in finding(ended, "memory")
        assert "small: 9 checks, all in order" in ended.output
        assert not (tmp_path / "corpus").exists()
        assert earthengine.counts["table"] == 1 and not earthengine.counts["image"]
        assert earthone.world.requests == {"token": 1, "bands": 2, "search": 2}, "for scenes to look at"

    def test_of_an_archive_pixels_are_read(self, here: Here, write_spec: WriteSpec) -> None:
        ended = here("doctor", write_spec())
        assert ended.code == 0, ended.output
        assert "13 of 13 bands" in finding(ended, "platform demo")
        assert "pixels can be read" in finding(ended, "platform demo")

    def test_a_corpus_that_was_begun_stays_as_it_is(
        self, prefect_here: None, here: Here, write_spec: WriteSpec
    ) -> None:
        spec = write_spec(size=4)
        build(spec)
        corpus = spec.parent / "corpus"
        before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*") if path.is_file()}
        ended = here("doctor", spec)
        assert ended.code == 0, ended.output
        assert "holds this corpus already" in ended.output
        assert "PREFECT" not in ended.output and "/api answers" in finding(ended, "prefect")
        assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*") if path.is_file()} == before
        ended = here("doctor", write_spec(size=4, seed=4))
        assert ended.code == 1 and "seed: the corpus has 3, the spec 4" in ended.output


class TestLabels:
    def test_of_earth_engine_are_looked_up_under_its_login(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer
    ) -> None:
        wide = {"landcover": np.full((200, 200), 111, "i2")}
        earthengine.world.assets[CORINE] = Raster(id=CORINE, bands=wide, left=-5e6, top=1.5e7, pixel=1e5)
        ended = here("doctor", write_spec(platforms="[earthengine]", labels="[corine]"))
        assert ended.code == 0, ended.output
        assert f"{CORINE}; Copernicus data and information policy" in finding(ended, "label corine")
        assert earthengine.counts["asset"] == 1 and not earthengine.counts["image"]
        del earthengine.world.assets[CORINE]
        ended = here("doctor", write_spec(platforms="[earthengine]", labels="[corine]"))
        assert ended.code == 1 and wrongs(ended) == ["label corine"]
        assert "not found" in finding(ended, "label corine")


class TestPlatforms:
    def told(self, here: Here, write_spec: WriteSpec, name: str, *says: str) -> Ended:
        """The one thing that is wrong, and that it says so."""
        ended = here("doctor", write_spec(platforms=f"[{name}]"), "--deadline", "12")
        assert ended.code == 1 and wrongs(ended) == [f"platform {name}"], ended.output
        found = finding(ended, f"platform {name}")
        assert "remedy: " in found and all(text in found for text in says), found
        assert "places                " in ended.output and "Traceback" not in ended.output
        return ended

    @pytest.mark.parametrize(
        ("refusal", "says", "remedy"),
        [
            ((401, "Request had invalid authentication credentials.", {}), "the login is refused", "_CREDENTIALS"),
            ((403, "Caller may not use project proj-x.", {}), "proj-x may not be used", "register it"),
            ((404, "Project not found", {}), "proj-x cannot be used", "DEEPSENTINEL_EARTHENGINE_PROJECT"),
            ((429, "Quota exceeded", {"quota_limit_value": "0"}), "quota of zero", "console"),
        ],
    )
    def test_earthengine_refuses(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, refusal: Any, says: str, remedy: str
    ) -> None:
        earthengine.faults.refusal = refusal
        self.told(here, write_spec, "earthengine", says, remedy)

    def test_earthengine_without_login(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DEEPSENTINEL_EARTHENGINE_CREDENTIALS")
        self.told(here, write_spec, "earthengine", "no login is stored", "earthengine authenticate")

    @pytest.mark.parametrize("content", ["-----BEGIN PRIVATE KEY-----S3CRET", '{"private_key": "S3CRET"}', None])
    def test_earthengine_with_a_file_that_is_no_key(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, tmp_path: Path, content: str | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        key = tmp_path / "key.json"
        if content:
            key.write_text(content)
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_CREDENTIALS", str(key))
        ended = self.told(here, write_spec, "earthengine", str(key), "Set DEEPSENTINEL_EARTHENGINE_CREDENTIALS")
        assert "S3CRET" not in ended.output and "BEGIN" not in ended.output

    def test_earthengine_without_a_project(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DEEPSENTINEL_EARTHENGINE_PROJECT")
        self.told(here, write_spec, "earthengine", "no project", "DEEPSENTINEL_EARTHENGINE_PROJECT")

    def test_earthengine_does_not_know_the_collection(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_SENTINEL1", "COPERNICUS/S1")
        self.told(here, write_spec, "earthengine", "COPERNICUS/S1,", "unset DEEPSENTINEL_EARTHENGINE_SENTINEL1")

    @pytest.mark.parametrize("name", ["earthengine", "descarteslabs"])
    def test_is_down(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, earthone: Server, name: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        for setting in ("EARTHENGINE_URL", "DESCARTESLABS_URL", "DESCARTESLABS_IAM_URL"):
            monkeypatch.setenv(f"DEEPSENTINEL_{setting}", "http://127.0.0.1:9")
        self.told(here, write_spec, name, "out of reach", "Run the same command later")

    def test_never_answers(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
            began = time.monotonic()
            self.told(here, write_spec, "earthengine", "no answer within")
            assert time.monotonic() - began < 30

    def test_descarteslabs_with_a_token_it_does_not_know(
        self, here: Here, write_spec: WriteSpec, earthone: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for setting in ("CLIENT_ID", "CLIENT_SECRET"):
            monkeypatch.delenv(f"DEEPSENTINEL_DESCARTESLABS_{setting}")
        token = World().issue(3600)
        monkeypatch.setenv("DEEPSENTINEL_DESCARTESLABS_TOKEN", token)
        ended = self.told(here, write_spec, "descarteslabs", "refused the login", "DESCARTESLABS_TOKEN")
        assert token not in ended.output

    def test_descarteslabs_with_a_wrong_secret(
        self, here: Here, write_spec: WriteSpec, earthone: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET", "wr0ng")
        ended = self.told(here, write_spec, "descarteslabs", "refused the client id", "_CLIENT_SECRET")
        assert "wr0ng" not in ended.output

    def test_descarteslabs_without_login(
        self, here: Here, write_spec: WriteSpec, earthone: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for setting in ("CLIENT_ID", "CLIENT_SECRET"):
            monkeypatch.delenv(f"DEEPSENTINEL_DESCARTESLABS_{setting}")
        self.told(here, write_spec, "descarteslabs", "there is no login", "_CLIENT_SECRET")

    def test_descarteslabs_may_not_be_used(self, here: Here, write_spec: WriteSpec, earthone: Server) -> None:
        earthone.world.fault = lambda kind, *_: "403" if kind == "bands" else None
        self.told(here, write_spec, "descarteslabs", "may not use", "Ask the platform for access")

    def test_descarteslabs_does_not_know_the_product(
        self, here: Here, write_spec: WriteSpec, earthone: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEEPSENTINEL_DESCARTESLABS_SENTINEL2", "esa:s2")
        self.told(here, write_spec, "descarteslabs", "'esa:s2'", "Set DEEPSENTINEL_DESCARTESLABS_SENTINEL2")

    def test_demo_has_no_archive(self, here: Here, write_spec: WriteSpec) -> None:
        self.told(here, write_spec, "demo", "no demo archive at demo/archive", "`deepsentinel demo`")

    @pytest.mark.parametrize(("package", "name"), [("earthdaily", "descarteslabs"), ("ee", "earthengine")])
    def test_client_is_not_installed(self, write_spec: WriteSpec, tmp_path: Path, package: str, name: str) -> None:
        code = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
sys.argv = ["deepsentinel", "doctor", {str(write_spec(platforms=f"[{name}]"))!r}]
from flows.command.cli import main
main()
"""
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        ended = Ended(ran.returncode, ran.stdout + ran.stderr)
        assert ended.code == 1 and wrongs(ended) == [f"platform {name}"], ended.output
        told = finding(ended, f"platform {name}")
        assert "is not installed" in told and f"pip install 'deepsentinel[{name}]'" in told


class TestArchives:
    def test_catalogue_is_missing(self, here: Here, write_spec: WriteSpec, tmp_path: Path) -> None:
        ended = here("doctor", write_spec(platforms="[{stac: {catalog: nowhere/catalog.json}}]"))
        assert ended.code == 1 and wrongs(ended) == ["platform stac"]
        assert f"there is no file {tmp_path / 'nowhere/catalog.json'}" in finding(ended, "platform stac")
        assert "remedy: Correct the path" in finding(ended, "platform stac")

    def test_collection_is_missing(self, here: Here, write_spec: WriteSpec, archive: Path) -> None:
        ended = here("doctor", write_spec(platforms=f"[{{stac: {{catalog: {archive}, sentinel1: radar}}}}]"))
        assert ended.code == 1 and wrongs(ended) == ["platform stac"]
        assert "has no collection 'radar'" in finding(ended, "platform stac")

    def test_lists_no_files(self, here: Here, write_spec: WriteSpec, archive: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(archive, copy)
        for path in copy.rglob("*.json"):
            content = json.loads(path.read_text())
            path.write_text(json.dumps(content | {"assets": {}}) if content["type"] == "Feature" else path.read_text())
        ended = here("doctor", write_spec(platforms=f"[{{stac: {{catalog: {copy / 'catalog.json'}}}}}]"))
        assert ended.code == 1 and wrongs(ended) == ["platform stac"], ended.output
        assert "no files" in finding(ended, "platform stac")

    def test_pixels_are_missing(self, here: Here, write_spec: WriteSpec, archive: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(archive, copy)
        for path in copy.rglob("*.tif"):
            path.unlink()
        ended = here("doctor", write_spec(platforms=f"[{{stac: {{catalog: {copy / 'catalog.json'}}}}}]"))
        assert ended.code == 1 and wrongs(ended) == ["platform stac"]
        assert "no pixels of the first pairs" in finding(ended, "platform stac")

    def test_remote_one_is_not_reached_and_its_url_told_without_parameters(
        self, here: Here, write_spec: WriteSpec
    ) -> None:
        spec = write_spec(platforms="[{stac: {catalog: 'http://127.0.0.1:9/catalog.json?subscription=S3CRET'}}]")
        ended = here("doctor", spec)
        assert ended.code == 1 and wrongs(ended) == ["platform stac"]
        assert "http://127.0.0.1:9/catalog.json" in ended.output and "S3CRET" not in ended.output


class TestDestinations:
    def test_read_only(self, here: Here, write_spec: WriteSpec, small_disk: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        ended = here("doctor", write_spec(destinations=f"[{small_disk / 'corpus'}]"))
        assert ended.code == 1 and wrongs(ended) == [f"destination {small_disk / 'corpus'}"]
        assert "Read-only file system" in ended.output and "remedy: It is mounted read-only" in ended.output

    def test_too_small(self, here: Here, write_spec: WriteSpec, small_disk: Path) -> None:
        ended = here("doctor", write_spec(size=18, destinations=f"[{small_disk / 'corpus'}]"))
        assert ended.code == 1 and wrongs(ended) == [f"destination {small_disk / 'corpus'}"]
        assert "writable, but too small" in ended.output and "build elsewhere with --to" in ended.output
        assert not list(small_disk.iterdir())

    def test_full(self, here: Here, write_spec: WriteSpec, small_disk: Path) -> None:
        with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        ended = here("doctor", write_spec(destinations=f"[{small_disk / 'corpus'}]"))
        assert ended.code == 1
        assert "remedy: Free " in finding(ended, f"destination {small_disk / 'corpus'}")
        assert [path.name for path in small_disk.iterdir()] == ["filler"]

    def test_under_a_file_and_of_an_unknown_kind(self, here: Here, write_spec: WriteSpec, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        unwritable = ["ftp://bucket/corpus", f"{tmp_path / 'file' / 'corpus'}"]
        ended = here("doctor", write_spec(destinations=json.dumps([*unwritable, str(tmp_path / "fine")])))
        assert ended.code == 1 and wrongs(ended) == [f"destination {place}" for place in unwritable]
        assert "writable;" in finding(ended, f"destination {tmp_path / 'fine'}")
        assert all("remedy: " in finding(ended, f"destination {place}") for place in unwritable)


class TestPrefect:
    def test_server_is_down(self, command: Command, write_spec: WriteSpec) -> None:
        ended = command("doctor", write_spec(), environment={"PREFECT_API_URL": "http://me:S3CRET@127.0.0.1:9/api"})
        assert ended.code == 1 and wrongs(ended) == ["prefect"], ended.output
        assert "http://127.0.0.1:9/api: unreachable" in finding(ended, "prefect")
        assert "remedy: Start it" in finding(ended, "prefect") and "S3CRET" not in ended.output

    def test_another_service_answers(self, command: Command, write_spec: WriteSpec, earthone: Server) -> None:
        ended = command("doctor", write_spec(), environment={"PREFECT_API_URL": f"{earthone.url}/api"})
        assert ended.code == 1 and wrongs(ended) == ["prefect"], ended.output
        assert "remedy: " in finding(ended, "prefect")


class TestSeveral:
    def test_wrong_things_are_all_told(
        self, here: Here, write_spec: WriteSpec, tmp_path: Path, earthengine: EarthEngineServer, earthone: Server
    ) -> None:
        earthengine.faults.refusal = (403, "no", {})
        earthone.world.client = ("another", "client")
        (tmp_path / "file").write_text("")
        spec = write_spec(
            places="{random: nowhere.gpkg}", platforms="[earthengine, descarteslabs, demo]", labels="[corine, osm]",
            window="[2014-11-01, 2015-01-01]", destinations=f"[{tmp_path / 'file' / 'corpus'}]",
            sources="{corine: nowhere.tif}",
        )  # fmt: skip
        ended = here("doctor", spec, "--deadline", "10")
        assert ended.code == 1
        assert wrongs(ended) == [
            "places", "window", "platform earthengine", "platform descarteslabs", "platform demo",
            "label corine", "label osm", f"destination {tmp_path / 'file' / 'corpus'}",
        ]  # fmt: skip
        assert ended.output.count("remedy: ") == 8
        assert "8 of 13 checks found something wrong" in ended.output

    def test_a_region_too_small_is_wrong(self, here: Here, write_spec: WriteSpec) -> None:
        ended = here("doctor", write_spec(size=10_000))
        assert ended.code == 1 and wrongs(ended) == ["places"]
        assert "remedy: Use size: " in finding(ended, "places")
        assert "GB free" in ended.output and "pixels can be read" in ended.output

    def test_a_spec_that_is_none_is_wrong_usage(self, here: Here, write_spec: WriteSpec) -> None:
        assert here("doctor", "nowhere.yaml").code == 2
        assert here("doctor", write_spec(colour="red")).code == 2


class TestSecrets:
    def test_are_never_told(
        self, here: Here, write_spec: WriteSpec, earthengine: EarthEngineServer, earthone: Server, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        token = World().issue(3600)
        key = tmp_path / "key.json"
        key.write_text(json.dumps({"refresh_token": "1//S3CRET", "project": "proj-x", "client_secret": "S3CRET",
                                   "token_uri": f"{earthengine.url}/token"}))  # fmt: skip
        monkeypatch.setenv("DEEPSENTINEL_EARTHENGINE_CREDENTIALS", str(key))
        told = ""
        for fault in (None, "400", "401", "403", "404", "429", "500", "garbage"):
            # EarthOne's server quotes the token that it was sent in each of its errors.
            earthone.world.fault = lambda kind, *_, fault=fault: fault if kind == "bands" else None
            earthengine.faults.refusal = (int(fault), "no", {}) if fault and fault.isdigit() else None
            earthengine.faults.login_refusal = "invalid_grant" if fault == "401" else None
            told += here("doctor", write_spec(platforms=BOTH), "--deadline", "1.5").output
        monkeypatch.setenv("DEEPSENTINEL_DESCARTESLABS_TOKEN", token)
        told += here("doctor", write_spec(platforms=BOTH), "--deadline", "3").output
        assert told.count("WRONG") > 10
        secrets = ["S3CRET", token, earthone.world.client[1], *earthone.world.tokens, *earthengine.tokens, "Bearer"]
        assert not [secret for secret in secrets if secret in told]


def test_a_check_that_hangs_does_not_hold_up_the_end(write_spec: WriteSpec, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=silent.accept, daemon=True).start()
        spec = write_spec(
            platforms=f"[{{stac: {{catalog: 'http://127.0.0.1:{silent.getsockname()[1]}/catalog.json'}}}}]"
        )
        ran = subprocess.run(
            [sys.executable, "-m", "flows.command.cli", "doctor", spec, "--deadline", "2"], capture_output=True,
            text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60,
        )  # fmt: skip
    ended = Ended(ran.returncode, ran.stdout + ran.stderr)
    assert ended.code == 1 and wrongs(ended) == ["platform stac"], ended.output
    found = finding(ended, "platform stac")
    # Whether the platform's own patience or the doctor's time is up first depends on how long its client takes to load.
    assert "no answer within 2 s" in found or "out of reach" in found
