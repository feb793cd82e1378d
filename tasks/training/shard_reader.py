"""Pixels of samples from wherever a corpus is: a range request a chunk, once a shard's index is known."""

import fcntl
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.errors import CorpusError
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.destinations import LocalFolder, Readable, open_readable
from tasks.shards.layout import shard_object
from tasks.training.chunks import Damaged, decode, index_size, read_index, span
from tasks.training.views import WHOLE, Part, View, chunks_of, parts_of, shape_of

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One sample of one array, or a part of it."""

    kind: ArrayKind
    shard: int
    row: int
    view: View = WHOLE

    @property
    def path(self) -> str:
        """The object that has it."""
        return shard_object(self.kind.path, self.shard, 1 + len(self.kind.shape))

    @property
    def chunks(self) -> int:
        """Of a sample."""
        return chunks_of(self.kind)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A chunk of it."""

    item: Wanted
    part: Part

    @property
    def chunk(self) -> int:
        """Its number in the shard."""
        return self.item.row * self.item.chunks + self.part.chunk


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
        """The pixels of each, as stored, in order: `kind.shape`, or as much of it as the view shows.

        Raises CorpusError: an object is absent or damaged; DestinationError.
        """
        own = self._of_this_process()
        unknown = list({item.path: item for item in wanted if item.path not in self._indices}.values())
        for item, index in zip(unknown, _each(own, lambda item: self._index(own, item), unknown), strict=True):
            self._indices[item.path] = index
        of_items = [parts_of(item.kind, item.view) for item in wanted]
        pieces = [_Piece(item=item, part=part) for item, parts in zip(wanted, of_items, strict=True) for part in parts]
        contents = zip(pieces, _each(own, lambda piece: self._chunk(own, piece), pieces), strict=True)
        for item, parts in zip(wanted, of_items, strict=True):
            if len(parts) == 1 and parts[0].whole:
                yield self._decoded(own, *next(contents))
                continue
            pixels = np.empty(shape_of(item.kind, item.view), item.kind.dtype)
            for piece, content in islice(contents, len(parts)):
                pixels[piece.part.into] = self._decoded(own, piece, content)[piece.part.taken]
            yield pixels

    def _decoded(self, own: _Process, piece: _Piece, content: bytes | None) -> NDArray[Any]:
        try:
            return decode(piece.item.kind, content)
        except Damaged as error:
            return self._anew(own, piece, f"{error}, of row {piece.item.row}")

    def _index(self, own: _Process, item: Wanted) -> NDArray[np.uint64]:
        try:
            return self._index_once(own, item)
        except Damaged as error:
            self._forget(item.path, str(error))
        try:
            return self._index_once(own, item)
        except Damaged as error:
            raise self._damage(item.path, str(error)) from None

    def _index_once(self, own: _Process, item: Wanted) -> NDArray[np.uint64]:
        path, chunks = item.path, self._shard_size * item.chunks
        if self._cache is not None and not (self._cache / path).exists():
            self._keep(self._cache / path, lambda: own.source.get(path) or self._absent(path))
        content = own.near.part(path, 0, index_size(chunks))
        return read_index(self._absent(path) if content is None else content, chunks)

    def _anew(self, own: _Process, piece: _Piece, how: str) -> NDArray[Any]:
        """The pixels of a damaged chunk, if it is the cache that is damaged."""
        item = piece.item
        self._forget(item.path, how)
        self._indices[item.path] = self._index(own, item)
        try:
            return decode(item.kind, self._chunk(own, piece))
        except Damaged:
            raise self._damage(item.path, how) from None

    def _forget(self, path: str, how: str) -> None:
        """Remove a damaged object from the cache. Raises CorpusError: there is none, so the corpus is damaged."""
        if self._cache is None:
            raise self._damage(path, how)
        (self._cache / path).unlink(missing_ok=True)

    def _chunk(self, own: _Process, piece: _Piece) -> bytes | None:
        item = piece.item
        found = span(self._indices[item.path], piece.chunk)
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
