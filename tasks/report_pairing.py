"""Report how a corpus paired: `release/pairing.json`."""

from collections import Counter

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.shards.commits import read_commits
from tasks.shards.destinations import LocalFolder, open_destination
from tasks.shards.layout import PAIRING, to_json
from tasks.shards.pairing_counts import BIN, LIMITS, PairingCounts, kind_of_reason


@task(task_run_name="pairing", cache_policy=NO_CACHE, persist_result=False)
def report_pairing(destinations: tuple[str, ...]) -> None:
    """Prefect's unit of work: write the report once and put it everywhere."""
    opened = [open_destination(location) for location in destinations]
    content = pairing_report(opened[0])
    for destination in opened:
        if destination.get(PAIRING) != content:
            destination.put(PAIRING, content)


def pairing_report(destination: LocalFolder) -> bytes:
    """Match rate by gap limit, distribution of the gap, rejections by reason, as JSON; a function of the commits.

    Raises CorpusError: a commit record is damaged.
    """
    counts, samples, rejected, missing = PairingCounts(), 0, Counter[str](), Counter[str]()
    for commit in read_commits(destination):
        counts.add(commit.pairing)
        samples += commit.samples
        rejected.update(kind_of_reason(reason) for _, reason in commit.replaced)
        missing.update(commit.missing)
    return to_json(
        {
            "samples": samples,
            "candidates_tried": counts.tried,
            "match_rate_by_gap_limit_days": {
                str(days): round(counts.within[days] / counts.tried, 4) for days in LIMITS if counts.tried
            },
            f"samples_by_gap_hours_in_bins_of_{BIN}": {
                f"{hours}-{hours + BIN}": count for hours, count in sorted(counts.gaps.items())
            },
            "candidates_rejected": dict(sorted(rejected.items())),
            "places_without_pixels": dict(sorted(missing.items())),
        }
    )
