"""A folder that a web server shows: a corpus can be read from it, by ranges, but not listed or written."""

import http.client
import os
import ssl
import threading
from urllib.parse import quote, urlsplit

from tasks.errors import DestinationError, DestinationUnreachable, PixelsError, PlatformUnreachable
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import Verdict, request
from tasks.notices import logger

_DEADLINE, _PATIENCE, _AT_ONCE = 60.0, 300.0, 64
"""As of the stores: seconds of an attempt without an answer, seconds of a request, requests in flight."""

_VERDICTS = {408: Verdict.TRANSIENT, 429: Verdict.THROTTLED}


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status


class HttpFolder:
    """Reads by the standard library's client: a connection a thread and process, kept open, no event loop."""

    def __init__(self, location: str) -> None:
        """`location` is an http:// or https:// URL. Raises DestinationError: it has a query, or no host."""
        parts = urlsplit(location)
        if parts.query or parts.fragment or not parts.hostname or parts.username:
            raise DestinationError(
                f"{location.partition('?')[0]}: expected https://HOST/FOLDER, without a login, a query or a fragment. "
                "Give gs:// or az:// for what is not public, whose logins come from the environment."
            )
        self.location = location.rstrip("/")
        self._secure, self._host, self._port = parts.scheme.lower() == "https", parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._own: tuple[int, threading.local, Limit] | None = None
        self._told = False
        """Whether it was said that the server knows no ranges."""

    def get(self, path: str) -> bytes | None:
        """Read an object; None where there is none. Raises DestinationError."""
        return self._ask(path)

    def part(self, path: str, start: int, size: int) -> bytes | None:
        """Read `size` bytes of an object from `start`; None where there is none. Raises DestinationError."""
        return self._ask(path, (start, start + size))

    def _ask(self, path: str, between: tuple[int, int] | None = None) -> bytes | None:
        headers = {} if between is None else {"Range": f"bytes={between[0]}-{between[1] - 1}"}
        connections, limit = self._of_this_process()
        target, what = f"{self._prefix}/{quote(path)}", f"{self.location}: {path} cannot be read"

        def send() -> bytes | None:
            connection = getattr(connections, "one", None) or self._connect()
            connections.one = None  # kept only if it is good for another request
            try:
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
                body = answer.read()
            except BaseException:  # an interrupt too: the rest of this body would be read as the next answer
                connection.close()
                raise
            connections.one = connection
            if answer.status == 404:
                return None
            if between and answer.status == 200:  # a server that knows no ranges sends all of it
                self._tell(len(body))
                return body[slice(*between)]
            if between and answer.status == 416:
                return b""
            if answer.status not in (200, 206):
                raise _Refused(answer.status, answer.reason)
            return body

        try:
            return request(send, judge=_judge, limit=limit, traffic=Traffic(), patience=_PATIENCE, what=what)
        except (PlatformUnreachable, PixelsError) as error:
            raise DestinationUnreachable(str(error), self.location) from None
        except _Refused as error:
            raise DestinationError(f"{what}: the server refuses ({error}). Check the URL and the server.") from None

    def _tell(self, size: int) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "%s: the server knows no ranges, and sends a whole shard (%.1f MB) for each sample. Use one that does, "
                "or the reader's `cache=`, which keeps shards.",
                self.location,
                size / 1e6,
            )

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=_DEADLINE, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_DEADLINE)

    def _of_this_process(self) -> tuple[threading.local, Limit]:
        """Connections by thread, and the limit: neither survives a fork."""
        own = self._own
        if own is None or own[0] != os.getpid():
            own = self._own = (os.getpid(), threading.local(), Limit(_AT_ONCE))
        return own[1], own[2]


def _judge(error: Exception) -> Verdict:
    if isinstance(error, _Refused):
        return Verdict.TRANSIENT if error.status >= 500 else _VERDICTS.get(error.status, Verdict.FINAL)
    return Verdict.UNREACHABLE if isinstance(error, OSError | http.client.HTTPException) else Verdict.FINAL
