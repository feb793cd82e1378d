"""Parts of files from servers: one GET with a range each, and what its answer means."""

import os
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from threading import Lock
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    LocationValueError,
    MaxRetryError,
    ProtocolError,
    ResponseError,
)

from tasks.errors import PixelsError
from tasks.imagery.stac.cogs.facts import Version
from tasks.imagery.stac.refusals import (
    Damaged,
    NoAnswer,
    Refused,
    ServerFailed,
    hide_queries,
    reason_of,
    seconds_of,
    without_query,
)

_PIECE = 2**18
"""Bytes that are taken from a connection at once."""

_SLOWEST = 2**16
"""Bytes that must arrive within a deadline: a few KB a second, less than any line that is worth waiting for."""

_REDIRECTS = 5

_TRANSIENT = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

_EXPIRED = re.compile(r"expired|ExpiredToken|not valid in the specified time|RequestTimeTooSkewed", re.IGNORECASE)
"""What Amazon, Azure and Google say of signatures whose time is over, in answers with 400, 401 or 403."""

hide_queries("urllib3.connection", "urllib3.connectionpool", "urllib3.poolmanager", "urllib3.util.retry")


class Http:
    """Connections to the servers of an archive, kept open between requests. Safe to use from many threads."""

    def __init__(self, *, connections: int, deadline: float) -> None:
        """`connections` are kept to a host; `deadline` is for how many seconds an answer may bring nothing."""
        self._connections, self._deadline = connections, deadline
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._lock = Lock()

    def fetch(
        self, address: str, start: int, length: int, headers: Mapping[str, str] | None = None, *, anew: bool = False
    ) -> tuple[bytes, Version]:
        """`length` bytes of a file from `start`, fewer where it ends; and which content of it they are of. `anew`: not
        from any cache on the way.

        Raises FileNotFoundError: 404, 410. Refused: 401, 403. ServerFailed: 429, 408, 5xx. NoAnswer: refused, reset,
        silent, slow. Damaged: cut short. PixelsError: the range is ignored, any other answer.
        """
        asked = {**(headers or {}), "Range": f"bytes={start}-{start + length - 1}", "Accept-Encoding": "identity"}
        if anew:
            asked["Cache-Control"] = "no-cache"
        shown = without_query(address)
        try:
            answer = self._manager(address).request(
                "GET",
                address,
                headers=asked,
                preload_content=False,
                timeout=urllib3.Timeout(connect=self._deadline, read=self._deadline),
                # Tried again by the caller alone.
                retries=urllib3.Retry(connect=0, read=0, status=0, other=0, redirect=_REDIRECTS, total=None),
            )
        except LocationValueError:
            raise PixelsError(f"{shown}: is no address. Correct the catalogue.") from None
        except MaxRetryError as error:
            if isinstance(error.reason, ResponseError):
                raise PixelsError(
                    f"{shown}: leads from one address to another more than {_REDIRECTS} times. Correct the catalogue."
                ) from None
            raise NoAnswer(f"{shown}: {reason_of(error)}") from None
        except (HTTPError, OSError) as error:
            raise NoAnswer(f"{shown}: {reason_of(error)}") from None
        complete = False
        try:
            self._judge(answer, shown, start, length)
            if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b"", _version_of(answer)
            content = self._body(answer, shown)
            complete = True
        finally:
            # A connection with the rest of an answer in it can serve no other.
            answer.release_conn() if complete else answer.close()
        wanted = answer.headers.get("Content-Length")
        if wanted is not None and len(content) != int(wanted):
            raise Damaged(f"{shown}: {len(content)} of {wanted} bytes arrived")
        return content[:length], _version_of(answer)

    def close(self) -> None:
        """End all connections; later requests open new ones."""
        with self._lock:
            managers, self._managers = list(self._managers.values()), {}
        for manager in managers:
            manager.clear()

    def _manager(self, address: str) -> urllib3.PoolManager:
        """The pool of connections for an address: one for each proxy that the environment names."""
        server = urlsplit(address)[:2]
        with self._lock:
            if server not in self._managers:
                self._managers[server] = self._opened(_proxy_of(*server))
            return self._managers[server]

    def _opened(self, proxy: str) -> urllib3.PoolManager:
        most, trusted = self._connections, os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
        if not proxy:
            return urllib3.PoolManager(maxsize=most, ca_certs=trusted)
        login = HTTPAdapter().proxy_headers(proxy)
        return urllib3.ProxyManager(proxy, maxsize=most, ca_certs=trusted, proxy_headers=login)

    def _judge(self, answer: urllib3.BaseHTTPResponse, shown: str, start: int, length: int) -> None:
        """See that an answer holds the range. Raises what `fetch` says."""
        status = answer.status
        if status == HTTPStatus.PARTIAL_CONTENT:
            given = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
            if given is None or int(given[1]) != start:
                raise Damaged(f"{shown}: the server sends another range than {start}-{start + length - 1}")
            return
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        if status == HTTPStatus.OK:
            if "html" in answer.headers.get("Content-Type", ""):
                raise PixelsError(
                    f"{shown}: the server answers with a web page in place of the file. See that no login or proxy "
                    "stands before it, then run the same command."
                )
            size = answer.headers.get("Content-Length", "")
            if start == 0 and size.isdigit() and int(size) <= length:
                return  # the file is not longer than what was asked for
            told = f"{int(size) / 1e6:.1f} MB" if size.isdigit() else "of unknown size"
            raise PixelsError(
                f"{shown}: the server, or a proxy before it, ignores the range that was asked for ({length} bytes) and "
                f"sends the whole file ({told}). Take its host out of the proxy (NO_PROXY), or name another archive."
            )
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise FileNotFoundError(shown)
        if status in _TRANSIENT or status >= 500:
            asked = seconds_of(answer.headers.get("Retry-After"))
            raise ServerFailed(f"{shown}: HTTP {status}", status, asked=asked)
        if status in (400, 401, 403):
            said = answer.read(4096).decode("utf-8", "replace")
            if status != 400 or _EXPIRED.search(said):
                raise Refused(shown, expired=bool(_EXPIRED.search(said)))
        raise PixelsError(f"{shown}: the server answers {status} {answer.reason or ''}. See that the address is right.")

    def _body(self, answer: urllib3.BaseHTTPResponse, shown: str) -> bytes:
        pieces: list[bytes] = []
        checked, since = time.monotonic(), 0
        try:
            while piece := answer.read1(_PIECE):
                pieces.append(piece)
                since += len(piece)
                now = time.monotonic()
                if now - checked > self._deadline:
                    if since < _SLOWEST:
                        raise NoAnswer(f"{shown}: {since} bytes in {now - checked:.0f} s")
                    checked, since = now, 0
        except (IncompleteRead, ProtocolError) as error:
            raise Damaged(f"{shown}: cut short ({reason_of(error)})") from None
        except (HTTPError, OSError) as error:
            if isinstance(error, NoAnswer):
                raise
            raise NoAnswer(f"{shown}: {reason_of(error)}") from None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _version_of(answer: urllib3.BaseHTTPResponse) -> Version:
    """What an answer says of the content of its file (RFC 9110, sections 8.8 and 14.4)."""
    told = answer.headers
    size = told.get("Content-Range", "").rpartition("/")[2]
    tag = told.get("ETag", "").removeprefix("W/")
    return Version(size=int(size) if size.isdigit() else 0, modified=told.get("Last-Modified", ""), tag=tag)


def _proxy_of(scheme: str, host: str) -> str:
    """The proxy that the environment names for a host, as requests understands it; "": none."""
    address = f"{scheme}://{host}"
    return requests.utils.select_proxy(address, requests.utils.get_environ_proxies(address)) or ""
