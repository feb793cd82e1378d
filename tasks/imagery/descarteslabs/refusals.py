"""What the platform's failures mean: which are worth another try, and what to say of the others."""

from collections.abc import Generator
from contextlib import contextmanager

import requests
import urllib3
from earthdaily.earthone.exceptions import (
    ClientError,
    ForbiddenError,
    GatewayTimeoutError,
    ProxyAuthenticationRequiredError,
    RateLimitError,
    RequestCancellationError,
    ServerError,
    UnauthorizedError,
)

from tasks.errors import CatalogueError, CredentialsError, DeepSentinelError, SettingsError
from tasks.imagery.retries import Verdict

LOGIN = (
    "Set DEEPSENTINEL_DESCARTESLABS_CLIENT_ID and DEEPSENTINEL_DESCARTESLABS_CLIENT_SECRET to those of an account that "
    "may use the platform, or DEEPSENTINEL_DESCARTESLABS_TOKEN to an access token that has not expired"
)


LONGEST_PAUSE = 60.0
"""Seconds: a platform that wants more is asked again all the same, while the patience lasts."""


class DamagedBody(Exception):
    """An answer that is not what was asked for; the next one may be."""


_UNREACHABLE = (
    # Names that cannot be resolved, connections refused or reset before an answer, no answer in time.
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.TimeoutError,
)

_TRANSIENT = (
    DamagedBody,
    ServerError,
    RequestCancellationError,
    # Answers that are cut short, and bodies that are not JSON.
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)

_WRONG_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


def judge(error: Exception) -> Verdict:
    """Whether a failed request is worth another try."""
    if isinstance(error, RateLimitError):
        return Verdict.THROTTLED
    if isinstance(error, _UNREACHABLE):
        return Verdict.UNREACHABLE
    return Verdict.TRANSIENT if isinstance(error, _TRANSIENT) else Verdict.FINAL


def asked_pause(error: BaseException) -> float:
    """Seconds that the platform wants to be left alone, from Retry-After; 0 where it says nothing of the kind."""
    said = str(getattr(error, "retry_after", None) or "")
    return min(float(said), LONGEST_PAUSE) if said.isdigit() else 0.0


@contextmanager
def explained(what: str, refused: DeepSentinelError) -> Generator[None]:
    """Turn the client's final errors into ours: `refused` for a request that the platform will never answer.

    No text of the platform or of the client gets into the message: it may quote the token, and differs from day to day.
    """
    try:
        yield
    except RateLimitError as error:
        raise RateLimitError("status 429", retry_after=error.retry_after) from None
    except GatewayTimeoutError:
        raise
    except ServerError as error:
        # The client raises it also for bodies that end early or hold an error instead of pixels.
        status = getattr(error, "original_status", None)
        raise (ServerError(f"status {status}") if status else DamagedBody("a damaged body")) from None
    except RequestCancellationError:
        raise
    except UnauthorizedError:
        raise CredentialsError(f"descarteslabs: refused the login for {what} (401). {LOGIN}.") from None
    except ForbiddenError:
        raise CredentialsError(
            f"descarteslabs: this account may not use {what} (403). Ask the platform for access to it, or name another "
            "product with DEEPSENTINEL_DESCARTESLABS_SENTINEL2 and DEEPSENTINEL_DESCARTESLABS_SENTINEL1."
        ) from None
    except ProxyAuthenticationRequiredError:
        raise CredentialsError(
            "descarteslabs: the proxy asks for a login (407). Put it in HTTPS_PROXY, or go without the proxy."
        ) from None
    except ClientError:
        raise refused from None
    except _WRONG_URL:
        raise SettingsError(
            "DEEPSENTINEL_DESCARTESLABS_URL or DEEPSENTINEL_DESCARTESLABS_IAM_URL is not a URL. Write it with http:// "
            "or https://, or unset it."
        ) from None
    except AttributeError:
        # 6.2.0 fails to build its error for a status below 500 that it has no class for (http/session.py, `.value`).
        raise CatalogueError(f"descarteslabs: refused {what} with a status that its client does not know.") from None
