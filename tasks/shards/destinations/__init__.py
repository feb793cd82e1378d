"""Where objects are put: one protocol, a file a kind of store."""

from urllib.parse import urlsplit

from tasks.errors import SpecError
from tasks.shards.destinations.destination import Destination, OnDisk, Stored
from tasks.shards.destinations.local import LocalFolder
from tasks.spec.locations import is_url

__all__ = ["Destination", "LocalFolder", "OnDisk", "Stored", "open_destination"]


def open_destination(location: str) -> Destination:
    """A destination from its path or URL. Raises SpecError: of a kind that cannot be used."""
    if is_url(location):
        parts = urlsplit(location)
        if parts.scheme != "file":
            raise SpecError(
                f"{location}: expected a folder or a file:// URL; other stores cannot be used by this version."
            )
        if parts.netloc not in ("", "localhost"):
            raise SpecError(
                f"{location}: {parts.netloc!r} would be another machine; use file:///{parts.netloc}{parts.path}"
            )
    return LocalFolder(location)
