"""The pulse of a flow run: it tells Prefect's server that the run lives, and notices when the server does not.

Every beat changes the run's labels, and with them its column `updated`, which the server's own clock sets: whoever
reads the run sees that it lives. Unlike Prefect's heartbeats it needs no setting in the worker's environment, and it
stands in the answer that tells the run's state.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.errors import SchedulerUnreachable
from tasks.notices import logger
from tasks.settings import load_settings

PREFIX = "deepsentinel."
"""Begins the names of the labels that tell how far a run is."""

_DEADLINE = 10.0
"""Seconds in which one beat is to be answered."""

_BETWEEN = 2.0
"""Seconds between two looks at a server that is gone."""

_NOISY = (
    "prefect.events.clients",
    "prefect._internal.concurrency",
    "prefect.FlowRunCancellingObserver",
    "prefect.FlowRunSuspendingObserver",
)
"""Loggers that tell of a server that is gone in minutes of tracebacks; the pulse says it in one line."""

_BUSY = 20.0
"""Seconds for which a server may answer that it cannot."""

GONE = (httpx.TransportError, httpx.HTTPStatusError, PrefectException)
"""What calls of an API raise that is not there, or whose database is not."""


_when_lost: list[Callable[[SchedulerUnreachable], None]] = []


@contextmanager
def when_lost(step: Callable[[SchedulerUnreachable], None]) -> Generator[None]:
    """Have `step` called when a run gives up a server for lost.

    It may end the process, which Prefect does not: it tries for minutes to tell the server that the run has ended, and
    again for every event that waits to be sent.
    """
    _when_lost.append(step)
    try:
        yield
    finally:
        _when_lost.remove(step)


def _no_warning(record: logging.LogRecord) -> bool:
    return record.levelno < logging.WARNING


def refusal(error: Exception) -> str:
    """In words, that a server answers, but does not let us in; empty: it does not answer."""
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"refuses the login (status {status}; see PREFECT_API_KEY and PREFECT_API_AUTH_STRING)"
    return ""


class Pulse:
    """A thread that beats as long as the block lasts."""

    def __init__(self, flow_run: UUID, every: float) -> None:
        """`every`: seconds between two beats."""
        self._run, self._every = flow_run, every
        self._labels: dict[str, int] = {}
        self._ended, self._woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._first: float | None = None
        """When the first of the calls that met no server, or a busy one, did so."""
        self.silent_since: float | None = None
        """When the server was first found gone (monotonic seconds); None while it answers."""
        self._known = True
        """Whether the server knows the run, as far as is said."""
        self._refusal = ""
        """How the server refused us then; empty: it did not answer."""

    @property
    def silent(self) -> bool:
        """Whether the server does not answer."""
        return self.silent_since is not None

    def tell(self, **counts: int) -> None:
        """Have numbers told with the next beat."""
        self._labels |= {f"{PREFIX}{name}": count for name, count in counts.items()}

    def missed(self, error: Exception) -> None:
        """Note that a call met no server; the next beat sees whether it is there again."""
        self._first = self._first or time.monotonic()
        # A server whose database is busy says so for some seconds.
        if isinstance(error, httpx.HTTPStatusError) and time.monotonic() - self._first < _BUSY:
            time.sleep(_BETWEEN / 4)
            return
        if self.silent_since is None:
            self._refusal = refusal(error)
            self.silent_since = self._first
            self._say(
                "Prefect's server %s %s: shards in flight are finished and committed, others wait",
                PREFECT_API_URL.value(),
                self._refusal or f"does not answer ({type(error).__name__})",
            )
        self._woken.set()

    def await_server(self, patience: float) -> None:
        """Wait until the server answers again. Raises SchedulerUnreachable: it did not within `patience` seconds."""
        while (since := self.silent_since) is not None:
            if time.monotonic() - since > patience:
                error = SchedulerUnreachable(
                    f"Prefect's server {PREFECT_API_URL.value()} {self._refusal or 'was gone'} for {patience:g} s "
                    "(DEEPSENTINEL_SERVER_PATIENCE). What is committed stays. "
                    f"{'Correct that' if self._refusal else 'Start it'}; the same command goes on."
                )
                for step in _when_lost:
                    step(error)
                raise error
            time.sleep(0.2)

    def outlast(self, error: Exception) -> None:
        """Wait for a server that a call has missed. Raises SchedulerUnreachable: in vain."""
        self.missed(error)
        self.await_server(load_settings().server_patience)

    def __enter__(self) -> Self:
        for name in _NOISY:
            logging.getLogger(name).addFilter(_no_warning)
        # Prefect writes two lines to stderr for every portion of logs that it cannot send, which it may find out first.
        logging.raiseExceptions = False
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._woken.set()
        if self.silent:
            return
        logging.raiseExceptions = True
        for name in _NOISY:
            logging.getLogger(name).removeFilter(_no_warning)

    def _beat(self) -> None:
        # One attempt a beat: the next one is the next attempt.
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            while not self._ended.is_set():
                try:
                    with get_client(sync_client=True, httpx_settings={"timeout": _DEADLINE}) as client:
                        while not self._ended.is_set():
                            labels: dict[str, Any] = dict(self._labels)
                            client.update_flow_run_labels(self._run, labels | {f"{PREFIX}beat": time.time_ns()})
                            self._answered()
                            self._pause(self._every)
                except GONE as error:
                    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == HTTPStatus.NOT_FOUND:
                        self._deleted()
                        continue
                    self.missed(error)
                    self._pause(min(self._every, _BETWEEN))

    def _deleted(self) -> None:
        """The server answers, but does not know this run: what it builds is kept all the same."""
        self._answered()
        if self._known:
            self._known = False
            self._say("Prefect's server %s does not know this run: was it deleted?", PREFECT_API_URL.value())
        self._pause(self._every)

    def _pause(self, seconds: float) -> None:
        self._woken.clear()
        self._woken.wait(seconds if self.silent_since is None else min(seconds, _BETWEEN))

    def _answered(self) -> None:
        self._first = None
        if (since := self.silent_since) is not None:
            self.silent_since = None
            self._say("Prefect's server answers again, after %.0f s", time.monotonic() - since)

    def _say(self, line: str, *values: object) -> None:
        logger.warning(line, *values, extra={"flow_run_id": str(self._run)})
