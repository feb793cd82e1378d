"""A server of files with ranges that can be slow, refuse, cut short, forget its manners, or want a signature.

    python -m tests.servers.cogs FOLDER [--latency 0.03]

serves a folder in a process of its own, and prints its address and, for every line it reads, what it has served so far.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.servers.stac_api import send, serving

Misbehaviour = Callable[[BaseHTTPRequestHandler, bytes, int, int], bool]
"""Answers a request for a part of a file, of its content from a position and so many bytes, in a way of its own;
False: does not, and the answer is the usual one."""


@dataclass
class Cogs:
    """The files of a folder."""

    folder: Path
    latency: float = 0.0
    """Seconds before every answer."""
    until: float | None = None
    """Signatures `?sig=N` are good if N is not below this; None: none is asked for."""
    misbehave: Misbehaviour | None = None
    failures: list[int] = field(default_factory=list)
    versions: dict[str, list[dict[str, str]]] = field(default_factory=dict[str, list[dict[str, str]]])
    """By path what the next answers say of their content: ETag, Last_Modified."""
    """Status codes that the next requests get instead."""
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    """Path, start and length of each request that was served."""
    most: int = 0
    """Requests in flight at most."""
    _in_flight: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sent(self) -> int:
        """Bytes asked for."""
        return sum(length for *_, length in self.asked)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        with self._lock:
            self._in_flight += 1
            self.most = max(self.most, self._in_flight)
        try:
            time.sleep(self.latency)
            self._answer(handler)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        if self.failures:
            send(handler, b"", code=self.failures.pop(0))
            return
        if self.until is not None and float(parse_qs(parts.query).get("sig", ["-1"])[0]) < self.until:
            said = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            send(handler, said, code=403, kind="application/xml")
            return
        file = self.folder / parts.path.lstrip("/")
        if not file.is_file():
            send(handler, b"", code=404)
            return
        size = file.stat().st_size
        wanted = handler.headers.get("Range")
        first, _, last = (wanted or "bytes=0-").removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or size - 1), size - 1)
        if start > end:
            send(handler, b"", code=416, Content_Range=f"bytes */{size}")
            return
        with file.open("rb") as opened:
            opened.seek(start)
            content = opened.read(end - start + 1)
        self.asked.append((parts.path, start, len(content)))
        if self.misbehave and self.misbehave(handler, content, start, size):
            return
        versions = self.versions.get(parts.path)
        told = versions.pop(0) if versions else {"ETag": f'"{file.stat().st_mtime_ns}-{size}"'}
        span = {**told, "Content_Range": f"bytes {start}-{end}/{size}"} if wanted else {}
        send(handler, content, code=206 if wanted else 200, Accept_Ranges="bytes", **span)


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    cogs = Cogs(options.folder, latency=options.latency)
    with serving(cogs) as url:
        print(url, flush=True)
        for _ in sys.stdin:
            print(json.dumps({"requests": len(cogs.asked), "bytes": cogs.sent, "most": cogs.most}), flush=True)
            cogs.asked.clear()
            cogs.most = 0


if __name__ == "__main__":
    main()
