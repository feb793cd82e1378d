"""Writing a shard: objects first, each checked against what the store says of it, the commit record last."""

from collections.abc import Mapping

from tasks.errors import CorpusError
from tasks.shards.commits import Commit, StoredObject, committed_shards, parse_commit
from tasks.shards.destinations import Destination, Stored
from tasks.shards.layout import commit_object


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
        raise CorpusError(
            f"{destination.location}/{path}: shard {commit.shard} was committed before with other content, so the "
            "platforms do not hold what they held then. Keep that shard, or withdraw it by removing the record."
        )
    return False


def put_checked(destination: Destination, item: StoredObject, content: bytes) -> None:
    """Put an object and see that it is there as it should be. Raises DestinationError; CorpusError: it is not."""
    stored = destination.put(item.path, content)
    if stored.crc32c is None and stored.md5 is None:
        # A store that tells no checksum is asked for the bytes.
        stored = Stored.of(destination.get(item.path) or b"")
    if item.differs(stored):
        raise CorpusError(
            f"{destination.location}/{item.path}: came back different from what was written. Check the disk."
        )


def copy_shard(source: Destination, target: Destination, shard: int) -> bool:
    """Copy a committed shard, verified on the way; says whether `target` has it now.

    False: the source's own copy is damaged or incomplete. Raises DestinationError; CorpusError: `target` holds another
    shard under that number, or returns what was not written.
    """
    record = source.get(commit_object(shard))
    commit = None if record is None else parse_commit(record, shard)
    if commit is None or isinstance(commit, str):
        return False
    contents: dict[str, bytes] = {}
    for item in commit.objects:
        content = source.get(item.path)
        if content is None or item.differs(Stored.of(content)):
            return False
        contents[item.path] = content
    write_shard(target, commit, contents)
    return True


def copy_missing(destinations: tuple[Destination, ...], shard: int) -> bool:
    """Give a shard that one destination has to all that lack it; says whether all have it now.

    Raises DestinationError, CorpusError.
    """
    path = commit_object(shard)
    holders = [one for one in destinations if one.get(path) is not None]
    if not holders:
        return False
    lacking = [one for one in destinations if one not in holders]
    return all(any(copy_shard(holder, one, shard) for holder in holders) for one in lacking)


def everywhere(destinations: tuple[Destination, ...]) -> set[int]:
    """Shards that every destination has committed: one listing each."""
    return set[int].intersection(*(committed_shards(destination) for destination in destinations))
