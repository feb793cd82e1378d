"""Folders of this machine."""

import errno
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tasks.errors import DestinationError
from tasks.shards.destinations.destination import Content, Stored, parts_of
from tasks.spec.locations import is_url

if TYPE_CHECKING:
    from zarr.abc.store import Store

_PARTIAL = "runs/partial"
"""Where files are written before they are whole; `runs` is the one folder that is no part of a corpus' content."""

_ABANDONED_AFTER = 24 * 3600
"""Seconds after which a partial file has no writer any more."""

_REMEDIES = {
    errno.ENOSPC: "Free some space there, or build elsewhere with --to",
    errno.EDQUOT: "Free some of your quota there, or build elsewhere with --to",
    errno.EACCES: "Ask for the right to write there, or build elsewhere with --to",
    errno.EPERM: "Ask for the right to write there, or build elsewhere with --to",
    errno.EROFS: "It is mounted read-only; build elsewhere with --to",
    errno.ENOTDIR: "A part of the path is a file; choose another folder with --to",
}


class LocalFolder:
    """A folder. Its file system must have hard links, by which of two writers of one record exactly one wins."""

    def __init__(self, location: str) -> None:
        """`location` is a path or a file:// URL; a relative path starts at the current folder."""
        path = Path(unquote(urlsplit(location).path) if is_url(location) else location).expanduser()
        self._root = Path(os.path.abspath(path))  # noqa: PTH100 resolve() would follow links
        self.location = str(self._root)

    def prepare(self) -> None:
        """See that it can be written, or made, and drop what killed runs left. Nothing stays behind.

        Raises DestinationError.
        """
        with self._explained("cannot be written"):
            partial = self._root / _PARTIAL
            for path in partial.iterdir() if partial.is_dir() else ():
                with suppress(FileNotFoundError):  # its writer has just finished
                    if time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                        path.unlink()
            # What is there is used as it is: a folder that is made and removed again would be missed by another build.
            there = next(folder for folder in (partial, *partial.parents) if folder.exists())
            with tempfile.TemporaryDirectory(dir=there, prefix=".probe-") as folder:
                self._probe(Path(folder))

    def _probe(self, folder: Path) -> None:
        """Write a file and link it. Raises DestinationError: no links; OSError."""
        probe = folder / "file"
        probe.write_bytes(b"x")
        try:
            os.link(probe, folder / "link")
        except OSError as error:
            raise DestinationError(
                f"{self._root}: its file system has no hard links ({error.strerror}), which keep two builds from "
                "committing one shard twice. Build on another file system and copy the corpus there."
            ) from None

    def put(self, path: str, content: Content) -> Stored:
        """Write an object, replacing what is there; says what reading it back gives. Raises DestinationError."""
        with self._explained(f"{path} cannot be written"), self._written(content) as partial:
            # Before it has its name, under which another build may remove it at any moment.
            stored = self._told(partial)
            partial.replace(self._target(path))
            return stored

    def create(self, path: str, content: bytes) -> bool:
        """Write an object unless there is one; says whether it was written. Raises DestinationError."""
        with self._explained(f"{path} cannot be written"), self._written(content) as partial:
            try:
                os.link(partial, self._target(path))
            except FileExistsError:
                return False
            return True

    def get(self, path: str) -> bytes | None:
        """Read an object; None where there is none. Raises DestinationError."""
        with self._explained(f"{path} cannot be read"):
            try:
                return (self._root / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def part(self, path: str, start: int, size: int) -> bytes | None:
        """Read `size` bytes of an object from `start`; None where there is none. Raises DestinationError."""
        with self._explained(f"{path} cannot be read"):
            try:
                file = os.open(self._root / path, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                return None
            try:
                return os.pread(file, size, start)
            finally:
                os.close(file)

    def stat(self, path: str) -> Stored | None:
        """What reading an object gives; None where there is none. Raises DestinationError."""
        with self._explained(f"{path} cannot be read"):
            try:
                return self._told(self._root / path)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def delete(self, path: str) -> None:
        """Remove an object, if there is one. Raises DestinationError."""
        with self._explained(f"{path} cannot be removed"):
            (self._root / path).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """File names in a folder, sorted; none where it does not exist. Raises DestinationError."""
        with self._explained(f"{folder} cannot be listed"):
            try:
                return sorted(path.name for path in (self._root / folder).iterdir() if path.is_file())
            except (FileNotFoundError, NotADirectoryError):
                return []

    def top(self) -> list[str]:
        """Names of all files and folders in the folder, sorted. Raises DestinationError."""
        with self._explained("cannot be listed"):
            try:
                return sorted(path.name for path in self._root.iterdir())
            except FileNotFoundError:
                return []

    def store(self) -> "Store":
        """The corpus as zarr-python reads it."""
        from zarr.storage import LocalStore

        return LocalStore(self._root, read_only=True)

    def free(self) -> int:
        """Bytes that are free on its file system. Raises DestinationError."""
        with self._explained("the free space cannot be told"):
            return shutil.disk_usage(self._nearest()).free

    def volume(self) -> int | None:
        """Its file system; None where that cannot be told."""
        try:
            return self._nearest().stat().st_dev
        except OSError:
            return None

    @contextmanager
    def leaving_no_folders(self) -> Generator[None]:
        """Removes at its end the empty folders that were made meanwhile: of the corpus' own `runs`, and around it."""
        partial = self._root / _PARTIAL
        absent = [path for path in (partial, *partial.parents) if not os.path.lexists(path)]
        try:
            yield
        finally:
            for path in absent:
                with suppress(OSError):
                    path.rmdir()

    def _told(self, path: Path) -> Stored:
        return Stored.of_parts(parts_of(path))

    def _nearest(self) -> Path:
        """The folder, or the nearest one above it that is there."""
        return next(path for path in (self._root, *self._root.parents) if os.path.exists(path))  # noqa: PTH110 Path's raises PermissionError

    def _target(self, path: str) -> Path:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    @contextmanager
    def _written(self, content: Content) -> Generator[Path]:
        """A whole copy of `content` on the same file system, which is gone afterwards."""
        partial = self._root / _PARTIAL / uuid.uuid4().hex
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.writelines(parts_of(content))
                file.flush()
                # A rename may outlive a power cut that the content does not.
                os.fsync(file.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _explained(self, what: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, "Check the folder, or build elsewhere with --to")
            raise DestinationError(
                f"{self._root}: {what}: {error.strerror or error}. {remedy}; then run the same command, "
                "it goes on where it stopped."
            ) from None
