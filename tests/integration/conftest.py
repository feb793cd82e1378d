"""A real Prefect server for the session, a small demo archive, and the command as users run it."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.context import refresh_global_settings_context
from prefect.events.worker import EventsWorker
from prefect.logging.configuration import setup_logging
from prefect.logging.handlers import APILogWorker

from flows.command.cli import _PREFECT_DEFAULTS, main
from tasks.assembly.builder import close_builders
from tasks.demo import make_archive
from tests.once import made_once, make_prefect_home
from tests.servers.store_proxy import Proxy, proxying
from tests.servers.stores import azurite, connection_string, gcs_emulator

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    output: str


@dataclass(frozen=True)
class Command:
    """Runs `deepsentinel` in a process of its own, against the session's Prefect server.

    For what is killed, and what runs beside another; all else is run by `here`, in a tenth of the time.
    """

    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str | Path, environment: dict[str, str] | None = None) -> Ended:
        """Run to its end."""
        process = self.start(*arguments, environment=environment)
        try:
            output, _ = process.communicate(timeout=240)
        finally:
            process.kill()
        return Ended(process.returncode, output)

    def start(self, *arguments: str | Path, environment: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start, without waiting."""
        return subprocess.Popen(
            [sys.executable, "-m", "flows.command.cli", *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )


def end_with_parent() -> None:
    """Have Linux end this child when the tests are killed: nobody else would (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PREFECT_HOME that a server has used before: whoever starts one copies it."""
    return made_once(tmp_path_factory, "prefect-home", make_prefect_home)


@pytest.fixture(scope="session")
def prefect_server(prefect_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Prefect server on a free port, on SQLite in a folder of its own: the environment that leads to it."""
    home = shutil.copytree(prefect_home, tmp_path_factory.mktemp("prefect") / "home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    log = (home / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
    try:
        _await(f"http://127.0.0.1:{port}/api/health", server, home / "server.log")
        yield environment
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
        log.close()


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo archive of a country of 12 km: its folder."""
    return made_once(tmp_path_factory, "archive", lambda folder: make_archive(folder, seed=7, size_km=12))


@pytest.fixture
def command(prefect_server: dict[str, str], tmp_path: Path) -> Command:
    """The command, run in the test's own folder."""
    return Command(tmp_path, prefect_server)


@pytest.fixture(scope="module")
def prefect_here(prefect_server: dict[str, str]) -> Iterator[None]:
    """Flows that run in this process use the session's Prefect server, with the command's own settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in prefect_server.items():
            if name.startswith("PREFECT_"):
                patch.setenv(name, value)
        for name, value in _PREFECT_DEFAULTS.items():
            patch.setenv(name, value)
        refresh_global_settings_context()
        setup_logging()
        yield
        # Before the server ends: what waits to be sent to it would be tried again and again when the tests have ended.
        APILogWorker.drain_all(at_exit=False)
        EventsWorker.drain_all(at_exit=False)
    refresh_global_settings_context()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command in this process: one of its own takes seconds to start.

    Whoever runs flows through it uses the fixture `prefect_here` too.
    """

    def run(*arguments: str | Path, where: Path = tmp_path) -> Ended:
        monkeypatch.chdir(where)
        monkeypatch.setattr(sys, "argv", ["deepsentinel", *map(str, arguments)])
        for name, value in _PREFECT_DEFAULTS.items():
            # The command sets them for its process, which here is that of other tests too.
            monkeypatch.setenv(name, os.environ.get(name, value))
        capfd.readouterr()
        close_builders()  # a command begins with nothing read
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return Ended(int(ended.value.code or 0), told.out + told.err)

    return run


@pytest.fixture
def write_spec(tmp_path: Path, archive: Path) -> Callable[..., Path]:
    """Writes a spec over the archive: `write_spec(size=6, ...)`; a value replaces the key's line."""

    def write(name: str = "spec.yaml", **changes: object) -> Path:
        return written_spec(tmp_path, archive, name, **changes)

    return write


def written_spec(folder: Path, archive: Path, name: str = "spec.yaml", **changes: object) -> Path:
    """Write a spec over an archive: the corpus of 4 shards of 2 samples is to be in `folder`."""
    keys: dict[str, object] = {
        "name": "small",
        "seed": 3,
        "size": 8,
        "places": f"{{random: {archive / 'country.geojson'}}}",
        "window": "[2020-01-01, 2025-01-01]",
        "pairing": "{search_days: 2000}",
        "patch": "{pixels: 64}",
        "platforms": f"[{{stac: {{catalog: {archive / 'catalog.json'}, sentinel2_b10: sentinel-2-l1c, name: demo}}}}]",
        "shard_size": 2,
        "destinations": f"[{folder / 'corpus'}]",
    } | changes
    path = folder / name
    path.write_text("".join(f"{key}: {value}\n" for key, value in keys.items() if value is not None))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of a corpus but those in `runs/`, by path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {path: content for path, content in found.items() if not path.startswith("runs/")}


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"no answer from {url}:\n{log.read_text()[-2000:]}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"CI cannot mount a small file system: {mounted.stderr}")
        pytest.skip(f"mounting a file system needs root: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@dataclass(frozen=True)
class Clouds:
    """Both stores, each behind a proxy."""

    gs: Proxy
    az: Proxy

    @property
    def environment(self) -> dict[str, str]:
        """What leads there, and does not wait for long."""
        limits = {f"DEEPSENTINEL_{store}_PATIENCE": "20" for store in ("GCS", "AZURE")}
        return limits | {
            "STORAGE_EMULATOR_HOST": self.gs.url,
            # Else gcsfs, where a test uses it itself, asks over gRPC, and waits for a minute.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "DEEPSENTINEL_AZURE_CONNECTION_STRING": connection_string(self.az.url),
        }

    def of(self, location: str) -> Proxy:
        """The one in front of a destination."""
        return self.gs if location.startswith("gs:") else self.az


@pytest.fixture(scope="session")
def emulators() -> Iterator[Clouds]:
    """The emulators of both stores behind their proxies."""
    with gcs_emulator() as gcs, azurite() as azure, proxying(gcs) as gs, proxying(azure) as az:
        yield Clouds(gs, az)


@pytest.fixture
def clouds(emulators: Clouds, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clouds]:
    """Both stores, to which this process' settings lead; all is well with them."""
    for name, value in emulators.environment.items():
        monkeypatch.setenv(name, value)
    emulators.gs.clear()
    emulators.az.clear()
    yield emulators
    emulators.gs.clear()
    emulators.az.clear()
