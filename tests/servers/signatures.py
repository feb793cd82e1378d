"""A server that gives signatures for containers, as Planetary Computer does, on loopback."""

import datetime as dt
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.servers.stac_api import send


@dataclass
class Signatures:
    """Gives `sig=1`, `sig=2`, ..., which `tests.servers.cogs.Cogs.until` understands."""

    seconds: float = 3600
    """For which they are said to be good."""
    failures: list[int] = field(default_factory=list)
    """Status codes that the next requests get instead."""
    asked: list[str] = field(default_factory=list)
    """Paths."""
    headers: list[str | None] = field(default_factory=list)
    """Keys of accounts that were sent."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        with self._lock:
            self.asked.append(handler.path)
            self.headers.append(handler.headers.get("Ocp-Apim-Subscription-Key"))
            number, failure = len(self.asked), self.failures.pop(0) if self.failures else None
        if failure:
            send(handler, b"", code=failure)
            return
        until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.seconds)
        answer = {"msft:expiry": f"{until:%Y-%m-%dT%H:%M:%SZ}", "token": f"sig={number}&secret=SECRET"}
        send(handler, json.dumps(answer).encode(), kind="application/json")
