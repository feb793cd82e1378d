"""The way to the platform: login, sessions, and the one place where requests are bounded and tried again."""

import base64
import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import RLock
from typing import Any, TypeVar
from urllib.parse import urlsplit

from earthdaily.earthone.auth import Auth
from earthdaily.earthone.catalog import CatalogClient
from earthdaily.earthone.core.client.services.raster import Raster
from earthdaily.earthone.core.client.services.service.service import JsonApiSession
from earthdaily.earthone.core.common.http import Session
from earthdaily.earthone.exceptions import AuthError, ForbiddenError, UnauthorizedError

from tasks.errors import CatalogueError, CredentialsError
from tasks.imagery.descarteslabs.refusals import LOGIN, DamagedBody, asked_pause, explained, judge
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import Limit, request
from tasks.settings import Settings

T = TypeVar("T")

LEEWAY = 500
"""Seconds before its end at which a token is renewed (the client's own default)."""

_CATALOG, _RASTER = "/metadata/v1/catalog/v2", "/raster/v2"
"""Paths of the two services (earthdaily-earthone 6.2.0, config/settings.toml)."""


class Gate:
    """Bounds the requests in flight, tries again what is transient, and counts for whom a thread works."""

    def __init__(self, limit: Limit, deadline: float) -> None:
        self.limit, self.deadline = limit, deadline
        self._traffic: ContextVar[Traffic] = ContextVar("traffic")

    @contextmanager
    def counting(self, traffic: Traffic) -> Generator[None]:
        """Requests of this thread count in `traffic`."""
        token = self._traffic.set(traffic)
        try:
            yield
        finally:
            self._traffic.reset(token)

    @property
    def traffic(self) -> Traffic:
        """Where requests of this thread count."""
        return self._traffic.get()

    def send(self, call: Callable[[], T], what: str, *, limit: Limit | None = None) -> T:
        """Make a request. Raises PixelsError: still failing at the deadline; whatever `call` raises for good."""
        return request(
            call,
            judge=judge,
            limit=limit or self.limit,
            traffic=self.traffic,
            deadline=self.deadline,
            what=what,
            asked=asked_pause,
        )


class Login(Auth):
    """The client's login, got and renewed by one thread at a time, and kept in memory only."""

    def __init__(self, settings: Settings, gate: Gate) -> None:
        self._gate, self._lock = gate, RLock()
        # Renewing a token must not wait for a place that a request waiting for the token holds.
        self._limit = Limit(1)
        self._valid = ("", 0.0)
        token, secret = settings.descarteslabs_token, settings.descarteslabs_client_secret
        own: dict[str, Any] = {}
        if token or secret or settings.descarteslabs_client_id:
            # What is left out is given as empty, or the client would complete it from its own variables.
            own = {
                "jwt_token": token.get_secret_value() if token else "",
                "client_id": settings.descarteslabs_client_id or "",
                "client_secret": secret.get_secret_value() if secret else "",
                "refresh_token": "",
            }
        # token_info_path=None: nothing is read from or written to the user's home.
        super().__init__(
            domain=settings.descarteslabs_iam_url, token_info_path=None, retries=0, _suppress_warning=True, **own
        )
        self._token: str | None = self._token or None

    @property
    def token(self) -> str:
        """The access token. Raises CredentialsError, PixelsError."""
        token, until = self._valid
        if time.time() < until - LEEWAY:
            return token
        with self._lock:
            token, until = self._valid
            if time.time() < until - LEEWAY:
                return token
            if self._token is None and not (self.client_id and self.client_secret):
                raise CredentialsError(f"descarteslabs: there is no login, or its token has expired. {LOGIN}.")
            token = self._gate.send(self._fetch, "descarteslabs: login", limit=self._limit)
            self._valid = (token, _expiry(token))
            return token

    def _fetch(self) -> str:
        refused = CredentialsError(f"descarteslabs: refused the client id and secret, or the token. {LOGIN}.")
        with explained("the login", refused):
            try:
                return str(super().token)
            except (AuthError, UnauthorizedError, ForbiddenError):
                # Their text may quote the token.
                raise refused from None


class AnswerKeepingSession(Session):
    """A session of one thread that keeps its last answer, whose body the client reads elsewhere and never closes."""

    answer: Any = None

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """As the client's own."""
        self.answer = None
        self.answer = super().request(method, url, *args, **kwargs)
        return self.answer


class RasterService(Raster):
    """The client's raster service."""

    # A rendering takes seconds; the client's own five minutes would eat the deadline on one lost connection.
    TIMEOUT = (9.5, 90)

    def finish(self) -> tuple[int, int]:
        """End this thread's last answer: bytes received, and how many of them nobody has read.

        The connection serves the next request only if the body was read to its end. Raises what reading it raises.
        """
        answer: Any = self._session.get().answer
        left = len(answer.raw.read())
        answer.close()
        return answer.raw.tell(), left

    def drop(self) -> None:
        """Close the connection of this thread's last answer, which nobody will read to its end."""
        answer: Any = self._session.get().answer
        if answer is not None:
            answer.close()


def open_catalog(settings: Settings, login: Login, gate: Gate) -> CatalogClient:
    """The catalogue; each of its requests, every page of a search, goes through the gate."""

    class GatedSession(JsonApiSession):
        def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            def call() -> Any:
                path = urlsplit(url).path
                refused = CatalogueError(
                    f"descarteslabs: the catalogue refused a search ({method} {path}). Check "
                    "DEEPSENTINEL_DESCARTESLABS_URL, and that its product ids are ones the platform knows."
                )
                with explained("the catalogue", refused):
                    answer = super(GatedSession, self).request(method, url, *args, **kwargs)
                _refuse_damaged(answer)
                gate.traffic.add(bytes=len(answer.content))
                return answer

            return gate.send(call, f"descarteslabs: {method} {urlsplit(url).path}")

    return CatalogClient(url=_service(settings, _CATALOG), auth=login, retries=0, session_class=GatedSession)


def open_raster(settings: Settings, login: Login) -> RasterService:
    """The service that renders pixels; its caller passes the gate, for the client reads bodies outside its session."""
    return RasterService(url=_service(settings, _RASTER), auth=login, retries=0, session_class=AnswerKeepingSession)


def _service(settings: Settings, path: str) -> str | None:
    """None lets the client choose: EarthOne's own, or EARTHONE_PLATFORM_URL."""
    return settings.descarteslabs_url.rstrip("/") + path if settings.descarteslabs_url else None


def _refuse_damaged(answer: Any) -> None:
    """Raises DamagedBody: what the client would fail on, outside the gate."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        raise DamagedBody("the catalogue's answer is not JSON") from None
    if not isinstance(document, dict) or "data" not in document or "links" not in document:
        raise DamagedBody("the catalogue's answer lacks its data or links")


def _expiry(token: str) -> float:
    """Seconds since 1970 UTC at which a token ends; 0 where it does not say."""
    try:
        claims = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (IndexError, KeyError, ValueError, TypeError):
        return 0.0
