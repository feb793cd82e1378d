"""Verification: every object of a corpus against its commit record."""

from collections.abc import Callable
from dataclasses import dataclass

from tasks.shards.commits import StoredObject, committed_shards, parse_commit
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import commit_object


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is not as recorded."""

    shard: int | None
    """None: it concerns the corpus as a whole."""
    path: str
    problem: str


def verify_shard(destination: LocalFolder, shard: int) -> list[Fault]:
    """Compare sizes and both checksums of a shard's objects with its record."""
    record = destination.get(commit_object(shard))
    commit = "is missing: the shard was never finished" if record is None else parse_commit(record, shard)
    if isinstance(commit, str):
        return [Fault(shard=shard, path=commit_object(shard), problem=commit)]
    faults: list[Fault] = []
    for item in commit.objects:
        content = destination.get(item.path)
        if content is None:
            problem = "is missing"
        elif len(content) != item.size:
            kind = "is short" if len(content) < item.size else "is too long"
            problem = f"{kind}: {len(content)} bytes, {item.size} recorded"
        elif StoredObject.of(item.path, content) != item:
            problem = "is damaged: its checksum is not the recorded one"
        else:
            continue
        faults.append(Fault(shard=shard, path=item.path, problem=problem))
    return faults


def verify_shards(
    destination: LocalFolder, shards: int, metadata: dict[str, bytes], progress: Callable[[int], None]
) -> list[Fault]:
    """Verify a corpus of `shards` shards, and the objects of `metadata` byte by byte."""
    faults: list[Fault] = []
    for path, expected in metadata.items():
        content = destination.get(path)
        if content != expected:
            problem = "is missing" if content is None else "is damaged: it is not what the corpus' description gives"
            faults.append(Fault(shard=None, path=path, problem=problem))
    for shard in sorted({*range(shards), *committed_shards(destination)}):
        faults += verify_shard(destination, shard)
        progress(shard + 1)
    return faults
