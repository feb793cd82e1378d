"""Platforms: whether they are installed, let us in, and answer."""

from contextlib import closing
from typing import TypeVar

from tasks.doctor.contents import Places
from tasks.doctor.findings import Finding, wrong
from tasks.errors import DeepSentinelError
from tasks.imagery.registry import Bounds, Opening, room_of
from tasks.scenes.roles import rule_of
from tasks.settings import PlatformSettings, load
from tasks.spec import CorpusSpec, PlatformItem

S = TypeVar("S", bound=PlatformSettings)

_TRIED = 50
"""Draws of the first shard with which a platform is checked."""

_EVERYWHERE: Bounds = (-180.0, -90.0, 180.0, 90.0)


def examine_platform(
    what: str, item: PlatformItem, spec: CorpusSpec, places: Places | None, deadline: float
) -> list[Finding]:
    """Whether a platform of `spec` is installed, lets us in, and answers within `deadline` seconds."""
    room = room_of(item.kind)
    draws = places.draws(0).take(slice(0, _TRIED)) if places else None
    opening = Opening(item=item, rule=rule_of(spec), bounds=places.bounds if places else _EVERYWHERE)
    try:
        with closing(room.open(opening, hurried(load(room.settings), deadline))) as platform:
            return [Finding(what=what, ok=True, found=platform.check(draws))]
    except DeepSentinelError as error:
        return [wrong(what, error, "Correct its entry under `platforms` in the spec.")]


def hurried(settings: S, deadline: float) -> S:
    """The settings with less patience, so that a platform says itself what is wrong before the check's time is up.

    That is `deadline` seconds.
    """
    slow = [name for name in type(settings).model_fields if name.endswith(("deadline", "patience"))]
    return settings.model_copy(update={name: min(getattr(settings, name), deadline / 4) for name in slow})
