"""What was trained from a corpus, kept beside it: `training/<key>.json`, and its attempts below `training/<key>/`.

The key is of the corpus' digest and the config's, so the same training is done once. An attempt is begun by creating
its record, which of many at once exactly one does; while it runs its record is put anew every few seconds, which is how
others see that it lives; the record of the whole is created at its end, if that is good.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Literal, Self

from tasks.errors import CorpusBusy, DeepSentinelError
from tasks.notices import logger
from tasks.shards.destinations import Destination
from tasks.shards.layout import TRAINING, to_json

SCHEMA = 1

State = Literal["running", "completed", "failed", "cancelled"]

_BEATS = 5
"""Signs of life in a lease."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a training."""

    key: str
    attempt: int
    """From 1."""
    corpus: str
    """Its digest."""
    config: Mapping[str, Any]
    """As read, with the names of secrets."""
    config_digest: str
    run: Mapping[str, str]
    """The flow run: id and name."""
    output: str
    """Folder of what the job made, on its machine."""
    state: State = "running"
    beat: int = 0
    """Counts while it runs."""
    code: int | None = None
    """Of the job, when it has ended."""
    lines: tuple[str, ...] = ()
    """The last ones of a job that has failed."""

    @property
    def path(self) -> str:
        """Where it is kept."""
        return f"{TRAINING}/{self.key}/attempt-{self.attempt:04d}.json"

    def to_bytes(self) -> bytes:
        """As stored."""
        return to_json({"schema": SCHEMA, **asdict(self)})


def trained(destination: Destination, key: str) -> Mapping[str, Any] | None:
    """The record of a training that is done; None: it is not."""
    return _parsed(destination.get(f"{TRAINING}/{key}.json"))


def begin(destination: Destination, wanted: Attempt, *, lease: float, ended: Callable[[str], bool]) -> Attempt:
    """Begin the next attempt at a training.

    `ended`: whether a flow run is known to have ended. One that is not, and shows no sign of life for `lease` seconds,
    is taken for dead. Raises CorpusBusy: another run trains the same; DestinationError.
    """
    names = destination.names(f"{TRAINING}/{wanted.key}")
    last = max((_number(name) for name in names), default=0)
    if last:
        _outlive(destination, replace(wanted, attempt=last), lease, ended)
    made = replace(wanted, attempt=last + 1)
    if not destination.create(made.path, made.to_bytes()) and destination.get(made.path) != made.to_bytes():
        held = _parsed(destination.get(made.path)) or {}
        raise _busy(destination, held)
    return made


def finish(destination: Destination, attempt: Attempt) -> None:
    """Record how an attempt has ended; of a good one also the whole. Raises DestinationError."""
    destination.put(attempt.path, attempt.to_bytes())
    if attempt.state == "completed":
        destination.create(f"{TRAINING}/{attempt.key}.json", attempt.to_bytes())


class Beating:
    """Shows that an attempt lives, as long as the block lasts."""

    def __init__(self, destination: Destination, attempt: Attempt, *, lease: float) -> None:
        self._destination, self._attempt, self._every = destination, attempt, lease / _BEATS
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="training", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        beat = 0
        while not self._over.wait(self._every):
            beat += 1
            try:
                self._destination.put(self._attempt.path, replace(self._attempt, beat=beat).to_bytes())
            except DeepSentinelError as error:
                logger.warning("training %s: no sign of life can be shown (%s)", self._attempt.key, error)


def _outlive(destination: Destination, last: Attempt, lease: float, ended: Callable[[str], bool]) -> None:
    first = _parsed(destination.get(last.path))
    if first is None or first.get("state") != "running" or ended(str(first.get("run", {}).get("id"))):
        return
    logger.info("training %s: seeing whether the run %s, which does it too, still lives", last.key, _run(first))
    began = time.monotonic()
    while time.monotonic() - began < lease:
        time.sleep(lease / _BEATS / 2)
        now = _parsed(destination.get(last.path))
        if now is None or now.get("state") != "running":
            return
        if now.get("beat") != first.get("beat"):
            raise _busy(destination, now)


def _busy(destination: Destination, held: Mapping[str, Any]) -> CorpusBusy:
    return CorpusBusy(
        f"{destination.location}: the run {_run(held)} is training from it with the same config. Wait for it, or "
        "cancel it."
    )


def _run(held: Mapping[str, Any]) -> str:
    run = held.get("run") or {}
    return f"{run.get('name')!r} ({run.get('id')})"


def _number(name: str) -> int:
    digits = name.removeprefix("attempt-").removesuffix(".json")
    return int(digits) if digits.isdecimal() else 0


def _parsed(content: bytes | None) -> Mapping[str, Any] | None:
    """A record; one that is damaged, or of another version, is none: training again is the remedy."""
    try:
        found = json.loads(content or b"null")
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else None
