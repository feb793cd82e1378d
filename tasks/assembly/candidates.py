"""Candidates of a shard: its draws in order, each with the acquisitions that every platform has of it, or why not."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tasks.assembly.builder import Builder
from tasks.imagery.platform import Traffic
from tasks.places.continents import continents_of
from tasks.places.draws import Draws
from tasks.places.patches import Patch
from tasks.scenes.looks import date_of, merged
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
    """The same ones on each platform, in the spec's order, by look; empty where they cannot be had."""
    why: Rejection | None
    """Why it has none."""
    place_id: str | None
    lacking: Mapping[int, Rejection] = field(default_factory=dict[int, Rejection])
    """Of a listed place with several dates: why some cannot be had, by number of the date."""

    def without(self, dates: Collection[int]) -> "Candidate":
        """The same without the acquisitions of some dates."""
        kept = tuple(
            {look: one for look, one in held.items() if date_of(look) not in dates} for held in self.acquisitions
        )
        return replace(self, acquisitions=kept) if dates else self

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
            lacking={} if missing else {date: why.reason for date, why in self.lacking.items()},
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
    dates = builder.spec.dates
    for start in range(0, len(draws), portion):
        some = draws.take(slice(start, start + portion))
        with clock("catalogue"):
            scenes, pairs = pair_draws(builder, some, traffic)
            chosen = best_alternatives(pairs.outcome, some.alternatives, dates)
            looks = [index * dates + date for index in chosen for date in range(dates)]
            found = _resolved(builder, some, looks, scenes, pairs, traffic)
        continents = continents_of(*some.patches.take(np.array(chosen, int)).centres())
        for index, continent in zip(chosen, continents, strict=True):
            at = range(index * dates, (index + 1) * dates)
            # A limit pairs a candidate if it pairs every date.
            pairing.try_candidate(int(pairs.smallest_gap[at].max()))
            answers = {date: found.get(row) or rejection_of(pairs, some, row, dates) for date, row in enumerate(at)}
            lacking = {date: answer for date, answer in answers.items() if isinstance(answer, Rejection)}
            served = {date: answer for date, answer in answers.items() if not isinstance(answer, Rejection)}
            for date, year in enumerate(_years(builder, int(some.preferred[index]))):
                pairing.ask((continent, year), paired=date in served)
            missing = bool(lacking) if builder.places.replaces else not served
            cell = int(some.cell[index])
            yield Candidate(
                cell=cell,
                preferred=int(some.preferred[index]),
                patch=some.patches[index],
                acquisitions=()
                if missing
                else tuple(
                    merged({date: answer[at] for date, answer in served.items()}, dates)
                    for at in range(len(builder.platforms))
                ),
                why=next(iter(lacking.values())) if missing else None,
                place_id=None if builder.places.names is None else builder.places.names[cell],
                lacking={} if missing else lacking,
            )


def _years(builder: Builder, preferred: int) -> list[int]:
    """The years of a candidate's instants, one a date."""
    instants = [(first + end) // 2 for first, end in builder.rule.parts] or [preferred]
    return [int(year) + 1970 for year in np.array(instants, "datetime64[us]").astype("datetime64[Y]").astype(np.int64)]


def pair_draws(builder: Builder, draws: Draws, traffic: dict[str, Traffic]) -> tuple[Candidates, Pairs]:
    """Scenes near draws and their pairs, by the first platform's catalogue: a row a draw and date, those of one draw
    beside each other."""
    first, rule = builder.platforms[0], builder.rule
    if rule.parts:
        windows = np.tile(np.array(rule.parts), (len(draws), 1))
        each = np.repeat(np.arange(len(draws)), len(rule.parts))
        dates = np.tile(np.arange(len(rule.parts)), len(draws)) if rule.given else None
        draws = replace(draws.take(each), preferred=windows.sum(axis=1) // 2, windows=windows, dates=dates)
    scenes = first.candidates(draws, traffic[first.name])
    return scenes, pair(draws.patches, draws.preferred, scenes, rule, draws.windows, draws.dates)


def best_alternatives(outcome: NDArray[np.int8], alternatives: int, dates: int) -> list[int]:
    """Of each place's alternatives the first with most of the dates paired, of these the one that got furthest:
    positions of draws, given the outcomes of `pair_draws`."""
    by_draw = outcome.reshape(-1, dates).astype(np.int64)
    paired = (by_draw == Outcome.PAIRED).sum(axis=1)
    got = (paired * (Outcome.PAIRED * dates + 1) + by_draw.sum(axis=1)).reshape(-1, alternatives)
    return [int(row) for row in np.arange(len(got)) * alternatives + got.argmax(axis=1)]


def rejection_of(pairs: Pairs, draws: Draws, row: int, dates: int) -> Rejection:
    """Why a draw has no pair at a date, by the row of `pair_draws`. Raises KeyError: it has one."""
    if pairs.outcome[row] != Outcome.PAIRED and dates == 1 and draws.outside[row]:
        return Rejection(reason=Reason.INSTANT_OUTSIDE_WINDOW)
    return Rejection(reason=Outcome(int(pairs.outcome[row])).reason)


def _resolved(
    builder: Builder, draws: Draws, rows: list[int], scenes: Candidates, pairs: Pairs, traffic: dict[str, Traffic]
) -> dict[int, tuple[Acquisitions, ...] | Rejection]:
    """The acquisitions of the first platform on every platform, or which one lacks them: by row of `pair_draws`."""
    dates = builder.spec.dates
    own = {row: pairs.acquisitions(scenes, row) for row in rows if pairs.outcome[row] == Outcome.PAIRED}
    found: dict[int, tuple[Acquisitions, ...] | Rejection] = {row: (one,) for row, one in own.items()}
    for platform in builder.platforms[1:]:
        left = [row for row in own if not isinstance(found[row], Rejection)]
        patches = draws.patches.take(np.array(left, int) // dates)
        answers = platform.resolve([own[row] for row in left], patches, traffic[platform.name])
        for row, answer in zip(left, answers, strict=True):
            so_far = found[row]
            if isinstance(answer, Rejection):
                found[row] = answer.on(platform.name)
            elif not isinstance(so_far, Rejection):
                found[row] = (*so_far, answer)
    return found
