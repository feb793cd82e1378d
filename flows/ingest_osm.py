"""The flow `ingest-osm`: OpenStreetMap extracts, one after the other, into the store of a corpus."""

from pathlib import Path

from prefect import flow

from tasks.ingest_extract import ingest_extract
from tasks.labels.osm.ingest import Ingested
from tasks.read_block import read_block
from tasks.shards.destinations import read_blocks_with
from tasks.spec import CorpusSpec


@flow(name="ingest-osm", flow_run_name="ingest {spec.name}", persist_result=False, validate_parameters=False)
def ingest_osm(spec: CorpusSpec, paths: list[Path], shards: range | None = None) -> list[Ingested]:
    """Ingest extracts; the same call resumes with the one that was interrupted, and adds shards to a grown corpus.

    One at a time: the index of an extract's nodes is what bounds the memory.
    """
    read_blocks_with(read_block)
    return [ingest_extract(spec, path, shards) for path in paths]
