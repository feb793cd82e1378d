"""Objects of a corpus' shards in order, each compared with its commit record; some are read ahead, never many."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tasks.errors import CorpusError
from tasks.notices import told_if_slow
from tasks.shards.commits import Commit, StoredObject, committed_shards, read_commit
from tasks.shards.destinations import Destination, Stored

T = TypeVar("T")

_AHEAD = 16
"""Shards read before the first of them is used: of rows or counts some 0.5 MB each."""


def each_shard(destination: Destination, what: str, read: Callable[[Commit], T]) -> Iterator[T]:
    """What `read` makes of every shard's record, in the order of the shards; in parallel, a bounded number ahead.

    `what` is said if it takes long. Raises what `read` raises; CorpusError: a record is damaged.
    """
    shards = sorted(committed_shards(destination))

    def of(shard: int) -> T:
        commit = read_commit(destination, shard)
        if commit is None:
            raise CorpusError(
                f"{destination.location}: shard {shard} was withdrawn while the corpus was read. Build it again."
            )
        return read(commit)

    with (
        ThreadPoolExecutor(_AHEAD, thread_name_prefix="recorded") as threads,
        told_if_slow(f"{what} of {destination.location}") as say,
    ):
        reading: deque[Future[T]] = deque()
        try:
            for count, shard in enumerate(shards, start=1):
                reading.append(threads.submit(of, shard))
                if len(reading) == _AHEAD:
                    yield reading.popleft().result()
                say(count - len(reading), len(shards))
            while reading:
                yield reading.popleft().result()
        finally:
            for one in reading:
                one.cancel()


def listed(commit: Commit, path: str) -> StoredObject | None:
    """What the record of a shard says of an object; None: it does not list it."""
    return next((item for item in commit.objects if item.path == path), None)


def read_sound(destination: Destination, item: StoredObject) -> bytes:
    """The bytes of an object as its record has them. Raises CorpusError: they are gone, or damaged."""
    content = destination.get(item.path)
    problem = item.difference(None if content is None else Stored.of(content))
    if content is None or problem:
        raise CorpusError(
            f"{destination.location}/{item.path}: {problem}. `deepsentinel verify --repair {destination.location}` "
            "restores it from another copy, or withdraws the shard, which the next build makes again."
        )
    return content
