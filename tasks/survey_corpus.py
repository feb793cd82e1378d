"""Task: which shards of a corpus are missing."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.shards.destinations import open_destination
from tasks.shards.survey import missing_anywhere


@task(task_run_name="survey", cache_policy=NO_CACHE, persist_result=False)
def survey_corpus(destinations: tuple[str, ...], shards: int) -> list[int]:
    """Of the first `shards` shards those that at least one destination lacks, in order. One listing a destination."""
    return list(missing_anywhere(tuple(map(open_destination, destinations)), shards))
