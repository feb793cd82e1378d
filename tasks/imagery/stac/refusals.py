"""What failures mean: GDAL's words, HTTP's answers, and silence."""

import logging
import re
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import responses

import pystac
from pystac.errors import STACTypeError
from pystac_client.exceptions import APIError
from urllib3.exceptions import HTTPError

from tasks.errors import CatalogueError, PixelsError
from tasks.imagery.retries import Verdict

_TRANSIENT = (408, 429)
"""Answers below 500 that may be others next time: Request Timeout, Too Many Requests (RFC 9110, RFC 6585)."""

UNREADABLE = (
    OSError,
    pystac.STACError,
    STACTypeError,
    APIError,
    HTTPError,
    KeyError,
    TypeError,
    AttributeError,
    ValueError,
    RecursionError,
)
"""What pystac raises for a file that is absent, out of reach or not what it should be."""


class NoAnswer(ConnectionError):
    """Nobody answers: refused, reset, timed out, no such host."""


class ServerFailed(ConnectionError):
    """A server of pixels answers that it cannot, for now."""

    def __init__(self, words: str, status: int, *, asked: float = 0.0) -> None:
        """`asked` is for how many seconds the server wants to be left alone."""
        super().__init__(words)
        self.status, self.asked = status, asked


class Damaged(Exception):
    """Content that arrived is not what it must be."""


class Unplaced(PixelsError):
    """A raster without CRS or grid."""


class Refused(PermissionError):
    """A server does not give a file: 401, 403."""

    def __init__(self, shown: str, *, expired: bool) -> None:
        """`expired` is whether it says that the time of a signature is over."""
        super().__init__(shown)
        self.expired = expired


class CatalogueFailed(CatalogueError):
    """A server of a catalogue answers with an error."""

    def __init__(self, address: str, status: int, *, asked: float = 0.0) -> None:
        """`asked` is for how many seconds the server wants to be left alone."""
        self.status, self.asked = status, asked
        if status in (404, 410):
            remedy = "Correct the address in the spec"
        elif status in (401, 403):
            remedy = "See that it may be read without a login"
        elif status < 500 and status not in _TRANSIENT:
            remedy = "Correct the address in the spec, or name another archive: the same request gets the same answer"
        else:
            remedy = "Run the same command later"
        said = f"{status} {responses.get(status, '')}".strip()
        super().__init__(f"{without_query(address)}: the server answers {said}. {remedy}.")


class TooLarge(CatalogueError):
    """An API fails with an answer that may be too large for it."""


def judge(error: Exception) -> Verdict:
    """For `tasks.imagery.retries.request`."""
    if isinstance(error, NoAnswer):
        return Verdict.UNREACHABLE
    if isinstance(error, Damaged):
        return Verdict.TRANSIENT
    if not isinstance(error, ServerFailed | CatalogueFailed):
        return Verdict.FINAL
    if error.status == 429:
        return Verdict.THROTTLED
    return Verdict.TRANSIENT if error.status >= 500 or error.status in _TRANSIENT else Verdict.FINAL


def asked_pause(error: BaseException) -> float:
    """Seconds for which the server wants to be left alone."""
    return error.asked if isinstance(error, CatalogueFailed | ServerFailed) else 0.0


def seconds_of(retry_after: str | None) -> float:
    """Retry-After, seconds or a date (RFC 9110), as seconds from now; 0 where there is none."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def reason_of(error: BaseException) -> str:
    """The operating system's words for a failed connection: those of the libraries above it repeat the address."""
    said = _of_system(error)
    return str(said.strerror) if said else type(error).__name__


def is_unknown_host(error: BaseException) -> bool:
    """Whether the name service answered that there is no such host, which a name service out of reach cannot say."""
    said = _of_system(error)
    return isinstance(said, socket.gaierror) and said.errno in (socket.EAI_NONAME, socket.EAI_NODATA)


def _of_system(error: BaseException) -> OSError | None:
    """The operating system's error below those of the libraries."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link
        link = link.__cause__ or link.__context__
    return None


def of_gdal(error: Exception, href: str) -> Exception:
    """What GDAL's words mean, without the query of a signed address: see `tasks.imagery.stac.pixels.read_onto`."""
    text = without_query(" ".join(str(error.__cause__ or error).split()))
    shown = without_query(href)
    code = re.search(r"response code: (\d{3})", text)
    status = int(code[1]) if code else 0
    if status in (404, 410) or "No such file" in text or "does not exist" in text:
        return FileNotFoundError(shown)
    if status in (401, 403):
        return PermissionError(shown)
    if status >= 500 or status in _TRANSIENT:
        return ServerFailed(f"{shown}: {text}", status)
    if "CURL error" in text:
        return NoAnswer(f"{shown}: {text}")
    return damaged(href, text)


def damaged(href: str, why: str) -> PixelsError:
    """A file whose pixels cannot be read."""
    return PixelsError(
        f"{without_query(href)}: its pixels cannot be read ({why}). The file is damaged or cut short: fetch it again, "
        "then run the same command."
    )


def short(error: BaseException) -> str:
    """An error in a line. Those of HTTP quote the path with its query."""
    return f"{type(error).__name__}: {without_query(' '.join(str(error).split()))[:300]}"


def without_query(text: str) -> str:
    """A text whose addresses have lost their queries, which may hold a signature or a token."""
    return re.sub(r"\?\S*", "", text)


def hide_queries(*loggers: str) -> None:
    """Have what libraries log lose the queries of addresses: they tell them in whole, some of them in warnings."""
    for name in loggers:
        logging.getLogger(name).addFilter(_without_query)


def _without_query(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_query(record.getMessage()), ()
    return True
