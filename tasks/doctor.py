"""The doctor: whether all that a spec names can be used, before a long run finds out."""

import contextvars
import datetime as dt
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import TimeoutError as OutOfTime
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import DeepSentinelError, DestinationError, PixelsError, SceneUnavailable
from tasks.places import Draws, ListedPlaces, RandomPlaces, open_places
from tasks.scenes import Outcome, ScenePair, lifetime_notes, pair, rule_of
from tasks.scenes.rule import FIRST_IMAGES
from tasks.settings import Settings
from tasks.shards.destinations import LocalFolder, open_destination
from tasks.spec import CorpusSpec, is_url, resolve_path

if TYPE_CHECKING:
    # Importing the platforms imports their clients, and whether those are there is for the doctor to find out.
    from tasks.imagery import Platform

DEADLINE = 60.0
"""Seconds that a check may take."""

_BYTES_A_PIXEL = 45
"""Of memory, for each pixel, platform and shard in flight: 34 of data, and as measured (0.7 GB a shard of 250 samples of
250 px from one platform, see the setting `shards_in_flight`) a third on top."""

_TRIED = 50
"""Draws of the first shard that are paired in an archive; the first pairs' pixels are read."""

_READ = 3
"""Pairs of which one must have pixels. A single scene may well be gone: a build replaces it."""

_PROBE_PIXELS = 16
"""Side of the patch that is read as a trial; the least a spec admits."""

_PROBE_DAYS = dt.timedelta(days=15)
"""Around an instant, in which a remote archive is searched as a trial."""

Places = RandomPlaces | ListedPlaces


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found. No text of it holds a secret."""

    what: str
    """What was examined."""
    ok: bool
    found: str
    remedy: str = ""
    """What to do; with a finding that is in order, a hint."""


def examine(spec: CorpusSpec, folder: Path, settings: Settings, *, deadline: float = DEADLINE) -> list[Finding]:
    """Examine all that a spec names, and never stop at what is wrong.

    `folder` is where the spec lies. Each check may take `deadline` seconds; those of platforms, destinations and
    Prefect run at the same time. Nothing stays behind at the destinations.
    """
    opened: list[Places] = []
    absent = _absent_package()
    findings = [*_within(deadline, {"places": lambda: _examine_places(spec, folder, settings, opened)})]
    places = opened[0] if opened else None
    stored = _bytes_stored(spec, places, settings) if places and not absent else None
    checks: dict[str, Callable[[], Sequence[Finding]]] = {}
    for item, name in zip(spec.platforms, spec.platform_names, strict=True):
        one = spec.model_copy(update={"platforms": (item,)})
        what = f"platform {name}"
        checks[what] = partial(_examine_platform, what, one, places, folder, _hurried(settings, deadline), absent)
    for label in spec.labels:
        checks[f"label {label}"] = partial(_examine_label, label, spec, folder)
    for location in dict.fromkeys(spec.destinations):
        what = f"destination {location}"
        checks[what] = partial(_examine_destination, what, location, spec, None if absent else places, stored)
    checks["prefect"] = partial(_examine_prefect, deadline)
    findings += [*_examine_window(spec), *_within(deadline, checks), *_limits(spec, settings)]
    return [
        replace(one, what=_public(one.what), found=_public(one.found), remedy=_public(one.remedy)) for one in findings
    ]


def _within(deadline: float, checks: dict[str, Callable[[], Sequence[Finding]]]) -> list[Finding]:
    """What checks find, run side by side, in their order."""
    # Threads of this pool do not hold up the end of the process, as those of concurrent.futures do: one that waits for
    # an answer that never comes is left behind. Prefect keeps its settings in the context.
    pool = ThreadPool(len(checks))
    until = time.monotonic() + deadline
    running = {what: pool.apply_async(contextvars.copy_context().run, (check,)) for what, check in checks.items()}
    findings: list[Finding] = []
    for what, result in running.items():
        try:
            findings += result.get(max(0.0, until - time.monotonic()))
        except OutOfTime:
            remedy = "Try again later; or give it longer with --deadline, if it is known to be slow."
            findings.append(Finding(what=what, ok=False, found=f"no answer within {deadline:g} s", remedy=remedy))
    return findings


def _examine_places(spec: CorpusSpec, folder: Path, settings: Settings, opened: list[Places]) -> list[Finding]:
    """Whether the places can be read and are enough; what was opened goes into `opened`."""
    try:
        places = open_places(spec, folder, settings.cache)
        opened.append(places)
        shards = places.shards(spec.size)
    except DeepSentinelError as error:
        return [_wrong("places", error, "Correct `places` in the spec.")]
    if isinstance(places, RandomPlaces):
        wanted = f"room for {places.capacity * spec.shard_size:,} samples, {spec.size:,} wanted in {shards:,} shards"
    else:
        wanted = f"{len(places.patches):,} places in {shards:,} shards"
    source = spec.places.source if isinstance(spec.places.source, str) else ", ".join(spec.places.source)
    return [
        Finding(what="places", ok=True, found=f"{spec.places.mode} {source}: {wanted}"),
        *(Finding(what="places", ok=True, found=note) for note in places.notes),
    ]


def _examine_window(spec: CorpusSpec) -> list[Finding]:
    first, end = spec.window
    for mission, since in FIRST_IMAGES.items():
        if end <= since:
            found = f"ends {end:%Y-%m-%d}, before {mission}'s first images ({since:%Y-%m-%d}): nothing can be paired"
            return [Finding(what="window", ok=False, found=found, remedy="Use a later `window`.")]
    if notes := lifetime_notes(spec):
        return [Finding(what="window", ok=True, found=note, remedy="A later `window` avoids it.") for note in notes]
    return [Finding(what="window", ok=True, found=f"{first:%Y-%m-%d} to {end:%Y-%m-%d}, within both missions")]


def _examine_platform(
    what: str, spec: CorpusSpec, places: Places | None, folder: Path, settings: Settings, absent: str
) -> list[Finding]:
    """Whether the one platform of `spec` is installed, lets us in, and answers."""
    if absent:
        remedy = "Install DeepSentinel anew, with all it needs: `pip install --force-reinstall deepsentinel`."
        return [Finding(what=what, ok=False, found=f"the Python package {absent} is not installed", remedy=remedy)]
    from tasks.imagery import open_platforms

    item = spec.platforms[0]
    own = "Correct its entry under `platforms` in the spec."
    draws = places.draws(0).take(slice(0, _TRIED)) if places else None
    bounds = places.bounds if places else (-180.0, -90.0, 180.0, 90.0)
    if not isinstance(item, str) and is_url(item.stac.catalog):
        if draws is None:
            return [Finding(what=what, ok=False, found="not examined, for want of places", remedy="Correct `places`.")]
        spec, bounds = _narrowed(spec, draws)
    try:
        (platform,) = open_platforms(spec, bounds, folder, settings)
        check: Callable[[], str] | None = getattr(platform, "check", None)
        return [Finding(what=what, ok=True, found=check() if check else _try_archive(platform, spec, draws))]
    except DeepSentinelError as error:
        return [_wrong(what, error, own)]


def _narrowed(spec: CorpusSpec, draws: Draws) -> tuple[CorpusSpec, tuple[float, float, float, float]]:
    """A spec and bounds that ask a remote archive for what is near the first draw only.

    Opening an archive lists everything within the corpus' bounds and window, which for a large corpus takes hours.
    """
    preferred = dt.datetime.fromtimestamp(int(draws.preferred[0]) / 1e6, tz=dt.UTC)
    first, end = spec.window
    window = (max(first, preferred - _PROBE_DAYS), min(end, preferred + _PROBE_DAYS))
    lon, lat = (float(ends[0]) for ends in draws.patches.centres())
    bounds = (max(lon - 0.02, -180.0), max(lat - 0.02, -90.0), min(lon + 0.02, 180.0), min(lat + 0.02, 90.0))
    return spec.model_copy(update={"window": window}), bounds


def _try_archive(platform: "Platform", spec: CorpusSpec, draws: Draws | None) -> str:
    """Pair some draws and read a few pixels of one; says what was found.

    Raises CatalogueError, PixelsError: pixels cannot be read.
    """
    from tasks.imagery import Traffic

    read = f"catalogue read, {len(platform.bands)} of 13 bands"
    if draws is None:
        return f"{read}; no pixels tried, for want of places"
    candidates = platform.candidates(draws, Traffic())
    pairs = pair(draws.patches, draws.preferred, candidates, rule_of(spec))
    rows = np.flatnonzero(pairs.outcome == Outcome.PAIRED)
    if not len(rows):
        return f"{read}; no pair near the first {len(draws)} draws, so no pixels tried (`plan` tells more)"
    reason = ""
    for row in rows[:_READ]:
        chosen = ScenePair(
            s2=candidates.sentinel2,
            s2_scene=int(pairs.s2_scene[row]),
            s1=candidates.sentinel1,
            s1_scene=int(pairs.s1_scene[row]),
        )
        try:
            platform.fetch(replace(draws.patches[int(row)], pixels=_PROBE_PIXELS), chosen, Traffic())
        except SceneUnavailable as error:
            reason = str(error)
            continue
        return f"{read}; {len(rows)} of the first {len(draws)} draws pair, and pixels can be read"
    raise PixelsError(f"no pixels of the first pairs: {reason}. See that the files are where the catalogue says.")


def _examine_label(label: str, spec: CorpusSpec, folder: Path) -> list[Finding]:
    what = f"label {label}"
    findings = [
        Finding(
            what=what, ok=False, found="labels cannot be made by this version", remedy="Use `labels: []` in the spec."
        )
    ]
    if label == "corine" and spec.sources.corine:
        try:
            path = resolve_path(spec.sources.corine, folder, key="sources.corine")
            findings.append(Finding(what=what, ok=True, found=f"its file is there: {path}"))
        except DeepSentinelError as error:
            findings.append(_wrong(what, error, "Correct sources.corine in the spec."))
    return findings


def _examine_destination(
    what: str, location: str, spec: CorpusSpec, places: Places | None, stored: int | None
) -> list[Finding]:
    """Whether a destination can be written, has room, and holds no other corpus. Leaves nothing there."""
    try:
        destination = open_destination(location)
        free = _try_destination(destination)
        findings = [_room(what, destination, spec, free, stored)]
    except DeepSentinelError as error:
        return [_wrong(what, error, "Choose another destination, in the spec or with --to.")]
    if places is None:
        return findings
    from tasks.corpus import describe, read_description, reconcile

    try:
        if held := read_description(destination):
            own = describe(spec, places=places.digest, shards=held.shards, capacity=places.capacity, bands={})
            reconcile(own, held, str(destination.root))
            findings.append(Finding(what=what, ok=True, found="holds this corpus already: a build goes on with it"))
    except DeepSentinelError as error:
        findings.append(_wrong(what, error, "Choose another destination, in the spec or with --to."))
    return findings


def _try_destination(destination: LocalFolder) -> int:
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


def _room(what: str, destination: LocalFolder, spec: CorpusSpec, free: int, stored: int | None) -> Finding:
    """Whether what is still to be built has room, with all destinations that share the file system."""
    if stored is None:
        return Finding(what=what, ok=True, found=f"writable; {free / 1e9:,.2f} GB free")
    own = _device(destination.root)
    sharing = [place for place in _folders(spec) if _device(place.root) == own]
    needed = 0
    for place in sharing:
        shards = max(1, -(-(spec.size or 0) // spec.shard_size))
        done = len(place.names("commits")) / shards if spec.size else 0.0
        needed += round(stored * max(0.0, 1 - done))
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
        with suppress(DestinationError):  # said where it is examined itself
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


def _examine_prefect(deadline: float) -> list[Finding]:
    """Which Prefect API runs are told to, and whether it lets us in."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    settings, what = get_current_settings(), "prefect"
    url = settings.api.url
    if url is None:
        if settings.server.ephemeral.enabled:
            found = "embedded: no PREFECT_API_URL is set, so a server on SQLite runs as long as a build does"
            return [Finding(what=what, ok=True, found=found)]
        found = "no PREFECT_API_URL is set, and the embedded server is switched off"
        remedy = "Set PREFECT_API_URL, or PREFECT_SERVER_ALLOW_EPHEMERAL_MODE=true."
        return [Finding(what=what, ok=False, found=found, remedy=remedy)]
    start = "Start it (`prefect server start`), correct PREFECT_API_URL, or unset it for the embedded server."
    try:
        with get_client(httpx_settings={"timeout": deadline / 3}, sync_client=True) as client:
            # Unlike its health, this is told only to whoever may log in.
            client.read_flows(limit=1)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        found = f"{url}: refused with status {status}"
        if status in (401, 403):
            start = "Set PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING to a valid login."
        return [Finding(what=what, ok=False, found=found, remedy=start)]
    except httpx.HTTPError as error:
        return [Finding(what=what, ok=False, found=f"{url}: unreachable ({type(error).__name__})", remedy=start)]
    except (httpx.InvalidURL, ValueError):
        found = f"{url}: what answers is no Prefect API"
        return [Finding(what=what, ok=False, found=found, remedy="Correct PREFECT_API_URL: it ends with /api.")]
    return [Finding(what=what, ok=True, found=f"{url} answers")]


def _limits(spec: CorpusSpec, settings: Settings) -> list[Finding]:
    """The limits in force, by platform, and the memory that they lead to."""
    findings: list[Finding] = []
    for item, name in zip(spec.platforms, spec.platform_names, strict=True):
        if item == "earthengine":
            told = (
                f"{settings.earthengine_requests} requests in flight; without an answer for "
                f"{settings.earthengine_deadline:g} s one is given up, and tried again for "
                f"{settings.earthengine_patience:g} s"
            )
        elif item == "descarteslabs":
            told = (
                f"{settings.descarteslabs_requests} requests in flight; a failing one is tried again for "
                f"{settings.descarteslabs_deadline:g} s"
            )
        else:
            told = f"{settings.stac_reads} samples read at once"
        findings.append(Finding(what=f"limits of {name}", ok=True, found=told))
    shards = settings.shards_in_flight
    shard = spec.shard_size * spec.patch.pixels**2 * len(spec.platforms) * _BYTES_A_PIXEL
    needed, there = shards * shard, _memory()
    told = f"{shards} shards in flight, about {needed / 1e9:.1f} GB" + (f" of {there / 1e9:.1f} GB" if there else "")
    if there is not None and needed > there:
        remedy = "Lower DEEPSENTINEL_SHARDS_IN_FLIGHT or the spec's shard_size, or use a larger machine."
        return [*findings, Finding(what="memory", ok=False, found=told, remedy=remedy)]
    return [*findings, Finding(what="memory", ok=True, found=told)]


def _memory() -> int | None:
    """Bytes of memory that this process may use; None where the system does not tell."""
    limits: list[int] = []
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    # A container's own bound (Linux kernel documentation, Control Group v2); "max" where there is none.
    with suppress(ValueError, OSError):
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits, default=None)


def _bytes_stored(spec: CorpusSpec, places: Places, settings: Settings) -> int | None:
    """Bytes of the finished corpus; None where the places are too few for it."""
    from tasks.estimate import estimate

    try:
        return estimate(spec, places, settings).bytes_stored
    except DeepSentinelError:
        return None  # said of the places


def _absent_package() -> str:
    """A package without which no platform can be opened at all, if one is missing."""
    try:
        import tasks.imagery  # pyright: ignore[reportUnusedImport] for whether it can be
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        if name in ("tasks", "flows"):
            raise
        return "earthengine-api" if name == "ee" else name
    return ""


def _hurried(settings: Settings, deadline: float) -> Settings:
    """The settings with less patience, so that a platform says itself what is wrong before the check's time is up."""
    most = deadline / 4
    names = ("earthengine_deadline", "earthengine_patience", "descarteslabs_deadline")
    changes: dict[str, Any] = {name: min(getattr(settings, name), most) for name in names}
    return settings.model_copy(update=changes)


def _wrong(what: str, error: DeepSentinelError, otherwise: str) -> Finding:
    """An error as a finding: its first sentence says what is wrong, the rest what to do, else `otherwise` does."""
    message = " ".join(str(error).split()).removeprefix(f"{what.partition(' ')[2]}: ")
    depth = 0
    for at, sign in enumerate(message):
        depth = max(0, depth + (sign == "(") - (sign == ")"))
        if depth == 0 and re.match(r"\. [A-Z]", message[at:]):
            return Finding(what=what, ok=False, found=message[:at], remedy=message[at + 2 :])
    return Finding(what=what, ok=False, found=message.removesuffix("."), remedy=otherwise)


def _public(text: str) -> str:
    """A text without logins and parameters in its URLs: either may be a secret."""
    text = re.sub(r"(://)[^/\s@'\"]+@", r"\1", text)
    return re.sub(r"(://[^\s?'\"]*)\?[^\s'\")]*", r"\1", text)
