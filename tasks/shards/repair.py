"""Repair: what faults there are is mended as far as the corpus itself allows, and withdrawn where it does not."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.shards.description import Description, describe_everywhere
from tasks.shards.destinations import Destination
from tasks.shards.layout import commit_object
from tasks.shards.verification import Fault


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What was done."""

    withdrawn: tuple[int, ...]
    """Shards whose commit record was removed, so that the next build makes them again."""
    restored: tuple[str, ...]
    """Objects of the corpus as a whole that were written anew."""


def repair(destination: Destination, description: Description, faults: Iterable[Fault]) -> Repair:
    """Restore what the description gives, and withdraw damaged shards. Raises DestinationError."""
    known = description.objects()
    found = list(faults)
    withdrawn = sorted({fault.shard for fault in found if fault.shard is not None})
    for shard in withdrawn:
        destination.delete(commit_object(shard))
    describe_everywhere([destination], description)
    restored = [fault.path for fault in found if fault.shard is None and fault.path in known]
    return Repair(withdrawn=tuple(withdrawn), restored=tuple(restored))
