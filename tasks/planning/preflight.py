"""Preflight: everything that can be found wrong before a pixel is fetched. The command and the flow share it."""

from dataclasses import dataclass, replace

from tasks.assembly.builder import Builder, open_builder
from tasks.errors import DamagedDescription, SpecError
from tasks.planning.coverage import refuse_unlabelled
from tasks.planning.feasibility import refuse_hopeless
from tasks.shards.commits import committed_shards, corpus_digest
from tasks.shards.description import Description, foreign, read_description, reconcile
from tasks.shards.destinations import open_destination
from tasks.shards.layout import RELEASE_RECORD
from tasks.shards.release_files import Release, parse_release, verify_release
from tasks.shards.writing import everywhere
from tasks.spec import CorpusSpec


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What a build meets."""

    description: Description
    """The corpus as it is to be; one that has grown beyond the spec stays as large as it is."""
    missing: int
    """Shards that at least one destination lacks."""
    finished: bool
    """Whether every destination holds the whole corpus, described as it is to be, and its release."""


def open_to_build(spec: CorpusSpec) -> Builder:
    """Open what a spec names, destinations first: a folder that cannot be written is told before a catalogue is read.

    Raises DestinationError; what `open_builder` raises.
    """
    for location in spec.destinations:
        open_destination(location).prepare()
    return open_builder(spec)


def preflight(builder: Builder) -> Preflight:
    """Probe destinations, compare the spec with what they hold, and see that something pairs.

    Writes nothing. Raises DestinationError: one cannot be written; SpecError: the spec contradicts what one holds, or
    one holds something else, or labels leave places out; LabelsError: they cannot be laid; CorpusError: nothing pairs;
    what platforms raise.
    """
    # All of them are looked at: what is wrong with one is told before a shard is built for another.
    for destination in builder.destinations:
        destination.prepare()
    wanted = builder.description
    for destination in builder.destinations:
        try:
            found = read_description(destination)
        except DamagedDescription:
            # The spec gives it anew. What it cannot tell is how far the corpus had grown: the commits do.
            grown = max(committed_shards(destination), default=-1) + 1
            wanted = _at_least(wanted, grown)
            continue
        if found is None and (others := foreign(destination, wanted)):
            raise SpecError(others)
        if found is not None:
            wanted = reconcile(wanted, found, destination.location)
    done = {shard for shard in everywhere(builder.destinations) if shard < wanted.shards}
    missing = wanted.shards - len(done)
    if missing:
        refuse_unlabelled(builder.spec, builder.places, builder.layers, wanted.shards)
        refuse_hopeless(builder, wanted.shards)
    return Preflight(
        description=wanted, missing=missing, finished=not missing and _is_described_and_released(builder, wanted)
    )


def _is_described_and_released(builder: Builder, wanted: Description) -> bool:
    described = all(
        destination.get(path) == content
        for destination in builder.destinations
        for path, content in wanted.objects().items()
    )
    # A release that was made of fewer shards is one to make again.
    releases = {destination.get(RELEASE_RECORD) for destination in builder.destinations}
    release = parse_release(releases.pop() or b"")
    return (
        described
        and not releases
        and isinstance(release, Release)
        and release.corpus == corpus_digest(builder.destinations[0])
        and not any(problem for destination in builder.destinations for problem in verify_release(destination))
    )


def _at_least(wanted: Description, shards: int) -> Description:
    if shards <= wanted.shards or wanted.listed:
        return wanted
    return replace(wanted, spec=wanted.spec | {"size": shards * wanted.shard_size}, shards=shards)
