"""Task: report how a corpus paired, `release/pairing.json`."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.release.pairing_report import pairing_report
from tasks.shards.destinations import open_destination
from tasks.shards.layout import PAIRING


@task(task_run_name="pairing", cache_policy=NO_CACHE, persist_result=False)
def report_pairing(destinations: tuple[str, ...]) -> None:
    """Write the report once and put it everywhere. Raises CorpusError: a commit record is damaged."""
    opened = [open_destination(location) for location in destinations]
    content = pairing_report(opened[0])
    for destination in opened:
        if destination.get(PAIRING) != content:
            destination.put(PAIRING, content)
