"""Writing a shard: objects first, each checked against what the store says of it, the commit record last."""

from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tasks.errors import CorpusError, DeepSentinelError, DestinationUnreachable
from tasks.shards.commits import Commit, StoredObject, committed_shards, parse_commit
from tasks.shards.destinations import Content, Destination, Stored
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

    Two builds whose software differs may write one shard at once, and no store changes several objects as one. So
    whoever finds another's record after its own puts compares every object with it, and withdraws the record if one of
    them is its own: the next build makes the shard again. What that leaves is a build that is killed, or cut off from
    the store, between a put that replaced the other's object and this look: `verify` finds it.
    Raises DestinationError; CorpusError: what was put came back different, or the other's record differs.
    """
    path, put = commit_object(commit.shard), set[str]()
    try:
        for item in commit.objects:
            if destination.get(path) is not None:
                break
            put.add(item.path)
            put_checked(destination, item, contents[item.path])
        else:
            if destination.create(path, commit.to_bytes()):
                return True
    except DestinationUnreachable:
        raise
    except DeepSentinelError:
        with suppress(DeepSentinelError):
            _compare(destination, commit, put)
        raise
    _compare(destination, commit, put)
    return False


def _compare(destination: Destination, commit: Commit, put: Set[str]) -> None:
    """See that the record of a shard is one's own or, if it is another's, that it has none of the objects `put`.

    Raises CorpusError: it is not one's own; DestinationError.
    """
    path = commit_object(commit.shard)
    record = destination.get(path)
    if record == commit.to_bytes():
        return
    told = f"{destination.location}/{path}: shard {commit.shard}"
    if record is None:
        raise CorpusError(f"{told} was withdrawn while it was written. Build again.")
    was = parse_commit(record, commit.shard)
    mixed = () if isinstance(was, str) else (item for item in was.objects if item.path in put)
    if any(item.difference(look(destination, item.path)) for item in mixed):
        destination.delete(path)
        raise CorpusError(
            f"{told} was committed with other content meanwhile, and is withdrawn because objects of both were mixed: "
            "two builds whose platforms or software differ are at work. End one of them, and build again."
        )
    why = f"its record {was}" if isinstance(was, str) else "it was committed with other content meanwhile or before"
    raise CorpusError(
        f"{told} is there already, but {why}: the platforms or the software differ from then. `deepsentinel verify "
        f"--repair {destination.location}` says which objects are whole, and withdraws the shard if they are not."
    )


def put_checked(destination: Destination, item: StoredObject, content: Content) -> None:
    """Put an object and see that it is there as it should be. Raises DestinationError; CorpusError: it is not."""
    for _ in range(_PUTS):
        stored = destination.put(item.path, content)
        if stored.crc32c is None and stored.md5 is None:
            stored = look(destination, item.path)
        if stored is not None and not item.differs(stored):
            return
    raise CorpusError(
        f"{destination.location}/{item.path}: came back different from what was written, {_PUTS} times. Check the disk "
        "there, or the network in between."
    )


def look(destination: Destination, path: str) -> Stored | None:
    """What is at a path, a checksum at least: as the destination tells, or by reading where it tells none."""
    stored = destination.stat(path)
    if stored is not None and stored.crc32c is None and stored.md5 is None:
        content = destination.get(path)
        return None if content is None else Stored.of(content)
    return stored


def whole_copy(copies: Sequence[Destination], item: StoredObject) -> bytes | None:
    """An object from the first of some copies that has it undamaged; None: none has."""
    for copy in copies:
        content = copy.get(item.path)
        if content is not None and not item.differs(Stored.of(content)):
            return content
    return None


def everywhere(destinations: Sequence[Destination]) -> set[int]:
    """Shards that every destination has committed: one listing each, at the same time."""
    with ThreadPoolExecutor(len(destinations), thread_name_prefix="listing") as threads:
        return set[int].intersection(*threads.map(committed_shards, destinations))
