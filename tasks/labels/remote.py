"""Sources on servers: asked through the one retry layer, and again only while that may help."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from typing import Any, TypeVar

import rasterio
from rasterio.errors import RasterioError

from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import Verdict, request

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds for which a server is asked for one thing, all attempts together."""

DEADLINE = 60.0
"""Seconds that one answer may take."""

ENVIRONMENT: dict[str, Any] = {
    # A sidecar or a directory listing is never wanted, and asking for one costs a request a file.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_NUM_THREADS": 1,
    "GDAL_HTTP_TIMEOUT": DEADLINE,
    # Retries are ours, and a failure must not be remembered.
    "GDAL_HTTP_MAX_RETRY": 0,
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
}

_LIMIT = Limit(8)
"""Requests in flight for labels, of all threads."""

_TRANSIENT = (408, 429)
"""Answers below 500 that may be others next time: Request Timeout, Too Many Requests (RFC 9110, RFC 6585)."""


class NoAnswer(ConnectionError):
    """Nobody answers: refused, reset, timed out, no such host."""


class ServerFailed(ConnectionError):
    """The server answers that it cannot, for now."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


def read_patiently(read: Callable[[], T], what: str) -> T:
    """What `read` reads with GDAL from a server.

    Raises RasterioError: the file is not there or damaged; PixelsError: the server goes on failing;
    PlatformUnreachable: it does not answer.
    """

    def send() -> T:
        try:
            with rasterio.Env(**ENVIRONMENT):
                return read()
        except RasterioError as error:
            raise (_of_gdal(error) or error) from None

    return _ask(send, what)


def head(url: str, what: str) -> Message:
    """The headers of a file on a server.

    Raises HTTPError: it is not there, or may not be read; PixelsError, PlatformUnreachable as `read_patiently`.
    """

    def send() -> Message:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=DEADLINE) as answer:
                return answer.headers
        except urllib.error.HTTPError as error:
            if error.code >= 500 or error.code in _TRANSIENT:
                raise ServerFailed(f"HTTP {error.code}", error.code) from None
            raise
        except OSError as error:
            raise NoAnswer(str(getattr(error, "reason", error))) from None

    return _ask(send, what)


def _ask(send: Callable[[], T], what: str) -> T:
    return request(send, judge=_judge, limit=_LIMIT, traffic=Traffic(), patience=PATIENCE, what=what)


def _judge(error: Exception) -> Verdict:
    if isinstance(error, NoAnswer):
        return Verdict.UNREACHABLE
    if not isinstance(error, ServerFailed):
        return Verdict.FINAL
    return Verdict.THROTTLED if error.status == 429 else Verdict.TRANSIENT


def _of_gdal(error: BaseException) -> Exception | None:
    """What GDAL's words mean, if it is nothing final; those of the answer lie beneath those of the reader."""
    words: list[str] = []
    link: BaseException | None = error
    while link is not None:
        words.append(" ".join(str(link).split()))
        link = link.__cause__ or link.__context__
    text = re.sub(r"\?\S*", "", "; ".join(words))[:300]
    code = re.search(r"response code: (\d{3})", "; ".join(words))
    status = int(code[1]) if code else 0
    if status >= 500 or status in _TRANSIENT:
        return ServerFailed(text, status)
    if not status and re.search("CURL error|timed out|Could not resolve|Connection", "; ".join(words)):
        return NoAnswer(text)
    return None
