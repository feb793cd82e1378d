"""How far the ingest of an extract is: by the bytes of its file."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tasks.notices import NEXT, Listeners
from tasks.shards.progress import duration


@dataclass(frozen=True, kw_only=True)
class IngestProgress:
    """An ingest at one moment."""

    extract: str
    """Name of the file."""
    done: int
    total: int
    """Bytes."""
    elapsed: float
    """Seconds since it was begun."""

    def line(self) -> str:
        """In one line: done, and the remaining time."""
        left = f", {duration(self.elapsed * (self.total - self.done) / self.done)} left" if self.done else ""
        return f"{self.extract}: {self.done / 1e6:,.0f} of {self.total / 1e6:,.0f} MB{left}"


_listeners = Listeners[IngestProgress]()

listening = _listeners.listening
"""Has a function called now and then while extracts are ingested in this process."""


def reporting(extract: str, *, every: float = NEXT / 10) -> Callable[[int, int], None]:
    """A function that takes bytes read and bytes there are, and tells those who listen, at most so often (seconds)."""
    began = last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every or done >= total:
            last = now
            _listeners.tell(IngestProgress(extract=extract, done=done, total=total, elapsed=now - began))

    return tell
