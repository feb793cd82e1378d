"""All files of a release of a whole corpus, made one after the other; what is large is written into a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.release.card import data_card
from tasks.release.collection import collection_json, collection_of
from tasks.release.croissant import croissant
from tasks.release.facts import read_facts
from tasks.release.items import write_items
from tasks.release.legends import legend_report
from tasks.release.page.page import write_page
from tasks.release.pairing_report import pairing_report
from tasks.release.preview import preview
from tasks.release.sample_map import sample_map
from tasks.release.sample_table import SampleTable
from tasks.release.samples import write_samples
from tasks.release.statistics import histograms, statistics
from tasks.shards.commits import corpus_digest
from tasks.shards.description import need_description
from tasks.shards.destinations import Content, Destination
from tasks.shards.layout import (
    CARD,
    COLLECTION,
    CROISSANT,
    ITEMS,
    LEGEND,
    MAP,
    PAIRING,
    PREVIEW,
    ROOT_METADATA,
    SAMPLES_FILE,
    STATISTICS_FILE,
    to_json,
)
from tasks.shards.release_files import need_unchanged


@dataclass(frozen=True, kw_only=True)
class Made:
    """A release before it is put anywhere."""

    files: Mapping[str, Content]
    """By path."""
    digest: str
    """Of the corpus."""
    samples: int
    """With pixels."""


def make_release(destination: Destination, folder: Path) -> Made:
    """The files of a release: a function of the corpus, and of the software that makes it.

    Raises CorpusError: no corpus, or records, rows or counts are damaged; DestinationError.
    """
    description, before = need_description(destination), corpus_digest(destination)
    samples = write_samples(destination, folder / "samples.parquet")
    facts = read_facts(destination, samples)
    need_unchanged(destination, facts.digest, before)
    figures = statistics(description, histograms(destination, description), facts.digest)
    days = "" if facts.first is None else f", acquired {facts.first:%Y-%m-%d} to {facts.last:%Y-%m-%d}"
    table = SampleTable.open(samples)
    collection = collection_of(description, table)
    items = write_items(description, table, folder, collection)
    (folder / "collection.json").write_bytes(collection_json(collection))
    made: dict[str, Content | None] = {
        SAMPLES_FILE: samples,
        ITEMS: items,
        COLLECTION: folder / "collection.json",
        CROISSANT: croissant(
            description,
            table,
            digest=facts.digest,
            metadata=destination.get(ROOT_METADATA) or b"",
            files=[items, folder / "collection.json"],
        ),
        STATISTICS_FILE: to_json(figures),
        CARD: data_card(facts, figures),
        MAP: sample_map(description.name, f"{facts.samples:,} samples{days}", facts.places),
        PAIRING: pairing_report(destination),
        PREVIEW: preview(destination),
        LEGEND: legend_report(description),
    }
    pages = write_page(destination, folder, figures, digest=facts.digest, samples=samples)
    made |= {path: folder / path for path in pages}
    files = {path: content for path, content in made.items() if content is not None}
    return Made(files=files, digest=facts.digest, samples=facts.samples)
