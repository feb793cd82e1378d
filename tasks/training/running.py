"""Running a training job: its command with what it is handed, its output line by line, its end whatever happens."""

import os
import re
import selectors
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tasks.errors import SettingsError
from tasks.settings import is_secret
from tasks.training.config import CORPUS, DIGEST, OUTPUT, TrainingConfig

TAIL = 20
"""Last lines of a job that are kept, and told if it fails."""

_LONGEST = 2000
"""Characters of a line that are told."""

_LOOK = 0.2
"""Seconds between two looks whether a job that writes nothing has ended."""

_HIDDEN = "***"

_SHORTEST = 4
"""Characters of the shortest secret that is looked for in lines: of a shorter one, all would be stars."""

_PREFECT = "PREFECT_"
"""Begins variables that a job is not given: it is no flow run, and many of them have logins in them."""

_HARMLESS = ("PREFECT_HOME", "PREFECT_LOGGING_LEVEL")
"""Those that it is given."""

_LOGINS = re.compile(r"^PREFECT_.*(AUTH|HEADERS|CONNECTION_URL)")
"""Variables of Prefect whose values are secret though `is_secret` does not know their names."""

_DEVICES = Path("/dev")

_LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a job ended."""

    code: int
    lines: tuple[str, ...]
    """The last of its output."""
    late: bool
    """Whether it was ended because its hours were over."""


def environment_of(
    config: TrainingConfig, *, corpus: str, digest: str, output: Path, read_secret: Callable[[str], str]
) -> dict[str, str]:
    """The variables of a job: those of this process but what is Prefect's, the config's, and what it is handed.

    `read_secret` reads a block of Prefect. Raises SettingsError: a variable that the config refers to is not set.
    """
    made = {name: value for name, value in os.environ.items() if not name.startswith(_PREFECT)}
    made |= {name: os.environ[name] for name in _HARMLESS if name in os.environ}
    for name, held in config.environment.items():
        if isinstance(held, str):
            made[name] = held
        elif held.secret is not None:
            made[name] = read_secret(held.secret)
        else:
            variable = held.variable or ""
            if variable not in os.environ:
                raise SettingsError(
                    f"environment.{name}: {{variable: {variable}}} is not set where the job is started. Set it in the "
                    "environment of the worker, or in the secret of its pool."
                )
            made[name] = os.environ[variable]
    return made | {CORPUS: corpus, DIGEST: digest, OUTPUT: str(output), "PYTHONUNBUFFERED": "1"}


def secrets_of(config: TrainingConfig, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values that are never shown, of the job and of this process, and their lines; the longest first."""
    named = {name for name, held in config.environment.items() if not isinstance(held, str)}
    found = [value for name, value in environment.items() if name in named]
    for name, value in [*os.environ.items(), *environment.items()]:
        if is_secret(name) or _LOGINS.match(name):
            found.append(value)
    # A log is told line by line.
    parts = {part.strip() for value in found for part in (value, *value.splitlines())}
    return tuple(sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True))


def gpus_here() -> int:
    """Accelerators that a job of this machine would have: those of NVIDIA's driver, or what of them is visible."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1", "none")])
    return len(list(_DEVICES.glob("nvidia[0-9]*")))


def run_job(config: TrainingConfig, environment: Mapping[str, str], output: Path, tell: Callable[[str], None]) -> Ended:
    """Run the command of a config to its end; `tell` is called with every line of its output.

    Whatever ends this call, and be it the death of this process, ends the job, by SIGTERM and after the grace of the
    config by SIGKILL, and then all that it has started. Raises SettingsError: there is no such program, or no room for
    output.
    """
    command = [*config.command, *config.arguments]
    if command[0] == "python":
        command[0] = sys.executable
    elif shutil.which(command[0], path=environment.get("PATH")) is None:
        raise SettingsError(
            f"command: there is no program {command[0]!r} where the job is started. Install it there or in the image, "
            "or give its path."
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"output: {output} cannot be made ({error.strerror}). Name another folder.") from None
    secrets, last = secrets_of(config, environment), deque[str](maxlen=TAIL)
    with _leashed(config, command, environment) as process:
        late = threading.Event()
        watch = threading.Timer((config.hours or 0) * 3600, _end, (process, late))
        watch.daemon = True
        if config.hours is not None:
            watch.start()
        try:
            assert process.stdout is not None
            for line in _lines(process, process.stdout):
                for secret in secrets:
                    line = line.replace(secret, _HIDDEN)
                # Cut after that: of a secret that is cut, the rest would not be known.
                line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
                last.append(line)
                tell(line)
            code = process.wait()
        finally:
            watch.cancel()
    return Ended(code=code, lines=tuple(last), late=late.is_set())


@contextmanager
def _leashed(
    config: TrainingConfig, command: list[str], environment: Mapping[str, str]
) -> Generator["subprocess.Popen[bytes]"]:
    leash = [sys.executable, "-I", "-S", str(_LEASH), str(config.grace)]
    process = subprocess.Popen(
        [*leash, *command],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # Of a job that has ended nothing is left to end; of any other the leash sees to it.
        _close(process)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _end(process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    late.set()
    _close(process)


def _close(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()


def _lines(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> Generator[str]:
    """Lines of a log, to the end of the process; of one that is written over and over, as progress bars are, the last
    state."""
    for content in _contents(process, output):
        line = content.decode(errors="replace").rstrip().rpartition("\r")[2]
        if line:
            yield line


def _contents(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> Generator[bytes]:
    held = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            # Another process, out of the leash's reach, may hold the output open: what is there by the end is read.
            ended = process.poll() is not None
            if selector.select(0 if ended else _LOOK):
                read = os.read(output.fileno(), 1 << 16)
                *lines, held = (held + read).split(b"\n")
                yield from lines
                if read:
                    continue
                break
            if ended:
                break
    yield held
