"""Running a training job: its command with what it is handed, its output line by line, its end whatever happens."""

import os
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

_HIDDEN = "***"

_SHORTEST = 4
"""Characters of the shortest secret that is looked for in lines: of a shorter one, all would be stars."""

_OURS = ("PREFECT__", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")
"""Variables that a job is not given: it is no flow run, and has nothing to ask of Prefect."""

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
    made = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
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
    """Values that are never shown, the longest first."""
    named = {name for name, held in config.environment.items() if not isinstance(held, str)}
    found = {value for name, value in environment.items() if name in named or is_secret(name)}
    return tuple(sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True))


def gpus_here() -> int:
    """Accelerators that a job of this machine would have: those of NVIDIA's driver, or what of them is visible."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1", "none")])
    return len(list(_DEVICES.glob("nvidia[0-9]*")))


def run_job(config: TrainingConfig, environment: Mapping[str, str], output: Path, tell: Callable[[str], None]) -> Ended:
    """Run the command of a config to its end; `tell` is called with every line of its output.

    Whatever ends this call, and be it the death of this process, ends the job and all that it has started: SIGTERM,
    then SIGKILL after the grace of the config. Raises SettingsError: there is no such program, or no room for output.
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
            for line in _lines(process.stdout):
                for secret in secrets:
                    line = line.replace(secret, _HIDDEN)
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


def _lines(output: IO[bytes]) -> Generator[str]:
    """Lines of a log; of one that is written over and over, as progress bars are, the last state."""
    for content in output:
        line = content.decode(errors="replace").rstrip().rpartition("\r")[2]
        if line:
            yield line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
