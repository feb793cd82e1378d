"""How a corpus paired: `release/pairing.json`."""

from tasks.shards.commits import read_commits, reasons_of
from tasks.shards.destinations import Destination
from tasks.shards.layout import to_json
from tasks.shards.pairing_counts import BIN, LIMITS, PairingCounts


def pairing_report(destination: Destination) -> bytes:
    """Match rate by gap limit, distribution of the gap, rejections by reason, as JSON; a function of the commits.

    Raises CorpusError: a commit record is damaged.
    """
    counts, samples, rejected, missing = PairingCounts(), 0, reasons_of(()), reasons_of(())
    for commit in read_commits(destination):
        counts.add(commit.pairing)
        samples += commit.samples
        rejected += reasons_of(commit.replaced)
        missing += reasons_of(commit.missing)
    return to_json(
        {
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
