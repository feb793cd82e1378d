"""How many requests may be in flight to a platform."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Condition


class Limit:
    """How many requests may be in flight, shared by all threads of a process.

    Additive increase, multiplicative decrease (Chiu and Jain, 1989): each throttled request halves the bound, but
    those that were in flight together count once; as many successes as the bound is raise it by one.
    """

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most
        self._bound = float(at_most)
        self._in_flight = 0
        self._lowered = 0.0
        self._answered = time.monotonic()
        self._changed = Condition()

    @property
    def bound(self) -> int:
        """Requests that may be in flight now."""
        return max(1, int(self._bound))

    @property
    def in_flight(self) -> int:
        """Requests in flight now."""
        return self._in_flight

    @property
    def silence(self) -> float:
        """Seconds since anybody had an answer, of whatever kind."""
        return time.monotonic() - self._answered

    def answered(self) -> None:
        """Somebody had an answer, be it a refusal."""
        self._answered = time.monotonic()

    @contextmanager
    def slot(self) -> Generator[float]:
        """Wait for a place; gives the time at which it was had, which `throttled` wants back."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < self.bound)
            self._in_flight += 1
        try:
            yield time.monotonic()
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def throttled(self, began: float) -> None:
        """Halve the bound, unless that has happened since the request began."""
        with self._changed:
            if began >= self._lowered:
                self._bound = max(1.0, self._bound / 2)
                self._lowered = time.monotonic()

    def succeeded(self) -> None:
        """Raise the bound a little."""
        with self._changed:
            self._bound = min(float(self.at_most), self._bound + 1 / self._bound)
            self._changed.notify()
