"""Verification: every object of a corpus against its commit record."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tasks.shards.commits import Commit, StoredObject, committed_shards, parse_commit
from tasks.shards.description import Description
from tasks.shards.destinations import Destination, Stored
from tasks.shards.extracts import extract_faults
from tasks.shards.layout import commit_object, quicklooks_object, samples_object, shard_object, statistics_object
from tasks.shards.release_files import verify_release
from tasks.shards.survey import missing_shards, some_of
from tasks.shards.writing import look

_AT_ONCE = 16
"""Shards looked at at once: of a store that is asked, nearly all of it is waiting."""

_DEEP_AT_ONCE = 4
"""Shards read and decoded at once; each is held in memory, about 0.2 GB."""


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
    return {*arrays, samples_object(shard), *later_objects(shard)}


def later_objects(shard: int) -> set[str]:
    """Those of them that shards built by earlier versions lack; a release computes what it needs of them."""
    return {statistics_object(shard), quicklooks_object(shard)}


def mislisted(commit: Commit, description: Description) -> list[str]:
    """Paths that a record lists and should not, or should and does not, sorted."""
    wrong = {item.path for item in commit.objects} ^ shard_objects(description, commit.shard)
    return sorted(wrong - (later_objects(commit.shard) - {item.path for item in commit.objects}))


def verify_shard(destination: Destination, description: Description, shard: int, *, deep: bool = False) -> list[Fault]:
    """Compare sizes and checksums of a shard's objects with its record, and the record with the layout.

    By what the destination says of each object: a store knows the checksums of what it holds, a folder reads it. With
    `deep` every object is read, whatever the store says, and every chunk and row decoded.
    Raises DestinationError.
    """
    path = commit_object(shard)
    record = destination.get(path)
    commit = "is missing: the shard was never finished" if record is None else parse_commit(record, shard)
    if isinstance(commit, str):
        return [Fault(shard=shard, path=path, problem=commit)]
    faults: list[Fault] = []
    listed = {item.path for item in commit.objects}
    for name in mislisted(commit, description):
        problem = f"lists {name}, which is no part of a shard" if name in listed else f"does not list {name}"
        faults.append(Fault(shard=shard, path=path, problem=problem))
    for item in commit.objects:
        if deep:
            problem = _read(destination, description, commit, item)
        else:
            problem = item.difference(look(destination, item.path))
        if problem is not None:
            faults.append(Fault(shard=shard, path=item.path, problem=problem))
    return faults


def verify_corpus(
    destination: Destination, description: Description, progress: Callable[[int], None], *, deep: bool = False
) -> list[Fault]:
    """Verify what the coordinator writes, byte by byte, every shard that has a commit record, and the release.

    And what is there of the extracts that it is labelled from. `progress` is told how many shards have been looked at.
    Shards without a record are one fault together.
    Raises DestinationError.
    """
    faults = list(_of_corpus(destination, description))
    done = committed_shards(destination)

    def look(shard: int) -> list[Fault]:
        if shard < description.shards:
            return verify_shard(destination, description, shard, deep=deep)
        problem = f"belongs to no shard: the corpus has {description.shards}"
        return [Fault(shard=None, path=commit_object(shard), problem=problem)]

    with ThreadPoolExecutor(_DEEP_AT_ONCE if deep else _AT_ONCE, thread_name_prefix="verify") as threads:
        for count, found in enumerate(threads.map(look, sorted(done)), start=1):
            faults += found
            progress(count)
    if missing := description.shards - len([shard for shard in done if shard < description.shards]):
        told = some_of(missing_shards(done, description.shards))
        problem = f"has no record of {missing} shards, which were never finished: {told}"
        faults.append(Fault(shard=None, path="commits", problem=problem))
    for path, problem in extract_faults(destination, description, finished=not missing):
        faults.append(Fault(shard=None, path=path, problem=problem))
    faults += [Fault(shard=None, path=path, problem=told) for path, told in verify_release(destination, deep=deep)]
    return faults


def _of_corpus(destination: Destination, description: Description) -> Iterator[Fault]:
    """What is wrong with the objects that only the coordinator writes."""
    for path, expected in description.objects().items():
        content = destination.get(path)
        if content != expected:
            problem = "is missing" if content is None else "is damaged: it is not what the corpus' description gives"
            yield Fault(shard=None, path=path, problem=problem)


def _read(destination: Destination, description: Description, commit: Commit, item: StoredObject) -> str | None:
    """What is wrong with an object by reading and decoding it; None: nothing."""
    # Imported here, because what is not deep starts a second faster without zarr.
    from tasks.shards.decoding import undecodable

    content = destination.get(item.path)
    problem = item.difference(None if content is None else Stored.of(content))
    return problem or undecodable(description, commit, item.path, content or b"")
