"""How a corpus paired: `release/pairing.json`."""

from collections.abc import Callable
from typing import Any

from tasks.shards.commits import read_commits, reasons_of
from tasks.shards.destinations import Destination
from tasks.shards.layout import to_json
from tasks.shards.pairing_counts import BIN, LIMITS, PairingCounts, Where


def pairing_report(destination: Destination) -> bytes:
    """Match rates by gap limit, continent and year, gaps, rejections by reason, as JSON; a function of the commits.

    Raises CorpusError: a commit record is damaged.
    """
    counts, samples, rejected, missing = PairingCounts(), 0, reasons_of(()), reasons_of(())
    for commit in read_commits(destination):
        counts.add(commit.pairing)
        samples += commit.samples
        rejected += reasons_of(commit.replaced)
        missing += reasons_of(commit.missing)
    return to_json(
        _match_rates(counts)
        | {
            "samples": samples,
            "candidates_tried": counts.tried,
            "match_rate_by_gap_limit_days": {
                str(days): round(counts.within[days] / counts.tried, 4)
                for days in LIMITS
                if counts.tried and (counts.gaps or not samples)
            },
            f"samples_by_gap_hours_in_bins_of_{BIN}": {
                f"{hours}-{hours + BIN}": count for hours, count in sorted(counts.gaps.items())
            },
            "candidates_rejected": dict(sorted(rejected.items())),
            "places_without_pixels": dict(sorted(missing.items())),
        }
    )


def _match_rates(counts: PairingCounts) -> dict[str, Any]:
    """How many instants of candidates have their acquisitions, by year, by continent, and by both: where they differ,
    the corpus' map and seasons are not those of its draws. Nothing of shards that do not tell."""

    def by(key: Callable[[Where], str]) -> dict[str, dict[str, float]]:
        names = sorted({key(where) for where in counts.asked})
        found: dict[str, dict[str, float]] = {}
        for name in names:
            asked = sum(count for where, count in counts.asked.items() if key(where) == name)
            paired = sum(count for where, count in counts.paired.items() if key(where) == name)
            found[name] = {"asked": asked, "paired": paired, "rate": round(paired / asked, 4)}
        return found

    return {
        "match_rate_by_year": by(lambda where: str(where[1])),
        "match_rate_by_continent": by(lambda where: where[0]),
        "match_rate_by_continent_and_year": by(lambda where: f"{where[0]} {where[1]}"),
    }
