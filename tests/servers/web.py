"""A web server over a folder, with ranges and late answers: `python -m tests.servers.web FOLDER SECONDS` tells its URL.

In this process it counts what is asked; in one of its own its work is not taken for the client's.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Web:
    """A web server over a folder: what was asked of it."""

    url: str
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths, and the range of each."""


@contextmanager
def web(folder: Path, latency: float = 0.0) -> Iterator[Web]:
    """Serve a folder on loopback, with ranges; every answer is late by `latency` seconds."""
    seen = Web("")

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            seen.asked.append((self.path.lstrip("/"), wanted))
            if latency:
                threading.Event().wait(latency)
            path = Path(self.translate_path(self.path))
            if not path.is_file():
                self.send_error(404)
                return
            first, last = map(int, wanted.removeprefix("bytes=").split("-")) if wanted else (0, path.stat().st_size)
            with path.open("rb") as file:
                file.seek(first)
                content = file.read(last - first + 1)
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def web_apart(folder: Path, latency: float) -> Iterator[str]:
    """Such a server in a process of its own: its URL."""
    command = [sys.executable, "-m", "tests.servers.web", str(folder), str(latency)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


if __name__ == "__main__":
    with web(Path(sys.argv[1]), float(sys.argv[2])) as own:
        print(own.url, flush=True)
        sys.stdin.read()
