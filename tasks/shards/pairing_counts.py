"""How the candidates of a shard paired, in numbers that add up over shards."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from tasks.scenes.roles import DAY, REPORTED_GAPS
from tasks.shards.json_record import Record

LIMITS = REPORTED_GAPS
"""Days for which the match rate is kept."""

BIN = 6
"""Hours a bin of the distribution of gaps."""

_HOUR = DAY // 24
"""Microseconds."""


Where = tuple[str, int]
"""Continent and year of an instant."""


@dataclass(kw_only=True)
class PairingCounts:
    """Counts over the candidates that were tried."""

    tried: int = 0
    within: Counter[int] = field(default_factory=Counter)
    """Candidates that a limit of so many days would pair."""
    gaps: Counter[int] = field(default_factory=Counter)
    """Samples by the lower edge in hours of the bin in which |S1 - S2| lies."""
    asked: Counter[Where] = field(default_factory=Counter)
    """Instants of candidates by continent and year; shards of earlier versions have none."""
    paired: Counter[Where] = field(default_factory=Counter)
    """Those of them that every platform has the acquisitions of."""

    def try_candidate(self, smallest_gap: int) -> None:
        """Count a candidate, given the smallest gap in microseconds between qualifying scenes."""
        self.tried += 1
        self.within.update(days for days in LIMITS if smallest_gap <= days * DAY)

    def ask(self, where: Where, *, paired: bool) -> None:
        """Count an instant of a candidate, and whether it has its acquisitions."""
        self.asked[where] += 1
        self.paired[where] += paired

    def keep_sample(self, gap: int) -> None:
        """Count a sample, given S1 - S2 in microseconds."""
        self.gaps[abs(gap) // (BIN * _HOUR) * BIN] += 1

    def add(self, other: "PairingCounts") -> None:
        """Count those of another shard too."""
        self.tried += other.tried
        self.within.update(other.within)
        self.gaps.update(other.gaps)
        self.asked.update(other.asked)
        self.paired.update(other.paired)

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        told: dict[str, Any] = {
            "tried": self.tried,
            "within_days": {str(days): self.within[days] for days in LIMITS},
            "gap_hours": {str(hours): count for hours, count in sorted(self.gaps.items())},
        }
        where: dict[str, dict[str, list[int]]] = {}
        for continent, year in sorted(self.asked):
            of_year = [self.asked[continent, year], self.paired[continent, year]]
            where.setdefault(continent, {})[str(year)] = of_year
        return told | ({"asked_and_paired": where} if where else {})

    def quantile(self, share: float) -> int | None:
        """Hours below which `share` of the gaps lie, to a bin's upper edge; None without samples."""
        left = share * self.gaps.total()
        for hours, count in sorted(self.gaps.items()):
            left -= count
            if left <= 1e-9:
                return hours + BIN
        return None


Count = Annotated[int, Field(ge=0)]


class PairingRecord(Record):
    """What `PairingCounts.to_json` wrote."""

    tried: Count
    within_days: dict[Count, Count]
    gap_hours: dict[Count, Count]
    asked_and_paired: dict[str, dict[Count, tuple[Count, Count]]] = Field(default_factory=dict)

    def counts(self) -> PairingCounts:
        """The counts."""
        where = {
            (continent, year): counts
            for continent, years in self.asked_and_paired.items()
            for year, counts in years.items()
        }
        return PairingCounts(
            tried=self.tried,
            within=Counter(self.within_days),
            gaps=Counter(self.gap_hours),
            asked=Counter({key: asked for key, (asked, _) in where.items()}),
            paired=Counter({key: paired for key, (_, paired) in where.items()}),
        )
