"""Task: put one OpenStreetMap extract into the store of a corpus."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from tasks.labels.osm.ingest import Ingested
from tasks.labels.osm.ingesting import ingest_for
from tasks.spec import CorpusSpec


@task(task_run_name="ingest {path.name}", cache_policy=NO_CACHE, persist_result=False)
def ingest_extract(spec: CorpusSpec, path: Path, shards: range | None = None) -> Ingested:
    """Put an extract into the store, for the shards that lack it. Raises what `ingest_for` raises."""
    found = ingest_for(spec, path, shards)
    get_run_logger().info("\n".join(found.lines(path.name)))
    return found
