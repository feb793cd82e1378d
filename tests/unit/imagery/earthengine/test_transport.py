"""The wire under the client, against sockets on loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tasks.imagery.earthengine.transport import Transport


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport(connections=2, deadline=0.3)
    yield transport
    transport.close()


@contextmanager
def answering(*answers: bytes | None) -> Iterator[str]:
    """A server that sends these bytes, a connection each, and hangs up; None: it stays silent until the end."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    if answer is None:
                        ended.wait(5)
                    else:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        ended.set()
        thread.join(5)


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"


def test_a_closed_transport_opens_again(transport: Transport) -> None:
    with answering(WHOLE, WHOLE) as url:
        for _ in range(2):
            answer, content = transport.request(url)
            assert (answer.status, content, transport.received(), transport.received()) == (200, b"abcde", 5, 0)
            transport.close()


def test_a_server_that_is_not_there_is_no_connection(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionError, match="Connection refused"):
        transport.request(f"http://127.0.0.1:{port}/")


def test_hanging_up_without_an_answer_is_no_connection(transport: Transport) -> None:
    with answering(b"") as url, pytest.raises(ConnectionError):
        transport.request(url)


def test_silence_ends_with_the_deadline(transport: Transport) -> None:
    with answering(None) as url, pytest.raises(TimeoutError, match=r"no answer within 0\.3 s"):
        transport.request(url)


def test_an_answer_that_breaks_off_is_an_answer(transport: Transport) -> None:
    with answering(WHOLE[:-2]) as url, pytest.raises(OSError, match="the answer broke off") as caught:
        transport.request(url)
    assert not isinstance(caught.value, ConnectionError | TimeoutError)
