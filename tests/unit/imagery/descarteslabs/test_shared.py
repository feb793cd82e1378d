"""What all threads need and one of them fetches."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.errors import PlatformUnreachable
from tasks.imagery.descarteslabs.shared import Shared

THREADS = 8


class Source:
    """Gives 1, 2, 3, ...; slowly, so that all threads come while it does."""

    def __init__(self, failing: int = 0) -> None:
        self.fetched, self.failing = 0, failing

    def fetch(self) -> int:
        self.fetched += 1
        time.sleep(0.2)
        if self.fetched <= self.failing:
            raise PlatformUnreachable(f"attempt {self.fetched}")
        return self.fetched


def at_once(shared: Shared[int]) -> list[int | str]:
    """What each of some threads gets that ask at the same time; errors as text."""
    together = threading.Barrier(THREADS)

    def get(_: int) -> int | str:
        together.wait()
        try:
            return shared.get()
        except PlatformUnreachable as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(get, range(THREADS)))


def test_is_fetched_once_for_all() -> None:
    source = Source()
    shared = Shared(source.fetch)
    assert at_once(shared) == [1] * THREADS
    assert (shared.get(), source.fetched) == (1, 1)


def test_a_failure_is_that_of_all_who_waited_for_it_and_of_nobody_else() -> None:
    source = Source(failing=1)
    shared = Shared(source.fetch)
    assert at_once(shared) == ["attempt 1"] * THREADS
    assert source.fetched == 1
    assert at_once(shared) == [2] * THREADS


def test_what_is_not_good_any_more_is_fetched_again_by_one() -> None:
    source = Source()
    shared = Shared(source.fetch, lambda value: value > 1)
    assert shared.get() == 1
    assert at_once(shared) == [2] * THREADS
    assert source.fetched == 2


def test_is_renewed_on_request() -> None:
    source = Source()
    shared = Shared(source.fetch)
    assert (shared.get(), shared.renew(), shared.get()) == (1, 2, 2)


def test_errors_of_programs_are_not_shared() -> None:
    shared: Shared[int] = Shared(lambda: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            shared.get()
