"""What failures of the platform `descarteslabs` mean."""

import pytest
import requests
import urllib3
from earthdaily.earthone.exceptions import (
    BadRequestError,
    GatewayTimeoutError,
    RateLimitError,
    RequestCancellationError,
    ServerError,
)

from tasks.errors import CatalogueError, CredentialsError, SettingsError
from tasks.imagery.descarteslabs.refusals import LONGEST_PAUSE, DamagedBody, asked_pause, explained, judge
from tasks.imagery.retries import Verdict

POOL = urllib3.HTTPConnectionPool("127.0.0.1")


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (requests.ConnectionError("refused, reset, or no such name"), Verdict.UNREACHABLE),
        (requests.exceptions.SSLError("certificate"), Verdict.UNREACHABLE),
        (requests.exceptions.ProxyError("proxy"), Verdict.UNREACHABLE),
        (requests.ConnectTimeout("connect"), Verdict.UNREACHABLE),
        (requests.ReadTimeout("read"), Verdict.UNREACHABLE),
        (urllib3.exceptions.ReadTimeoutError(POOL, "/npz", "read"), Verdict.UNREACHABLE),
        (requests.exceptions.ChunkedEncodingError("cut short"), Verdict.TRANSIENT),
        (urllib3.exceptions.ProtocolError("cut short"), Verdict.TRANSIENT),
        (DamagedBody("noise"), Verdict.TRANSIENT),
        (ServerError("503"), Verdict.TRANSIENT),
        (GatewayTimeoutError("504"), Verdict.TRANSIENT),
        (RequestCancellationError("cancelled"), Verdict.TRANSIENT),
        (RateLimitError("429"), Verdict.THROTTLED),
        (BadRequestError("400"), Verdict.FINAL),
        (CredentialsError("401"), Verdict.FINAL),
        (ValueError("ours"), Verdict.FINAL),
    ],
    ids=lambda value: getattr(value, "value", type(value).__name__),
)
def test_are_judged(error: Exception, verdict: Verdict) -> None:
    assert judge(error) is verdict


@pytest.mark.parametrize(("said", "seconds"), [("3", 3), ("600", LONGEST_PAUSE), ("soon", 0), (None, 0), ("-1", 0)])
def test_ask_for_a_pause(said: str | None, seconds: float) -> None:
    assert asked_pause(RateLimitError("429", retry_after=said)) == seconds


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BadRequestError("quotes t0ken"), CatalogueError),
        (requests.exceptions.MissingSchema("t0ken"), SettingsError),
        (ServerError("quotes t0ken"), DamagedBody),
    ],
)
def test_are_told_without_the_servers_words(error: Exception, told: type[Exception]) -> None:
    with pytest.raises(told) as caught, explained("the catalogue", CatalogueError("refused a search")):
        raise error
    assert "t0ken" not in str(caught.value)
