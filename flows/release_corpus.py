"""The flow `release-corpus`: what is made of a whole corpus, anew, where it was built without or copied in parts."""

from prefect import flow
from prefect.logging import get_run_logger

from flows.naming import corpus_run_name
from tasks.read_block import read_block
from tasks.shards.destinations import read_blocks_with
from tasks.write_release import write_release


@flow(name="release-corpus", flow_run_name=corpus_run_name("release"), persist_result=False)
def release_corpus(corpus: str, copies: list[str] | None = None) -> None:
    """Release a corpus that is whole; of one that is not, nothing is written.

    `corpus`: its path or URL; `copies`: those of other copies of it, which get the same files. What is there already
    and the same stays.
    """
    read_blocks_with(read_block)
    write_release((corpus, *(copies or ())))
    get_run_logger().info(f"{corpus}: released")
