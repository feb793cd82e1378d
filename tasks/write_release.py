"""Task: write what is made of a corpus, `release/`."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.release.pairing_report import pairing_report
from tasks.release.preview import preview
from tasks.shards.destinations import open_destination
from tasks.shards.layout import PAIRING, PREVIEW
from tasks.shards.release_files import put_release


@task(task_run_name="release", cache_policy=NO_CACHE, persist_result=False)
def write_release(destinations: tuple[str, ...]) -> None:
    """Make the preview and the report of how the corpus paired once, and put them everywhere.

    Raises CorpusError: a commit record is damaged, or the destinations hold different shards; DestinationError.
    """
    opened = [open_destination(location) for location in destinations]
    drawn = preview(opened[0])
    contents = {PAIRING: pairing_report(opened[0])} | ({} if drawn is None else {PREVIEW: drawn})
    put_release(opened, contents)
