"""Repair: faults are mended from another copy of the corpus, or from its description; what cannot be is withdrawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.shards.commits import StoredObject, committed_shards, parse_commit
from tasks.shards.copying import copy_shard
from tasks.shards.description import Description, describe_everywhere
from tasks.shards.destinations import Destination
from tasks.shards.extracts import copy_extracts, extract_faults
from tasks.shards.layout import OSM, RELEASE, RELEASE_RECORD, commit_object
from tasks.shards.release_files import restore_release
from tasks.shards.verification import Fault, mislisted
from tasks.shards.writing import put_checked, whole_copy


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What was done."""

    withdrawn: tuple[int, ...]
    """Shards whose commit record was removed, so that the next build makes them again."""
    restored: tuple[str, ...]
    """Objects that were written anew."""
    copied: tuple[int, ...] = ()
    """Shards that were missing, and others had."""
    unreleased: bool = False
    """Whether the release's record was removed, so that the next build makes it again."""


def repair(
    destination: Destination, description: Description, faults: Iterable[Fault], others: Sequence[Destination] = ()
) -> Repair:
    """Restore what `others` hold a good copy of or the description gives, and withdraw the other damaged shards.

    Raises DestinationError; CorpusError: what was put came back different.
    """
    found, known = list(faults), description.objects()
    withdrawn: list[int] = []
    restored: list[str] = []
    copied: list[int] = []
    for shard in sorted({fault.shard for fault in found if fault.shard is not None}):
        damaged = [fault.path for fault in found if fault.shard == shard]
        mended = _restore(destination, description, shard, damaged, others)
        if mended is None:
            destination.delete(commit_object(shard))
            withdrawn.append(shard)
        else:
            restored += mended
    for other in others:
        lacking = committed_shards(other) - committed_shards(destination)
        wanting = sorted(shard for shard in lacking if shard < description.shards)
        copied += [shard for shard in wanting if copy_shard(other, destination, shard) is not None]
    if extracts := [fault.path for fault in found if fault.path.startswith(f"{OSM}/")]:
        for other in others:
            copy_extracts(other, destination)
        left = {path for path, _ in extract_faults(destination, description, finished=False)}
        restored += [path for path in extracts if path not in left]
    describe_everywhere([destination], description)
    restored += [fault.path for fault in found if fault.shard is None and fault.path in known]
    of_release = [fault.path for fault in found if fault.path.startswith(f"{RELEASE}/")]
    released = not of_release or restore_release(destination, others)
    if released:
        restored += of_release
    else:
        destination.delete(RELEASE_RECORD)
    return Repair(
        withdrawn=tuple(shard for shard in withdrawn if shard not in copied),
        restored=tuple(restored),
        copied=tuple(copied),
        unreleased=not released,
    )


def _restore(
    destination: Destination,
    description: Description,
    shard: int,
    damaged: Sequence[str],
    others: Sequence[Destination],
) -> list[str] | None:
    """Write the damaged objects of a shard, each from whichever copy of it is whole; None: of one there is none."""
    path = commit_object(shard)
    copies = [destination, *others]
    for holder in others if path in damaged else [destination]:
        record = holder.get(path)
        commit = "" if record is None else parse_commit(record, shard)
        if record is None or isinstance(commit, str):
            continue
        if mislisted(commit, description):
            continue
        # A record that is damaged says nothing of the objects, so that all of them are compared with the good one.
        wanted = [item for item in commit.objects if item.path in damaged or path in damaged]
        contents = {item: whole_copy(copies, item) for item in wanted}
        if None in contents.values():
            continue
        if path in damaged:
            destination.delete(path)  # it must not stand above the objects of two shards meanwhile
        restored = _write(destination, contents, damaged)
        if path in damaged:
            destination.put(path, record)
            restored.append(path)
        return restored
    return None


def _write(destination: Destination, contents: dict[StoredObject, bytes | None], damaged: Sequence[str]) -> list[str]:
    """Write what is damaged or differs from what is there; the paths written."""
    written: list[str] = []
    for item, content in contents.items():
        there = None if item.path in damaged else destination.stat(item.path)
        if content is not None and (there is None or item.differs(there)):
            put_checked(destination, item, content)
            written.append(item.path)
    return written
