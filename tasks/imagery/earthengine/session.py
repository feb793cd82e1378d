"""The process' connection to Earth Engine: logged in once, requests limited and tried again in one place."""

import os
from collections.abc import Callable
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
from tasks.imagery.earthengine.login import PROJECT, load_credentials
from tasks.imagery.earthengine.refusals import URL, Refused, TimedOut, judge, translate
from tasks.imagery.earthengine.transport import Transport
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import Limit, request
from tasks.settings import Settings

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

    def __init__(self, settings: Settings) -> None:
        """Nothing is sent before the first request.

        Raises CredentialsError: no credentials, a key file that is not one, no project. SettingsError: not a URL.
        """
        self.url = _checked_url(settings.earthengine_url)
        self._credentials, project = load_credentials(settings.earthengine_credentials)
        self.project = settings.earthengine_project or project or ""
        if not self.project:
            raise CredentialsError(
                f"earthengine: no project. Set {PROJECT} to a Google Cloud project that is registered for Earth Engine "
                "(https://code.earthengine.google.com/register)."
            )
        self.limit = Limit(settings.earthengine_requests)
        self._patience = settings.earthengine_patience
        # The shards' catalogue requests come on top of the samples' threads; none should open and drop a connection.
        self._transport = Transport(
            connections=settings.earthengine_requests + 8, deadline=settings.earthengine_deadline
        )

    def log_in(self, traffic: Traffic) -> None:
        """Set the client up, once a process. Raises CredentialsError, SettingsError, PixelsError."""
        global _logged_in
        if _logged_in == (self, os.getpid()):
            return
        with _login:
            if _logged_in == (self, os.getpid()):
                return
            _logged_in = None
            try:
                self._send(self._initialize, traffic, f"earthengine: login at {self.url}")
            except Refused as refusal:
                raise CredentialsError(
                    f"earthengine: the project {self.project} cannot be used ({refusal}). Set {PROJECT} to a Google "
                    "Cloud project that is registered for Earth Engine."
                ) from None
            _logged_in = (self, os.getpid())

    def ask(self, call: Callable[[], T], traffic: Traffic, what: str, *, divisible: bool = False) -> T:
        """Make a call of the client that sends one request; `what` is asked for, for messages.

        `divisible`: what takes the server too long is refused as too large instead of tried again.
        Raises Refused: the server will never answer this request; CredentialsError; PixelsError: still failing when
        the patience ended.
        """
        self.log_in(traffic)
        return self._send(call, traffic, what, divisible=divisible)

    def _send(self, call: Callable[[], T], traffic: Traffic, what: str, *, divisible: bool = False) -> T:
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

        return request(send, judge=judge, limit=self.limit, traffic=traffic, deadline=self._patience, what=what)

    def _initialize(self) -> None:
        ee.Reset()
        # The client would try again by itself, up to five times, uncounted and without an end to the waiting.
        data.setMaxRetries(0)
        # Else the client reads a list of deprecated data sets from another host, without a deadline.
        ee.deprecation.deprecated_assets = {"": None}  # pyright: ignore[reportAttributeAccessIssue] looked up only
        ee.Initialize(self._credentials, url=self.url, project=self.project, http_transport=self._transport)


def open_session(settings: Settings) -> Session:
    """The process' session under these settings, shared by all corpora. Raises CredentialsError, SettingsError."""
    return _open(settings.model_dump_json())


@lru_cache(maxsize=8)
def _open(settings: str) -> Session:
    return Session(Settings.model_validate_json(settings))


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path not in ("", "/"):
        # The value is not quoted: it may hold a password.
        raise SettingsError(
            f"{URL}: expected scheme and host alone, such as https://earthengine-highvolume.googleapis.com. Correct or "
            "unset this variable."
        )
    return f"{parts.scheme}://{parts.netloc}"
