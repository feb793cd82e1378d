"""The flow `ingest-osm`: OpenStreetMap extracts, one after the other, into the store of a corpus."""

from pathlib import Path

from prefect import flow

from flows.naming import corpus_run_name
from tasks.ingest_extract import ingest_extract
from tasks.labels.osm.ingest import Ingested
from tasks.planning.plan import parse_shards
from tasks.read_block import read_block
from tasks.shards.destinations import read_blocks_with
from tasks.spec import CorpusSpec, load_spec


@flow(name="ingest-osm", flow_run_name=corpus_run_name("ingest"), persist_result=False)
def ingest_osm(spec: CorpusSpec | Path, paths: list[Path], shards: str | None = None) -> list[Ingested]:
    """Ingest extracts; the same call resumes with the one that was interrupted, and adds shards to a grown corpus.

    `spec`: the corpus, or the file that describes it; `shards`: which, FIRST:END, default all.

    One at a time: the index of an extract's nodes is what bounds the memory.
    """
    read_blocks_with(read_block)
    spec = load_spec(spec) if isinstance(spec, Path) else spec
    wanted = None if shards is None else parse_shards(shards)
    return [ingest_extract(spec, path, wanted) for path in paths]
