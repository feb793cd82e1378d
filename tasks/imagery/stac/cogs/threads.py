"""Threads that wait for servers."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread


class Threads:
    """A pool whose jobs begin in order, and which a process that ends does not wait for.

    That of the standard library is joined when the interpreter exits, and a server may be silent for minutes.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._threads = self._idle = 0
        self._waiting: deque[tuple[Future[None], Callable[[], None]]] = deque()
        self._changed = Condition()
        self._closed = False

    def submit(self, job: Callable[[], None]) -> Future[None]:
        """Have a thread do a job."""
        future: Future[None] = Future()
        with self._changed:
            self._waiting.append((future, job))
            if len(self._waiting) > self._idle and self._threads < self._most:
                self._threads += 1
                Thread(target=self._serve, name=f"{self._name}-{self._threads}", daemon=True).start()
            self._changed.notify()
        return future

    def close(self) -> None:
        """Let the threads end once they have done what waits."""
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
                    return
                future, job = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except BaseException as error:  # noqa: BLE001 it is raised where the result is asked for
                    future.set_exception(error)
            del future, job  # pixels must not live until the next one
