"""Requests: what is tried again, when, how long, and what is said meanwhile; and how many are in flight."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.errors import CatalogueError, PixelsError, PlatformUnreachable
from tasks.imagery import retries
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import Verdict, request


class Failed(Exception):
    """A failed attempt, with what it means."""

    def __init__(self, verdict: Verdict, words: str = "") -> None:
        super().__init__(words)
        self.verdict = verdict


def judge(error: Exception) -> Verdict:
    return error.verdict if isinstance(error, Failed) else Verdict.FINAL


def failing(*errors: Exception) -> Callable[[], str]:
    """A request that fails so often, then answers; with one error alone it never answers."""
    waiting = list(errors)

    def send() -> str:
        if waiting:
            raise waiting.pop(0)
        return "answer"

    return send


def always(error: Exception) -> Callable[[], str]:
    def send() -> str:
        raise error

    return send


def sent(
    send: Callable[[], str],
    *,
    patience: float = 5,
    limit: Limit | None = None,
    traffic: Traffic | None = None,
    asked: Callable[[BaseException], float] = lambda _: 0.0,
) -> str:
    return request(
        send,
        judge=judge,
        limit=limit or Limit(4),
        traffic=traffic or Traffic(),
        patience=patience,
        what="here: a scene",
        longest_wait=0.05,
        asked=asked,
    )


# What is tried again


@pytest.mark.parametrize("verdict", [Verdict.TRANSIENT, Verdict.UNREACHABLE, Verdict.THROTTLED])
def test_what_may_pass_is_tried_again_and_counted(verdict: Verdict) -> None:
    traffic = Traffic()
    assert sent(failing(Failed(verdict), Failed(verdict)), traffic=traffic) == "answer"
    throttles = 2 if verdict is Verdict.THROTTLED else 0
    assert traffic.counts() == {"requests": 3, "retries": 2, "throttles": throttles, "bytes": 0}


def test_what_is_final_is_raised_as_it_is_and_at_once() -> None:
    traffic, error = Traffic(), ValueError("for good")
    with pytest.raises(ValueError, match="for good") as caught:
        sent(always(error), traffic=traffic)
    assert caught.value is error
    assert traffic.counts()["requests"] == 1


def test_without_patience_there_is_one_attempt() -> None:
    traffic = Traffic()
    with pytest.raises(PixelsError, match="after 1 attempts in 0 s"):
        sent(always(Failed(Verdict.TRANSIENT)), patience=0, traffic=traffic)
    assert traffic.counts()["requests"] == 1


# How it ends


def test_a_platform_that_answers_but_never_well_fails_the_pixels() -> None:
    with pytest.raises(
        PixelsError, match=r"^here: a scene: still failing after \d+ attempts in 0\.2 s \(Failed: 503\)"
    ):
        sent(always(Failed(Verdict.TRANSIENT, "503")), patience=0.2)


def test_a_platform_that_never_answers_is_out_of_reach() -> None:
    with pytest.raises(PlatformUnreachable, match=r"^here: a scene: out of reach after \d+ attempts in 0\.2 s"):
        sent(always(Failed(Verdict.UNREACHABLE, "refused")), patience=0.2)


def test_a_platform_that_answers_others_is_not_out_of_reach() -> None:
    """One file that hangs is no reason to stop a run that gets all others."""
    limit = Limit(4)
    with ThreadPoolExecutor(1) as threads:
        failed = threads.submit(sent, always(Failed(Verdict.UNREACHABLE)), patience=0.5, limit=limit)
        while not failed.done():
            sent(failing(), limit=limit)
            time.sleep(0.02)
    assert type(failed.exception()) is PixelsError


def test_a_refusal_of_others_is_an_answer_too() -> None:
    limit = Limit(4)
    with ThreadPoolExecutor(1) as threads:
        failed = threads.submit(sent, always(Failed(Verdict.UNREACHABLE)), patience=0.5, limit=limit)
        while not failed.done():
            with pytest.raises(KeyError):
                sent(always(KeyError("404")), limit=limit)
            time.sleep(0.02)
    assert type(failed.exception()) is PixelsError


def test_an_error_of_the_house_keeps_its_words() -> None:
    error = CatalogueError("the catalogue is closed")

    def judged(_: Exception) -> Verdict:
        return Verdict.TRANSIENT

    with pytest.raises(CatalogueError, match=r"^the catalogue is closed$"):
        request(always(error), judge=judged, limit=Limit(1), traffic=Traffic(), patience=0.1, what="x")


# How long


def test_patience_is_that_of_all_attempts_together() -> None:
    began = time.monotonic()
    with pytest.raises(PixelsError):
        sent(always(Failed(Verdict.TRANSIENT)), patience=0.5)
    assert 0.5 <= time.monotonic() - began < 2


def test_the_failures_own_wish_is_waited_for() -> None:
    began = time.monotonic()
    sent(failing(Failed(Verdict.THROTTLED)), asked=lambda _: 0.4)
    assert 0.4 <= time.monotonic() - began < 2


def test_a_wish_beyond_the_patience_is_cut_to_it() -> None:
    began, traffic = time.monotonic(), Traffic()
    with pytest.raises(PixelsError):
        sent(always(Failed(Verdict.THROTTLED)), patience=0.3, asked=lambda _: 3600.0, traffic=traffic)
    assert time.monotonic() - began < 2
    assert traffic.counts()["requests"] >= 2, "and it is tried once more at the end"


def test_no_place_is_held_while_waiting() -> None:
    limit, seen = Limit(1), list[int]()

    def watched(_: BaseException) -> float:
        seen.append(limit.in_flight)
        return 0.0

    sent(failing(Failed(Verdict.TRANSIENT), Failed(Verdict.TRANSIENT)), limit=limit, asked=watched)
    assert seen == [0, 0]


# What is said


def test_retries_after_ten_seconds_are_told_without_what_the_server_says(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retries, "NEXT", 0.2)
    traffic = Traffic()
    with caplog.at_level("WARNING", "deepsentinel"), pytest.raises(PixelsError):
        sent(always(Failed(Verdict.TRANSIENT, "https://x/?sig=SECRET")), patience=0.6, traffic=traffic)
    assert 1 <= len(caplog.messages) < traffic.counts()["retries"], "none is told of the first moments"
    for line in caplog.messages:
        assert line.startswith("here: a scene: attempt ")
        assert "failed (Failed); trying again for another" in line
        assert "SECRET" not in line


def test_the_status_of_an_answer_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(retries, "NEXT", 0.0)
    error = Failed(Verdict.TRANSIENT)
    error.status = 503  # type: ignore[attr-defined] as servers' errors have it
    with caplog.at_level("WARNING", "deepsentinel"):
        sent(failing(error))
    assert caplog.messages == ["here: a scene: attempt 1 failed (HTTP 503); trying again for another 5 s"]


def test_a_short_failure_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "deepsentinel"):
        sent(failing(Failed(Verdict.TRANSIENT)))
    assert not caplog.messages


# How many at once


def test_no_more_are_in_flight_than_the_limit() -> None:
    limit, most = Limit(3), list[int]()

    def send() -> str:
        most.append(limit.in_flight)
        time.sleep(0.01)
        return ""

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: sent(send, limit=limit), range(40)))
    assert max(most) == 3
    assert limit.in_flight == 0


def test_a_throttled_request_halves_the_bound_once_for_all_that_were_in_flight() -> None:
    limit = Limit(16)
    with limit.slot() as first, limit.slot() as second:
        limit.throttled(first)
        limit.throttled(second)
    assert limit.bound == 8
    with limit.slot() as later:
        limit.throttled(later)
    assert limit.bound == 4


def test_the_bound_never_falls_below_one_and_never_rises_above_the_limit() -> None:
    limit = Limit(2)
    for _ in range(5):
        with limit.slot() as began:
            limit.throttled(began)
    assert limit.bound == 1
    for _ in range(20):
        limit.succeeded()
    assert limit.bound == 2


def test_as_many_successes_as_the_bound_raise_it_by_one() -> None:
    limit = Limit(16)
    with limit.slot() as began:
        limit.throttled(began)
    for _ in range(8):
        limit.succeeded()
    assert limit.bound == 8
    limit.succeeded()
    assert limit.bound == 9


def test_a_failed_request_gives_its_place_back() -> None:
    limit = Limit(1)
    with pytest.raises(KeyError):
        sent(always(KeyError("x")), limit=limit)
    assert limit.in_flight == 0


def test_silence_ends_with_any_answer() -> None:
    limit = Limit(1)
    time.sleep(0.05)
    before = limit.silence
    assert before >= 0.05
    sent(failing(), limit=limit)
    assert limit.silence < before
