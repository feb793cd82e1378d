"""Prefect on this machine: a server with its UI, a worker, all deployments. `make up` and `make down`.

What runs is written down in `.prefect/` of the clone, with its logs and the server's database: SQLite, or what
PREFECT_API_DATABASE_CONNECTION_URL names.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".prefect"

HOST = "127.0.0.1"
STARTING, ENDING = 180.0, 20.0
"""Seconds that a server has to answer, and that a process has to end before it is killed."""

ORDER = ("worker", "server")
"""In which processes end: a worker that has lost its server does not."""


def up(port: int) -> None:
    """Start what does not run yet, and register everything."""
    FOLDER.mkdir(exist_ok=True)
    if (running := _port_of("server")) is not None:
        port = running
    elif _is_taken(port):
        sys.exit(f"error: port {port} is taken by another program. Choose one: make up PORT={port + 1}")
    address = f"http://{HOST}:{port}"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PREFECT_HOME": str(FOLDER),
        # The server needs it too: its pages ask the API that it names, and are blank on another port.
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Else a server that is started anew does not know who holds places within limits, and never gives them back.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "deepsentinel",
    }
    if running is None:
        print("starting Prefect's server ...", flush=True)
        _start("server", ["server", "start", "--host", HOST, "--port", str(port)], environment, note=str(port))
        _await(f"{address}/api/health")
    _run([sys.executable, "-m", "flows.deploying"], environment)
    deploy = ["--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all"]
    _run([sys.executable, "-m", "prefect", *deploy], environment, quiet=True)
    if _port_of("worker") is None:
        _start("worker", ["worker", "start", "--pool", "local", "--name", "local"], environment, note="0")
    print(
        f"Prefect runs at {address}. Its deployments are at {address}/deployments; for the command:\n"
        f"  export PREFECT_API_URL={address}/api\n"
        f"Logs are in {FOLDER}. `make down` ends it."
    )


def down() -> None:
    """End what `up` has started."""
    ended = [name for name in ORDER if _end(name)]
    print(f"ended: {', '.join(ended)}" if ended else "nothing runs that `make up` has started")


def _start(name: str, command: list[str], environment: dict[str, str], *, note: str) -> None:
    with (FOLDER / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (FOLDER / f"{name}.pid").write_text(f"{process.pid} {note}\n")


def _port_of(name: str) -> int | None:
    """The number noted with a process that runs; None where none does."""
    found = _noted(name)
    return None if found is None else found[1]


def _noted(name: str) -> tuple[int, int] | None:
    """The id of a process that runs, and the number noted with it."""
    try:
        process, note = map(int, (FOLDER / f"{name}.pid").read_text().split())
        # Another program may have that id by now.
        told = subprocess.run(["ps", "-o", "args=", "-p", str(process)], capture_output=True, text=True, check=False)
    except (OSError, ValueError):
        return None
    return (process, note) if "prefect" in told.stdout and name in told.stdout else None


def _end(name: str) -> bool:
    found = _noted(name)
    if found is not None:
        # Its session: flow runs are processes of their own.
        with suppress(ProcessLookupError):
            os.killpg(found[0], signal.SIGTERM)
        deadline = time.monotonic() + ENDING
        while _noted(name) is not None and time.monotonic() < deadline:
            time.sleep(0.2)
        with suppress(ProcessLookupError):
            os.killpg(found[0], signal.SIGKILL)
    (FOLDER / f"{name}.pid").unlink(missing_ok=True)
    return found is not None


def _run(command: list[str], environment: dict[str, str], *, quiet: bool = False) -> None:
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=quiet, text=True, check=False)
    if ended.returncode:
        sys.exit(f"error: {' '.join(command)} ended with {ended.returncode}\n{ended.stdout or ''}{ended.stderr or ''}")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _await(url: str) -> None:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and _port_of("server") is not None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"error: Prefect's server does not answer; see {FOLDER / 'server.log'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Prefect on this machine.")
    parser.add_argument("what", choices=("up", "down"))
    parser.add_argument("--port", type=int, default=4200)
    arguments = parser.parse_args()
    up(arguments.port) if arguments.what == "up" else down()
