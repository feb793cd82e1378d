"""Whether a corpus has any hope, before a build begins."""

from collections import Counter
from functools import lru_cache
from itertools import product

from tasks.assembly.builder import Builder
from tasks.assembly.candidates import best_alternatives, pair_draws, rejection_of
from tasks.assembly.filling import counted, remedy
from tasks.errors import CorpusError
from tasks.imagery.registry import Bounds
from tasks.notices import told_if_slow
from tasks.scenes.pairing import Outcome

_SHARDS, _DRAWS, _ENOUGH = 20, 100, 2_000
"""What is paired of a random corpus: the first draws of the first shards, and where these are few, what the shards
would draw again. Of listed places all are, until one has a pair: each may be the only one."""


@lru_cache(maxsize=4)
def refuse_hopeless(builder: Builder, shards: int) -> None:
    """See whether anything pairs at all: a corpus without hope should not fail shard by shard, or come out empty.

    Raises CorpusError: the first platform's archive lies elsewhere, or no candidate pairs (counts them by reason);
    CatalogueError, CredentialsError, PlatformUnreachable.
    """
    _refuse_elsewhere(builder)
    tried: Counter[str] = Counter()
    random = builder.places.replaces
    looked_at = min(shards, _SHARDS) if random else shards
    with told_if_slow(f"{builder.spec.name}: looking for a first pair") as say:
        for attempt, shard in product(range(builder.places.attempts), range(looked_at)):
            if random and tried.total() >= _ENOUGH:
                break
            draws = builder.places.draws(shard, attempt)
            draws = draws.take(slice(0, _DRAWS)) if random else draws
            _, pairs = pair_draws(builder, draws, builder.traffic())
            dates = builder.spec.dates
            paired = (pairs.outcome == Outcome.PAIRED).reshape(-1, dates)
            # A listed place keeps the dates that it has; at random every date is needed.
            if (paired.all(axis=1) if random else paired).any():
                return
            best = best_alternatives(pairs.outcome, draws.alternatives, dates)
            tried.update(rejection_of(pairs, draws, index * dates, dates).reason.words for index in best)
            say(attempt * looked_at + shard + 1, builder.places.attempts * looked_at)
    raise CorpusError(f"nothing pairs: {tried.total()} candidates were tried: {counted(tried)}. {remedy(builder.spec)}")


def _refuse_elsewhere(builder: Builder) -> None:
    first, places = builder.platforms[0], builder.places.bounds
    if first.reach is not None and not _meet(first.reach, places):
        raise CorpusError(
            f"the scenes of {first.name} lie at {_told(first.reach)}, the places at {_told(places)}: they do not meet. "
            "Use places that the archive covers, or another archive."
        )


def _meet(one: Bounds, other: Bounds) -> bool:
    """Whether two boxes share a point. Longitudes may run beyond 180: the boxes are tried a turn apart too."""
    if one[3] < other[1] or other[3] < one[1]:
        return False
    return any(one[0] + turn <= other[2] and other[0] <= one[2] + turn for turn in (-360, 0, 360))


def _told(bounds: Bounds) -> str:
    west, south, east, north = bounds
    return f"{west:.2f}..{east:.2f} E, {south:.2f}..{north:.2f} N"
