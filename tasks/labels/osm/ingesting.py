"""Ingesting for a spec: its places, classes and destinations, and what remains uncovered."""

from collections.abc import Sequence
from pathlib import Path

from tasks.errors import SpecError
from tasks.labels.osm.coverage import area_of, outside
from tasks.labels.osm.extract import open_extract
from tasks.labels.osm.ingest import Ingested, dealing, ingest_extract
from tasks.labels.osm.layer import mixed_versions, scheme_of
from tasks.labels.osm.progress import reporting
from tasks.labels.osm.scheme import Scheme
from tasks.labels.osm.store import corpus_at, read_records
from tasks.notices import told_if_slow
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.places.opening import open_places
from tasks.settings import load_settings
from tasks.shards.destinations import Destination, open_destination
from tasks.shards.layout import OSM
from tasks.spec import CorpusSpec


def ingest_for(spec: CorpusSpec, path: Path, shards: range | None = None) -> Ingested:
    """Put an extract into the store of every destination of a spec, for `shards` or all that it has.

    Raises SpecError, PlacesError, CatalogueError, CorpusError, DestinationError.
    """
    places, scheme = open_places(spec, load_settings().cache), scheme_of(spec)
    destinations = [open_destination(location) for location in spec.destinations]
    _refuse_others(destinations, places, scheme)
    return ingest_extract(
        path,
        places=places,
        shards=wanted_shards(spec, places, shards),
        scheme=scheme,
        destinations=destinations,
        progress=reporting(path.name),
    )


def refuse_unusable(spec: CorpusSpec, paths: Sequence[Path], shards: range | None) -> None:
    """See before anything is read for long that spec, classes, destinations and extracts can be used.

    Raises SpecError: no osm among the labels, classes that clash, no such shards, an extract given twice, a corpus of
    other classes or places; CatalogueError: not an extract; PlacesError, CorpusError, DestinationError.
    """
    if all(item.name != "osm" for item in spec.label_items):
        raise SpecError("labels: osm is not among them, so nothing would use the store. Write labels: [osm].")
    scheme = scheme_of(spec)
    destinations = [open_destination(location) for location in spec.destinations]
    for destination in destinations:
        destination.prepare()
    seen: dict[str, Path] = {}
    with told_if_slow("reading the extracts' headers and checksums"):
        for path in paths:
            twin = seen.setdefault(open_extract(path).sha256, path)
            if twin is not path:
                raise SpecError(f"{path}: is the same extract as {twin}. Give it once.")
    places = open_places(spec, load_settings().cache)
    wanted_shards(spec, places, shards)
    _refuse_others(destinations, places, scheme)


def _refuse_others(destinations: Sequence[Destination], places: RandomPlaces | ListedPlaces, scheme: Scheme) -> None:
    """See that no corpus loses the store that it is labelled from. Raises SpecError, CorpusError, DestinationError."""
    for destination in destinations:
        held = corpus_at(destination)
        if held is None:
            continue
        had = [held.spec["places"]["digest"], None if held.listed else held.spec["seed"]]
        had += [held.pixels, held.shard_size, held.capacity]
        if held.layers[OSM].facts.get("classes") != scheme.digest:
            told = "other classes"
        elif had != dealing(places):
            told = "other places, or others in a shard"
        else:
            continue
        raise SpecError(
            f"{destination.location}: holds a corpus whose store of OpenStreetMap has {told}, and would lose it. "
            "Restore the spec that the corpus was built with, or ingest elsewhere with --to."
        )


def wanted_shards(spec: CorpusSpec, places: RandomPlaces | ListedPlaces, shards: range | None) -> range:
    """The shards to ingest for. Raises SpecError: shards that the corpus does not have; PlacesError."""
    there = range(places.shards(spec.size))
    if shards is None:
        return there
    if not 0 <= shards.start < shards.stop <= there.stop:
        raise SpecError(f"--shards {shards.start}:{shards.stop}: the corpus has shards 0:{there.stop}; stay within.")
    return shards


def notes(spec: CorpusSpec, shards: range | None = None) -> list[str]:
    """What a user should know of the store before a build: versions that are mixed, places that it leaves out."""
    places = open_places(spec, load_settings().cache)
    store = open_destination(spec.destinations[0])
    records = read_records(store)
    mixed = mixed_versions(records, store)
    with told_if_slow("comparing places with the extracts' borders"):
        lacking = outside(places, wanted_shards(spec, places, shards), area_of(records))
    found = [mixed] if mixed else []
    if lacking:
        then = "the spec accepts that: they are 0 there"
        if "uncovered" not in spec.accept:
            then = "a build is refused until more are ingested, or the spec says `accept: [uncovered]`"
        found.append(f"{lacking:,} places are not wholly within the ingested extracts; {then}")
    return found
