"""Prepare a corpus: describe it in every destination before the first shard is built."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assembly.builder import Workshop, open_workshop
from tasks.shards.description import Description, read_description, reconcile
from tasks.shards.layout import CORPUS
from tasks.spec import CorpusSpec


@task(task_run_name="prepare", cache_policy=NO_CACHE, persist_result=False)
def prepare_corpus(spec: CorpusSpec, folder: Path) -> int:
    """Prefect's unit of work: describe the corpus everywhere; returns its number of shards."""
    return describe_everywhere(open_workshop(spec, folder)).shards


def describe_everywhere(shop: Workshop) -> Description:
    """Write `corpus.json` and the Zarr metadata wherever they are absent or the corpus grows.

    Only the coordinator calls this. Raises SpecError: the spec contradicts what a destination holds;
    DestinationError: one cannot be written.
    """
    wanted = shop.description
    for destination in shop.destinations:
        destination.prepare()
        found = read_description(destination)
        if found is not None:
            wanted = reconcile(wanted, found, str(destination.root))
    for destination in shop.destinations:
        # The description goes last: where it stands, the metadata stands too.
        for path, content in {**wanted.metadata(), CORPUS: wanted.to_bytes()}.items():
            if destination.get(path) != content:
                destination.put(path, content)
    return wanted
