"""How far a build is: by what is committed, whoever built it."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tasks.errors import DestinationUnreachable
from tasks.notices import Listeners
from tasks.shards.destinations import Destination
from tasks.shards.writing import everywhere


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A build at one moment."""

    corpus: str
    shards: int
    """Of the whole corpus."""
    done: int
    """Shards that every destination has."""
    built: int = 0
    """Of them, since the build began, by whomever."""
    shard_size: int
    elapsed: float = 0.0
    """Seconds since the build began."""
    failures: Mapping[int, str] = field(default_factory=dict)
    """Shards that failed in this run, and why."""

    @property
    def samples_a_second(self) -> float:
        return self.built * self.shard_size / self.elapsed if self.elapsed else 0.0

    def line(self) -> str:
        """In one line: done, rate, remaining time."""
        left = self.shards - self.done - len(self.failures)
        remaining = f", {duration(left * self.elapsed / self.built)} left" if self.built else ""
        failed = f", {len(self.failures)} failed" if self.failures else ""
        rate = f", {self.samples_a_second:.1f} samples/s" if self.built else ""
        return f"{self.corpus}: {self.done} of {self.shards} shards{failed}{rate}{remaining}"


class Watch:
    """Looks at what is committed, from the beginning of a build on."""

    def __init__(self, destinations: tuple[Destination, ...], *, corpus: str, shards: int, shard_size: int) -> None:
        self._destinations = destinations
        self._corpus, self._shards, self._shard_size = corpus, shards, shard_size
        self._failures: dict[int, str] = {}
        self.done: set[int] = set()
        """Shards that every destination has, as they were last seen."""
        self._began = time.monotonic()
        self._first = self._count()

    def fail(self, shard: int, why: str) -> None:
        """Note a shard that failed."""
        self._failures[shard] = why

    def look(self) -> Progress:
        """How far the build is: one listing a destination."""
        self._count()
        return self.progress()

    def progress(self) -> Progress:
        """How far the build was when it was last looked at."""
        done = len(self.done)
        return Progress(
            corpus=self._corpus,
            shards=self._shards,
            done=done,
            built=done - self._first,
            shard_size=self._shard_size,
            elapsed=time.monotonic() - self._began,
            failures=dict(self._failures),
        )

    def _count(self) -> int:
        # The shards meet it too, and fail by it; what is shown meanwhile is what was seen last.
        with suppress(DestinationUnreachable):
            self.done = {shard for shard in everywhere(self._destinations) if shard < self._shards}
        return len(self.done)


def duration(seconds: float) -> str:
    """In the two largest units that count: 2 d 3 h."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    shown = [f"{value} {unit}" for value, unit in parts if value][:2]
    return " ".join(shown) or "0 s"


_listeners = Listeners[Progress]()

listening = _listeners.listening
"""Has a function called at every step of builds that run in this process."""

report = _listeners.tell
"""Tells those who listen."""
