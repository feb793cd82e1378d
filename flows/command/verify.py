"""What `deepsentinel verify` shows."""

from flows.command.terminal import bar
from tasks.errors import CorpusError
from tasks.shards.commits import committed_shards, corpus_digest
from tasks.shards.description import need_description
from tasks.shards.destinations import open_destination
from tasks.shards.repair import repair
from tasks.shards.verification import verify_corpus


def verify_with_progress(corpus: str, *, mend: bool) -> None:
    """Check a corpus and name every fault, and repair it if `mend`. Raises CorpusError: there is one."""
    destination = open_destination(corpus)
    description = need_description(destination)
    with bar(f"verify {description.name}", len(committed_shards(destination))) as (advance, _):
        faults = verify_corpus(destination, description, advance)
    for fault in faults:
        print(f"{'corpus' if fault.shard is None else f'shard {fault.shard}'}: {fault.path} {fault.problem}")
    if not faults:
        print(f"{description.name}: {description.shards} shards are whole, sha256:{corpus_digest(destination)}")
        return
    if not mend:
        raise CorpusError(
            f"{destination.location}: {len(faults)} faults. `--repair` withdraws the damaged shards; then build again."
        )
    done = repair(destination, description, faults)
    told = [f"restored {', '.join(done.restored)}"] if done.restored else []
    if done.withdrawn:
        told.append(f"withdrew {len(done.withdrawn)} shards; build again to make them")
    print("; ".join(told) or "nothing to restore or withdraw")
    left = verify_corpus(destination, description, lambda _: None)
    if left:
        raise CorpusError(f"{destination.location}: {len(left)} faults are left. Build again with the corpus' spec.")
