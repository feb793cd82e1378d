"""Destinations: whether they can be written, have room, and hold no other corpus."""

from contextlib import nullcontext, suppress

from tasks.doctor.contents import Places
from tasks.doctor.findings import Finding, wrong
from tasks.errors import DeepSentinelError, SpecError
from tasks.imagery.registry import platform_settings
from tasks.planning.estimate import estimate
from tasks.settings import Settings
from tasks.shards.commits import committed_shards
from tasks.shards.description import describe, foreign, read_description, reconcile
from tasks.shards.destinations import Destination, OnDisk, open_destination
from tasks.spec import CorpusSpec

_REMEDY = "Choose another destination, in the spec or with --to."


def examine_destination(
    what: str, location: str, spec: CorpusSpec, places: Places | None, stored: int | None
) -> list[Finding]:
    """Whether a destination can be written, has room, and holds no other corpus. Leaves nothing there."""
    try:
        destination = open_destination(location)
        with destination.leaving_no_folders() if isinstance(destination, OnDisk) else nullcontext():
            destination.prepare()
            shards = places.shards(spec.size) if places and stored is not None else 0
            findings = [_room(what, destination, spec, shards, stored)]
    except DeepSentinelError as error:
        return [wrong(what, error, _REMEDY)]
    if places is None:
        return findings
    try:
        held = read_description(destination)
        shards = held.shards if held else 1
        own = describe(spec, places=places.digest, shards=shards, capacity=places.capacity, bands={})
        if held is None and (others := foreign(destination, own)):
            raise SpecError(others)
        if held:
            reconcile(own, held, destination.location)
            findings.append(Finding(what=what, ok=True, found="holds this corpus already: a build goes on with it"))
    except DeepSentinelError as error:
        findings.append(wrong(what, error, _REMEDY))
    return findings


def bytes_stored(spec: CorpusSpec, places: Places, settings: Settings) -> int | None:
    """Bytes of the finished corpus; None where the places are too few for it, or a setting is wrong."""
    try:
        return estimate(spec, places, settings, platform_settings(spec)).bytes_stored
    except DeepSentinelError:
        return None  # said of the places and the platforms


def _room(what: str, destination: Destination, spec: CorpusSpec, shards: int, stored: int | None) -> Finding:
    """Whether what is still to be built has room, with all destinations that share the file system."""
    if not isinstance(destination, OnDisk):
        return Finding(what=what, ok=True, found="writable")
    free = destination.free()
    if stored is None:
        return Finding(what=what, ok=True, found=f"writable; {free / 1e9:,.2f} GB free")
    own = destination.volume()
    sharing = [place for place in _destinations(spec) if isinstance(place, OnDisk) and place.volume() == own]
    done = sum(min(1.0, len(committed_shards(place)) / shards) for place in sharing)
    needed = round(stored * (len(sharing) - done))
    told = f"{free / 1e9:,.2f} GB free, about {needed / 1e9:,.2f} GB needed"
    if len(sharing) > 1:
        told += f" by {len(sharing)} destinations on this file system"
    if free >= needed:
        return Finding(what=what, ok=True, found=f"writable; {told}")
    remedy = f"Free {(needed - free) / 1e9:,.2f} GB there, use a smaller size, or build elsewhere with --to."
    return Finding(what=what, ok=False, found=f"writable, but too small: {told}", remedy=remedy)


def _destinations(spec: CorpusSpec) -> list[Destination]:
    found: list[Destination] = []
    for location in dict.fromkeys(spec.destinations):
        with suppress(SpecError):  # said where it is examined itself
            found.append(open_destination(location))
    return found
