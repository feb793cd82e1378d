"""Task: draw the preview of a corpus, `release/preview.png`."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.release.preview import preview
from tasks.shards.destinations import open_destination
from tasks.shards.layout import PREVIEW


@task(task_run_name="preview", cache_policy=NO_CACHE, persist_result=False)
def draw_preview(destinations: tuple[str, ...]) -> None:
    """Draw the sheet once and put it everywhere."""
    opened = [open_destination(location) for location in destinations]
    content = preview(opened[0])
    for destination in opened:
        if content is not None and destination.get(PREVIEW) != content:
            destination.put(PREVIEW, content)
