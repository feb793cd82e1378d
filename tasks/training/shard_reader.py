"""Chunks of samples from wherever a corpus is: one range request each, once a shard's index is known."""

import fcntl
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.errors import CorpusError
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.destinations import LocalFolder, Readable, open_readable
from tasks.shards.layout import shard_object
from tasks.training.chunks import Damaged, decode, index_size, read_index, span

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One sample of one array."""

    kind: ArrayKind
    shard: int
    row: int

    @property
    def path(self) -> str:
        """The object that has it."""
        return shard_object(self.kind.path, self.shard, 1 + len(self.kind.shape))


@dataclass(kw_only=True)
class _Process:
    """What a process has of its own: threads and clients do not survive a fork, and are not pickled."""

    number: int = field(default_factory=os.getpid)
    source: Readable
    near: Readable
    """The cache, or where there is none the source."""
    threads: ThreadPoolExecutor | None
    """None: the corpus is on disk, where waiting for one another costs more than it spares."""


class ShardReader:
    """Reads chunks of a corpus. Small to pickle; a fork, or a spawned process, opens the corpus anew."""

    def __init__(self, corpus: str, shard_size: int, *, cache: Path | None, reads: int) -> None:
        """`cache`: a folder for whole shards, of this corpus alone; `reads`: requests in flight."""
        self._corpus, self._shard_size, self._cache, self._reads = corpus, shard_size, cache, reads
        self._indices: dict[str, NDArray[np.uint64]] = {}
        self._process: _Process | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_indices": {}, "_process": None}

    def pixels(self, wanted: Sequence[Wanted]) -> Iterator[NDArray[Any]]:
        """The pixels of each, as stored, in order: `kind.shape`.

        Raises CorpusError: an object is absent or damaged; DestinationError.
        """
        own = self._of_this_process()
        unknown = list(dict.fromkeys(item.path for item in wanted if item.path not in self._indices))
        for path, index in zip(unknown, _each(own, lambda path: self._index(own, path), unknown), strict=True):
            self._indices[path] = index
        for item, content in zip(wanted, _each(own, lambda item: self._chunk(own, item), wanted), strict=True):
            try:
                yield decode(item.kind, content)
            except Damaged as error:
                raise self._damage(item.path, f"{error}, of row {item.row}") from None

    def _index(self, own: _Process, path: str) -> NDArray[np.uint64]:
        if self._cache is not None and not (self._cache / path).exists():
            self._keep(self._cache / path, lambda: own.source.get(path) or self._absent(path))
        content = own.near.part(path, 0, index_size(self._shard_size))
        try:
            return read_index(self._absent(path) if content is None else content, self._shard_size)
        except Damaged as error:
            if self._cache is not None:
                (self._cache / path).unlink(missing_ok=True)
            raise self._damage(path, str(error)) from None

    def _chunk(self, own: _Process, item: Wanted) -> bytes | None:
        found = span(self._indices[item.path], item.row)
        if found is None:
            return None
        content = own.near.part(item.path, *found)
        if content is None and self._cache is not None:  # somebody has made room there
            content = own.source.part(item.path, *found)
        return self._absent(item.path) if content is None else content

    @staticmethod
    def _keep(path: Path, read: Callable[[], bytes]) -> None:
        """Have an object in the cache, whole or not at all; of several processes one reads it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return
            partial = path.parent / f"{path.name}.{uuid.uuid4().hex}"
            try:
                partial.write_bytes(read())
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def _of_this_process(self) -> _Process:
        own = self._process
        if own is None or own.number != os.getpid():
            source = open_readable(self._corpus)
            here = isinstance(source, LocalFolder)
            own = self._process = _Process(
                source=source,
                near=source if self._cache is None else LocalFolder(str(self._cache)),
                threads=None if here else ThreadPoolExecutor(self._reads, thread_name_prefix="chunks"),
            )
        return own

    def _absent(self, path: str) -> bytes:
        raise CorpusError(
            f"{self._corpus}/{path}: is absent, though its shard is committed. `deepsentinel verify --repair "
            f"{self._corpus}` withdraws the shard, and the next build makes it again."
        )

    def _damage(self, path: str, how: str) -> CorpusError:
        return CorpusError(
            f"{self._corpus}/{path}: is damaged: {how}. `deepsentinel verify --deep --repair {self._corpus}` restores "
            "the shard from another copy, or withdraws it for the next build."
        )


def _each(own: _Process, read: Callable[[A], B], items: Sequence[A]) -> Iterator[B]:
    return map(read, items) if own.threads is None else own.threads.map(read, items)
