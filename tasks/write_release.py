"""Task: write what is made of a corpus, `release/`."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.release.legends import legend_report
from tasks.release.pairing_report import pairing_report
from tasks.release.preview import preview
from tasks.shards.description import need_description
from tasks.shards.destinations import open_destination
from tasks.shards.layout import LEGEND, PAIRING, PREVIEW
from tasks.shards.release_files import put_release


@task(task_run_name="release", cache_policy=NO_CACHE, persist_result=False)
def write_release(destinations: tuple[str, ...]) -> None:
    """Make the preview, the report of how the corpus paired and the labels' legend once, and put them everywhere.

    Raises CorpusError: a commit record is damaged, or the destinations hold different shards; DestinationError.
    """
    opened = [open_destination(location) for location in destinations]
    made = {
        PAIRING: pairing_report(opened[0]),
        PREVIEW: preview(opened[0]),
        LEGEND: legend_report(need_description(opened[0])),
    }
    put_release(opened, {path: content for path, content in made.items() if content is not None})
