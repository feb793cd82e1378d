"""Requests to a platform: which are tried again, when, and how long. The one retry layer of the package."""

import time
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from tasks.errors import DeepSentinelError, PixelsError, PlatformUnreachable
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.notices import NEXT, logger

T = TypeVar("T")


class Verdict(Enum):
    """What a failed request means."""

    TRANSIENT = "transient"
    """Try again: 5xx, damaged body."""
    UNREACHABLE = "unreachable"
    """Try again: nobody answers (refused, reset, timed out). If it stays so, all other requests would fare the same."""
    THROTTLED = "throttled"
    """Try again, and send fewer at once: 429."""
    FINAL = "final"
    """Never try again: the error says what to do."""


class _Attempt(Exception):
    """An attempt that failed and may be repeated; caused by the reason."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.value)
        self.verdict = verdict


def request(
    send: Callable[[], T],
    *,
    judge: Callable[[Exception], Verdict],
    limit: Limit,
    traffic: Traffic,
    patience: float,
    what: str,
    longest_wait: float = 30.0,
    asked: Callable[[BaseException], float] = lambda _: 0.0,
) -> T:
    """Send a request within the limit, and again after transient failures, for `patience` seconds in all.

    `patience` is a request's with all its attempts; the `deadline` of a single answer is the transport's.

    Waits are exponential with full jitter (Brooker, AWS Architecture Blog, 2015), on top of the seconds that the
    failure itself has `asked` for (Retry-After); the last attempt is made when the patience ends. No place is held
    while waiting. After ten seconds of failures every further attempt is told beforehand.
    Raises PlatformUnreachable: when the patience ended, nobody had answered any request within the limit for half of
    it; PixelsError: answers came, but none that could be used; whatever `send` raised, if final, or if it is one of
    `tasks.errors`.
    """
    began = time.monotonic()

    def attempt() -> T:
        with limit.slot() as entered:
            traffic.add(requests=1)
            try:
                answer = send()
            except Exception as error:  # whatever it is, `judge` decides
                verdict = judge(error)
                if verdict is not Verdict.UNREACHABLE:
                    limit.answered()
                if verdict is Verdict.FINAL:
                    raise
                if verdict is Verdict.THROTTLED:
                    traffic.add(throttles=1)
                    limit.throttled(entered)
                raise _Attempt(verdict) from error
            limit.answered()
            limit.succeeded()
            return answer

    def left() -> float:
        return max(0.0, patience - (time.monotonic() - began))

    jitter = wait_random_exponential(multiplier=0.5, max=longest_wait)

    def pause(state: RetryCallState) -> float:
        cause = _cause(state)
        return min(left(), jitter(state) + (asked(cause) if cause else 0.0))

    def tell(state: RetryCallState) -> None:
        traffic.add(retries=1)
        if time.monotonic() - began >= NEXT:
            logger.warning(
                "%s: attempt %d failed (%s); trying again for another %.0f s",
                what, state.attempt_number, _kind(_cause(state)), left(),
            )  # fmt: skip

    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, _Attempt)),
        wait=pause,
        stop=stop_after_delay(patience),
        before_sleep=tell,
        reraise=True,
    )
    try:
        return retrying(attempt)
    except _Attempt as failure:
        cause = failure.__cause__
        if isinstance(cause, DeepSentinelError):
            raise cause from None
        said = f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}"
        attempts = f"after {retrying.statistics['attempt_number']} attempts in {patience:g} s"
        later = "Run the same command later: it goes on where it stopped."
        if failure.verdict is Verdict.UNREACHABLE and limit.silence >= patience / 2:
            raise PlatformUnreachable(f"{what}: out of reach {attempts} ({said}). {later}") from cause
        raise PixelsError(f"{what}: still failing {attempts} ({said}). {later}") from cause


def _cause(state: RetryCallState) -> BaseException | None:
    """What made the last attempt fail."""
    failure = state.outcome.exception() if state.outcome else None
    return failure.__cause__ if failure else None


def _kind(error: BaseException | None) -> str:
    """Its HTTP status where it has one, else its type: never its text, which may hold a signed address."""
    status = getattr(error, "status", None)
    return f"HTTP {status}" if isinstance(status, int) else type(error).__name__
