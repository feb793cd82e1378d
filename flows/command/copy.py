"""What `deepsentinel copy` shows."""

import time

from flows.command.terminal import counting
from tasks.errors import CorpusError, SpecError
from tasks.shards.commits import committed_shards, corpus_digest
from tasks.shards.copying import copy_corpus
from tasks.shards.description import need_description
from tasks.shards.destinations import open_destination


def copy_with_progress(corpus: str, to: str) -> None:
    """Copy a corpus to another place and say what was done.

    Raises CorpusError: no corpus, or shards of it are damaged; SpecError: the other place is the same or holds
    something else; DestinationError.
    """
    source, target = open_destination(corpus), open_destination(to)
    if source.location == target.location:
        raise SpecError(f"{target.location}: is where the corpus lies. Name another place to copy it to.")
    name = need_description(source).name
    began = time.monotonic()
    with counting(f"copy {name}", len(committed_shards(source))) as advance:
        done = copy_corpus(source, target, advance)
    seconds = time.monotonic() - began
    print(
        f"{name}: copied {done.copied} shards, {done.bytes / 1e6:,.1f} MB in {seconds:.1f} s; {done.shards} are there"
    )
    print(f"{target.location}  sha256:{corpus_digest(target)[:16]}")
    if done.damaged:
        raise CorpusError(
            f"{source.location}: {len(done.damaged)} shards are damaged and were not copied, the first is "
            f"{done.damaged[0]}. `deepsentinel verify --repair {source.location} {target.location}` mends what it can."
        )
    if not done.release:
        raise CorpusError(
            f"{source.location}: files of its release are damaged and were not copied. Build again with the corpus' "
            f"spec, which makes them anew; `deepsentinel verify {source.location}` names them."
        )
