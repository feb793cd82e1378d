"""A proxy in front of a store's emulator: enforces what the emulator does not, counts, delays, and injects faults."""

import http.client
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

_OF_A_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a client asks."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def kind(self) -> str:
        """put, get, stat, list, delete."""
        path = urlsplit(self.target).path
        if path.startswith("/upload/") or self.method == "PUT":
            return "put"
        if self.method == "DELETE":
            return "delete"
        if self.query.get("comp") == "list" or path.endswith("/o"):
            return "list"
        return "stat" if self.method == "HEAD" or path.startswith("/storage/") else "get"

    @property
    def key(self) -> str:
        """The object, without bucket or container; of a list what it begins with."""
        if name := self.query.get("name") or self.query.get("prefix"):
            return name
        path = unquote(urlsplit(self.target).path)
        return path.partition("/o/")[2] if "/o/" in path else "/".join(path.split("/")[3:])


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong a number of times."""

    how: str
    """503, 429, ...: that answer instead. drop: no answer, nothing is done. lose: it is done, the answer is lost.
    cut: reset in the middle of the answer's body. truncate: half of the body arrives. flip: a bit of it is another one.
    lie: the answer tells wrong checksums."""
    when: Callable[[Request], bool] = lambda _: True
    times: int = 1


@dataclass
class Proxy:
    """What stands in front of an emulator."""

    backend: tuple[str, int]
    latency: float = 0.0
    """Seconds by which every answer is late."""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    """What was asked, without bodies."""
    down: bool = False
    """Whether every connection is closed without an answer."""
    port: int = 0
    most_at_once: int = 0
    """Requests that were being answered at the same time, at most."""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _creating: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, kind: str, within: str = "") -> int:
        """How many requests of a kind there were for keys that contain `within`."""
        return sum(one.kind == kind and within in one.key for one in self.seen)

    def clear(self) -> None:
        """Forget what was seen, and let all be well."""
        self.seen.clear()
        self.faults.clear()
        self.latency, self.down, self.most_at_once = 0.0, False, 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self._answer(handler)
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        asked = Request(method=handler.command, target=handler.path, headers=dict(handler.headers), body=body)
        with self._lock:
            self.seen.append(Request(method=asked.method, target=asked.target, headers=asked.headers, body=b""))
            fault = next((one for one in self.faults if one.times > 0 and one.when(asked)), None)
            if fault:
                fault.times -= 1
        time.sleep(self.latency)
        how = "drop" if self.down else fault.how if fault else ""
        if how == "drop":
            _reset(handler)
            return
        if how.isdecimal():
            self._send(handler, int(how), {"Content-Type": "application/json"}, _error(int(how)))
            return
        if how == "truncate":
            body = body[: len(body) // 2]
        if how == "flip":
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        if asked.query.get("ifGenerationMatch") == "0":
            with self._creating:
                there = self._forward("GET", self._object(asked), {}, b"")[0] == 200
                status, headers, content = (412, {}, _error(412)) if there else self._pass(asked, body)
        else:
            status, headers, content = self._pass(asked, body)
        if how == "lie":
            with suppress(ValueError):
                told = json.loads(content)
                content = json.dumps(told | {"crc32c": "AAAAAA==", "md5Hash": "AAAAAAAAAAAAAAAAAAAAAA=="}).encode()
            wrong = {"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}
            headers = {name: wrong.get(name.lower(), value) for name, value in headers.items()}
        if how == "lose":
            _reset(handler)
            return
        self._send(handler, status, headers, content, cut=how == "cut")

    def _pass(self, asked: Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return self._forward(asked.method, asked.target, asked.headers, body)

    def _forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection(*self.backend, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in _OF_A_HOP}
            connection.request(method, target, body=body or (b"" if method in ("PUT", "POST") else None), headers=kept)
            try:
                answer = connection.getresponse()
            except ConnectionError:  # the emulator stumbled
                return 502, {}, _error(502)
            content = answer.read()
            told = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_A_HOP}
            if method == "HEAD" and (length := answer.getheader("Content-Length")):
                told["Content-Length"] = length
            return answer.status, told, content
        finally:
            connection.close()

    def _object(self, asked: Request) -> str:
        bucket = urlsplit(asked.target).path.partition("/b/")[2].partition("/")[0]
        return f"/storage/v1/b/{bucket}/o/{quote(asked.key, safe='')}"

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        content: bytes,
        *,
        cut: bool = False,
    ) -> None:
        with suppress(ConnectionError):
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            if "Content-Length" not in headers:
                handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            if cut:
                handler.wfile.write(content[: len(content) // 2])
                handler.wfile.flush()
                _reset(handler)
            elif handler.command != "HEAD":
                handler.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that was killed is no fault of the server
            super().handle_error(request, client_address)


@contextmanager
def proxying(backend: tuple[str, int] | Proxy) -> Iterator[Proxy]:
    """A proxy in front of an emulator, or one of another kind, on a free port of loopback."""
    proxy = backend if isinstance(backend, Proxy) else Proxy(backend)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer's headers and body are two writes, between which Nagle's algorithm would wait for 40 ms.
        disable_nagle_algorithm = True

        def handle_one(self) -> None:
            proxy.answer(self)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = handle_one

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """End a connection as a peer that has died does."""
    handler.close_connection = True
    with suppress(OSError):
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()


def _error(status: int) -> bytes:
    return json.dumps({"error": {"code": status, "message": f"the proxy answers {status}"}}).encode()
