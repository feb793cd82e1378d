"""How catalogues are asked over HTTP: every request through the one retry layer, whatever client makes it."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from pystac import Link
from pystac.stac_io import DefaultStacIO
from pystac_client.stac_api_io import StacApiIO

from tasks.errors import CatalogueError, PixelsError, PlatformUnreachable
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import request
from tasks.imagery.stac.refusals import (
    CatalogueFailed,
    NoAnswer,
    TooLarge,
    asked_pause,
    is_unknown_host,
    judge,
    reason_of,
    seconds_of,
    without_query,
)

T = TypeVar("T")

_TOO_LARGE = (400, 413, 422, 500, 502, 504)
"""What servers answer, among other reasons, when a page is too large or takes too long."""

_EMPTY_PAGES = 3
"""In a row, after which no further one is asked for: some servers filter what a page holds when they have found it, and
some name a following page for ever."""


@dataclass(frozen=True, kw_only=True)
class Transport:
    """What a catalogue is asked with."""

    platform: str = "stac"
    """As messages name it."""
    deadline: float = 60.0
    """Seconds without an answer after which an attempt is given up."""
    patience: float = 300.0
    """Seconds for which a request is tried, all attempts together."""
    limit: Limit = field(default_factory=lambda: Limit(4))

    def ask(self, address: str, send: Callable[[], T], traffic: Traffic | None = None) -> T:
        """Send a request, again while it is worth it; what opens a catalogue belongs to no shard's traffic.

        Raises PlatformUnreachable: nobody answers; CatalogueError: answers came, but with errors; whatever `send`
        raises that is neither NoAnswer nor CatalogueFailed.
        """
        try:
            return request(
                send,
                judge=judge,
                limit=self.limit,
                traffic=traffic or Traffic(),
                patience=self.patience,
                what=f"{self.platform}: {without_query(address)}",
                asked=asked_pause,
            )
        except PixelsError as error:
            raise CatalogueError(str(error)) from None


class ApiIO(StacApiIO):
    """Reads for pystac-client, which would otherwise retry in a layer of its own."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(max_retries=None)
        self._transport = transport
        self._answered = False
        self._traffic = Traffic()
        self._divisible = False

    def counting(self, traffic: Traffic, *, divisible: bool = False) -> "ApiIO":
        """The same connections for one shard; `divisible`: what may be too large an answer is not waited for."""
        other = copy(self)
        other._traffic, other._divisible = traffic, divisible
        return other

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """The body of an answer. Raises PlatformUnreachable, CatalogueError, TooLarge, and requests' own for wrong
        addresses.
        """
        verb = (method or "GET").upper()
        content: dict[str, Any] = {"json": parameters} if verb == "POST" else {"params": parameters}

        failed = 0

        def send() -> str:
            nonlocal failed
            try:
                answer = self.session.request(verb, href, headers=headers, timeout=self._transport.deadline, **content)
            except requests.Timeout:
                raise NoAnswer(f"no answer within {self._transport.deadline:g} s") from None
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if is_unknown_host(error) and not self._answered:
                    # Most likely mistyped; a host that has answered before is waited for.
                    raise PlatformUnreachable(
                        f"{self._transport.platform}: {without_query(href)}: there is no such host. Correct the "
                        "address in the spec, or see that this machine reaches its name service."
                    ) from None
                raise NoAnswer(reason_of(error)) from None
            self._answered = True
            if self._divisible and answer.status_code in _TOO_LARGE:
                failed += 1
                if failed > 1 or answer.status_code < 500:
                    raise TooLarge(f"{without_query(href)}: the server answers {answer.status_code}.")
            if answer.status_code >= 400:
                pause = seconds_of(answer.headers.get("Retry-After"))
                raise CatalogueFailed(href, answer.status_code, asked=pause)
            self._traffic.add(bytes=len(answer.content))
            text = answer.content.decode("utf-8")
            if "html" in answer.headers.get("Content-Type", "") and text.lstrip().startswith("<"):
                raise CatalogueError(
                    f"{without_query(href)}: the server answers with a web page, expected JSON. Give the address of "
                    "the API or catalogue itself, or see that no login or proxy stands before it."
                )
            return text

        return self._transport.ask(href, send, self._traffic)

    def get_pages(
        self, url: str, method: str | None = None, parameters: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The pages of a search; pystac-client's own ends at the first one that is empty. Raises as `request`."""
        page: Any = self.read_json(url, method=method, parameters=parameters)
        empty = 0
        while True:
            if not isinstance(page, dict) or not isinstance(page.get("features"), list):
                raise ValueError("an answer holds no list of features")
            yield page
            empty = 0 if page["features"] else empty + 1
            following = next((link for link in page.get("links") or () if link["rel"] == "next"), None)
            if following is None or empty == _EMPTY_PAGES:
                return
            page = self.read_json(Link.from_dict(following), parameters=parameters)


class StaticIO(DefaultStacIO):
    """Reads for pystac, local files and those of a server."""

    def __init__(self, api_io: ApiIO) -> None:
        super().__init__()
        self._api_io = api_io

    def read_text_from_href(self, href: str) -> str:
        """The content of a file. Raises as `ApiIO.request`; OSError of a local file."""
        if href.lower().startswith(("http://", "https://")):
            return self._api_io.request(href)
        return super().read_text_from_href(href)
