"""The flow `release-corpus`: what is made of a whole corpus, anew, where it was built without or copied in parts."""

from collections.abc import Sequence

from prefect import flow
from prefect.logging import get_run_logger

from flows.naming import corpus_run_name
from flows.released import Released, emit
from tasks.read_block import read_block
from tasks.shards.description import need_description
from tasks.shards.destinations import open_destination, read_blocks_with
from tasks.spec.locations import is_url
from tasks.write_release import write_release


@flow(name="release-corpus", flow_run_name=corpus_run_name("release"), persist_result=False)
def release_corpus(corpus: str, copies: list[str] | None = None) -> None:
    """Release a corpus that is whole; of one that is not, nothing is written.

    `corpus`: its path or URL; `copies`: those of other copies of it, which get the same files. What is there already
    and the same stays.
    """
    read_blocks_with(read_block)
    release((corpus, *(copies or ())))
    get_run_logger().info(f"{corpus}: released")


def release(locations: Sequence[str]) -> None:
    """Release a corpus in all its copies, and say so, for the trigger of trainings."""
    digest, samples = write_release(tuple(locations))
    opened = [open_destination(location) for location in locations]
    description = need_description(opened[0])
    # Where another machine finds it too, if there is such a copy.
    reachable = next((copy.location for copy in opened if is_url(copy.location)), opened[0].location)
    platforms, labels = tuple(description.bands), tuple(description.layers)
    told = Released(uri=reachable, digest=digest, samples=samples, platforms=platforms, labels=labels)
    emit(description.name, told)
