"""Azure Blob Storage, through adlfs."""

import base64
import io
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from adlfs import AzureBlobFileSystem
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob.aio import BlobServiceClient
from fsspec.asyn import sync

from tasks.errors import CredentialsError
from tasks.settings import variable_of
from tasks.shards.destinations.destination import Content, Stored
from tasks.shards.destinations.object_store import Page, Trouble, zarr_store
from tasks.shards.destinations.store_settings import AzureSettings

if TYPE_CHECKING:
    from zarr.abc.store import Store

_ONE_PUT = 4000 << 20
"""Bytes up to which an object is sent as one: Put Blob takes 5,000 MiB; pieces would be 4 MB each."""

_ACCOUNT, _CONNECTION, _SAS, _BLOCK = (
    variable_of(AzureSettings, field) for field in ("account_name", "connection_string", "sas_token", "block")
)

# What it says of logins that are not there stands in the error too, and fills a screen.
logging.getLogger("azure.identity").setLevel(logging.CRITICAL)

_LOGIN = ("AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation")


class _InParts(AioHttpTransport):
    """Sends a body part by part: asyncio copies what it is given at once, the whole of it, twice."""

    def _get_request_data(self, request: Any) -> Any:
        data: Any = super()._get_request_data(request)  # pyright: ignore[reportPrivateUsage]
        return io.BytesIO(data) if isinstance(data, bytes) else data


class _FileSystem(AzureBlobFileSystem):
    """With a client of our own making: its logins, limits and retries."""

    # fsspec would take two that differ by what is not shown of a secret for one.
    cachable = False

    def __init__(self, settings: AzureSettings, retries: int) -> None:
        self._settings, self._retries = settings, retries
        # `anon`: that adlfs looks for no login of its own.
        super().__init__(
            account_name=settings.account_name or "",
            anon=True,
            use_listings_cache=False,
        )

    def do_connect(self) -> None:
        settings = self._settings
        options: dict[str, Any] = {
            "retry_total": self._retries,
            "max_single_put_size": _ONE_PUT,
            # An object is read in one piece too.
            "max_single_get_size": _ONE_PUT,
            "transport": _InParts(connection_timeout=settings.deadline, read_timeout=settings.deadline),
        }
        if text := settings.connection_string:
            self.service_client = BlobServiceClient.from_connection_string(text.get_secret_value(), **options)
            return
        login: Any
        if token := settings.sas_token:
            login = AzureSasCredential(token.get_secret_value().removeprefix("?"))
        elif key := settings.account_key:
            login = AzureNamedKeyCredential(settings.account_name or "", key.get_secret_value())
        else:
            login = self.credential = DefaultAzureCredential()
        url = f"https://{settings.account_name}.blob.core.windows.net"
        self.service_client = BlobServiceClient(url, credential=login, **options)


class _RemovedMeanwhile(Exception):
    """Somebody has removed an object between its being put and being looked at."""


class AzureContainer:
    """A container."""

    kind = "container"
    to_log_in = (
        f"Set {_CONNECTION}, or {_ACCOUNT} together with {_SAS} (one that has not expired, with the rights to read, "
        f"write, list and delete), or {_BLOCK}, or log in with `az login`"
    )

    def __init__(self, name: str, settings: AzureSettings) -> None:
        """Raises CredentialsError: no account is named, or the connection string cannot be used."""
        self.name, self._settings = name, settings
        self.to_make_it = f"az storage container create --name {name}"
        if settings.connection_string is None and settings.account_name is None:
            raise CredentialsError(f"az://{name}: no account is named. {self.to_log_in}.")
        # The retries are ours, and the client's own would multiply with them.
        self._fs: Any = self._open(retries=0)

    def put(self, key: str, content: Content) -> Stored:
        # A file is read whole, once: the client would do the same to send it in one piece.
        self._upload(key, content if isinstance(content, bytes) else content.read_bytes(), overwrite=True)
        try:
            return self.stat(key)
        except FileNotFoundError:
            # Another build that makes the same release has removed it meanwhile, to put it anew.
            raise _RemovedMeanwhile(f"{key} was removed right after it was written") from None

    def create(self, key: str, content: bytes) -> None:
        self._upload(key, content, overwrite=False)

    def get(self, key: str) -> bytes:
        return self._fs.cat_file(f"{self.name}/{key}")

    def part(self, key: str, start: int, size: int) -> bytes:
        return self._fs.cat_file(f"{self.name}/{key}", start=start, end=start + size)

    def stat(self, key: str) -> Stored:
        found: Any = sync(self._fs.loop, self._stat, key)
        return found

    def delete(self, key: str) -> None:
        self._fs.rm_file(f"{self.name}/{key}")

    def page(self, prefix: str, more: str | None) -> Page:
        found: Any = sync(self._fs.loop, self._page, prefix, more)
        return found

    def store(self, prefix: str) -> "Store":
        # With the client's own retries: zarr-python asks it, not us.
        return zarr_store(self._open(retries=5), f"{self.name}/{prefix}")

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error of azure-core means."""
        if isinstance(error, ServiceRequestError | ServiceResponseError | TimeoutError | ConnectionError):
            return Trouble.UNREACHABLE
        if isinstance(error, DecodeError | _RemovedMeanwhile):
            return Trouble.TRANSIENT
        code, status = str(getattr(error, "error_code", "") or ""), int(getattr(error, "status_code", 0) or 0)
        if code in _LOGIN or status == 401 or (isinstance(error, ClientAuthenticationError) and not code):
            return Trouble.LOGIN
        if isinstance(error, HttpResponseError):
            return _of_status(status, f"{code} {error.message}")
        if isinstance(error, AzureError):
            return Trouble.TRANSIENT if "MD5" in str(error) else Trouble.REFUSED  # found by the client itself
        return None

    def _upload(self, key: str, content: bytes, *, overwrite: bool) -> None:
        # The store itself reckons the MD5 of what arrives in one put, and keeps it (Azure/azure-storage-python#411).
        try:
            self._fs.pipe_file(
                f"{self.name}/{key}", content, overwrite=overwrite,
                content_settings={"content_type": "application/octet-stream"},
            )  # fmt: skip
        except ResourceNotFoundError as error:
            raise FileNotFoundError(key) from error

    async def _stat(self, key: str) -> Stored:
        try:
            async with self._fs.service_client.get_blob_client(self.name, key) as blob:
                found = await blob.get_blob_properties()
        except ResourceNotFoundError as error:
            raise FileNotFoundError(key) from error
        md5 = found.content_settings.content_md5
        return Stored(size=found.size, crc32c=None, md5=base64.b64encode(md5).decode() if md5 else None)

    async def _page(self, prefix: str, more: str | None) -> Page:
        try:
            async with self._fs.service_client.get_container_client(self.name) as container:
                pages = container.walk_blobs(name_starts_with=prefix, delimiter="/").by_page(more)
                items = [item async for item in await _first(pages)]
        except ResourceNotFoundError as error:
            raise FileNotFoundError(self.name) from error
        names = tuple(item.name for item in items)
        return Page(
            names=tuple(name for name in names if not name.endswith("/")),
            folders=tuple(name for name in names if name.endswith("/")),
            more=getattr(pages, "continuation_token", None) or None,
        )

    def _open(self, *, retries: int) -> _FileSystem:
        try:
            return _FileSystem(self._settings, retries)
        except ValueError:  # whose words may quote a key
            raise CredentialsError(f"{_CONNECTION}: is no connection string. {self.to_log_in}.") from None


async def _first(pages: Any) -> AsyncIterator[Any]:
    return await anext(pages)


def _of_status(status: int, said: str) -> Trouble:
    text = said.lower()
    if status == 429 or "serverbusy" in text:
        return Trouble.THROTTLED
    if "quota" in text or status == 507:
        return Trouble.SPACE
    if status == 408 or status >= 500 or "md5" in text:
        return Trouble.TRANSIENT  # a wrong checksum: the body was damaged on its way
    if status == 403:
        # Which of the codes it is, depends on what is wrong with a signature; the words do not.
        return Trouble.LOGIN if "failed to authenticate" in text else Trouble.RIGHTS
    return Trouble.REFUSED
