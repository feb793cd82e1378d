"""Platforms: whether they are installed, let us in, and answer."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import urllib3.exceptions

from tasks.doctor.contents import Places
from tasks.doctor.findings import Finding, wrong
from tasks.errors import CatalogueError, DeepSentinelError, PixelsError, SceneUnavailable
from tasks.places import Draws
from tasks.scenes import Outcome, ScenePair, pair, rule_of
from tasks.settings import Settings
from tasks.spec import CorpusSpec
from tasks.spec.locations import is_url

if TYPE_CHECKING:
    # Importing the platforms imports their clients, and whether those are there is for the doctor to find out.
    from tasks.imagery import Platform

_TRIED = 50
"""Draws of the first shard that are paired in an archive; the first pairs' pixels are read."""

_READ = 3
"""Pairs of which one must have pixels. A single scene may well be gone: a build replaces it."""

_PROBE_PIXELS = 16
"""Side of the patch that is read as a trial; the least a spec admits."""

_PROBE_DAYS = dt.timedelta(days=15)
"""Around an instant, in which a remote archive is searched as a trial."""


def examine_platform(
    what: str, spec: CorpusSpec, places: Places | None, folder: Path, settings: Settings, absent: str
) -> list[Finding]:
    """Whether the one platform of `spec` is installed, lets us in, and answers."""
    if absent:
        remedy = "Install DeepSentinel anew, with all it needs: `pip install --force-reinstall deepsentinel`."
        return [Finding(what=what, ok=False, found=f"the Python package {absent} is not installed", remedy=remedy)]
    from tasks.imagery import open_platforms

    own = "Correct its entry under `platforms` in the spec."
    draws = places.draws(0).take(slice(0, _TRIED)) if places else None
    bounds = places.bounds if places else (-180.0, -90.0, 180.0, 90.0)
    if is_url(_address(spec)):
        if draws is None:
            return [Finding(what=what, ok=False, found="not examined, for want of places", remedy="Correct `places`.")]
        spec, bounds = _narrowed(spec, draws)
    try:
        (platform,) = open_platforms(spec, bounds, folder, settings)
        check: Callable[[], str] | None = getattr(platform, "check", None)
        return [Finding(what=what, ok=True, found=check() if check else _try_archive(platform, spec, draws))]
    except DeepSentinelError as error:
        return [wrong(what, error, own)]
    except urllib3.exceptions.HTTPError as error:
        # pystac lets through what it meets on its way to a remote catalogue; the text repeats the address.
        found = f"the catalogue {_address(spec)} cannot be reached ({type(error).__name__})"
        return [Finding(what=what, ok=False, found=found, remedy=f"{own} If the address is right, try again later.")]


def absent_package() -> str:
    """A package without which no platform can be opened at all, if one is missing."""
    try:
        import_module("tasks.imagery")
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        if name in ("tasks", "flows"):
            raise
        return "earthengine-api" if name == "ee" else name
    return ""


def hurried(settings: Settings, deadline: float) -> Settings:
    """The settings with less patience, so that a platform says itself what is wrong before the check's time is up.

    That is `deadline` seconds.
    """
    most = deadline / 4
    names = ("earthengine_deadline", "earthengine_patience", "descarteslabs_deadline")
    changes: dict[str, Any] = {name: min(getattr(settings, name), most) for name in names}
    return settings.model_copy(update=changes)


def _address(spec: CorpusSpec) -> str:
    """Where the first platform's catalogue is; empty where the spec does not say."""
    item = spec.platforms[0]
    return "" if isinstance(item, str) else item.stac.catalog


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

    Raises CatalogueError: there are no files; PixelsError: they cannot be read.
    """
    from tasks.imagery import Traffic

    if not platform.bands:
        if is_url(_address(spec)):
            return "the catalogue answers; it has no Sentinel-2 scene near the first draw, so no pixels were tried"
        raise CatalogueError("the catalogue lists no files of Sentinel-2 bands. Name its collections in the spec.")
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
