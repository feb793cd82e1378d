"""Copying between destinations: what one has and another lacks is not fetched from the platforms again."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tasks.errors import SpecError
from tasks.shards.commits import committed_shards, parse_commit
from tasks.shards.description import describe_everywhere, foreign, need_description, read_description, reconcile
from tasks.shards.destinations import Destination, Stored
from tasks.shards.extracts import copy_extracts
from tasks.shards.layout import commit_object
from tasks.shards.release_files import copy_release
from tasks.shards.writing import write_everywhere

_AT_ONCE = 4
"""Shards copied at once; each is held in memory, about 0.2 GB."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What copying a corpus came to."""

    shards: int
    """That the target has now and the source had."""
    copied: int
    """Of them, in this call."""
    damaged: tuple[int, ...]
    """Shards whose own copy in the source is damaged or incomplete, in order."""
    bytes: int
    """Of the shards copied."""
    release: bool
    """Whether the source's release is whole, or there is none; a damaged one is not copied."""


def copy_corpus(source: Destination, target: Destination, progress: Callable[[int], None]) -> Copied:
    """Copy what the target lacks of a corpus, OpenStreetMap's extracts too, every object verified before and after.

    `progress` is told how many shards the target has. What is there stays, so that the same call goes on where
    another was interrupted.
    Raises CorpusError: no corpus in the source; SpecError: another one in the target; DestinationError.
    """
    description = need_description(source)
    target.prepare()
    held = read_description(target)
    if held is None and (others := foreign(target, description)):
        raise SpecError(others)
    wanted = description if held is None else reconcile(description, held, target.location)
    describe_everywhere([target], wanted)
    there = committed_shards(target)
    wanting = sorted(committed_shards(source) - there)
    had = len(there)
    progress(had)
    damaged: list[int] = []
    size = 0
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="copy") as threads:
        copying = {threads.submit(copy_shard, source, target, shard): shard for shard in wanting}
        try:
            for count, one in enumerate(as_completed(copying), start=1):
                written = one.result()
                if written is None:
                    damaged.append(copying[one])
                else:
                    size += written
                progress(had + count - len(damaged))
        finally:
            for one in copying:
                one.cancel()
    copy_extracts(source, target)
    copied = len(wanting) - len(damaged)
    return Copied(
        shards=had + copied,
        copied=copied,
        damaged=tuple(sorted(damaged)),
        bytes=size,
        release=copy_release(source, target),
    )


def copy_shard(source: Destination, target: Destination, shard: int) -> int | None:
    """Copy a committed shard, verified on the way: its bytes; None: the source's own copy is damaged or incomplete.

    Raises DestinationError; CorpusError: `target` holds another shard under that number, or returns what was not
    written.
    """
    return _copy(source, [target], shard)


def copy_missing(destinations: Sequence[Destination], shard: int) -> bool:
    """Give a shard that one destination has to all that lack it; says whether all have it now.

    Raises DestinationError, CorpusError.
    """
    path = commit_object(shard)
    holders = [one for one in destinations if one.get(path) is not None]
    lacking = [one for one in destinations if one not in holders]
    return bool(holders) and (not lacking or any(_copy(holder, lacking, shard) is not None for holder in holders))


def _copy(source: Destination, targets: Sequence[Destination], shard: int) -> int | None:
    record = source.get(commit_object(shard))
    commit = None if record is None else parse_commit(record, shard)
    if commit is None or isinstance(commit, str):
        return None
    contents: dict[str, bytes] = {}
    for item in commit.objects:
        content = source.get(item.path)
        if content is None or item.differs(Stored.of(content)):
            return None
        contents[item.path] = content
    write_everywhere(targets, commit, contents)
    return commit.size
