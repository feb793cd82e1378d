"""Candidates of a shard: its draws in order, each with the acquisitions that every platform has of it, or why not."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from tasks.assembly.builder import Builder
from tasks.imagery.platform import Traffic
from tasks.places.draws import Draws
from tasks.places.patches import Patch
from tasks.scenes.pairing import Outcome, Pairs, pair
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.scenes import Acquisitions, Candidates
from tasks.shards.pairing_counts import PairingCounts
from tasks.shards.rows import PlatformFacts, Sample

Clock = Callable[[str], AbstractContextManager[None]]
"""Measures a stage: catalogue or read."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A draw that has been asked for, and what the catalogues said."""

    cell: int
    preferred: int
    """Microseconds since 1970 UTC."""
    patch: Patch
    acquisitions: tuple[Acquisitions, ...]
    """The same ones on each platform, in the spec's order; empty where they cannot be had."""
    why: Rejection | None
    """Why it has none."""
    place_id: str | None

    def to_sample(self, row: int, facts: dict[str, PlatformFacts], missing: Reason | None) -> Sample:
        """The row that the candidate gets, with or without pixels."""
        return Sample(
            row=row,
            cell=self.cell,
            preferred=self.preferred,
            patch=self.patch,
            acquisitions={} if missing else self.acquisitions[0],
            platforms={} if missing else facts,
            missing=missing,
            place_id=self.place_id,
        )


def candidates_of(
    builder: Builder,
    draws: Draws,
    traffic: dict[str, Traffic],
    pairing: PairingCounts,
    clock: Clock,
) -> Iterator[Candidate]:
    """Candidates in the order of their draws, paired as many at a time as a shard has of their stratum.

    `draws` are of one stratum; `pairing` counts those tried.
    """
    portion = builder.places.quotas[int(draws.stratum[0]) if len(draws) else 0] * draws.alternatives
    for start in range(0, len(draws), portion):
        some = draws.take(slice(start, start + portion))
        with clock("catalogue"):
            scenes, pairs = pair_draws(builder, some, traffic)
            chosen = best_alternatives(pairs, some.alternatives)
            found = _resolved(builder, some, chosen, scenes, pairs, traffic)
        for index in chosen:
            pairing.try_candidate(int(pairs.smallest_gap[index]))
            resolved = found[index] if index in found else rejection_of(pairs, some, index)
            served = not isinstance(resolved, Rejection)
            cell = int(some.cell[index])
            yield Candidate(
                cell=cell,
                preferred=int(some.preferred[index]),
                patch=some.patches[index],
                acquisitions=resolved if served else (),
                why=None if served else resolved,
                place_id=None if builder.places.names is None else builder.places.names[cell],
            )


def pair_draws(builder: Builder, draws: Draws, traffic: dict[str, Traffic]) -> tuple[Candidates, Pairs]:
    """Scenes near draws and their pairs, by the first platform's catalogue."""
    first = builder.platforms[0]
    scenes = first.candidates(draws, traffic[first.name])
    return scenes, pair(draws.patches, draws.preferred, scenes, builder.rule)


def best_alternatives(pairs: Pairs, alternatives: int) -> list[int]:
    """Of each place's alternatives the first with a pair, else the first that got furthest: positions."""
    outcome = pairs.outcome.reshape(-1, alternatives)
    return [int(row) for row in np.arange(len(outcome)) * alternatives + outcome.argmax(axis=1)]


def rejection_of(pairs: Pairs, draws: Draws, index: int) -> Rejection:
    """Why the draw at `index` has no pair. Raises KeyError: it has one."""
    if pairs.outcome[index] != Outcome.PAIRED and draws.outside[index]:
        return Rejection(reason=Reason.INSTANT_OUTSIDE_WINDOW)
    return Rejection(reason=Outcome(int(pairs.outcome[index])).reason)


def _resolved(
    builder: Builder, draws: Draws, chosen: list[int], scenes: Candidates, pairs: Pairs, traffic: dict[str, Traffic]
) -> dict[int, tuple[Acquisitions, ...] | Rejection]:
    """The acquisitions of the first platform on every platform, or which one lacks them: by position of the draw."""
    own = {index: pairs.acquisitions(scenes, index) for index in chosen if pairs.outcome[index] == Outcome.PAIRED}
    found: dict[int, tuple[Acquisitions, ...] | Rejection] = {index: (one,) for index, one in own.items()}
    for platform in builder.platforms[1:]:
        left = [index for index in own if not isinstance(found[index], Rejection)]
        patches = draws.patches.take(np.array(left, int))
        answers = platform.resolve([own[index] for index in left], patches, traffic[platform.name])
        for index, answer in zip(left, answers, strict=True):
            so_far = found[index]
            if isinstance(answer, Rejection):
                found[index] = answer.on(platform.name)
            elif not isinstance(so_far, Rejection):
                found[index] = (*so_far, answer)
    return found
