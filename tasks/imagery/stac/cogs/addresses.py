"""Where files are asked for: addresses of stores as those of their HTTP servers, and what signs them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlsplit

from tasks.errors import PixelsError


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a request is sent with."""

    address: str
    """http:// or https://."""
    headers: Mapping[str, str] = field(default_factory=dict)


class Signer(Protocol):
    """Makes an address of a catalogue one that may be read now; called before every request, from many threads."""

    def __call__(self, href: str, *, renew: bool) -> Signed:
        """`renew`: what it gave last was refused, so nothing kept may be used. Raises CredentialsError."""
        ...


def unsigned(href: str, *, renew: bool = False) -> Signed:
    """An address as it is, that of a store as its public HTTP address."""
    return Signed(address=http_address(href))


def http_address(href: str) -> str:
    """The HTTP address of an object: s3://bucket/key, gs://bucket/key, az://account.blob.core.windows.net/container/key
    or abfs://container@account.dfs.core.windows.net/key.

    AWS_ENDPOINT_URL (or AWS_S3_ENDPOINT) names another S3 than Amazon's. Raises PixelsError: any other scheme.
    """
    parts = urlsplit(href)
    scheme, key = parts.scheme.lower(), quote(parts.path, safe="/%:@!$&'()*+,;=~")
    query = f"?{parts.query}" if parts.query else ""
    if scheme in ("http", "https"):
        return href
    if scheme == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            return f"{endpoint.rstrip('/')}/{parts.netloc}{key}{query}"
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        host = f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com"
        # Certificates do not hold for names with further dots.
        return f"https://{host}/{parts.netloc}{key}{query}" if "." in parts.netloc else (
            f"https://{parts.netloc}.{host}{key}{query}"
        )  # fmt: skip
    if scheme == "gs":
        return f"https://storage.googleapis.com/{parts.netloc}{key}{query}"
    if scheme in ("az", "abfs", "abfss") and "." in parts.netloc:
        container, _, host = parts.netloc.rpartition("@")
        host = host.replace(".dfs.", ".blob.")
        return f"https://{host}{f'/{container}' if container else ''}{key}{query}"
    raise PixelsError(
        f"{parts.scheme}://{parts.netloc}{parts.path}: no known way to its server. Name its https:// address in the "
        "catalogue; known are http, https, s3, gs, and az or abfs with the account's host."
    )
