"""A folder behind a web server: read by ranges, patiently, and without a word about what may be secret."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tasks.errors import DestinationError, DestinationUnreachable
from tasks.shards.destinations import http as http_module
from tasks.shards.destinations import open_readable

CONTENT = bytes(range(256))


@contextmanager
def answering(*answers: int) -> Iterator[str]:
    """A server that answers with these statuses, the last one again and again; 0 hangs up."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status = left.pop(0) if len(left) > 1 else left[0]
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            body = CONTENT if status == 200 else b"no"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/folder/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_that_knows_no_ranges_sends_all_which_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with answering(200) as url, caplog.at_level("WARNING", "deepsentinel"):
        folder = open_readable(url)
        assert folder.part("a", 250, 20) == CONTENT[250:]
        assert folder.part("b", 0, 2) == CONTENT[:2]
        assert folder.get("a") == CONTENT
    assert caplog.text.count("knows no ranges") == 1


def test_what_is_not_there_is_none_and_beyond_the_end_is_nothing() -> None:
    with answering(404) as url:
        assert open_readable(url).get("a") is None
    with answering(416) as url:
        assert open_readable(url).part("a", 10, 1) == b""


def test_what_may_pass_is_tried_again() -> None:
    with answering(503, 0, 429, 200) as url:
        assert open_readable(url).get("a") == CONTENT


def test_a_refusal_is_told_at_once_and_silence_after_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        answering(403) as url,
        pytest.raises(DestinationError, match=r"a cannot be read: the server refuses \(403"),
    ):
        open_readable(url).get("a")
    monkeypatch.setattr(http_module, "_PATIENCE", 0.2)
    with answering(0) as url, pytest.raises(DestinationUnreachable, match="out of reach after"):
        open_readable(url).get("a")


def test_over_tls_certificates_are_checked() -> None:
    connection = open_readable("https://example.org/a")._connect()  # type: ignore[attr-defined]
    assert isinstance(connection, http.client.HTTPSConnection)
    assert connection._context.check_hostname  # type: ignore[attr-defined]
