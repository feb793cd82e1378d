"""The process' connection to Earth Engine: logged in once, requests limited and tried again in one place."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import TypeVar
from urllib.parse import urlsplit

import ee
import ee.deprecation
import google.auth.exceptions
import googleapiclient.errors
from ee import data

from tasks.errors import CredentialsError, SettingsError
from tasks.imagery.earthengine.login import load_credentials
from tasks.imagery.earthengine.refusals import Refused, TimedOut, judge, translate
from tasks.imagery.earthengine.settings import PROJECT, URL, EarthEngineSettings
from tasks.imagery.earthengine.transport import Transport
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import request

T = TypeVar("T")

_RAISED = (
    ee.EEException,
    googleapiclient.errors.Error,
    google.auth.exceptions.GoogleAuthError,
    OSError,
    ValueError,
)
"""Everything that the client and what lies under it raise for a failed request."""

_login = Lock()
_logged_in: "tuple[Session, int] | None" = None
"""Session and process that the client, which keeps its state in module globals, is set up for."""


class Session:
    """A login, the requests in flight under it, and their retries. Safe for threads; one is in use a process."""

    def __init__(self, settings: EarthEngineSettings) -> None:
        """Nothing is sent before the first request.

        Raises CredentialsError: no credentials, a key file that is not one, no project. SettingsError: not a URL.
        """
        self.settings = settings
        self.url = _checked_url(settings.url)
        _, project = load_credentials(settings.credentials)
        self.project = settings.project or project or ""
        if not self.project:
            raise CredentialsError(
                f"earthengine: no project. Set {PROJECT} to a Google Cloud project that is registered for Earth Engine "
                "(https://code.earthengine.google.com/register)."
            )
        self.limit = Limit(settings.requests)
        # The shards' catalogue requests come on top of the samples' threads; none should open and drop a connection.
        self._transport = Transport(connections=settings.requests + 8, deadline=settings.deadline)
        self._users = 0

    @contextmanager
    def in_use(self, traffic: Traffic) -> Generator[None]:
        """Set the client up, once a process, and keep it so until the block ends.

        Expressions are made and sent within. Raises CredentialsError, SettingsError, PixelsError, PlatformUnreachable.
        """
        global _logged_in
        with _login:
            if _logged_in != (self, os.getpid()):
                _logged_in = None
                self._log_in(traffic)
                _logged_in = (self, os.getpid())
            self._users += 1
        try:
            yield
        finally:
            with _login:
                self._users -= 1

    def close(self) -> None:
        """End connections and forget the login, unless somebody else is asking; the next request logs in again."""
        global _logged_in
        with _login:
            if self._users:
                return
            self._transport.close()
            if _logged_in == (self, os.getpid()):
                _logged_in = None
                ee.Reset()

    def ask(self, call: Callable[[], T], traffic: Traffic, what: str, *, divisible: bool = False) -> T:
        """Make a call of the client that sends one request, while `in_use`; `what` is asked for, for messages.

        `divisible`: what takes the server too long is refused as too large instead of tried again.
        Raises Refused: the server will never answer this request; CredentialsError; PixelsError: still failing when
        the patience ended; PlatformUnreachable: nobody answers.
        """

        def send() -> T:
            try:
                return call()
            except _RAISED as error:
                meant = translate(error, self.project)
                if divisible and isinstance(meant, TimedOut):
                    meant = Refused(str(meant), too_large=True)
                raise meant from error
            finally:
                traffic.add(bytes=self._transport.received())

        patience = self.settings.patience
        return request(send, judge=judge, limit=self.limit, traffic=traffic, patience=patience, what=what)

    def _log_in(self, traffic: Traffic) -> None:
        try:
            self.ask(self._initialize, traffic, f"earthengine: login at {self.url}")
        except Refused as refusal:
            raise CredentialsError(
                f"earthengine: the project {self.project} cannot be used ({refusal}). Set {PROJECT} to a Google "
                "Cloud project that is registered for Earth Engine."
            ) from None

    def _initialize(self) -> None:
        ee.Reset()
        # The client would try again by itself, up to five times, uncounted and without an end to the waiting.
        data.setMaxRetries(0)
        # Else the client reads a list of deprecated data sets from another host, without a deadline.
        ee.deprecation.deprecated_assets = {"": None}  # pyright: ignore[reportAttributeAccessIssue] looked up only
        # Read anew: the file may be another one since the session was closed.
        credentials, _ = load_credentials(self.settings.credentials)
        ee.Initialize(credentials, url=self.url, project=self.project, http_transport=self._transport)


def open_session(settings: EarthEngineSettings) -> Session:
    """The process' session under these settings, shared by all corpora. Raises CredentialsError, SettingsError."""
    return _open(settings.model_dump_json())


@lru_cache(maxsize=8)
def _open(settings: str) -> Session:
    return Session(EarthEngineSettings.model_validate_json(settings))


def close() -> None:
    """Close the session that the client is set up for, whoever opened it."""
    if _logged_in is not None:
        _logged_in[0].close()


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path not in ("", "/"):
        # The value is not quoted: it may hold a password.
        raise SettingsError(
            f"{URL}: expected scheme and host alone, such as https://earthengine-highvolume.googleapis.com. Correct or "
            "unset this variable."
        )
    return f"{parts.scheme}://{parts.netloc}"
