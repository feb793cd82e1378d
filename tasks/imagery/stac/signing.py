"""Signatures of addresses, made or asked for just before a file is read, and never kept with anything else."""

import datetime as dt
import hashlib
import hmac
import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import quote, urlsplit

import requests

from tasks.errors import CatalogueError, CredentialsError, DeepSentinelError
from tasks.imagery.stac.cogs.addresses import Signed, Signer, http_address, unsigned
from tasks.imagery.stac.refusals import CatalogueFailed, NoAnswer, reason_of, seconds_of
from tasks.imagery.stac.settings import StacSettings
from tasks.imagery.stac.transport import Transport
from tasks.settings import variable_of
from tasks.spec import StacSource

_AZURE = ".blob.core.windows.net"

_AMAZON = re.compile(r"(?:^|\.)s3(?:[.-]([a-z]+(?:-[a-z]+)+-\d))?\.amazonaws\.com$")
"""s3.REGION.amazonaws.com, or without one."""

_MARGIN = 60.0
"""Seconds before its end from which a signature is not used any more: a request may be waited for."""

_YOUNG = 5.0
"""Seconds for which a signature is not asked for again, however often it is refused: many threads are at the same
time."""

_ONE_HOUR = 3600
"""Seconds for which signatures that are made here are good."""


@dataclass(frozen=True, kw_only=True)
class _Token:
    query: str = field(repr=False)
    until: float
    """Seconds since 1970."""
    got: float
    """When it was, on the monotonic clock."""


def signer_of(source: StacSource, settings: StacSettings, transport: Transport) -> Signer:
    """What signs the addresses of an archive."""
    if source.signatures:
        key = settings.stac_signature_key
        azure = AzureSignatures(source.signatures, transport, key=key.get_secret_value() if key else None)
    else:
        azure = unsigned
    if not source.s3:
        return azure
    endpoint, key, secret = source.s3.rstrip("/"), settings.stac_s3_key, settings.stac_s3_secret

    def sign(href: str, *, renew: bool) -> Signed:
        if not href.lower().startswith("s3://"):
            return azure(href, renew=renew)
        if key is None or secret is None:
            raise CredentialsError(
                f"{source.name}: its files at {endpoint} are given to accounts only. Set "
                f"{variable_of(StacSettings, 'stac_s3_key')} and {variable_of(StacSettings, 'stac_s3_secret')}."
            )
        keys = S3Keys(
            endpoint=endpoint,
            key=key.get_secret_value(),
            secret=secret.get_secret_value(),
            region=_region_of(endpoint),
            # Read by GDAL and others under this name too.
            pays=os.environ.get("AWS_REQUEST_PAYER", "").lower() == "requester",
        )
        return keys(href, renew=renew)

    return sign


def _region_of(endpoint: str) -> str:
    """The region that is signed for: Amazon's refuses any other; stores that have none take what is documented of the
    Copernicus Data Space."""
    found = _AMAZON.search(urlsplit(endpoint).hostname or "")
    return "default" if found is None else found[1] or "us-east-1"


class AzureSignatures:
    """Signs addresses in Azure's stores with signatures of a server that gives them to anyone, one for a container.

    Safe to use from many threads: one asks, the others wait.
    """

    def __init__(self, server: str, transport: Transport, *, key: str | None = None) -> None:
        """`server` is the URL that `/ACCOUNT/CONTAINER` is appended to; `key` is an account's, which none needs."""
        self._server, self._transport = server.rstrip("/"), transport
        self._headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._failed: dict[tuple[str, str], tuple[float, DeepSentinelError]] = {}
        self._asking: dict[tuple[str, str], Lock] = defaultdict(Lock)
        self._lock = Lock()

    def __call__(self, href: str, *, renew: bool) -> Signed:
        """Sign an address; those of other stores stay as they are. Raises CredentialsError, PlatformUnreachable."""
        address = http_address(href)
        container = container_of(address)
        if container is None:
            return Signed(address=address)
        # A query that the catalogue has put there is a signature too, and older.
        return Signed(address=f"{address.partition('?')[0]}?{self._token(container, renew=renew).query}")

    def _token(self, container: tuple[str, str], *, renew: bool) -> _Token:
        began = time.monotonic()
        with self._lock:
            asking = self._asking[container]
        with asking:
            failed, error = self._failed.get(container, (0.0, None))
            if error and failed > began:
                # Those that waited for it have been as patient as it was.
                raise type(error)(str(error))
            kept = self._tokens.get(container)
            if kept and kept.until - time.time() > _MARGIN and not (renew and time.monotonic() - kept.got > _YOUNG):
                return kept
            try:
                found = self._tokens[container] = self._ask(container)
            except DeepSentinelError as error:
                self._failed[container] = time.monotonic(), error
                raise
            return found

    def _ask(self, container: tuple[str, str]) -> _Token:
        address = f"{self._server}/{'/'.join(container)}"

        def send() -> _Token:
            try:
                answer = requests.get(address, headers=self._headers, timeout=self._transport.deadline)
            except requests.Timeout:
                raise NoAnswer(f"no answer within {self._transport.deadline:g} s") from None
            except requests.RequestException as error:
                raise NoAnswer(reason_of(error)) from None
            if answer.status_code >= 400:
                pause = seconds_of(answer.headers.get("Retry-After"))
                raise CatalogueFailed(address, answer.status_code, asked=pause)
            try:
                held = answer.json()
                until = dt.datetime.fromisoformat(held["msft:expiry"]).timestamp()
                return _Token(query=str(held["token"]).lstrip("?"), until=until, got=time.monotonic())
            except (ValueError, KeyError, TypeError):
                # Whatever it is, it may hold a signature.
                raise CredentialsError(
                    f"{address}: its answer is no signature. Correct `signatures` of the platform in the spec."
                ) from None

        try:
            return self._transport.ask(address, send)
        except CatalogueError as error:
            raise CredentialsError(f"{self._transport.platform}: no signature for its files: {error}") from None


def container_of(address: str) -> tuple[str, str] | None:
    """Account and container of an address in Azure's stores, or in an emulator on this machine; None of others."""
    parts = urlsplit(address)
    host, path = parts.hostname or "", parts.path.lstrip("/").split("/")
    if host.endswith(_AZURE) and len(path) > 1:
        return host.removesuffix(_AZURE), path[0]
    if (host == "localhost" or host.startswith("127.")) and len(path) > 2:
        # Azurite has the account in the path.
        return path[0], path[1]
    return None


@dataclass(frozen=True, kw_only=True)
class S3Keys:
    """Signs `s3://` addresses of one store with the keys of an account (AWS Signature Version 4, in the query)."""

    endpoint: str
    key: str
    secret: str = field(repr=False)
    region: str = "default"
    pays: bool = False
    """Whether the account pays for what it reads, without which buckets of that kind refuse it."""

    def __call__(self, href: str, *, renew: bool) -> Signed:
        """Sign an address; others stay as they are."""
        parts = urlsplit(href)
        if parts.scheme.lower() != "s3":
            return Signed(address=http_address(href))
        path = quote(f"/{parts.netloc}{parts.path}", safe="/~")
        return Signed(address=self.signed(path, dt.datetime.now(dt.UTC)))

    def signed(self, path: str, now: dt.datetime, seconds: int = _ONE_HOUR) -> str:
        """The address of a GET of a path, already quoted, from a time on for some seconds."""
        server = urlsplit(self.endpoint)
        stamp, day = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
        scope = f"{day}/{self.region}/s3/aws4_request"
        query = "&".join(
            f"{quote(name, safe='~')}={quote(value, safe='~')}"
            for name, value in sorted({
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": f"{self.key}/{scope}",
                "X-Amz-Date": stamp,
                "X-Amz-Expires": str(seconds),
                "X-Amz-SignedHeaders": "host",
                **({"x-amz-request-payer": "requester"} if self.pays else {}),
            }.items())
        )  # fmt: skip
        request = f"GET\n{path}\n{query}\nhost:{server.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        return f"{server.scheme}://{server.netloc}{path}?{query}&X-Amz-Signature={signature}"
