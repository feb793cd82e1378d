"""Prefect's tables, made once for all processes of a test run: to make them takes 10 s of CPU for every server."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_MAKE = "import asyncio, prefect.server.database as d; asyncio.run(d.provide_database_interface().create_db())"


class Tables:
    """A database of SQLite as Prefect's server leaves it when it has started for the first time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, home: Path) -> Path:
        """Give a PREFECT_HOME the tables; it is made if need be."""
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._made(), home / "prefect.db")
        return home

    def _made(self) -> Path:
        # Whoever comes first makes them; the others wait for him.
        with (self._folder / "tables.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            database = self._folder / "tables" / "prefect.db"
            if not database.exists():
                home = self._folder / "tables.new"
                shutil.rmtree(home, ignore_errors=True)
                kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
                subprocess.run([sys.executable, "-c", _MAKE], env={**kept, "PREFECT_HOME": str(home)}, check=True)
                home.rename(database.parent)
        return database


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of a test run share (pytest-xdist)."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
