"""What was fetched once and may be wanted again: bounded, and made by one thread for all that want it."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by key, the longest unused of which go first. Safe to use from many threads."""

    def __init__(self, most: int) -> None:
        """`most` is how much the values may weigh together, those that somebody still makes not counted."""
        self._most = most
        self._weight = 0
        self._lock = Lock()
        self._held: OrderedDict[Hashable, tuple[Future[T], int]] = OrderedDict()

    def claim(self, keys: Sequence[Hashable]) -> tuple[dict[Hashable, Future[T]], list[Hashable]]:
        """All of `keys` with where their values are or will be, and those that the caller has to `give` or `drop`."""
        found: dict[Hashable, Future[T]] = {}
        mine: list[Hashable] = []
        with self._lock:
            for key in keys:
                if key in self._held:
                    self._held.move_to_end(key)
                elif key not in found:
                    self._held[key] = (Future(), 0)
                    mine.append(key)
                found[key] = self._held[key][0]
        return found, mine

    def give(self, key: Hashable, value: T, weight: int) -> None:
        """Make known what was claimed."""
        with self._lock:
            future = self._held[key][0]
            self._held[key] = (future, weight)
            self._weight += weight
            for old in list(self._held) if self._weight > self._most else ():
                if self._weight <= self._most:
                    break
                if self._held[old][0].done():
                    self._weight -= self._held.pop(old)[1]
        future.set_result(value)

    def drop(self, key: Hashable) -> None:
        """Give up what was claimed, or forget what is kept: whoever waits for it has to claim it."""
        with self._lock:
            future, weight = self._held.pop(key, (None, 0))
            self._weight -= weight
        if future is not None and not future.done():
            future.set_exception(Dropped())

    def clear(self) -> None:
        """Forget what is kept."""
        with self._lock:
            for key in [key for key, (future, _) in self._held.items() if future.done()]:
                self._weight -= self._held.pop(key)[1]


class Dropped(Exception):
    """Whoever made a value has given up."""
