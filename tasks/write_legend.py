"""Task: say what the numbers of a corpus' labels mean, `release/legend.json`."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.release.legends import legend_report
from tasks.shards.description import need_description
from tasks.shards.destinations import open_destination
from tasks.shards.layout import LEGEND


@task(task_run_name="legend", cache_policy=NO_CACHE, persist_result=False)
def write_legend(destinations: tuple[str, ...]) -> None:
    """Write the legends once and put them everywhere; a corpus without labels has none."""
    opened = [open_destination(location) for location in destinations]
    content = legend_report(need_description(opened[0]))
    for destination in opened:
        if content is not None and destination.get(LEGEND) != content:
            destination.put(LEGEND, content)
