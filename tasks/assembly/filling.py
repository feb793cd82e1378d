"""Filling a shard: the first candidates, in the order of their draws, that the platforms can serve."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from tasks.assembly.builder import Workshop
from tasks.errors import CorpusError, SceneUnavailable
from tasks.imagery import BANDS, POLARIZATIONS, Tiles, Traffic
from tasks.places import Draws, Patch
from tasks.scenes import Candidates, Outcome, Pairs, ScenePair, pair
from tasks.shards.encoding import backscatter_to_steps
from tasks.shards.layout import S1_NODATA
from tasks.shards.pairing_counts import PairingCounts
from tasks.shards.samples import PlatformFacts, Sample, sample_rows

REMEDY = (
    "Widen the window, search_days, max_gap_days or the cloud limit, or use a smaller size or a region that the "
    "platforms cover."
)

MOST = 0.5
"""A candidate of which more than this fraction is nodata is replaced."""


def _no_clock(_: str) -> AbstractContextManager[None]:
    return nullcontext()


Clock = Callable[[str], AbstractContextManager[None]]
"""Measures a stage: catalogue or read."""


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A draw that has been asked for, and what the catalogue said."""

    cell: int
    preferred: int
    patch: Patch
    pairs: tuple[ScenePair, ...]
    """The same two acquisitions on each platform, in the spec's order; empty where they cannot be had."""
    reason: str
    """Why it has no pairs."""
    place_id: str | None

    def to_sample(self, row: int, facts: dict[str, PlatformFacts], missing: str) -> Sample:
        """The row that the candidate gets, with or without pixels."""
        return Sample(
            row=row,
            cell=self.cell,
            preferred=self.preferred,
            patch=self.patch,
            pair=None if missing else self.pairs[0],
            platforms={} if missing else facts,
            missing=missing or None,
            place_id=self.place_id,
        )


@dataclass(kw_only=True)
class Filling:
    """The contents of one shard while candidates are tried."""

    shop: Workshop
    shard: int
    traffic: dict[str, Traffic]
    clock: Clock = _no_clock
    turn: int = field(init=False)
    """Of the shards in this process, the one that began first is served first."""
    samples: list[Sample] = field(default_factory=list)
    replaced: list[tuple[int, str]] = field(default_factory=list)
    """Cells that could not be served, and why, in the order tried."""
    tried: Counter[str] = field(default_factory=Counter)
    pairing: PairingCounts = field(default_factory=PairingCounts)

    def __post_init__(self) -> None:
        self.turn = next(self.shop.turns)

    def fill(self) -> dict[str, tuple[NDArray[np.uint16], NDArray[np.int16]]]:
        """Fetch a shard's pixels: by platform, (size, 13, h, w) reflectance and (size, 2, h, w) backscatter steps.

        Raises CorpusError: too few candidates can be served; counts them by reason.
        """
        size, pixels = self.shop.spec.shard_size, self.shop.spec.patch.pixels
        arrays = {
            platform.name: (
                np.zeros((size, len(BANDS), pixels, pixels), np.uint16),
                np.full((size, len(POLARIZATIONS), pixels, pixels), S1_NODATA, np.int16),
            )
            for platform in self.shop.platforms
        }
        for attempt in range(self.shop.places.attempts):
            candidates = self._candidates(attempt)
            while len(self.samples) < size:
                # Never more than are still needed: the same ones are kept, whichever answers first.
                needed = size - len(self.samples)
                batch = [candidate for _, candidate in zip(range(needed), candidates, strict=False)]
                if not batch:
                    break
                with self.clock("read"):
                    self._serve(batch, arrays)
        self._refuse_too_few()
        return arrays

    def plan(self) -> GeoDataFrame:
        """Rows of the candidates that would be tried if every pair could be fetched; those without a pair too."""
        size, keep = self.shop.spec.shard_size, not self.shop.places.replaces
        rows: list[Sample] = []
        for attempt in range(self.shop.places.attempts):
            for candidate in self._candidates(attempt, with_unpaired=True):
                named = {
                    platform.name: PlatformFacts.of_pair(pair)
                    for platform, pair in zip(self.shop.platforms, candidate.pairs, strict=False)
                }
                rows.append(candidate.to_sample(len(self.samples), named, candidate.reason))
                if keep or not candidate.reason:
                    self.samples.append(rows[-1])
                if len(self.samples) == size:
                    return sample_rows(rows, self.shop.spec, self.shard)
        return sample_rows(rows, self.shop.spec, self.shard)

    def _candidates(self, attempt: int, *, with_unpaired: bool = False) -> Iterator[_Candidate]:
        """Candidates of an attempt in order, paired a portion at a time, in cells that have no sample yet.

        Those without a pair are replaced, unless places keep their rows or the caller wants to see them.
        """
        draws = self.shop.places.draws(self.shard, attempt)
        if self.samples:
            draws = draws.take(~np.isin(draws.cell, [sample.cell for sample in self.samples]))
        portion = self.shop.spec.shard_size * draws.alternatives
        for start in range(0, len(draws), portion):
            some = draws.take(slice(start, start + portion))
            with self.clock("catalogue"):
                scenes, pairs = pair_draws(self.shop, some, self.traffic)
                chosen = best_alternatives(pairs, some.alternatives)
                found = self._resolved(some, chosen, scenes, pairs)
            for index in chosen:
                outcome = Outcome(int(pairs.outcome[index]))
                resolved = found.get(index, outcome.reason)
                self.pairing.try_candidate(int(pairs.smallest_gap[index]))
                candidate = _Candidate(
                    cell=int(some.cell[index]),
                    preferred=int(some.preferred[index]),
                    patch=some.patches[index],
                    pairs=() if isinstance(resolved, str) else resolved,
                    reason=resolved if isinstance(resolved, str) else "",
                    place_id=self._name(int(some.cell[index])),
                )
                if candidate.pairs or with_unpaired or not self.shop.places.replaces:
                    yield candidate
                else:
                    self._replace(candidate, candidate.reason)

    def _name(self, place: int) -> str | None:
        names = self.shop.places.names
        return None if names is None else names[place]

    def _resolved(
        self, draws: Draws, chosen: list[int], scenes: Candidates, pairs: Pairs
    ) -> dict[int, tuple[ScenePair, ...] | str]:
        """The pairs of the first platform on every platform, or which one lacks them: by position of the draw."""
        others = self.shop.platforms[1:]
        own = {index: pair_of(scenes, pairs, index) for index in chosen if pairs.outcome[index] == Outcome.PAIRED}
        found: dict[int, tuple[ScenePair, ...] | str] = {index: (pair,) for index, pair in own.items()}
        for platform in others:
            left = [index for index in own if not isinstance(found[index], str)]
            patches = draws.patches.take(np.array(left, int))
            answers = platform.resolve([own[index] for index in left], patches, self.traffic[platform.name])
            for index, answer in zip(left, answers, strict=True):
                so_far = found[index]
                if isinstance(answer, str) or isinstance(so_far, str):
                    found[index] = f"{platform.name}: {answer}"
                else:
                    found[index] = (*so_far, answer)
        return found

    def _serve(self, batch: list[_Candidate], arrays: dict[str, tuple[NDArray[np.uint16], NDArray[np.int16]]]) -> None:
        for candidate, tiles, reason in self._fetched(batch):
            facts = {
                name: _facts(tile, pair) for (name, tile), pair in zip(tiles.items(), candidate.pairs, strict=False)
            }
            for name, fact in facts.items():
                if max(fact.s2_nodata or 0, fact.s1_nodata or 0) > MOST:
                    reason = f"pixels mostly nodata on {name}"
            if reason and self.shop.places.replaces:
                self._replace(candidate, reason)
                continue
            self.tried[reason or "served"] += 1
            row = len(self.samples)
            if not reason:
                for name, tile in tiles.items():
                    arrays[name][0][row] = tile.s2
                    arrays[name][1][row] = backscatter_to_steps(tile.s1)
            self.samples.append(candidate.to_sample(row, facts, reason))
            if not reason:
                self.pairing.keep_sample(candidate.pairs[0].gap)

    def _fetched(self, batch: list[_Candidate]) -> Iterator[tuple[_Candidate, dict[str, Tiles], str]]:
        """Candidates in order with their pixels, or the reason why there are none.

        At most twice as many samples are held as may be in flight: enough to keep every thread busy.
        """
        platforms = self.shop.platforms
        ahead = 2 * max(platform.in_flight for platform in platforms)
        waiting: deque[tuple[_Candidate, dict[str, Future[Tiles]]]] = deque()
        remaining = iter(batch)
        try:
            while True:
                for candidate in remaining:
                    answers: dict[str, Future[Tiles]] = {}
                    for platform, pair in zip(platforms, candidate.pairs, strict=False):
                        answers[platform.name] = self.shop.readers.submit(
                            self.turn, platform.fetch, candidate.patch, pair, self.traffic[platform.name]
                        )
                    waiting.append((candidate, answers))
                    if len(waiting) >= ahead:
                        break
                if not waiting:
                    return
                candidate, answers = waiting[0]
                try:
                    tiles, reason = {name: answer.result() for name, answer in answers.items()}, candidate.reason
                except SceneUnavailable as error:
                    tiles, reason = {}, str(error)
                    _abandon(answers.values())
                waiting.popleft()
                yield candidate, tiles, reason
        finally:
            # After an error nobody wants the rest; what runs already is waited for: no thread outlives its shard.
            _abandon(answer for _, answers in waiting for answer in answers.values())

    def _replace(self, candidate: _Candidate, reason: str) -> None:
        self.replaced.append((candidate.cell, reason))
        self.tried[reason] += 1

    def _refuse_too_few(self) -> None:
        """Raises CorpusError."""
        shop, size = self.shop, self.shop.spec.shard_size
        if shop.places.replaces and len(self.samples) < size:
            raise CorpusError(
                f"shard {self.shard}: {len(self.samples)} of {size} samples can be had. {self.tried.total()} "
                f"candidates were tried: {counted(self.tried)}. {REMEDY}"
            )


def counted(tried: Counter[str]) -> str:
    """Reasons with their counts, the most frequent first."""
    return "; ".join(f"{count} {reason}" for reason, count in tried.most_common())


def _abandon(answers: Iterable[Future[Tiles]]) -> None:
    """Cancel what has not begun, and wait for what has."""
    pending = list(answers)
    for answer in pending:
        answer.cancel()
    wait(pending)


def pair_draws(shop: Workshop, draws: Draws, traffic: dict[str, Traffic]) -> tuple[Candidates, Pairs]:
    """Candidates and pairs of draws by the first platform's catalogue."""
    first = shop.platforms[0]
    candidates = first.candidates(draws, traffic[first.name])
    return candidates, pair(draws.patches, draws.preferred, candidates, shop.rule)


def best_alternatives(pairs: Pairs, alternatives: int) -> list[int]:
    """Of each place's alternatives the first with a pair, else the first that got furthest: positions."""
    outcome = pairs.outcome.reshape(-1, alternatives)
    return [int(row) for row in np.arange(len(outcome)) * alternatives + outcome.argmax(axis=1)]


def pair_of(scenes: Candidates, pairs: Pairs, index: int) -> ScenePair:
    """The pair of the draw at `index`, which has one."""
    return ScenePair(
        s2=scenes.sentinel2,
        s2_scene=int(pairs.s2_scene[index]),
        s1=scenes.sentinel1,
        s1_scene=int(pairs.s1_scene[index]),
    )


def _facts(tiles: Tiles, found: ScenePair) -> PlatformFacts:
    return PlatformFacts(
        s2_id=found.s2_id,
        s1_id=found.s1_id,
        s2_nodata=float((~tiles.s2.any(axis=0)).mean()),
        s1_nodata=float(np.isnan(tiles.s1).any(axis=0).mean()),
        absent_bands=tiles.absent,
    )
