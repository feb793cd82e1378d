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


@dataclass(kw_only=True)
class PairingCounts:
    """Counts over the candidates that were tried."""

    tried: int = 0
    within: Counter[int] = field(default_factory=Counter)
    """Candidates that a limit of so many days would pair."""
    gaps: Counter[int] = field(default_factory=Counter)
    """Samples by the lower edge in hours of the bin in which |S1 - S2| lies."""

    def try_candidate(self, smallest_gap: int) -> None:
        """Count a candidate, given the smallest gap in microseconds between qualifying scenes."""
        self.tried += 1
        self.within.update(days for days in LIMITS if smallest_gap <= days * DAY)

    def keep_sample(self, gap: int) -> None:
        """Count a sample, given S1 - S2 in microseconds."""
        self.gaps[abs(gap) // (BIN * _HOUR) * BIN] += 1

    def add(self, other: "PairingCounts") -> None:
        """Count those of another shard too."""
        self.tried += other.tried
        self.within.update(other.within)
        self.gaps.update(other.gaps)

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return {
            "tried": self.tried,
            "within_days": {str(days): self.within[days] for days in LIMITS},
            "gap_hours": {str(hours): count for hours, count in sorted(self.gaps.items())},
        }

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

    def counts(self) -> PairingCounts:
        """The counts."""
        return PairingCounts(tried=self.tried, within=Counter(self.within_days), gaps=Counter(self.gap_hours))
