"""Where objects are put: one protocol, a file a kind of store."""

import re
from importlib.util import find_spec
from urllib.parse import urlsplit

from tasks.errors import SpecError
from tasks.shards.destinations.block_logins import load_store, read_blocks_with
from tasks.shards.destinations.destination import Content, Destination, OnDisk, Readable, Stored
from tasks.shards.destinations.local import LocalFolder
from tasks.shards.destinations.store_settings import STORE_SETTINGS, AzureSettings, GcsSettings
from tasks.spec.locations import is_url

__all__ = [
    "STORE_SETTINGS",
    "Content",
    "Destination",
    "LocalFolder",
    "OnDisk",
    "Readable",
    "Stored",
    "is_web",
    "open_destination",
    "open_readable",
    "read_blocks_with",
]

_EXTRAS = {"gs": ("gcs", "gcsfs"), "az": ("azure", "adlfs")}
"""The extra of each store, and what it installs."""

_BUCKET = {"gs": r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", "az": r"[a-z0-9](-?[a-z0-9]){2,62}"}
"""Names that the stores admit. https://cloud.google.com/storage/docs/buckets#naming,
https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata"""


def open_destination(location: str) -> Destination:
    """A destination from its path or URL; asks no store yet.

    Raises SpecError: of a kind that cannot be used, or its extra is not installed; SettingsError; CredentialsError: its
    login is in a block that cannot be read.
    """
    if not is_url(location):
        return LocalFolder(location)
    parts = urlsplit(location)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise SpecError(
                f"{location}: {parts.netloc!r} would be another machine; use file:///{parts.netloc}{parts.path}"
            )
        return LocalFolder(location)
    if parts.scheme not in _EXTRAS:
        raise SpecError(
            f"{location}: expected a folder, a file:// URL, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX; other stores "
            "cannot be used by this version."
        )
    return _open_store(location, parts.scheme)


def is_web(location: str) -> bool:
    """Whether a location is behind a web server: it can be read, by name alone, but not listed or written."""
    return location.lower().startswith(("http://", "https://"))


def open_readable(location: str) -> Readable:
    """Where a corpus can be read: a destination, or a folder that a web server shows. Raises as `open_destination`."""
    if is_web(location):
        # Imported here, because it takes what asks platforms.
        from tasks.shards.destinations.http import HttpFolder

        return HttpFolder(location)
    return open_destination(location)


def _open_store(location: str, scheme: str) -> Destination:
    bucket, _, prefix = location.partition("://")[2].partition("/")
    prefix = prefix.rstrip("/")
    if not re.fullmatch(_BUCKET[scheme], bucket):
        kind = {"gs": "bucket", "az": "container"}[scheme]
        raise SpecError(f"{location}: {bucket!r} is no name of a {kind}; expected {scheme}://{kind.upper()}/PREFIX.")
    if re.search(r"[?#\\\x00-\x1f]|//|(^|/)\.\.?(/|$)", prefix):
        raise SpecError(f"{location}: expected a prefix of plain names with slashes between, found {prefix!r}.")
    extra, module = _EXTRAS[scheme]
    if find_spec(module) is None:
        raise SpecError(f"{location}: needs the extra `{extra}`; install it: pip install 'deepsentinel[{extra}]'.")
    # Imported here, because a corpus in a folder has no need of any of it.
    from tasks.shards.destinations.object_store import ObjectStore

    name = f"{scheme}://{bucket}/{prefix}".rstrip("/")
    if scheme == "gs":
        from tasks.shards.destinations.gcs import GcsBucket

        of_gcs = load_store(GcsSettings)
        return ObjectStore(name, prefix, of_gcs, lambda: GcsBucket(bucket, of_gcs))
    from tasks.shards.destinations.azure import AzureContainer

    of_azure = load_store(AzureSettings)
    return ObjectStore(name, prefix, of_azure, lambda: AzureContainer(bucket, of_azure))
