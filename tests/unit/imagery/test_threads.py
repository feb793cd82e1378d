"""The pool of threads that wait for servers."""

import threading
import time

import pytest

from tasks.imagery.threads import Threads


def test_results_and_errors_come_back() -> None:
    threads = Threads(2, "test")
    assert threads.submit(0, lambda x, y=0: x + y, 1, y=2).result(5) == 3
    with pytest.raises(ValueError, match="no"):
        threads.submit(0, int, "no").result(5)


def test_as_many_run_at_once_as_there_are_threads_and_no_more() -> None:
    threads, lock, running, most = Threads(5, "test"), threading.Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    for future in [threads.submit(0, work) for _ in range(40)]:
        future.result(5)
    assert most == 5


def test_the_shard_that_began_first_is_served_first() -> None:
    threads, gate, order = Threads(1, "test"), threading.Event(), []
    first = threads.submit(0, gate.wait)
    futures = [threads.submit(turn, order.append, turn) for turn in (3, 1, 2, 1)]
    gate.set()
    first.result(5)
    for future in futures:
        future.result(5)
    assert order == [1, 1, 2, 3]


def test_what_has_not_begun_can_be_cancelled() -> None:
    threads, gate = Threads(1, "test"), threading.Event()
    first = threads.submit(0, gate.wait)
    second = threads.submit(0, pytest.fail, "it was cancelled")
    assert second.cancel()
    gate.set()
    first.result(5)
    threads.submit(0, lambda: None).result(5)
