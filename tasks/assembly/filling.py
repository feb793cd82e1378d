"""Filling a shard: the first candidates, in the order of their draws, that the platforms can serve."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from tasks.assembly.builder import Builder
from tasks.assembly.candidates import Candidate, Clock, candidates_of
from tasks.assembly.fetching import Fetched, fetched
from tasks.assembly.layers import Laying
from tasks.errors import CandidatesExhausted, NotUnderstood
from tasks.imagery.bands import array_path
from tasks.imagery.platform import Tiles, Traffic, clear_fraction, nodata_fraction
from tasks.places.draws import RandomPlaces
from tasks.scenes.looks import by_date, date_of, mask_of, role_of
from tasks.scenes.reasons import Reason, Rejection
from tasks.scenes.scenes import Acquisitions
from tasks.shards.commits import RejectedCell
from tasks.shards.pairing_counts import PairingCounts
from tasks.shards.rows import PlatformFacts, Sample, sample_rows
from tasks.spec import CorpusSpec

Value = TypeVar("Value")


def remedy(spec: CorpusSpec) -> str:
    """What helps where too few candidates can be served, by the keys that the spec has."""
    limits = "search_days, max_gap_days or the cloud limit"
    if spec.acquisitions is not None:
        limits = "search_days, max_days or cloud_cover of the roles"
    fewer = ", use fewer instants" if spec.dates > 1 else ""
    return f"Widen the window, {limits}{fewer}, or use a smaller size or a region that the platforms cover."


MOST_NODATA = 0.5
"""A candidate of which more than this fraction is nodata is replaced."""

_MISUNDERSTOOD = 10
"""Candidates that are tried although the pixels of none before them could be understood."""

_MOST_NOTES = 20
"""Sayings of platforms that a run record keeps."""


def _no_clock(_: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(kw_only=True)
class Filling:
    """The contents of one shard while candidates are tried."""

    builder: Builder
    shard: int
    traffic: dict[str, Traffic]
    clock: Clock = _no_clock
    turn: int = field(init=False)
    """Of the shards in this process, the one that began first is served first."""
    samples: list[Sample] = field(default_factory=list)
    replaced: list[RejectedCell] = field(default_factory=list)
    """Candidates that gave way to the next one, in the order tried."""
    missing: list[RejectedCell] = field(default_factory=list)
    """Listed places that keep their row without pixels."""
    tried: Counter[str] = field(default_factory=Counter)
    """Candidates by what became of them, in words."""
    pairing: PairingCounts = field(default_factory=PairingCounts)
    notes: list[str] = field(default_factory=list)
    """What platforms said of scenes that were refused, the first few."""
    clipped: Counter[str] = field(default_factory=Counter)
    """By array path, pixels that were below or beyond what it holds."""
    served: int = 0
    """Samples that have pixels."""
    misunderstood: list[str] = field(default_factory=list)
    """What was said of candidates whose pixels are not what they are said to be."""

    columns: dict[str, Any] = field(default_factory=dict)
    """Of layers, once the shard is filled: (n,) each."""

    def __post_init__(self) -> None:
        self.turn = next(self.builder.turns)

    def fill(self) -> dict[str, NDArray[Any]]:
        """Fetch a shard's pixels: by array path, (shard size, ...) as they are stored, nodata where there are none.

        Layers are laid before the pixels of the same candidates are fetched.
        Raises NotUnderstood: the pixels of the first candidates are not what they are said to be; CandidatesExhausted:
        too few candidates can be served; counts them by reason. PixelsError, LabelsError, CatalogueError,
        CredentialsError, PlatformUnreachable.
        """
        size = self.builder.spec.shard_size
        arrays = {path: kind.empty(size) for path, kind in self.builder.kinds.items()}
        laying = Laying(self.builder.layers, self.shard, arrays)
        for attempt, stratum, most in self._turns():
            candidates = self._candidates(attempt, stratum)
            while len(self.samples) < most:
                # Never more than are still needed: the same ones are kept, whichever answers first.
                needed = most - len(self.samples)
                batch = [candidate for _, candidate in zip(range(needed), candidates, strict=False)]
                if not batch:
                    break
                with self.clock("label"):
                    laying.lay(batch, len(self.samples))
                with self.clock("read"):
                    for at, one in enumerate(fetched(self.builder, batch, self.traffic, self.turn)):
                        if self._keep(one, arrays):
                            laying.keep(at, len(self.samples) - 1)
                laying.settle(self.samples)
        self._refuse_misunderstood(1)
        self._refuse_too_few()
        with self.clock("label"):
            self.columns = self._columns_of(self.samples) | laying.columns(self.samples)
        return arrays

    def plan(self) -> GeoDataFrame:
        """Rows of the candidates that would be tried if every pair could be fetched; those without a pair too."""
        keep = not self.builder.places.replaces
        rows: list[Sample] = []
        for attempt, stratum, most in self._turns():
            if len(self.samples) == most:
                continue
            for candidate in self._candidates(attempt, stratum, with_unpaired=True):
                named = {
                    platform.name: PlatformFacts.of(acquisitions)
                    for platform, acquisitions in zip(self.builder.platforms, candidate.acquisitions, strict=False)
                }
                missing = candidate.why.reason if candidate.why else None
                rows.append(candidate.to_sample(len(self.samples), named, missing))
                if keep or not missing:
                    self.samples.append(rows[-1])
                if len(self.samples) == most:
                    break
        return sample_rows(rows, self.builder.spec, self.shard, self._columns_of(rows))

    def _turns(self) -> Iterator[tuple[int, int, int]]:
        """Attempt, stratum, and how many samples there are to be when its stratum is filled: one after the other.

        Ends with the first stratum that stays short, whose places are not another's to take.
        """
        most = 0
        for stratum, quota in enumerate(self.builder.places.quotas):
            most += quota
            for attempt in range(self.builder.places.attempts):
                yield attempt, stratum, most
            if len(self.samples) < most:
                return

    def _columns_of(self, samples: list[Sample]) -> dict[str, Any]:
        """What places say of themselves in the rows of samples, by column."""
        return self.builder.places.columns_of(self.shard, [sample.cell for sample in samples])

    def _candidates(self, attempt: int, stratum: int, *, with_unpaired: bool = False) -> Iterator[Candidate]:
        """Candidates of an attempt in a stratum in order, in cells that have no sample yet.

        Those without a pair are replaced, unless places keep their rows or the caller wants to see them.
        """
        draws = self.builder.places.draws(self.shard, attempt)
        if len(self.builder.places.quotas) > 1:
            draws = draws.take(draws.stratum == stratum)
        if self.samples:
            draws = draws.take(~np.isin(draws.cell, [sample.cell for sample in self.samples]))
        for candidate in candidates_of(self.builder, draws, self.traffic, self.pairing, self.clock):
            if candidate.why is None or with_unpaired or not self.builder.places.replaces:
                yield candidate
            else:
                self._replace(candidate, candidate.why)

    def _keep(self, one: Fetched, arrays: dict[str, NDArray[Any]]) -> bool:
        """Give a candidate its row, or replace it; says whether it has pixels."""
        candidate, dates = one.candidate, self.builder.spec.dates
        facts = {
            name: facts_of(name, tiles, acquisitions)
            for (name, tiles), acquisitions in zip(one.tiles.items(), candidate.acquisitions, strict=False)
        }
        empty = _mostly_nodata(facts)
        lacking = {**empty, **one.lacking}
        # At random every date is needed; a listed place keeps those that it has.
        gone = bool(lacking) if self.builder.places.replaces or dates == 1 else len(lacking) == dates
        why = one.why or (lacking[min(lacking)] if gone else None)
        if one.said and len(self.notes) < _MOST_NOTES:
            self.notes.append(one.said)
        if why and why.reason in (Reason.NOT_UNDERSTOOD, Reason.OFFSET_UNKNOWN):
            self.misunderstood.append(one.said)
            self._refuse_misunderstood(_MISUNDERSTOOD)
        if why and self.builder.places.replaces:
            self._replace(candidate, why)
            return False
        self.tried[why.reason.words if why else "served"] += 1
        row = len(self.samples)
        kept = replace(candidate, lacking=lacking).without(lacking)
        self.samples.append(kept.to_sample(row, _without(facts, lacking), why.reason if why else None))
        if why:
            self.missing.append(RejectedCell(cell=candidate.cell, why=why))
            return False
        for tiles in one.tiles.values():
            self.clipped.update(tiles.clipped)
            for path, values in tiles.arrays.items():
                if path in arrays:
                    arrays[path][row] = self.builder.kinds[path].stored(values)
                elif date_of(path) not in lacking:
                    arrays[role_of(path)][row, date_of(path)] = self.builder.kinds[role_of(path)].stored(values)
        self._count_gaps(kept)
        return True

    def _count_gaps(self, candidate: Candidate) -> None:
        """Count a sample, at each of its dates."""
        self.served += 1
        if (pair := self.builder.rule.first_pair) is None:
            return
        acquisitions = candidate.acquisitions[0]
        for looks in by_date(acquisitions).values():
            times = {role_of(look): acquisitions[look].known_time for look in looks}
            one, near = times[pair[0]], times[pair[1]]
            if one is not None and near is not None:
                self.pairing.keep_sample(one - near)

    def _replace(self, candidate: Candidate, why: Rejection) -> None:
        self.replaced.append(RejectedCell(cell=candidate.cell, why=why))
        self.tried[why.reason.words] += 1

    def _refuse_misunderstood(self, most: int) -> None:
        """See that what has pixels was not misunderstood `most` times and never understood. Raises NotUnderstood."""
        # Every shard would find the same, and most would try thousands before they give up.
        if len(self.misunderstood) >= most and not self.served:
            raise NotUnderstood(
                f"shard {self.shard}: {len(self.misunderstood)} candidates were read, and the pixels of none are what "
                f"they are said to be, so nothing is stored. {self.misunderstood[0]}"
            )

    def _refuse_too_few(self) -> None:
        """Raises CandidatesExhausted."""
        size, places = self.builder.spec.shard_size, self.builder.places
        if isinstance(places, RandomPlaces) and len(self.samples) < size:
            raise CandidatesExhausted(
                f"shard {self.shard}: {len(self.samples)} of {size} samples can be had"
                f"{places.short_in(len(self.samples))}. {self.tried.total()} "
                f"candidates were tried: {counted(self.tried)}. {remedy(self.builder.spec)}"
            )


def counted(tried: Counter[str]) -> str:
    """What became of candidates with their counts, the most frequent first."""
    return "; ".join(f"{count} {words}" for words, count in tried.most_common())


def facts_of(platform: str, tiles: Tiles, acquisitions: Acquisitions) -> PlatformFacts:
    """What the row of a sample says of a platform's pixels."""
    held = {look: array_path(platform, look) for look in acquisitions}
    held = {look: path for look, path in held.items() if path in tiles.arrays}
    masks = {mask_of(look): array_path(platform, mask_of(look)) for look in held}
    return PlatformFacts(
        ids={look: acquisitions[look].id for look in held},
        nodata={look: nodata_fraction(tiles.arrays[path]) for look, path in held.items()},
        absent_bands=tiles.absent_bands,
        clear={mask: clear_fraction(tiles.arrays[path]) for mask, path in masks.items() if path in tiles.arrays},
        incidence=tiles.incidence,
    )


def _mostly_nodata(facts: dict[str, PlatformFacts]) -> dict[int, Rejection]:
    """By date, where a look is mostly nodata, the first one."""
    found: dict[int, Rejection] = {}
    for platform, fact in facts.items():
        for look, share in fact.nodata.items():
            if share > MOST_NODATA:
                rejection = Rejection(reason=Reason.MOSTLY_NODATA, platform=platform, scene=fact.ids[look])
                found.setdefault(date_of(look), rejection)
    return found


def _without(facts: dict[str, PlatformFacts], dates: Collection[int]) -> dict[str, PlatformFacts]:
    """Facts without those of some dates."""

    def kept(said: Mapping[str, Value]) -> dict[str, Value]:
        return {look: value for look, value in said.items() if date_of(look) not in dates}

    return {
        name: replace(
            fact,
            ids=kept(fact.ids),
            nodata=kept(fact.nodata),
            clear=kept(fact.clear),
            incidence=kept(fact.incidence),
        )
        for name, fact in facts.items()
    }
