"""Where bytes of files come from, disks and servers, and what it means for a scene that they do not come."""

import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TypeVar
from urllib.parse import urlsplit

from tasks.errors import CredentialsError, SceneUnavailable
from tasks.imagery.limits import Limit
from tasks.imagery.platform import Traffic
from tasks.imagery.retries import request
from tasks.imagery.stac.cogs.addresses import Signed, Signer, unsigned
from tasks.imagery.stac.cogs.facts import File, Version
from tasks.imagery.stac.cogs.http import Http
from tasks.imagery.stac.refusals import Refused, asked_pause, damaged, judge
from tasks.scenes.reasons import Reason

T = TypeVar("T")


class Sources:
    """The disks and servers of an archive. Safe to use from many threads.

    Every request to a server goes through the one retry layer, with a limit of its own for every host.
    """

    def __init__(self, *, name: str, requests: int, deadline: float, patience: float, sign: Signer) -> None:
        """`requests` in flight to a host; `deadline` and `patience` in seconds, of an answer and of a request with all
        its attempts.
        """
        self._name, self._deadline, self._patience, self._sign = name, deadline, patience, sign
        self._http = Http(connections=requests, deadline=deadline)
        self._limits: dict[str, Limit] = defaultdict(lambda: Limit(requests))
        self._lock = Lock()

    def close(self) -> None:
        """End all connections; later requests open new ones."""
        self._http.close()

    def part(
        self, file: File, start: int, length: int, traffic: Traffic, *, anew: bool = False
    ) -> tuple[bytes, Version]:
        """Bytes of a file, fewer where it ends; and which content of it they are of. `anew`: past every cache on the
        way.

        Raises SceneUnavailable: there is no such file. PixelsError: still failing after the patience, or an answer that
        no further request would change. CredentialsError: it may not be read. PlatformUnreachable.
        """
        path = file.path
        if path is not None:
            content, version = self._explained(file, lambda: _of_disk(path, start, length))
            traffic.add(requests=1)
        else:
            content, version = self._asked(
                file,
                lambda signed: self._http.fetch(signed.address, start, length, signed.headers, anew=anew),
                traffic,
            )
        traffic.add(bytes=len(content))
        return content, version

    def gdal(self, file: File, send: Callable[[Signed, float], T], traffic: Traffic) -> T:
        """What GDAL makes of a file, opened where it lies, within a deadline. Raises as `part`."""
        path = file.path
        if path is None:
            return self._asked(file, lambda signed: send(signed, self._deadline), traffic)
        traffic.add(requests=1)
        return self._explained(file, lambda: send(Signed(address=str(path)), self._deadline))

    def _asked(self, file: File, send: Callable[[Signed], T], traffic: Traffic) -> T:
        """Ask a server, again while it is worth it."""

        def attempt() -> T:
            try:
                return send(self._sign(file.href, renew=False))
            except PermissionError:
                if self._sign is unsigned:
                    raise
                return send(self._sign(file.href, renew=True))

        with self._lock:
            limit = self._limits[urlsplit(file.href).netloc]
        return self._explained(
            file,
            lambda: request(
                attempt,
                judge=judge,
                limit=limit,
                traffic=traffic,
                patience=self._patience,
                what=f"{self._name}: {file.scene}: {file.name}",
                asked=asked_pause,
            ),
        )

    def _explained(self, file: File, send: Callable[[], T]) -> T:
        """What it means for the scene that its file is absent or refused."""
        try:
            return send()
        except FileNotFoundError:
            raise SceneUnavailable(Reason.NO_FILE, file.scene, f"the archive has no file {file.name}") from None
        except PermissionError as error:
            if isinstance(error, Refused) and error.expired:
                raise CredentialsError(
                    f"{self._name}: the signed address of {file.name} of {file.scene} has expired. Have the catalogue "
                    "sign its addresses anew, then run the same command."
                ) from None
            raise CredentialsError(
                f"{self._name}: the archive refuses to give {file.name} of {file.scene}. Check that its files may be "
                "read, or that their signed addresses have not expired; then run the same command."
            ) from None


def _of_disk(path: Path, start: int, length: int) -> tuple[bytes, Version]:
    try:
        with path.open("rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            file.seek(start)
            return file.read(length), Version(size=state.st_size, modified=str(state.st_mtime_ns))
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise damaged(str(path), str(error.strerror)) from None
