"""What `deepsentinel verify` shows."""

from collections.abc import Sequence

from flows.command.terminal import counting
from tasks.errors import CorpusError, SpecError
from tasks.shards.commits import committed_shards, corpus_digest
from tasks.shards.description import Description, need_description
from tasks.shards.destinations import Destination, open_destination
from tasks.shards.layout import commit_object
from tasks.shards.release_files import differing_shards
from tasks.shards.repair import repair
from tasks.shards.stored_spec import differences
from tasks.shards.verification import Fault, verify_corpus


def verify_with_progress(corpora: Sequence[str], *, mend: bool, deep: bool) -> None:
    """Check copies of a corpus, name every fault, and mend each from the others if `mend`.

    Raises CorpusError: there is a fault, or one is left; SpecError: they are not copies of one corpus.
    """
    destinations = [open_destination(corpus) for corpus in corpora]
    descriptions = [need_description(destination) for destination in destinations]
    for destination, description in zip(destinations[1:], descriptions[1:], strict=True):
        if told := differences(descriptions[0].spec, description.spec):
            raise SpecError(
                f"{destination.location}: is another corpus than {destinations[0].location} ({told[0]}). Verify each "
                "alone."
            )
    found = [_verify(one, told, deep) for one, told in zip(destinations, descriptions, strict=True)]
    for other, faults in zip(destinations[1:], found[1:], strict=True):
        faults += _tell(other, _other_shards(destinations[0], other, known=[*found[0], *faults]))
    count = sum(len(one) for one in found)
    if not count:
        return
    if not mend:
        where = destinations[0].location if len(destinations) == 1 else f"{len(destinations)} copies"
        raise CorpusError(
            f"{where}: {count} faults. `--repair` restores what another copy, given beside this one, has whole, and "
            "withdraws the other damaged shards; then build again."
        )
    left = 0
    for destination, description, one in zip(destinations, descriptions, found, strict=True):
        if one:
            others = [other for other in destinations if other is not destination]
            left += _mend(destination, description, one, others, deep)
    if left:
        raise CorpusError(
            f"{destinations[0].location}: {left} faults are left. Build again with the corpus' spec."
            if len(destinations) == 1
            else f"{left} faults are left in {len(destinations)} copies. Build again with the corpus' spec."
        )


def _verify(destination: Destination, description: Description, deep: bool) -> list[Fault]:
    with counting(f"verify {destination.location}", len(committed_shards(destination))) as advance:
        found = verify_corpus(destination, description, advance, deep=deep)
    _tell(destination, found)
    if not found:
        print(f"{description.name}: {description.shards} shards are whole, sha256:{corpus_digest(destination)}")
    return found


def _other_shards(first: Destination, other: Destination, known: list[Fault]) -> list[Fault]:
    """Shards that are whole in both copies, but not the same: the first one's is the corpus'."""
    damaged = {fault.shard for fault in known}
    return [
        Fault(shard=shard, path=commit_object(shard), problem=f"is that of another shard than in {first.location}")
        for shard in differing_shards(first, other)
        if shard not in damaged
    ]


def _tell(destination: Destination, found: list[Fault]) -> list[Fault]:
    for fault in found:
        what = "corpus" if fault.shard is None else f"shard {fault.shard}"
        print(f"{what}: {fault.path} {fault.problem}")
    if found:
        print(f"{destination.location}: {len(found)} faults")
    return found


def _mend(
    destination: Destination, description: Description, found: list[Fault], others: list[Destination], deep: bool
) -> int:
    """Repair one copy and say what was done; the faults that are left."""
    done = repair(destination, description, found, others)
    told = [f"restored {', '.join(done.restored)}"] if done.restored else []
    if done.copied:
        told.append(f"copied {len(done.copied)} missing shards")
    if done.withdrawn:
        told.append(f"withdrew {len(done.withdrawn)} shards; build again to make them")
    if done.unreleased:
        told.append("withdrew the release; build again to make it")
    print(f"{destination.location}: " + ("; ".join(told) or "nothing to restore or withdraw"))
    return len(verify_corpus(destination, description, lambda _: None, deep=deep))
