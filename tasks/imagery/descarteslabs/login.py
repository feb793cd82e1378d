"""The login: an access token, got and renewed by one thread for all."""

import base64
import json
import time
from typing import Any

from earthdaily.earthone.auth import Auth
from earthdaily.earthone.exceptions import AuthError, ForbiddenError, UnauthorizedError

from tasks.errors import CredentialsError
from tasks.imagery.descarteslabs.gate import Gate
from tasks.imagery.descarteslabs.refusals import LOGIN, explained
from tasks.imagery.descarteslabs.settings import DescartesLabsSettings
from tasks.imagery.descarteslabs.shared import Shared
from tasks.imagery.limits import Limit

LEEWAY = 500
"""Seconds before its end at which a token is renewed (the client's own default)."""


class Login(Auth):
    """The client's login, kept in memory only."""

    def __init__(self, settings: DescartesLabsSettings, gate: Gate) -> None:
        self._gate, self._deadline = gate, settings.deadline
        # Renewing a token must not wait for a place that a request waiting for the token holds.
        self._limit = Limit(1)
        self._valid = Shared(self._renewed, lambda valid: time.time() < valid[1] - LEEWAY)
        token, secret = settings.token, settings.client_secret
        own: dict[str, Any] = {}
        if token or secret or settings.client_id:
            # What is left out is given as empty, or the client would complete it from its own variables.
            own = {
                "jwt_token": token.get_secret_value() if token else "",
                "client_id": settings.client_id or "",
                "client_secret": secret.get_secret_value() if secret else "",
                "refresh_token": "",
            }
        # token_info_path=None: nothing is read from or written to the user's home.
        super().__init__(domain=settings.iam_url, token_info_path=None, retries=0, _suppress_warning=True, **own)
        self._token: str | None = self._token or None

    @property
    def token(self) -> str:
        """The access token. Raises CredentialsError, PlatformUnreachable, PixelsError."""
        return self._valid.get()[0]

    def _renewed(self) -> tuple[str, float]:
        """The token, and when it ends in seconds since 1970 UTC."""
        if self._token is None and not (self.client_id and self.client_secret):
            raise CredentialsError(f"descarteslabs: there is no login, or its token has expired. {LOGIN}.")
        token = self._gate.send(self._asked, "descarteslabs: login", limit=self._limit)
        return token, _end_of(token)

    def _asked(self) -> str:
        refused = CredentialsError(f"descarteslabs: refused the client id and secret, or the token. {LOGIN}.")
        with explained("the login", refused):
            try:
                return str(super().token)
            except (AuthError, UnauthorizedError, ForbiddenError):
                # Their text may quote the token.
                raise refused from None

    def _get_token(self, timeout: float | None = None) -> None:
        # The client's own 100 seconds are not for whoever has set a deadline.
        seconds = timeout or self._deadline
        try:
            super()._get_token(seconds)  # pyright: ignore[reportArgumentType] requests takes fractions of seconds too
        finally:
            # One request an hour: no connection is worth keeping.
            self.session.close()


def _end_of(token: str) -> float:
    """Seconds since 1970 UTC at which a token ends; 0 where it does not say."""
    try:
        claims = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (IndexError, KeyError, ValueError, TypeError):
        return 0.0
