"""Verification: every object of a corpus against its commit record."""

from collections.abc import Callable
from dataclasses import dataclass

from tasks.shards.commits import committed_shards, parse_commit
from tasks.shards.description import Description
from tasks.shards.destinations import Destination, Stored
from tasks.shards.layout import commit_object, samples_object, shard_object
from tasks.shards.survey import missing_shards, some_of


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is not as recorded."""

    shard: int | None
    """None: it concerns the corpus as a whole."""
    path: str
    problem: str


def shard_objects(description: Description, shard: int) -> set[str]:
    """Paths of all objects that a shard consists of, besides its commit record."""
    arrays = {shard_object(kind.path, shard, 1 + len(kind.shape)) for kind in description.arrays}
    return {*arrays, samples_object(shard)}


def verify_shard(destination: Destination, description: Description, shard: int) -> list[Fault]:
    """Compare sizes and both checksums of a shard's objects with its record, and the record with the layout."""
    path = commit_object(shard)
    record = destination.get(path)
    commit = "is missing: the shard was never finished" if record is None else parse_commit(record, shard)
    if isinstance(commit, str):
        return [Fault(shard=shard, path=path, problem=commit)]
    faults: list[Fault] = []
    listed = {item.path for item in commit.objects}
    for name in sorted(listed ^ shard_objects(description, shard)):
        problem = f"lists {name}, which is no part of a shard" if name in listed else f"does not list {name}"
        faults.append(Fault(shard=shard, path=path, problem=problem))
    for item in commit.objects:
        content = destination.get(item.path)
        if content is None:
            problem = "is missing"
        elif len(content) != item.size:
            kind = "is short" if len(content) < item.size else "is too long"
            problem = f"{kind}: {len(content)} bytes, {item.size} recorded"
        elif item.differs(Stored.of(content)):
            problem = "is damaged: its checksum is not the recorded one"
        else:
            continue
        faults.append(Fault(shard=shard, path=item.path, problem=problem))
    return faults


def verify_corpus(destination: Destination, description: Description, progress: Callable[[int], None]) -> list[Fault]:
    """Verify what the coordinator writes, byte by byte, and every shard that has a commit record.

    `progress` is told how many shards have been looked at. Shards without a record are one fault together.
    """
    faults: list[Fault] = []
    for path, expected in description.objects().items():
        content = destination.get(path)
        if content != expected:
            problem = "is missing" if content is None else "is damaged: it is not what the corpus' description gives"
            faults.append(Fault(shard=None, path=path, problem=problem))
    done = committed_shards(destination)
    for count, shard in enumerate(sorted(done), start=1):
        if shard >= description.shards:
            problem = f"belongs to no shard: the corpus has {description.shards}"
            faults.append(Fault(shard=None, path=commit_object(shard), problem=problem))
        else:
            faults += verify_shard(destination, description, shard)
        progress(count)
    if missing := description.shards - len([shard for shard in done if shard < description.shards]):
        told = some_of(missing_shards(done, description.shards))
        problem = f"has no record of {missing} shards, which were never finished: {told}"
        faults.append(Fault(shard=None, path="commits", problem=problem))
    return faults
