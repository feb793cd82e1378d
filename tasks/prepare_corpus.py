"""Task: see that a corpus can be built, and describe it in every destination before the first shard is built."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.planning.preflight import Preflight, open_to_build, preflight
from tasks.shards.description import describe_everywhere
from tasks.spec import CorpusSpec


@task(task_run_name="prepare", cache_policy=NO_CACHE, persist_result=False)
def prepare_corpus(spec: CorpusSpec) -> Preflight:
    """Only the coordinator calls this. Raises what `open_to_build` and `preflight` raise."""
    builder = open_to_build(spec)
    found = preflight(builder)
    describe_everywhere(builder.destinations, found.description)
    return found
