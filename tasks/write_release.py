"""Task: write what is made of a corpus, `release/`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.release.making import make_release
from tasks.shards.destinations import open_destination
from tasks.shards.release_files import put_release
from tasks.shards.survey import need_whole


@task(task_run_name="release", cache_policy=NO_CACHE, persist_result=False)
def write_release(destinations: tuple[str, ...]) -> tuple[str, int]:
    """Make the files of a release once, from the first of some copies of a corpus, and put them everywhere.

    Gives the corpus' digest and how many samples it has.

    Raises CorpusError: a copy is not whole or changes meanwhile, a record is damaged, or they hold different shards;
    DestinationError.
    """
    opened = [open_destination(location) for location in destinations]
    need_whole(opened)
    with TemporaryDirectory(prefix="deepsentinel-release-") as folder:
        made = make_release(opened[0], Path(folder))
        put_release(opened, made.files, digest=made.digest)
    return made.digest, made.samples
