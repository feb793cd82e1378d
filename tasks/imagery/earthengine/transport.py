"""The wire under the client: one pool of connections, a deadline for every request, and what came through it."""

from threading import local
from typing import Any

import httplib2
import requests
import urllib3
from requests.adapters import HTTPAdapter


class Transport:
    """What the client calls instead of its own session (`ee.Initialize(http_transport=...)`); safe for threads.

    The client's own has a pool of 10 connections, no deadline, and reads bodies in pieces of 10 kB, which costs
    as much CPU again as everything else done for a sample.
    """

    def __init__(self, *, connections: int, deadline: float) -> None:
        """`connections` are kept open; `deadline` is in seconds, for connecting and between two parts of an answer."""
        self._deadline = deadline
        self._session = requests.Session()
        # Retries are counted and limited in one place, `tasks.imagery.retries`.
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        self._received = local()

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
        redirections: int | None = None,
        connection_type: Any = None,
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request as httplib2 does.

        Raises TimeoutError, ConnectionError: nobody answered; OSError: the answer broke off.
        """
        try:
            answer = self._session.request(method, uri, data=body, headers=headers, timeout=self._deadline, stream=True)
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise TimeoutError(f"no answer within {self._deadline:g} s") from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ConnectionError(_reason(error)) from error
        try:
            with answer:
                content: bytes = answer.raw.read(decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise OSError(f"the answer broke off: {_reason(error)}") from error
        status, received = answer.status_code, dict(answer.headers)
        self._received.bytes = getattr(self._received, "bytes", 0) + len(content)
        return httplib2.Response({**received, "status": str(status)}), content

    def received(self) -> int:
        """Bytes received by the calling thread since it last asked."""
        count = getattr(self._received, "bytes", 0)
        self._received.bytes = 0
        return count

    def close(self) -> None:
        """Close the connections; a further request opens new ones."""
        self._session.close()


def _reason(error: Exception) -> str:
    """The innermost cause: what wraps it repeats the address, over and over."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return f"{type(cause).__name__}: {cause}"
