"""What was fetched once and may be wanted again: bounded, and made by one thread for all that want it."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
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

    def claim(self, keys: Iterable[Hashable]) -> tuple[dict[Hashable, Future[T]], dict[Hashable, Future[T]]]:
        """All of `keys` with where their values are or will be; and of these, what the caller has to `give`."""
        found: dict[Hashable, Future[T]] = {}
        mine: dict[Hashable, Future[T]] = {}
        with self._lock:
            for key in keys:
                if key in found:
                    continue
                if key in self._held:
                    self._held.move_to_end(key)
                else:
                    self._held[key] = (Future(), 0)
                    mine[key] = self._held[key][0]
                found[key] = self._held[key][0]
        return found, mine

    def give(self, key: Hashable, value: T, weight: int) -> None:
        """Make known what was claimed."""
        with self._lock:
            future = self._held[key][0]
            self._held[key] = (future, weight)
            self._weight += weight
            future.set_result(value)
            while self._weight > self._most:
                # There is one, as they weigh something.
                oldest = next(old for old, (found, _) in self._held.items() if found.done())
                self._weight -= self._held.pop(oldest)[1]

    def drop_undone(self, claimed: Mapping[Hashable, Future[T]]) -> None:
        """Give up what was claimed and not given: whoever waits for it has to claim it."""
        with self._lock:
            # What was given may have gone since, and be claimed by another.
            undone = [key for key, future in claimed.items() if not future.done()]
            for key in undone:
                del self._held[key]
        for key in undone:
            claimed[key].set_exception(Dropped())

    def drop(self, key: Hashable) -> None:
        """Forget a value, if it is there."""
        with self._lock:
            held = self._held.get(key)
            if held is not None and held[0].done():
                self._weight -= self._held.pop(key)[1]

    def clear(self) -> None:
        """Forget what is kept."""
        with self._lock:
            for key in [key for key, (future, _) in self._held.items() if future.done()]:
                self._weight -= self._held.pop(key)[1]


class Dropped(Exception):
    """Whoever made a value has given up."""
