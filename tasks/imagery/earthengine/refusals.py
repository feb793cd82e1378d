"""What a failed request means, in whatever exception the client raises it."""

import json
import re
from typing import Any

from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from googleapiclient.errors import HttpError, UnknownApiNameOrVersion

from tasks.errors import CredentialsError, DeepSentinelError, SettingsError
from tasks.imagery.earthengine.settings import CREDENTIALS, PROJECT, URL
from tasks.imagery.retries import Verdict


class Transient(Exception):
    """The same request may be answered later."""


class Unreachable(Transient):
    """Nobody answered: refused, reset, or silent until the deadline."""


class TimedOut(Transient):
    """The server gave up computing: a smaller request might be answered, the same one later."""


class Throttled(Exception):
    """Too many requests, or too many at once."""


class Refused(Exception):
    """The server understood the request and will never answer it; the message is its own."""

    def __init__(self, message: str, *, too_large: bool) -> None:
        super().__init__(message)
        self.too_large = too_large
        """A smaller request might be answered."""


def judge(error: Exception) -> Verdict:
    """For `tasks.imagery.retries.request`: of the exceptions that `translate` makes."""
    if isinstance(error, Throttled):
        return Verdict.THROTTLED
    if isinstance(error, Unreachable):
        return Verdict.UNREACHABLE
    return Verdict.TRANSIENT if isinstance(error, Transient) else Verdict.FINAL


def translate(error: Exception, project: str) -> Exception:
    """One of this module's exceptions, CredentialsError or SettingsError, for one that the client raised."""
    if isinstance(error, DeepSentinelError | Transient | Throttled | Refused):
        return error
    if (answer := _answer(error)) is not None:
        return _by_status(answer, project)
    if isinstance(error, UnknownApiNameOrVersion):
        return SettingsError(f"{URL}: there is no Earth Engine at this address. Correct or unset this variable.")
    if isinstance(error, GoogleAuthError):
        if isinstance(error, TransportError):
            return Unreachable(f"{type(error).__name__}: {error}")
        if error.retryable:
            return Transient(f"{type(error).__name__}: {error}")
        return CredentialsError(
            f"earthengine: the login is refused ({_refusal(error)}). Set {CREDENTIALS} to the key file of a service "
            "account that exists and may use Earth Engine, or run `earthengine authenticate`; check this machine's "
            "clock."
        )
    if isinstance(error, ConnectionError | TimeoutError):
        return Unreachable(f"{type(error).__name__}: {error}")
    if isinstance(error, OSError | ValueError):
        # Answers that broke off, bodies that are not JSON.
        return Transient(f"{type(error).__name__}: {error}")
    return _of_client(error)


def _of_client(error: Exception) -> Exception:
    """EEException that no answer lies behind: the client itself found something missing."""
    text = _short(str(error))
    if "project" in text.lower():
        return CredentialsError(f"earthengine: no usable project. Set {PROJECT} to a Google Cloud project that is "
                                "registered for Earth Engine.")  # fmt: skip
    if "not initialized" in text or "authorize" in text:
        return CredentialsError(f"earthengine: not logged in ({text}). Set {CREDENTIALS}.")
    return Refused(text, too_large=False)


def _by_status(answer: HttpError, project: str) -> Exception:
    status, message, content = int(answer.resp.status), _short(answer.reason), _content(answer)
    if status == 429 or (status == 403 and re.search("rate_?limit_?exceeded", json.dumps(content), re.IGNORECASE)):
        if _quota_of_zero(content):
            return CredentialsError(
                f"earthengine: the project {project} has a quota of zero ({message}). Raise it in the Google Cloud "
                f"console (IAM, Quotas, Earth Engine API), or set {PROJECT} to another project."
            )
        return Throttled(message)
    if status == 401:
        return CredentialsError(
            f"earthengine: the login is refused ({message}). Set {CREDENTIALS} to a valid key file, or run "
            "`earthengine authenticate`."
        )
    if status == 403:
        return CredentialsError(
            f"earthengine: the project {project} may not be used with this login ({message}). Enable the Earth Engine "
            "API in it, register it for Earth Engine, and give the account the roles `Earth Engine Resource Viewer` "
            f"and `Service Usage Consumer`; or set {PROJECT} or {CREDENTIALS} to others."
        )
    if status == 408 or (status == 400 and "timed out" in message):
        return TimedOut(f"HTTP {status}: {message}")
    if status >= 500:
        return Transient(f"HTTP {status}: {message}")
    return Refused(message, too_large=bool(re.search("memory|too (large|many)|exceed|accumulating over", message)))


def _answer(error: BaseException | None) -> HttpError | None:
    """The HTTP answer behind an exception: the client raises another in its place, with the message alone."""
    while error is not None:
        if isinstance(error, HttpError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _content(answer: HttpError) -> dict[str, Any]:
    try:
        content = json.loads(answer.content)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _quota_of_zero(content: dict[str, Any]) -> bool:
    """google.rpc.ErrorInfo names the limit that was exceeded; one of 0 can never be kept."""
    error = content.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    return any(
        isinstance(detail, dict)
        and isinstance(detail.get("metadata"), dict)
        and str(detail["metadata"].get("quota_limit_value")) == "0"
        for detail in (details if isinstance(details, list) else [])
    )


def _refusal(error: GoogleAuthError) -> str:
    """Only the first argument: the others repeat the answer of the token server."""
    if isinstance(error, RefreshError) and error.args:
        return _short(str(error.args[0]))
    return type(error).__name__


def _short(message: Any) -> str:
    return " ".join(str(message).split())[:300]
