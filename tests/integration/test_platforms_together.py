"""Earth Engine and Descartes Labs in one corpus, and runs that are disturbed: real clients, servers on loopback."""

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from numpy.testing import assert_allclose, assert_array_equal

from tasks.assembly.builder import close_builders
from tasks.labels.corine import ASSET as CORINE
from tasks.scenes.reasons import Reason
from tasks.shards.description import need_description
from tasks.shards.destinations import open_destination
from tests.integration.conftest import Command, Ended, tree
from tests.integration.platforms_world import (
    REGIONS,
    acquisition,
    build,
    expected,
    rows_of,
    spec_over,
    stored,
    world_of,
    write,
)
from tests.servers.assets import Raster
from tests.servers.both import Both, serving_both
from tests.servers.world import L2A, World

BOTH = ["earthengine", "descarteslabs"]

BORDER = "across a zone border"

Why = tuple[str, str | None, str | None]


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No login of this machine is found, and the client's state ends with the test."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    yield
    close_builders()


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return {region: world_of(region) for region in REGIONS}


@pytest.fixture
def both(worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """Both servers over the zone border, and settings that lead to them."""
    with _serving(worlds[BORDER], monkeypatch) as both:
        yield both
    assert not both.complaints()


class _serving:
    """Both servers for a world; the settings of this process lead to them."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server, self._monkeypatch = serving_both(world), monkeypatch

    def __enter__(self) -> Both:
        both = self._server.__enter__()
        for name, value in both.environment.items():
            self._monkeypatch.setenv(name, value)
        return both

    def __exit__(self, *error: Any) -> None:
        self._server.__exit__(*error)


def assert_pixel_exact(both: Both, corpus: Path, platforms: list[str]) -> None:
    """Every pixel is that of the scene which the row names, at its place."""
    rows = rows_of(corpus)
    for platform in platforms:
        for found, wanted in zip(stored(corpus, platform), expected(both, rows, platform), strict=True):
            assert_array_equal(found, wanted)


def built(corpus: Path) -> dict[str, bytes]:
    """A corpus without the picture, which the flow makes."""
    return {path: content for path, content in tree(corpus).items() if not path.startswith("release/")}


def replaced(corpus: Path) -> dict[int, Why]:
    """Why candidates were replaced, by cell: the reason, the platform, and the scene."""
    commits = [json.loads(path.read_text()) for path in sorted((corpus / "commits").glob("*.json"))]
    return {
        item["cell"]: (item["reason"], item["platform"], item["scene"])
        for commit in commits
        for item in commit["replaced"]
    }


def runs(corpus: Path) -> dict[int, dict[str, Any]]:
    """Run records by shard."""
    found = (json.loads(path.read_text()) for path in (corpus / "runs").glob("*.json"))
    return {record["shard"]: record for record in found}


def traffic(corpus: Path, platform: str) -> Counter[str]:
    """What the run records count, summed over shards."""
    total: Counter[str] = Counter()
    for record in runs(corpus).values():
        total.update(record["platforms"][platform])
    return total


class TestOneCorpus:
    def test_its_labels_come_from_earth_engine_alone_whichever_is_first(
        self, both: Both, worlds: dict[str, World], tmp_path: Path
    ) -> None:
        codes = np.full((5_000, 5_000), 312, "i2")
        clc = Raster(id=CORINE, bands={"landcover": codes}, left=4_200_000, top=2_700_000, pixel=100)
        both.earthengine.world.assets[CORINE] = clc
        held: list[Any] = []
        for platforms in (BOTH, BOTH[::-1]):
            build(spec_over(
                tmp_path, size=12, labels=["corine"], platforms=platforms,
                destinations=[str(tmp_path / "-".join(platforms))],
            ))  # fmt: skip
            corpus = tmp_path / "-".join(platforms)
            (layer,) = need_description(open_destination(str(corpus))).layers
            assert layer == "corine"
            held.append(xarray.open_zarr(corpus, group="labels").corine.values)
            assert (rows_of(corpus)["corine_312"] == 1).all()
            assert sorted(path.name for path in corpus.glob("*/corine")) == ["corine"]
        assert all((one == 24).all() for one in held)

    @pytest.mark.parametrize("region", REGIONS)
    def test_holds_the_same_acquisitions_of_both_to_the_last_pixel(
        self, worlds: dict[str, World], region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with _serving(worlds[region], monkeypatch) as both:
            build(spec_over(tmp_path, region, size=36))

        rows = rows_of(tmp_path / "corpus")
        zones = {f"EPSG:{zone}" for zone in REGIONS[region][1]}
        assert len(rows) == 36 and set(rows["crs"]) == zones
        assert rows["missing"].isna().all()
        for mission in ("s2", "s1"):
            named = rows[f"descarteslabs_{mission}_id"].map(both.twin)
            assert named.tolist() == rows[f"earthengine_{mission}_id"].tolist()
            assert (rows[[f"{platform}_{mission}_nodata" for platform in BOTH]] == 0).all(axis=None)
        assert rows["descarteslabs_absent_bands"].isna().all(), "it has its own B10"
        assert_pixel_exact(both, tmp_path / "corpus", BOTH)
        assert not both.complaints()

    def test_is_the_same_whichever_platform_pairs(self, both: Both, tmp_path: Path) -> None:
        build(spec_over(tmp_path))
        build(spec_over(tmp_path, platforms=BOTH[::-1], destinations=[str(tmp_path / "swapped")]))

        assert_pixel_exact(both, tmp_path / "swapped", BOTH)
        first, second = rows_of(tmp_path / "corpus"), rows_of(tmp_path / "swapped")
        assert set(first.columns) == set(second.columns)
        for column in set(first.columns) - {"s2_cloud_cover", "geometry"}:
            assert (
                first[column].astype(object).where(first[column].notna(), None).tolist()
                == second[column].astype(object).where(second[column].notna(), None).tolist()
            ), column
        # One catalogue says percent, the other a fraction.
        assert_allclose(first["s2_cloud_cover"].astype(float), second["s2_cloud_cover"].astype(float))
        arrays = {path for path in tree(tmp_path / "corpus") if "/c/" in path}
        assert arrays
        assert all(tree(tmp_path / "corpus")[path] == tree(tmp_path / "swapped")[path] for path in arrays)

    @pytest.mark.usefixtures("both", "prefect_here")
    def test_comes_out_of_the_command(self, here: Callable[..., Ended], tmp_path: Path) -> None:
        spec = spec_over(tmp_path)
        build(spec)
        ended = here("build", write(spec, tmp_path / "spec.yaml"), "--to", tmp_path / "told")

        assert ended.code == 0, ended.output
        assert built(tmp_path / "told") == built(tmp_path / "corpus")
        assert (tmp_path / "told" / "release" / "preview.png").exists()


@dataclass(frozen=True)
class Lack:
    """What one platform lacks of an acquisition."""

    first: str
    """The platform that pairs."""
    column: str
    """Holds the id of the scene that is lacking."""
    remove: Callable[[Both, set[str]], None]
    reason: Reason
    platform: str
    """The platform that lacks it."""


def _from_catalogue_of_descarteslabs(both: Both, ids: set[str]) -> None:
    held, gone = both.earthone.world, _processings(both.world, {both.twin[id] for id in ids})
    held.scenes = [scene for scene in held.scenes if both.twin[scene.id] not in gone]


def _from_catalogue_of_earthengine(both: Both, ids: set[str]) -> None:
    gone = _processings(both.world, ids)
    both.earthengine.world = World(scenes=[scene for scene in both.world.scenes if scene.id not in gone])


def _processings(world: World, ids: set[str]) -> set[str]:
    """All processings of the acquisitions that scenes are of."""
    passes = {acquisition(world.by_id[id]) for id in ids if id.startswith(L2A)}
    return ids | {scene.id for scene in world.collection(L2A) if acquisition(scene) in passes}


def _from_pixels_of_earthengine(both: Both, ids: set[str]) -> None:
    both.earthengine.faults.missing = ids


def _from_pixels_of_descarteslabs(status: int) -> Callable[[Both, set[str]], None]:
    def remove(both: Both, ids: set[str]) -> None:
        both.earthone.world.refused = dict.fromkeys(ids, status)

    return remove


LACKS = {
    "sentinel-2 is not in the other's catalogue": Lack(
        "earthengine",
        "descarteslabs_s2_id",
        _from_catalogue_of_descarteslabs,
        Reason.NOT_IN_CATALOGUE,
        "descarteslabs",
    ),
    "sentinel-1 is not in the other's catalogue": Lack(
        "earthengine",
        "descarteslabs_s1_id",
        _from_catalogue_of_descarteslabs,
        Reason.NOT_IN_CATALOGUE,
        "descarteslabs",
    ),
    "sentinel-2 is not in the catalogue of earthengine": Lack(
        "descarteslabs",
        "earthengine_s2_id",
        _from_catalogue_of_earthengine,
        Reason.NOT_IN_CATALOGUE,
        "earthengine",
    ),
    "sentinel-1 is not in the catalogue of earthengine": Lack(
        "descarteslabs",
        "earthengine_s1_id",
        _from_catalogue_of_earthengine,
        Reason.NOT_IN_CATALOGUE,
        "earthengine",
    ),
    "earthengine has lost the pixels": Lack(
        "earthengine", "earthengine_s2_id", _from_pixels_of_earthengine, Reason.REFUSED, "earthengine"
    ),
    "descarteslabs answers 404 for the pixels": Lack(
        "earthengine", "descarteslabs_s2_id", _from_pixels_of_descarteslabs(404), Reason.REFUSED, "descarteslabs"
    ),
    "descarteslabs answers 400 for the pixels": Lack(
        "earthengine", "descarteslabs_s1_id", _from_pixels_of_descarteslabs(400), Reason.REFUSED, "descarteslabs"
    ),
}


@pytest.mark.parametrize("lack", LACKS.values(), ids=LACKS.keys())
def test_a_candidate_that_one_platform_lacks_is_replaced_for_both(both: Both, tmp_path: Path, lack: Lack) -> None:
    platforms = [lack.first, *(name for name in BOTH if name != lack.first)]
    build(spec_over(tmp_path, platforms=platforms, destinations=[str(tmp_path / "whole")]))
    before = rows_of(tmp_path / "whole")
    counted = before[lack.column].value_counts()
    rare = before[before[lack.column].map(counted) == counted.min()].head(2)
    gone = set(rare[lack.column])
    lack.remove(both, gone)
    build(spec_over(tmp_path, platforms=platforms))

    corpus = tmp_path / "corpus"
    rows, why = rows_of(corpus), replaced(corpus)
    assert len(rows) == len(before) and rows["missing"].isna().all()
    assert not gone & set(rows[lack.column])
    assert_pixel_exact(both, corpus, BOTH)
    for row in before[before[lack.column].isin(gone)].to_dict("records"):
        reason, platform, scene = why[row["cell"]]
        assert (reason, platform) == (lack.reason, lack.platform)
        assert scene
        if reason == Reason.REFUSED:
            # Earth Engine is asked for both scenes in one request, and does not always say which it refuses.
            assert row[lack.column] in scene.split(" and ")
        elif "s2" in lack.column:
            mission, taken = acquisition(both.world.by_id[row["earthengine_s2_id"]])[1].removeprefix("G").split("_")
            assert scene == f"{mission} {taken} {row['s2_tile']}"
        else:
            assert scene.startswith("S1A_IW_GRDH_1SDV")
    kept = before[~before[lack.column].isin(gone)]
    assert set(kept["cell"]) <= set(rows["cell"]), "nothing else changed"


DISTURBED = 503
"""Seed of what goes wrong."""


def test_earthengine_disturbed_gives_the_bytes_of_earthengine_undisturbed(both: Both, tmp_path: Path) -> None:
    spec = spec_over(tmp_path, size=240, shard_size=40, platforms=["earthengine"])
    build(spec)
    server, corpus = both.earthengine, tmp_path / "corpus"
    calm, asked = dict(server.counts), set(server._attempts)
    assert len(server._attempts) == server._attempts.total() == calm["image"] + calm["table"], "nothing asked twice"
    counted = traffic(corpus, "earthengine")
    login = 1
    assert counted["requests"] == calm["image"] + calm["table"] + login
    assert counted["retries"] == counted["throttles"] == 0
    # Of the candidates replaced those without a pair have cost no pixels.
    assert calm["image"] == 240 + sum(platform is not None for _, platform, _ in replaced(corpus).values())

    server.reset_counts()
    server._attempts.clear()
    server.answered.clear()
    faults = server.faults
    faults.seed, faults.unavailable, faults.at_most, faults.latency = DISTURBED, 0.10, 20, 0.08
    faults.truncated = faults.short = faults.garbage = 0.05 / 3
    build(
        spec_over(
            tmp_path, size=240, shard_size=40, platforms=["earthengine"], destinations=[str(tmp_path / "disturbed")]
        )
    )

    assert built(tmp_path / "disturbed") == built(corpus)
    counted = traffic(tmp_path / "disturbed", "earthengine")
    assert server.answered[503] > 10 and server.answered[429] > 5, "it was disturbed"
    assert counted["throttles"] == server.answered[429]
    assert set(server._attempts) == asked, "the same requests, and no others"
    assert counted["requests"] == server.counts["image"] + server.counts["table"]
    assert server.counts["image"] + server.counts["table"] == calm["image"] + calm["table"] + counted["retries"]
    assert not both.complaints()


def test_descarteslabs_disturbed_gives_the_bytes_of_descarteslabs_undisturbed(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSENTINEL_DESCARTESLABS_REQUESTS", "32")
    spec = spec_over(tmp_path, size=120, shard_size=30, platforms=["descarteslabs"])
    build(spec)
    world, corpus = both.earthone.world, tmp_path / "corpus"
    calm, asked = Counter(world.requests), set(world.attempts)
    assert calm["raster"] == 2 * 120, "one request a sensor and sample"
    assert traffic(corpus, "descarteslabs")["requests"] == calm.total()

    world.forget()
    world.at_most, world.latency = 20, 0.08
    answered: Counter[str | None] = Counter()
    world.fault = lambda *request: answered.update([fault := _disturbance(*request)]) or fault
    disturbed = tmp_path / "disturbed"
    build(spec_over(tmp_path, size=120, shard_size=30, platforms=["descarteslabs"], destinations=[str(disturbed)]))

    assert built(disturbed) == built(corpus)
    counted = traffic(disturbed, "descarteslabs")
    assert answered["503"] > 10 and counted["throttles"] > 3, "it was disturbed"
    assert {(kind, content) for kind, content in world.attempts if kind == "raster"} == {
        (kind, content) for kind, content in asked if kind == "raster"
    }
    assert counted["requests"] == world.requests.total()
    assert counted["requests"] == calm.total() + counted["retries"]
    assert not both.complaints()


def _disturbance(kind: str, content: int, attempt: int) -> str | None:
    """10 % 503, 5 % damaged bodies; drawn anew for each attempt."""
    chance = hash((DISTURBED, content, attempt)) % 1000
    if chance < 100:
        return "503"
    if chance < 150:
        return ("truncated", "short", "garbage")[chance % 3]
    return None


def _no_faults(*_: Any) -> None:
    return None


class TestARefusedLogin:
    @pytest.mark.parametrize(("platform", "status"), [("earthengine", 403), ("earthengine", 401),
                                                      ("descarteslabs", 401)])  # fmt: skip
    @pytest.mark.usefixtures("prefect_here")
    def test_in_the_middle_stops_the_run_and_the_same_command_goes_on(
        self, both: Both, here: Callable[..., Ended], tmp_path: Path, platform: str, status: int
    ) -> None:
        spec = spec_over(tmp_path, size=20, shard_size=2, platforms=[platform])
        undisturbed = spec_over(tmp_path, size=20, shard_size=2, platforms=[platform],
                                destinations=[str(tmp_path / "undisturbed")])  # fmt: skip
        build(undisturbed)
        file, corpus = write(spec, tmp_path / "spec.yaml"), tmp_path / "corpus"
        both.earthengine.faults.latency = both.earthone.world.latency = 0.15

        def refuse_after(commits: int) -> None:
            until = time.monotonic() + 120
            while time.monotonic() < until and len(list(corpus.glob("commits/*.json"))) < commits:
                time.sleep(0.01)
            both.earthengine.faults.refusal = (status, "Not now.", {})
            both.earthone.world.fault = lambda *_: str(status)

        watcher = threading.Thread(target=refuse_after, args=(3,))
        watcher.start()
        ended = here("build", file)
        watcher.join()
        committed = {path: content for path, content in tree(corpus).items() if path.startswith("commits/")}
        tried = runs(corpus)

        assert ended.code == 1, ended.output
        assert "Traceback" not in ended.output
        assert f"DEEPSENTINEL_{platform.upper()}_" in ended.output, "it names the remedy"
        assert {"earthengine": "login", "descarteslabs": "refused the login"}[platform] in ended.output
        assert 3 <= len(committed) < 10
        failed = [record for record in tried.values() if record["error"]]
        assert {record["error"]["kind"] for record in failed} == {"CredentialsError"}
        assert 1 <= len(failed) <= 2, "only those in flight"
        assert len(tried) == len(committed) + len(failed), "no further shard is tried"

        both.earthengine.faults.refusal, both.earthone.world.fault = None, _no_faults
        both.earthengine.faults.latency = both.earthone.world.latency = 0
        resumed = here("build", file)
        assert resumed.code == 0, resumed.output
        assert built(corpus) == built(tmp_path / "undisturbed")
        assert all(tree(corpus)[path] == content for path, content in committed.items())
        assert not any(record["error"] for record in runs(corpus).values())


def test_run_records_and_status_count_what_was_asked_of_each_platform(
    both: Both, here: Callable[..., Ended], tmp_path: Path
) -> None:
    both.earthengine.faults.unavailable, both.earthengine.faults.throttled = 0.1, 0.1
    both.earthone.world.fault = lambda kind, content, attempt: (
        ("503", "429")[content % 2] if kind == "raster" and attempt == 0 and content % 3 == 0 else None
    )
    build(spec_over(tmp_path))
    corpus = tmp_path / "corpus"
    served = both.earthengine.counts
    asked = {
        "earthengine": served["image"] + served["table"] + 1,
        "descarteslabs": both.earthone.world.requests.total(),
    }
    told = here("status", corpus).output
    for platform, requests in asked.items():
        counted = traffic(corpus, platform)
        assert counted["requests"] == requests
        assert counted["retries"] > 0 and counted["throttles"] > 0 and counted["bytes"] > 24 * 17 * 32 * 32
        (line,) = (line for line in told.splitlines() if line.startswith(platform))
        for kind in ("requests", "retries", "throttles"):
            assert f"{counted[kind]:,} {kind}" in line
        assert f"{counted['bytes'] / 1e6:,.1f} MB read" in line
    assert both.earthengine.answered[429] == traffic(corpus, "earthengine")["throttles"]


class TestSecrets:
    """Of logins that succeed and that are refused, with everything logged that Prefect and the clients can log."""

    LOUD: Mapping[str, str] = {
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks,flows,ee,google,googleapiclient,requests,urllib3,earthdaily",
    }

    def test_are_nowhere_but_where_they_were_put(
        self, worlds: dict[str, World], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        client = ("client-of-secrets", "cl1ent-s3cret-n0where")
        ended: list[Ended] = []
        with serving_both(worlds[BORDER], public_key=public, client=client) as both:
            key_file = tmp_path / "key.json"
            key_file.write_text(json.dumps({
                "type": "service_account", "project_id": both.earthengine.project, "private_key": private,
                "private_key_id": "key-1d-n0where", "client_email": "robot@proj-x.iam.gserviceaccount.com",
                "token_uri": f"{both.earthengine.url}/token",
            }))  # fmt: skip
            environment = {
                **both.environment, **self.LOUD, "HOME": str(tmp_path / "home"),
                "DEEPSENTINEL_EARTHENGINE_CREDENTIALS": str(key_file),
            }  # fmt: skip
            token = {
                "DEEPSENTINEL_DESCARTESLABS_TOKEN": "t0ken.n0where.anymore",
                "DEEPSENTINEL_DESCARTESLABS_CLIENT_ID": "",
                "DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET": "",
            }

            def run(name: str, **changes: str) -> Ended:
                spec = spec_over(
                    tmp_path, name=name, size=4, shard_size=2, destinations=[str(tmp_path / "corpora" / name)]
                )
                file = write(spec, tmp_path / f"{name}.yaml")
                ended.append(command("build", file, environment=environment | changes))
                return ended[-1]

            faults = both.earthengine.faults
            faults.unavailable = faults.throttled = faults.truncated = faults.garbage = 0.05
            both.earthone.world.fault = _every_kind
            disturbed = run("disturbed")
            both.earthone.world.fault = lambda kind, *_: "403" if kind == "raster" else None
            refused = run("refused")
            both.earthone.world.fault = _no_faults
            no_token = run("token", **token)
            faults.login_refusal = "invalid_grant"
            no_login = run("login")
            tokens = {*both.earthone.world.tokens, *both.earthengine.tokens}

        assert disturbed.code == 0, disturbed.output
        for one in (refused, no_token, no_login):
            assert one.code == 1 and "DEEPSENTINEL_" in one.output, one.output
        secrets = {client[1], "t0ken.n0where", "ya29.secret", "n0where", *tokens, *private.splitlines()[1:-1]}
        assert len(secrets) > 20
        home = Path(command.environment["PREFECT_HOME"])
        database = _dump(home)
        assert all(f"build {name}" in database for name in ("disturbed", "refused")), "the runs are in it"
        assert "DEBUG" in "".join(one.output for one in ended), "it was loud"
        kept = {str(path): path.read_bytes() for folder in (home, tmp_path / "corpora", tmp_path / "home")
                for path in folder.rglob("*") if path.is_file()}  # fmt: skip
        rows = {str(folder): rows_of(folder).to_csv() for folder in [tmp_path / "corpora" / "disturbed"]}
        told = {f"output {n}": one.output for n, one in enumerate(ended)} | {"database": database} | rows
        for secret in secrets:
            assert not [where for where, text in told.items() if secret in text], secret
            assert not [where for where, content in kept.items() if secret.encode() in content], secret


def _every_kind(kind: str, content: int, attempt: int) -> str | None:
    """Each third request fails once; the answer quotes the token."""
    kinds = ("429", "429-after", "500", "503", "truncated", "garbage")
    return kinds[content // 3 % len(kinds)] if attempt == 0 and content % 3 == 0 and kind != "token" else None


def _dump(home: Path) -> str:
    """Every row of Prefect's database: runs, parameters, logs, artifacts, events."""
    with sqlite3.connect(f"file:{home / 'prefect.db'}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return "\n".join(str(row) for name in tables for row in database.execute(f'SELECT * FROM "{name}"'))
