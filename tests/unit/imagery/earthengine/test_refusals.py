"""What Earth Engine's refusals and failures mean, without a server."""

import ee
import google.auth.exceptions
import httplib2
import pytest
from googleapiclient.errors import HttpError

from tasks.errors import CredentialsError
from tasks.imagery.earthengine.refusals import Refused, Throttled, TimedOut, Transient, judge, translate
from tasks.imagery.retries import Verdict


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (429, "Too many concurrent aggregations.", Throttled),
        (403, "rateLimitExceeded", Throttled),
        (500, "An internal error has occurred.", Transient),
        (503, "unavailable", Transient),
        (400, "Computation timed out.", TimedOut),
        (400, "User memory limit exceeded.", Refused),
        (404, "Asset not found", Refused),
        (401, "invalid", CredentialsError),
        (403, "Caller does not have permission", CredentialsError),
    ],
)
def test_by_status_although_the_client_hides_it(status: int, message: str, kind: type[Exception]) -> None:
    content = f'{{"error": {{"code": {status}, "message": "{message}"}}}}'.encode()
    try:
        try:
            raise HttpError(httplib2.Response({"status": str(status)}), content)
        except HttpError as error:
            raise ee.EEException(str(error.reason))  # noqa: B904 as the client does
    except ee.EEException as error:
        meant = translate(error, "proj-x")
    assert type(meant) is kind and (message in str(meant) or kind is CredentialsError)


def test_verdicts() -> None:
    assert judge(Throttled()) is Verdict.THROTTLED and judge(TimedOut()) is Verdict.TRANSIENT
    assert judge(Refused("", too_large=True)) is judge(CredentialsError()) is Verdict.FINAL


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), ConnectionResetError(), ConnectionRefusedError(), ConnectionError("gaierror"),
     google.auth.exceptions.TransportError("no token server")],
)  # fmt: skip
def test_without_an_answer_it_is_out_of_reach(error: Exception) -> None:
    assert judge(translate(error, "proj-x")) is Verdict.UNREACHABLE


@pytest.mark.parametrize(
    "error",
    [OSError("the answer broke off"), ValueError("Expecting value"),
     google.auth.exceptions.RefreshError("internal_failure", retryable=True)],
)  # fmt: skip
def test_an_answer_of_no_use_is_transient(error: Exception) -> None:
    assert judge(translate(error, "proj-x")) is Verdict.TRANSIENT
