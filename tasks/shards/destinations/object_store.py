"""A prefix of a bucket as a destination, whichever store it is in."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tasks.errors import (
    CredentialsError,
    DeepSentinelError,
    DestinationError,
    DestinationUnreachable,
    PixelsError,
    PlatformUnreachable,
)
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import Verdict, request
from tasks.shards.destinations.destination import Content, Stored
from tasks.shards.destinations.store_settings import StoreSettings

if TYPE_CHECKING:
    from zarr.abc.store import Store

T = TypeVar("T")


class Trouble(Enum):
    """What a failed request to a store means."""

    ABSENT = "absent"
    """There is no such bucket."""
    LOGIN = "login"
    """The login is refused, has expired, or there is none."""
    RIGHTS = "rights"
    """The login is good, but may not do this."""
    SPACE = "space"
    """A quota is used up."""
    REFUSED = "refused"
    """Whatever else will not change."""
    THROTTLED = "throttled"
    TRANSIENT = "transient"
    UNREACHABLE = "unreachable"


_VERDICTS = {
    Trouble.THROTTLED: Verdict.THROTTLED,
    Trouble.TRANSIENT: Verdict.TRANSIENT,
    Trouble.UNREACHABLE: Verdict.UNREACHABLE,
}

_AGAIN = "then run the same command, it goes on where it stopped."


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a listing."""

    names: tuple[str, ...]
    """Keys of objects."""
    folders: tuple[str, ...]
    """What the keys of deeper objects begin with, up to a slash."""
    more: str | None
    """Token of the next part; None: this is the last one."""


class Bucket(Protocol):
    """A bucket as its store's client knows it. Every call is tried once and raises the client's own errors.

    Where there is no such object, or no such bucket, that is FileNotFoundError.
    """

    kind: str
    """What the store calls it: bucket, container."""
    name: str
    to_make_it: str
    """The command that makes it."""
    to_log_in: str
    """What to do about a login that is refused."""

    def put(self, key: str, content: Content) -> Stored: ...

    def create(self, key: str, content: bytes) -> None:
        """Raises FileExistsError."""
        ...

    def get(self, key: str) -> bytes: ...

    def part(self, key: str, start: int, size: int) -> bytes: ...

    def stat(self, key: str) -> Stored: ...

    def delete(self, key: str) -> None: ...

    def page(self, prefix: str, more: str | None) -> Page:
        """Objects and folders directly under a prefix, some thousand at once."""
        ...

    def store(self, prefix: str) -> "Store": ...

    def trouble(self, error: Exception) -> Trouble | None:
        """What an error of the client means; None: it is none of the client's."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Connection:
    """What a process has of its own: clients do not survive a fork, nor do locks that somebody holds meanwhile."""

    bucket: Bucket
    limit: Limit
    traffic: Traffic


class ObjectStore:
    """Everything under a prefix of a bucket. A store's object appears whole or not at all."""

    def __init__(self, location: str, prefix: str, settings: StoreSettings, connect: Callable[[], Bucket]) -> None:
        """`connect` opens the bucket; it is called in each process that asks something."""
        self.location = location
        self._prefix = f"{prefix}/" if prefix else ""
        self._settings, self._connect = settings, connect
        self._connections: dict[int, _Connection] = {}

    @property
    def traffic(self) -> Traffic:
        """What this process has asked for so far."""
        return self._connection().traffic

    def prepare(self) -> None:
        """See that objects can be listed, written and removed. Nothing stays behind.

        Raises DestinationError, CredentialsError.
        """
        self.top()
        probe = f"runs/probe-{uuid.uuid4().hex}"
        self.put(probe, b"x")
        self.delete(probe)

    def put(self, path: str, content: Content) -> Stored:
        """Write an object, replacing what is there; says what the store holds. Raises DestinationError."""
        stored = self._ask(lambda bucket: bucket.put(self._key(path), content), f"{path} cannot be written")
        return self._needed(stored)

    def create(self, path: str, content: bytes) -> bool:
        """Write an object unless there is one; says whether it was written. Raises DestinationError.

        False also where the store had written it and its answer was lost: who needs to know reads and compares.
        """
        try:
            self._needed(
                self._ask(lambda bucket: bucket.create(self._key(path), content) or True, f"{path} cannot be written")
            )
        except FileExistsError:
            return False
        return True

    def get(self, path: str) -> bytes | None:
        """Read an object; None where there is none. Raises DestinationError."""
        return self._ask(lambda bucket: bucket.get(self._key(path)), f"{path} cannot be read")

    def part(self, path: str, start: int, size: int) -> bytes | None:
        """Read `size` bytes of an object from `start`; None where there is none. Raises DestinationError."""
        return self._ask(lambda bucket: bucket.part(self._key(path), start, size), f"{path} cannot be read")

    def stat(self, path: str) -> Stored | None:
        """What the store says of an object; None where there is none. Raises DestinationError."""
        return self._ask(lambda bucket: bucket.stat(self._key(path)), f"{path} cannot be looked at")

    def delete(self, path: str) -> None:
        """Remove an object, if there is one. Raises DestinationError."""
        self._ask(lambda bucket: bucket.delete(self._key(path)), f"{path} cannot be removed")

    def names(self, folder: str) -> list[str]:
        """Names of the objects directly in a folder, sorted. Raises DestinationError."""
        start = self._key(f"{folder}/")
        return sorted(key.removeprefix(start) for page in self._pages(start) for key in page.names if key != start)

    def top(self) -> list[str]:
        """Names of all objects and folders at the top, sorted. Raises DestinationError."""
        found = {key for page in self._pages(self._prefix) for key in (*page.names, *page.folders)}
        return sorted(name for key in found if (name := key.removeprefix(self._prefix).rstrip("/")))

    def store(self) -> "Store":
        """The corpus as zarr-python reads it."""
        return self._connection().bucket.store(self._prefix)

    def _key(self, path: str) -> str:
        return self._prefix + path

    def _pages(self, prefix: str) -> Iterator[Page]:
        more: str | None = None
        while True:
            page = self._needed(self._ask(lambda bucket, more=more: bucket.page(prefix, more), "cannot be listed"))
            yield page
            if (more := page.more) is None:
                return

    def _ask(self, send: Callable[[Bucket], T], failed: str) -> T | None:
        """Send a request, and again if that may help; None: there is no such object, or bucket.

        Raises FileExistsError, DestinationError, CredentialsError.
        """
        own = self._connection()
        try:
            return request(
                lambda: send(own.bucket),
                judge=lambda error: _VERDICTS.get(own.bucket.trouble(error) or Trouble.REFUSED, Verdict.FINAL),
                limit=own.limit,
                traffic=own.traffic,
                patience=self._settings.patience,
                what=f"{self.location}: {failed}",
            )
        except FileNotFoundError:
            return None
        except (PlatformUnreachable, PixelsError) as error:
            # Told apart from a platform's, because the run goes on with what other destinations take.
            raise DestinationUnreachable(str(error), self.location) from None
        except Exception as error:
            if (trouble := own.bucket.trouble(error)) is None:
                raise
            raise self._refusal(trouble, failed, error) from None

    def _needed(self, answer: T | None) -> T:
        """An answer that only the bucket's own absence can keep from coming."""
        if answer is None:
            raise self._refusal(Trouble.ABSENT, "cannot be used", None)
        return answer

    def _refusal(self, trouble: Trouble, failed: str, error: Exception | None) -> DeepSentinelError:
        bucket = self._connection().bucket
        # What Azure says after it is the number of the request, and the answer itself.
        words = " ".join(str(error).partition("RequestId:")[0].split())
        said = f" ({type(error).__name__}: {words[:300]})" if error else ""
        told = f"{self.location}: {failed}: "
        if trouble is Trouble.LOGIN:
            return CredentialsError(f"{told}the login is refused{said}. {bucket.to_log_in}; {_AGAIN}")
        remedies = {
            Trouble.ABSENT: f"there is no {bucket.kind} {bucket.name}{said}. Make it ({bucket.to_make_it}), or correct "
            "the URL",
            Trouble.RIGHTS: f"this login has no right to{said}. Ask for the right to read, write, list and delete "
            f"objects in the {bucket.kind} {bucket.name}, or build elsewhere with --to",
            Trouble.SPACE: f"a quota is used up{said}. Have it raised, free some space, or build elsewhere with --to",
        }
        remedy = remedies.get(trouble, f"the store refuses{said}. Check the URL and the store, or use another one")
        return DestinationError(f"{told}{remedy}; {_AGAIN}")

    def _connection(self) -> _Connection:
        own = os.getpid()
        if own not in self._connections:
            # Without a lock, which a fork could leave held: of two at once one is dropped.
            made = _Connection(bucket=self._connect(), limit=Limit(self._settings.requests), traffic=Traffic())
            self._connections.setdefault(own, made)
        return self._connections[own]


def zarr_store(files: Any, path: str) -> "Store":
    """What is under a path of an fsspec file system, for zarr-python to read."""
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from zarr.storage import FsspecStore

    # Its own coroutines would run in zarr's event loop, which nobody closes its connections in.
    return FsspecStore(AsyncFileSystemWrapper(files, asynchronous=True), read_only=True, path=path.rstrip("/"))
