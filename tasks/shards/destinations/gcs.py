"""Google Cloud Storage, through gcsfs."""

import io
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import google.auth.exceptions
import requests.exceptions

# gcsfs would ask every bucket over gRPC whether it is a zonal one, which stalls for a minute where nobody answers that.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
from gcsfs.core import GCSFileSystem
from gcsfs.retry import HttpError, NonRetryableError

from tasks.errors import CredentialsError
from tasks.settings import variable_of
from tasks.shards.destinations.destination import Content, Stored
from tasks.shards.destinations.object_store import Page, Trouble, zarr_store
from tasks.shards.destinations.store_settings import GcsSettings

if TYPE_CHECKING:
    from zarr.abc.store import Store

_AT_MOST = 20
"""Deadlines that one attempt may last in all: an upload of 200 MB sends for long before there is an answer."""

_KEY_FILE, _KEY, _BLOCK, _ANONYMOUS = (
    variable_of(GcsSettings, field) for field in ("key_file", "key", "block", "anonymous")
)


class _AskingOnce(GCSFileSystem):
    """The retries are ours, and gcsfs' own would multiply with them."""

    _request = GCSFileSystem._request.__wrapped__  # pyright: ignore[reportPrivateUsage, reportFunctionMemberAccess]


class GcsBucket:
    """A bucket."""

    kind = "bucket"
    to_log_in = (
        f"Run `gcloud auth application-default login`, or set {_KEY_FILE} to the key file of a service account or "
        f"{_BLOCK} to the Prefect block that holds it, or {_ANONYMOUS}=true for a public bucket"
    )

    def __init__(self, name: str, settings: GcsSettings) -> None:
        """Raises CredentialsError: there is no login, or its key file cannot be read."""
        self.name, self._settings = name, settings
        self.to_make_it = f"gcloud storage buckets create gs://{name}"
        self._fs: Any = self._open(_AskingOnce)

    def put(self, key: str, content: Content) -> Stored:
        return self._upload(key, content)

    def create(self, key: str, content: bytes) -> None:
        self._upload(key, content, ifGenerationMatch="0")

    def get(self, key: str) -> bytes:
        return self._fs.cat_file(f"{self.name}/{key}")

    def part(self, key: str, start: int, size: int) -> bytes:
        return self._fs.cat_file(f"{self.name}/{key}", start=start, end=start + size)

    def stat(self, key: str) -> Stored:
        return _stored(self._fs.call("GET", "b/{}/o/{}", self.name, key, json_out=True))

    def delete(self, key: str) -> None:
        self._fs.call("DELETE", "b/{}/o/{}", self.name, key)

    def page(self, prefix: str, more: str | None) -> Page:
        answer = self._fs.call(
            "GET", "b/{}/o", self.name, prefix=prefix, delimiter="/", maxResults=1000, pageToken=more,
            fields="items(name),prefixes,nextPageToken", json_out=True,
        )  # fmt: skip
        return Page(
            names=tuple(item["name"] for item in answer.get("items", ())),
            folders=tuple(answer.get("prefixes", ())),
            more=answer.get("nextPageToken"),
        )

    def store(self, prefix: str) -> "Store":
        # With gcsfs' own retries: zarr-python asks it, not us.
        return zarr_store(self._open(GCSFileSystem), f"{self.name}/{prefix}")

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error of gcsfs, aiohttp or google-auth means."""
        if isinstance(error, FileNotFoundError | FileExistsError):
            return None
        if isinstance(error, HttpError):
            return _of_status(int(error.code or 0), str(error.message))
        if isinstance(error, aiohttp.ClientPayloadError | json.JSONDecodeError | requests.exceptions.ProxyError):
            return Trouble.TRANSIENT  # gcsfs makes a ProxyError of 502
        if isinstance(
            error, aiohttp.ClientError | TimeoutError | ConnectionError | google.auth.exceptions.TransportError
        ):
            return Trouble.UNREACHABLE
        if isinstance(error, google.auth.exceptions.GoogleAuthError | NonRetryableError):
            return Trouble.LOGIN
        if isinstance(error, OSError) and str(error).startswith("Forbidden"):
            return _of_status(403, str(error))
        return Trouble.REFUSED if isinstance(error, OSError | ValueError) else None

    def _upload(self, key: str, content: Content, **condition: str) -> Stored:
        """One request, whatever the size: the body in parts, as it is: given at once, asyncio would copy it twice."""
        base = self._fs.base.replace("/storage/", "/upload/storage/")
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as data:
            answer = self._fs.call(
                "POST", f"{base}b/{self.name}/o", uploadType="media", name=key, data=data, json_out=True,
                headers={"Content-Type": "application/octet-stream"}, **condition,
            )  # fmt: skip
        return _stored(answer)

    def _open(self, kind: type[GCSFileSystem]) -> GCSFileSystem:
        settings = self._settings
        anonymous = settings.anonymous or bool(os.environ.get("STORAGE_EMULATOR_HOST"))
        login: Any = str(settings.key_file) if settings.key_file else "anon" if anonymous else "google_default"
        if settings.key_file and not settings.key_file.is_file():
            raise CredentialsError(f"{_KEY_FILE}={login}: there is no such file. {self.to_log_in}.")
        if settings.key:
            login = self._parsed(settings.key.get_secret_value())
        try:
            return kind(
                token=login,
                use_listings_cache=False,
                skip_instance_cache=True,
                requests_timeout=aiohttp.ClientTimeout(
                    total=_AT_MOST * settings.deadline, sock_connect=settings.deadline, sock_read=settings.deadline
                ),
            )
        except (google.auth.exceptions.GoogleAuthError, KeyError, ValueError, OSError) as error:
            if settings.key or settings.key_file:  # the words of an error may quote the key
                what = _KEY if settings.key else f"{_KEY_FILE}={login}"
                raise CredentialsError(f"{what}: is no key of a service account. {self.to_log_in}.") from None
            raise CredentialsError(f"gs://{self.name}: there is no login ({error}). {self.to_log_in}.") from None

    def _parsed(self, key: str) -> Any:
        with suppress(ValueError):
            if isinstance(parsed := json.loads(key), dict):
                return parsed
        raise CredentialsError(f"{_KEY}: is no content of a key file. {self.to_log_in}.")


def _stored(item: dict[str, Any]) -> Stored:
    return Stored(size=int(item["size"]), crc32c=item.get("crc32c"), md5=item.get("md5Hash"))


def _of_status(status: int, said: str) -> Trouble:
    text = said.lower()
    if status == 429 or "ratelimit" in text or "rate limit" in text:
        return Trouble.THROTTLED
    if "quota" in text or status == 507:
        return Trouble.SPACE
    if status == 408 or status >= 500:
        return Trouble.TRANSIENT
    return {401: Trouble.LOGIN, 403: Trouble.RIGHTS}.get(status, Trouble.REFUSED)
