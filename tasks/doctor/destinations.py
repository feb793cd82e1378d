"""Destinations: whether they can be written, have room, and hold no other corpus."""

import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from tasks.doctor.contents import Places
from tasks.doctor.findings import Finding, wrong
from tasks.errors import DeepSentinelError, DestinationError, SpecError
from tasks.settings import Settings
from tasks.shards.destinations import LocalFolder, open_destination
from tasks.spec import CorpusSpec


def examine_destination(
    what: str, location: str, spec: CorpusSpec, places: Places | None, stored: int | None
) -> list[Finding]:
    """Whether a destination can be written, has room, and holds no other corpus. Leaves nothing there."""
    try:
        destination = open_destination(location)
        free = try_destination(destination)
        shards = places.shards(spec.size) if places and stored is not None else 0
        findings = [_room(what, destination, spec, free, shards, stored)]
    except DeepSentinelError as error:
        return [wrong(what, error, "Choose another destination, in the spec or with --to.")]
    if places is None:
        return findings
    from tasks.shards.description import describe, read_description, reconcile

    try:
        if held := read_description(destination):
            own = describe(spec, places=places.digest, shards=held.shards, capacity=places.capacity, bands={})
            reconcile(own, held, str(destination.root))
            findings.append(Finding(what=what, ok=True, found="holds this corpus already: a build goes on with it"))
    except DeepSentinelError as error:
        findings.append(wrong(what, error, "Choose another destination, in the spec or with --to."))
    return findings


def bytes_stored(spec: CorpusSpec, places: Places, settings: Settings) -> int | None:
    """Bytes of the finished corpus; None where the places are too few for it."""
    from tasks.planning.estimate import estimate

    try:
        return estimate(spec, places, settings).bytes_stored
    except DeepSentinelError:
        return None  # said of the places


def try_destination(destination: LocalFolder) -> int:
    """Write, read and remove an object as a commit is written; gives the bytes that are free there.

    Raises DestinationError.
    """
    root = destination.root.absolute()
    # What a write makes on its way; `create` goes by runs/partial.
    made = [path for path in (root / "runs" / "partial", root / "runs", root, *root.parents) if not _there(path)]
    probe = f"runs/doctor-{uuid.uuid4().hex}"
    try:
        destination.create(probe, b"x")
        if destination.get(probe) != b"x":
            raise DestinationError(f"{root}: what is written there does not come back. Check the file system.")
        free = shutil.disk_usage(root).free
        destination.delete(probe)
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()
    return free


def _room(what: str, destination: LocalFolder, spec: CorpusSpec, free: int, shards: int, stored: int | None) -> Finding:
    """Whether what is still to be built has room, with all destinations that share the file system."""
    if stored is None:
        return Finding(what=what, ok=True, found=f"writable; {free / 1e9:,.2f} GB free")
    own = _device(destination.root)
    sharing = [place for place in _folders(spec) if _device(place.root) == own]
    done = sum(min(1.0, len(place.names("commits")) / shards) for place in sharing)
    needed = round(stored * (len(sharing) - done))
    told = f"{free / 1e9:,.2f} GB free, about {needed / 1e9:,.2f} GB needed"
    if len(sharing) > 1:
        told += f" by {len(sharing)} destinations on this file system"
    if free >= needed:
        return Finding(what=what, ok=True, found=f"writable; {told}")
    remedy = f"Free {(needed - free) / 1e9:,.2f} GB there, use a smaller size, or build elsewhere with --to."
    return Finding(what=what, ok=False, found=f"writable, but too small: {told}", remedy=remedy)


def _folders(spec: CorpusSpec) -> list[LocalFolder]:
    folders: list[LocalFolder] = []
    for location in dict.fromkeys(spec.destinations):
        with suppress(SpecError):  # said where it is examined itself
            folders.append(open_destination(location))
    return folders


def _device(root: Path) -> int | None:
    """The file system on which a folder lies or would lie; None where that cannot be told."""
    root = root.absolute()
    held = next(path for path in (root, *root.parents) if _there(path) or path == path.parent)
    try:
        return held.stat().st_dev
    except OSError:
        return None


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
