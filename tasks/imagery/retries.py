"""Requests to a platform: how many at once, and which are tried again."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum
from threading import Condition
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from tasks.errors import DeepSentinelError, PixelsError
from tasks.imagery.platform import Traffic

T = TypeVar("T")


class Verdict(Enum):
    """What a failed request means."""

    TRANSIENT = "transient"
    """Try again: 5xx, timeout, reset, damaged body."""
    THROTTLED = "throttled"
    """Try again, and send fewer at once: 429."""
    FINAL = "final"
    """Never try again: the error says what to do."""


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
        self._changed = Condition()

    @property
    def bound(self) -> int:
        """Requests that may be in flight now."""
        return max(1, int(self._bound))

    @property
    def in_flight(self) -> int:
        """Requests in flight now."""
        return self._in_flight

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


class _Attempt(Exception):
    """An attempt that failed and may be repeated; carries the reason."""


def request(
    send: Callable[[], T],
    *,
    judge: Callable[[Exception], Verdict],
    limit: Limit,
    traffic: Traffic,
    deadline: float,
    what: str,
    longest_wait: float = 30.0,
    asked: Callable[[BaseException], float] = lambda _: 0.0,
) -> T:
    """Send a request within the limit, and again after transient failures, until `deadline` seconds have passed.

    Waits are exponential with full jitter (Brooker, AWS Architecture Blog, 2015), on top of the seconds that the
    failure itself has `asked` for (Retry-After). No place is held while waiting.
    Raises PixelsError: the deadline passed, names `what` and the last failure; whatever `send` raised, if final.
    """

    def attempt() -> T:
        with limit.slot() as began:
            traffic.add(requests=1)
            try:
                answer = send()
            except Exception as error:  # whatever it is, `judge` decides
                verdict = judge(error)
                if verdict is Verdict.FINAL:
                    raise
                if verdict is Verdict.THROTTLED:
                    traffic.add(throttles=1)
                    limit.throttled(began)
                raise _Attempt from error
            limit.succeeded()
            return answer

    def count(_: RetryCallState) -> None:
        traffic.add(retries=1)

    jitter = wait_random_exponential(multiplier=0.5, max=longest_wait)

    def pause(state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        return jitter(state) + (asked(failure.__cause__) if failure and failure.__cause__ else 0.0)

    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, _Attempt)),
        wait=pause,
        stop=stop_after_delay(deadline),
        before_sleep=count,
        reraise=True,
    )
    try:
        return retrying(attempt)
    except _Attempt as failure:
        cause = failure.__cause__
        if isinstance(cause, DeepSentinelError):
            raise cause from None
        raise PixelsError(
            f"{what}: still failing after {retrying.statistics['attempt_number']} attempts in {deadline:g} s "
            f"({type(cause).__name__}: {' '.join(str(cause).split())[:300]}). Run the same command later: it goes on "
            "where it stopped."
        ) from cause
