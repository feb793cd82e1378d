"""The one place where requests to the platform are bounded, tried again and counted."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from tasks.imagery.descarteslabs.refusals import asked_pause, judge
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import request

T = TypeVar("T")

_counted: ContextVar[Traffic] = ContextVar("counted")
"""The client sends from deep within itself, where only the thread tells for which shard."""


class Gate:
    """Bounds the requests in flight, tries again what is transient, and counts for whom a thread works."""

    def __init__(self, limit: Limit, patience: float) -> None:
        self.limit, self.patience = limit, patience

    @contextmanager
    def counting(self, traffic: Traffic) -> Generator[None]:
        """Requests of this thread count in `traffic`."""
        token = _counted.set(traffic)
        try:
            yield
        finally:
            _counted.reset(token)

    @property
    def traffic(self) -> Traffic:
        """Where requests of this thread count."""
        return _counted.get()

    def send(self, call: Callable[[], T], what: str, *, limit: Limit | None = None) -> T:
        """Make a request.

        Raises PlatformUnreachable, PixelsError: still failing when the patience ended; whatever `call` raises for good.
        """
        return request(
            call,
            judge=judge,
            limit=limit or self.limit,
            traffic=self.traffic,
            patience=self.patience,
            what=what,
            asked=asked_pause,
        )
