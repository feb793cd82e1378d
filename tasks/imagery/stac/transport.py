"""How catalogues are asked over HTTP: every request through the one retry layer, whatever client makes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from pystac.stac_io import DefaultStacIO
from pystac_client.stac_api_io import StacApiIO

from tasks.errors import CatalogueError, PixelsError, PlatformUnreachable
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import request
from tasks.imagery.stac.refusals import (
    CatalogueFailed,
    NoAnswer,
    asked_pause,
    is_unknown_host,
    judge,
    reason_of,
    seconds_of,
    without_query,
)

T = TypeVar("T")


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

    def ask(self, address: str, send: Callable[[], T]) -> T:
        """Send a request, again while it is worth it.

        Raises PlatformUnreachable: nobody answers; CatalogueError: answers came, but with errors; whatever `send`
        raises that is neither NoAnswer nor CatalogueFailed.
        """
        try:
            return request(
                send,
                judge=judge,
                limit=self.limit,
                traffic=Traffic(),  # of opening the catalogue, which belongs to no shard
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

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """The body of an answer. Raises PlatformUnreachable, CatalogueError, and requests' own for wrong addresses."""
        verb = (method or "GET").upper()
        content: dict[str, Any] = {"json": parameters} if verb == "POST" else {"params": parameters}

        def send() -> str:
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
            if answer.status_code >= 400:
                pause = seconds_of(answer.headers.get("Retry-After"))
                raise CatalogueFailed(href, answer.status_code, asked=pause)
            text = answer.content.decode("utf-8")
            if "html" in answer.headers.get("Content-Type", "") and text.lstrip().startswith("<"):
                raise CatalogueError(
                    f"{without_query(href)}: the server answers with a web page, expected JSON. Give the address of "
                    "the API or catalogue itself, or see that no login or proxy stands before it."
                )
            return text

        return self._transport.ask(href, send)


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
