"""What is said of a server that does not serve a run."""

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from flows import pulse
from flows.pulse import Pulse
from tasks.errors import SchedulerUnreachable
from tasks.notices import logger


class Server:
    """Answers every beat with a status."""

    def __init__(self, status: int) -> None:
        self.status, self.beats = status, 0

    @contextmanager
    def client(self, **_: object) -> Generator["Server"]:
        yield self

    def update_flow_run_labels(self, *_: object) -> None:
        self.beats += 1
        request = httpx.Request("PATCH", "http://server/api")
        raise httpx.HTTPStatusError("no", request=request, response=httpx.Response(self.status, request=request))


@pytest.fixture
def said() -> Iterator[list[str]]:
    lines: list[str] = []

    def listen(record: logging.LogRecord) -> bool:
        lines.append(record.getMessage())
        return False

    logger.addFilter(listen)
    yield lines
    logger.removeFilter(listen)


def beats(server: Server, monkeypatch: pytest.MonkeyPatch) -> Pulse:
    monkeypatch.setattr(pulse, "get_client", server.client)
    monkeypatch.setattr(pulse, "_BUSY", 0)
    monkeypatch.setattr(pulse, "_BETWEEN", 0.02)
    return Pulse(UUID(int=1), 0.02)


def await_(condition: Any) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_login_that_is_refused_is_said_to_be(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    server = Server(401)
    with beats(server, monkeypatch) as running:
        await_(lambda: running.silent and server.beats > 2)
        with pytest.raises(SchedulerUnreachable, match=r"refuses the login \(status 401; see PREFECT_API_KEY"):
            running.await_server(0)
    assert ["refuses the login (status 401" in line for line in said] == [True]


def test_a_run_that_was_deleted_is_said_to_be_and_goes_on(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    server = Server(404)
    with beats(server, monkeypatch) as running:
        await_(lambda: server.beats > 2)
        assert not running.silent
    assert ["does not know this run: was it deleted?" in line for line in said] == [True]


def test_what_cannot_be_logged_is_not_told_while_a_run_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect may find out before the pulse does that the server is gone, and say so for every portion of logs."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    with beats(Server(404), monkeypatch):
        assert not logging.raiseExceptions
    assert logging.raiseExceptions
