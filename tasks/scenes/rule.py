"""The limits of a pair, from the spec."""

from dataclasses import dataclass

from tasks.spec import CorpusSpec

DAY = 86_400_000_000
"""Microseconds."""


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


def rule_of(spec: CorpusSpec) -> Rule:
    """The spec's pairing rule."""
    pairing = spec.pairing
    return Rule(
        window=spec.span,
        max_gap=round(pairing.max_gap_days * DAY),
        search=round(pairing.search_days * DAY),
        max_cloud_cover=pairing.max_cloud_cover,
    )
