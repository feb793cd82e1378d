"""Threads that wait for servers: those that fetch samples for the shards of a process, and those that read files."""

import heapq
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from threading import Condition, Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool that serves the shard that began first before the others, and which a process that ends does not wait for.

    Served by turns, shards would read at the same time and encode at the same time, and the platform would wait while
    they do. Threads start when they are first needed and live until `close`: clients keep connections by thread.
    Those of the standard library are joined when the interpreter exits, and a server may be silent for minutes.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._threads = 0
        self._idle = 0
        self._order = count()
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._changed = Condition()
        self._closed = False

    def submit(self, turn: int, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a thread make a call; of those that wait, the lowest `turn` comes first, then the oldest."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 it is raised where the result is asked for
                future.set_exception(error)

        with self._changed:
            heapq.heappush(self._waiting, (turn, next(self._order), run))
            if len(self._waiting) > self._idle and self._threads < self._most:
                self._threads += 1
                Thread(target=self._serve, name=f"{self._name}-{self._threads}", daemon=True).start()
            self._changed.notify()
        return future

    def close(self) -> None:
        """Let the threads end once they have served what waits; later calls start new ones."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                self._idle -= 1
                if not self._waiting:
                    self._threads -= 1
                    self._closed = self._threads > 0
                    return
                run: Any = heapq.heappop(self._waiting)[2]
            run()
            del run  # a future's pixels must not live until the next one
