"""Whether a corpus has any hope, before a build begins."""

from collections import Counter

from tasks.assembly.builder import Workshop
from tasks.assembly.filling import REMEDY, best_alternatives, counted, pair_draws
from tasks.errors import CorpusError
from tasks.imagery import Traffic
from tasks.scenes import Outcome

_SHARDS, _DRAWS = 20, 100
"""What is paired of a random corpus. Of listed places all are, until one has a pair: each may be the only one."""


def refuse_hopeless(shop: Workshop, shards: int) -> None:
    """See whether anything pairs at all: a corpus without hope should not fail shard by shard, or come out empty.

    Raises CorpusError: no candidate pairs; counts them by reason. CatalogueError, CredentialsError.
    """
    tried: Counter[str] = Counter()
    random = shop.places.replaces
    for shard in range(min(shards, _SHARDS) if random else shards):
        draws = shop.places.draws(shard)
        draws = draws.take(slice(0, _DRAWS)) if random else draws
        _, pairs = pair_draws(shop, draws, {platform.name: Traffic() for platform in shop.platforms})
        if (pairs.outcome == Outcome.PAIRED).any():
            return
        best = best_alternatives(pairs, draws.alternatives)
        tried.update(Outcome(int(outcome)).reason for outcome in pairs.outcome[best])
    raise CorpusError(f"nothing pairs: {tried.total()} candidates were tried: {counted(tried)}. {REMEDY}")
