"""The platform's two services, with the sessions through which the client speaks to them."""

import json
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

from earthdaily.earthone.catalog import CatalogClient
from earthdaily.earthone.core.client.services.raster import Raster
from earthdaily.earthone.core.client.services.service.service import JsonApiSession, Service
from earthdaily.earthone.core.common.http import Session

from tasks.errors import CatalogueError
from tasks.imagery.descarteslabs.gate import Gate
from tasks.imagery.descarteslabs.login import Login
from tasks.imagery.descarteslabs.refusals import DamagedBody, explained
from tasks.imagery.descarteslabs.settings import DescartesLabsSettings

_CATALOG, _RASTER = "/metadata/v1/catalog/v2", "/raster/v2"
"""Paths of the two services (earthdaily-earthone 6.2.0, config/settings.toml)."""

_CONNECT = 9.5
"""Seconds to connect (the client's own)."""


class _Closing(Service):
    """A service that gives up an answer at the deadline, and whose sessions can be closed: it has one a thread."""

    def __init__(self, settings: DescartesLabsSettings, path: str, login: Login, session_class: type[Session]) -> None:
        self.TIMEOUT = (min(_CONNECT, settings.deadline), settings.deadline)
        # Those of threads that have ended end by themselves.
        self._sessions: WeakSet[Session] = WeakSet()
        self._opening = Lock()
        # None lets the client choose: EarthOne's own, or EARTHONE_PLATFORM_URL.
        url = settings.url.rstrip("/") + path if settings.url else None
        super().__init__(url=url, auth=login, retries=0, session_class=session_class)

    def _build_session(self) -> Any:
        session = super()._build_session()
        with self._opening:
            self._sessions.add(session)
        return session

    def close(self) -> None:
        """End the connections of all threads."""
        with self._opening:
            for session in self._sessions:
                session.close()


class _AnswerKeepingSession(Session):
    """A session of one thread that keeps its last answer, whose body the client reads elsewhere and never closes."""

    answer: Any = None

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """As the client's own."""
        self.answer = None
        self.answer = super().request(method, url, *args, **kwargs)
        return self.answer


class RasterService(_Closing, Raster):
    """The service that renders pixels; its caller passes the gate, for the client reads bodies outside its session."""

    def __init__(self, settings: DescartesLabsSettings, login: Login) -> None:
        super().__init__(settings, _RASTER, login, _AnswerKeepingSession)

    def finish(self) -> tuple[int, int]:
        """End this thread's last answer: bytes received, and how many of them nobody has read.

        The connection serves the next request only if the body was read to its end. Raises what reading it raises.
        """
        session: Any = self._session.get()
        answer = session.answer
        left = len(answer.raw.read())
        answer.close()
        # Held any longer, it would hold its connection beyond the session's end.
        session.answer = None
        return answer.raw.tell(), left

    def drop(self) -> None:
        """Close the connection of this thread's last answer, which nobody will read to its end."""
        session: Any = self._session.get()
        if session.answer is not None:
            session.answer.close()
            session.answer = None


class CatalogueService(_Closing, CatalogClient):
    """The catalogue; each of its requests, every page of a search, goes through the gate."""

    def __init__(self, settings: DescartesLabsSettings, login: Login, gate: Gate) -> None:
        super().__init__(settings, _CATALOG, login, _gated(gate))


def _gated(gate: Gate) -> type[JsonApiSession]:
    """The client makes its sessions itself, of a class: so the class has to know the gate."""

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

    return GatedSession


def _refuse_damaged(answer: Any) -> None:
    """Raises DamagedBody: what the client would fail on, outside the gate."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        raise DamagedBody("the catalogue's answer is not JSON") from None
    if not isinstance(document, dict) or "data" not in document or "links" not in document:
        raise DamagedBody("the catalogue's answer lacks its data or links")
