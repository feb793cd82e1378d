"""What is made once for all processes of a test run: the first one that needs it makes it, the others wait."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_TABLES = "import asyncio, prefect.server.database as d; asyncio.run(d.provide_database_interface().create_db())"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, which nobody changes afterwards."""
    base = factory.getbasetemp()
    # Of pytest-xdist's workers each has a folder of its own in that of the run.
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, begun = run / f"once-{name}", run / f"once-{name}-begun-{os.getpid()}"
    with (run / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun.mkdir()
            make(begun)
            begun.rename(folder)
    return folder


def make_prefect_home(home: Path) -> None:
    """Make a PREFECT_HOME as a server leaves it that has started once: to make its tables takes 10 s of CPU."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    subprocess.run([sys.executable, "-c", _TABLES], env={**kept, "PREFECT_HOME": str(home)}, check=True)
