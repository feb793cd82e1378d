"""The limits of a pair, from the spec."""

import datetime as dt
from dataclasses import dataclass

from tasks.spec import CorpusSpec

DAY = 86_400_000_000
"""Microseconds."""


REPORTED_GAPS = (1, 2, 3, 5)
"""Days for which the match rate is told (asked for in ESA-PhiLab/Major-TOM#6)."""

FIRST_IMAGES = {
    "Sentinel-1": dt.datetime(2014, 10, 3, tzinfo=dt.UTC),
    "Sentinel-2": dt.datetime(2015, 6, 27, tzinfo=dt.UTC),
}
"""First public Sentinel-1A and first Sentinel-2A acquisitions (ESA)."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The limits of a pair."""

    window: tuple[int, int]
    """Acquisition times, microseconds since 1970 UTC, half open."""
    max_gap: int
    """Between the starts of the two acquisitions, microseconds, inclusive."""
    search: int
    """Between the Sentinel-2 acquisition and the preferred instant, microseconds, inclusive."""
    max_cloud_cover: float | None
    """Percent, inclusive."""

    @property
    def reach(self) -> int:
        """How far from a Sentinel-2 scene Sentinel-1 scenes are looked for, microseconds: the gap, or the largest limit
        for which a match rate is told."""
        return max(self.max_gap, REPORTED_GAPS[-1] * DAY)


def rule_of(spec: CorpusSpec) -> Rule:
    """The spec's pairing rule."""
    pairing = spec.pairing
    return Rule(
        window=spec.span,
        max_gap=round(pairing.max_gap_days * DAY),
        search=round(pairing.search_days * DAY),
        max_cloud_cover=pairing.max_cloud_cover,
    )


def lifetime_notes(spec: CorpusSpec) -> tuple[str, ...]:
    """What of the spec's window lies before the missions' first images, in words."""
    first, end = spec.window
    notes: list[str] = []
    for mission, since in FIRST_IMAGES.items():
        if first < since:
            share = min(1.0, (since - first) / (end - first))
            notes.append(
                f"{100 * share:.0f} % of the window lies before {mission}'s first images ({since:%Y-%m-%d}): draws "
                "that prefer an instant there get later scenes or none"
            )
    return tuple(notes)
