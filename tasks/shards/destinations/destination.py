"""What every destination can do, wherever it is."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import google_crc32c

if TYPE_CHECKING:
    # Imported by those who read pixels: `status` has no need of it and starts a second faster without.
    from zarr.abc.store import Store


Content = bytes | Path
"""What is put: bytes, or a file that holds them, which is read part by part."""

_PART = 1 << 20
"""Bytes of a file that are read at once."""


def parts_of(content: Content) -> Iterator[bytes]:
    """Content in parts that are small beside it."""
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        yield from iter(lambda: file.read(_PART), b"")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a store says of an object that it holds."""

    size: int
    """Bytes."""
    crc32c: str | None
    """Base64 of the big-endian checksum, as Google Cloud Storage gives it; None: the store does not tell."""
    md5: str | None
    """Base64, as Azure Blob Storage gives it; None: the store does not tell."""

    @classmethod
    def of(cls, content: Content) -> "Stored":
        """What there is to say of some content."""
        digest = hashlib.md5(usedforsecurity=False)

        def read() -> Iterator[bytes]:
            for part in parts_of(content):
                digest.update(part)
                yield part

        return replace(cls.of_parts(read()), md5=_base64(digest.digest()))

    @classmethod
    def of_parts(cls, parts: Iterable[bytes]) -> "Stored":
        """What there is to say of bytes that come in parts, but for the MD5, which takes eight times as long."""
        size, crc = 0, 0
        for part in parts:
            size += len(part)
            crc = google_crc32c.extend(crc, part)
        return cls(size=size, crc32c=_base64(crc.to_bytes(4, "big")), md5=None)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


class Readable(Protocol):
    """A place from which a corpus can be read. Safe to use from many threads, and in a process forked from this one.

    Paths of objects are relative, with slashes. Every method raises DestinationError: no right; DestinationUnreachable:
    no answer; CredentialsError: the login is refused.
    """

    location: str
    """Absolute path or URL."""

    def get(self, path: str) -> bytes | None:
        """Read an object; None where there is none."""
        ...

    def part(self, path: str, start: int, size: int) -> bytes | None:
        """Read `size` bytes of an object from `start`, fewer where it ends before; None where there is none."""
        ...


class Destination(Readable, Protocol):
    """A place that holds a corpus. Every object appears whole or not at all.

    Every method raises DestinationError: no right, no space; DestinationUnreachable: no answer; CredentialsError: the
    login is refused.
    """

    def prepare(self) -> None:
        """See that it can be written, and drop what killed runs left. Nothing stays behind."""
        ...

    def put(self, path: str, content: Content) -> Stored:
        """Write an object, replacing what is there; says what the store holds now."""
        ...

    def create(self, path: str, content: bytes) -> bool:
        """Write an object unless there is one; says whether it was written. Of many at once exactly one does."""
        ...

    def stat(self, path: str) -> Stored | None:
        """What the destination says of an object, without handing it over; None where there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names of the objects directly in a folder, sorted; none where it does not exist. One listing."""
        ...

    def top(self) -> list[str]:
        """Names of all objects and folders at the top, sorted. One listing."""
        ...

    def delete(self, path: str) -> None:
        """Remove an object, if there is one."""
        ...

    def store(self) -> "Store":
        """The corpus as zarr-python reads it, part by part."""
        ...


@runtime_checkable
class OnDisk(Protocol):
    """What a destination can do besides if it lies on a file system: its room has an end."""

    def free(self) -> int:
        """Bytes that are free there. Raises DestinationError."""
        ...

    def volume(self) -> int | None:
        """The file system, which may be that of other destinations too; None where that cannot be told."""
        ...

    def leaving_no_folders(self) -> AbstractContextManager[None]:
        """Removes at its end the empty folders that were made meanwhile."""
        ...
