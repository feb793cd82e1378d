"""All files of a release of a whole corpus, made one after the other; what is large is written into a folder."""

from pathlib import Path

from tasks.release.card import data_card
from tasks.release.facts import read_facts
from tasks.release.legends import legend_report
from tasks.release.pairing_report import pairing_report
from tasks.release.preview import preview
from tasks.release.sample_map import sample_map
from tasks.release.samples import write_samples
from tasks.release.statistics import histograms, statistics
from tasks.shards.description import need_description
from tasks.shards.destinations import Content, Destination
from tasks.shards.layout import CARD, LEGEND, MAP, PAIRING, PREVIEW, SAMPLES_FILE, STATISTICS_FILE, to_json


def make_release(destination: Destination, folder: Path) -> dict[str, Content]:
    """The files of a release by path: a function of the corpus, and of the software that makes it.

    Raises CorpusError: no corpus, or records, rows or counts are damaged; DestinationError.
    """
    description = need_description(destination)
    samples = write_samples(destination, folder / "samples.parquet")
    facts = read_facts(destination, samples)
    figures = statistics(description, histograms(destination, description), facts.digest)
    days = "" if facts.first is None else f", acquired {facts.first:%Y-%m-%d} to {facts.last:%Y-%m-%d}"
    made: dict[str, Content | None] = {
        SAMPLES_FILE: samples,
        STATISTICS_FILE: to_json(figures),
        CARD: data_card(facts, figures),
        MAP: sample_map(description.name, f"{facts.samples:,} samples{days}", facts.places),
        PAIRING: pairing_report(destination),
        PREVIEW: preview(destination),
        LEGEND: legend_report(description),
    }
    return {path: content for path, content in made.items() if content is not None}
