"""Builds with Prefect's embedded server that are asked to end, or are ended: real processes, real signals."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT

Spec = Callable[..., Path]
MESSAGE = "interrupted; the same command goes on where it stopped"


class Builds:
    """Starts builds in sessions of their own, without a Prefect server; knows their processes by their environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marker = f"PREFECT_HOME={folder / 'prefect'}"
        environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        self._environment = {**environment, "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(folder / "prefect")}

    def start(self, spec: Path) -> "subprocess.Popen[str]":
        """Start, as a shell in a terminal does: its own process group, SIGINT not ignored."""
        return subprocess.Popen(
            [sys.executable, "-m", "flows.command.cli", "build", str(spec)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def processes(self) -> dict[int, str]:
        """What runs of these builds, the embedded server too, whoever its parent is by now."""
        found: dict[int, str] = {}
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdigit() and self._marker in (process / "environ").read_bytes().decode().split("\0"):
                    found[int(process.name)] = (process / "cmdline").read_bytes().decode().replace("\0", " ")
            except OSError:
                continue  # ended meanwhile
        return found


@pytest.fixture
def builds(prefect_home: Path, tmp_path: Path) -> Iterator[Builds]:
    """Builds of which nothing is left after the test."""
    shutil.copytree(prefect_home, tmp_path / "prefect")
    builds = Builds(tmp_path)
    yield builds
    for process in builds.processes():
        os.kill(process, signal.SIGKILL)


def test_ctrl_c_reaches_the_whole_group_and_the_same_command_goes_on(
    builds: Builds, write_spec: Spec, tmp_path: Path
) -> None:
    spec = write_spec(size=16, shard_size=1)
    build = builds.start(spec)
    _await(lambda: list((tmp_path / "corpus" / "commits").glob("*.json")), build)

    os.killpg(build.pid, signal.SIGINT)
    _, told = build.communicate(timeout=10)

    assert (build.returncode, told.strip()) == (130, MESSAGE)
    assert not builds.processes()
    commits = {path: path.stat().st_mtime_ns for path in (tmp_path / "corpus" / "commits").glob("*.json")}
    again = builds.start(spec)
    output, told = again.communicate(timeout=180)
    assert again.returncode == 0, told
    assert "all 16 shards are there" in output
    assert {path: path.stat().st_mtime_ns for path in commits} == commits, "committed shards stay"
    assert not builds.processes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_shards_that_hang_do_not_hold_up_the_end(
    builds: Builds, write_spec: Spec, archive: Path, tmp_path: Path, number: int, code: int
) -> None:
    shutil.copytree(archive, tmp_path / "archive")
    bands = list((tmp_path / "archive").rglob("B0*.tif"))
    for band in bands:
        band.unlink()
        os.mkfifo(band)  # opening it waits for a writer
    platform = f"{{catalog: {tmp_path / 'archive' / 'catalog.json'}, sentinel2_b10: sentinel-2-l1c, name: demo}}"
    build = builds.start(write_spec(platforms=f"[{{stac: {platform}}}]"))
    _await(lambda: any(_somebody_reads(band) for band in bands), build)

    build.send_signal(number)
    _, told = build.communicate(timeout=12)

    assert (build.returncode, told.strip()) == (code, MESSAGE)
    assert not builds.processes()


def test_the_embedded_server_ends_with_a_build_that_is_killed(builds: Builds, write_spec: Spec, tmp_path: Path) -> None:
    build = builds.start(write_spec(size=16, shard_size=1))
    _await(lambda: list((tmp_path / "corpus" / "commits").glob("*.json")), build)
    assert len(builds.processes()) == 2

    build.kill()
    build.communicate(timeout=5)

    deadline = time.monotonic() + 8
    while builds.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not builds.processes()


def _somebody_reads(fifo: Path) -> bool:
    try:
        # Refused unless somebody waits for a writer. His shard fails, for nobody can seek here; the others wait on.
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _await(condition: Callable[[], object], build: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 180  # imports and the server's start, beside whatever else runs on this machine
    while not condition():
        if build.poll() is not None or time.monotonic() > deadline:
            build.kill()
            pytest.fail(f"{build.returncode}: {build.communicate()}")
        time.sleep(0.02)
