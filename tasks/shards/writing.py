"""Writing a shard: objects first, each checked against what the store says of it, the commit record last."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks.errors import CorpusError
from tasks.shards.commits import Commit, StoredObject, committed_shards, parse_commit
from tasks.shards.destinations import Destination, Stored
from tasks.shards.layout import commit_object

_PUTS = 3
"""Times an object is put: what came back different was damaged on its way, or the disk is."""


def write_everywhere(destinations: Sequence[Destination], commit: Commit, contents: Mapping[str, bytes]) -> None:
    """Put a shard's objects and commit it in all destinations at once: the same bytes, encoded once.

    What fails in one does not keep the others from having the shard, from where the next build copies it.
    Raises, after all have ended, what the first of them in their order raised: as `write_shard`.
    """
    with ThreadPoolExecutor(len(destinations), thread_name_prefix="put") as threads:
        written = [threads.submit(write_shard, destination, commit, contents) for destination in destinations]
    for one in written:
        one.result()


def write_shard(destination: Destination, commit: Commit, contents: Mapping[str, bytes]) -> bool:
    """Put a shard's objects and commit it; says whether this call was the one that did.

    A shard that somebody else has committed meanwhile is left as it is.
    Raises DestinationError; CorpusError: what was put came back different, or the other's record differs.
    """
    record, path = commit.to_bytes(), commit_object(commit.shard)
    if (other := destination.get(path)) is None:
        for item in commit.objects:
            put_checked(destination, item, contents[item.path])
        if destination.create(path, record):
            return True
        other = destination.get(path)
    if other != record:
        was = parse_commit(other or b"", commit.shard)
        why = f"its record {was}" if isinstance(was, str) else "it was committed with other content meanwhile or before"
        raise CorpusError(
            f"{destination.location}/{path}: shard {commit.shard} is there already, but {why}: the platforms or the "
            f"software differ from then. `deepsentinel verify --repair {destination.location}` says which objects are "
            "whole, and withdraws the shard if they are not."
        )
    return False


def put_checked(destination: Destination, item: StoredObject, content: bytes) -> None:
    """Put an object and see that it is there as it should be. Raises DestinationError; CorpusError: it is not."""
    for _ in range(_PUTS):
        stored = destination.put(item.path, content)
        if stored.crc32c is None and stored.md5 is None:
            # A store that tells no checksum is asked for the bytes.
            stored = Stored.of(destination.get(item.path) or b"")
        if not item.differs(stored):
            return
    raise CorpusError(
        f"{destination.location}/{item.path}: came back different from what was written, {_PUTS} times. Check the disk "
        "there, or the network in between."
    )


def everywhere(destinations: Sequence[Destination]) -> set[int]:
    """Shards that every destination has committed: one listing each, at the same time."""
    with ThreadPoolExecutor(len(destinations), thread_name_prefix="listing") as threads:
        return set[int].intersection(*threads.map(committed_shards, destinations))
