"""What all threads need and one of them fetches."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from tasks.errors import DeepSentinelError

T = TypeVar("T")


class Shared(Generic[T]):
    """A value that the thread fetches that comes first.

    Those that come meanwhile wait for it, and if it fails they fail alike: one after the other they would wait a
    platform's whole patience each.
    """

    def __init__(self, fetch: Callable[[], T], is_good: Callable[[T], bool] = lambda _: True) -> None:
        self._fetch, self._is_good = fetch, is_good
        self._lock = Lock()
        self._value: T | None = None
        self._failure: tuple[float, DeepSentinelError] | None = None

    def get(self) -> T:
        """The value; fetched, if there is none or it is not good any more. Raises what fetching it raises."""
        if (value := self._value) is not None and self._is_good(value):
            return value
        came = time.monotonic()
        with self._lock:
            if (value := self._value) is not None and self._is_good(value):
                return value
            if self._failure and self._failure[0] >= came:
                raise self._failure[1]
            try:
                value = self._value = self._fetch()
            except DeepSentinelError as error:
                self._failure = time.monotonic(), error
                raise
            return value

    def renew(self) -> T:
        """The value, fetched anew."""
        with self._lock:
            self._value = None
        return self.get()
