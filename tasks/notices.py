"""What is said while something takes long: through the logger `deepsentinel`, which the command and the flows show."""

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger("deepsentinel")

Say = Callable[[int, int | None], None]
"""Takes how much is done, and how much there is, where that is known."""

FIRST, NEXT = 2.0, 10.0
"""Seconds of silence before something slow is named, and between two lines about it."""


@contextmanager
def told_if_slow(what: str) -> Generator[Say]:
    """Name what is being done if it takes longer than two seconds, and then how far it is every ten.

    Gives a function that says how much is done; calling it is optional and cheap.
    """
    began = time.monotonic()
    last = began
    timer = threading.Timer(FIRST, lambda: logger.info("%s ...", what))
    timer.daemon = True
    timer.start()

    def say(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= NEXT:
            last = now
            of = "" if total is None else f" of {total:,}"
            logger.info("%s: %s%s, %.0f s", what, f"{done:,}", of, now - began)

    try:
        yield say
    finally:
        timer.cancel()


class Listeners(Generic[T]):
    """Those who are told how far something long is.

    A flow's parameters are stored and shown, so a listener cannot be one of them.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[T], None]] = []

    @contextmanager
    def listening(self, listener: Callable[[T], None]) -> Generator[None]:
        """Have `listener` called with all that is told in this process meanwhile."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def tell(self, progress: T) -> None:
        """Tell those who listen."""
        for listener in self._listeners:
            listener(progress)
