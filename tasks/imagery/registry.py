"""The platforms there are. Each lives in a folder of its own, which is imported only for a spec that names it.

To add a platform: a folder with the file names of the others, and its name in `tasks.spec.platforms.NAMED_PLATFORMS`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic_settings import BaseSettings

from tasks.scenes.roles import Rule, rule_of
from tasks.settings import PlatformSettings, load, refuse_unknown
from tasks.spec import CorpusSpec, PlatformItem
from tasks.spec.platforms import NAMED_PLATFORMS

if TYPE_CHECKING:
    # Settings and costs are looked up by commands that open no platform, and start a second faster without.
    from tasks.imagery.assets import Asset, Overlay
    from tasks.imagery.platform import Platform

_SHARED = {"demo": "stac"}
"""Platforms that live in another one's folder."""

_KINDS = (*NAMED_PLATFORMS, "stac")

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a platform is asked for, and how fast it answers, as far as that can be told before."""

    requests_a_sample: float
    requests_a_shard: float
    in_flight: int
    seconds_a_request: float
    origin: str
    """Where the seconds come from."""
    bytes_a_sample: float | None = None
    """What is moved, if that is more than the pixels."""


_SECONDS, _ANSWER = 2.0, 36 * 250**2
"""Of a request, and the bytes of its answer: 13 bands, VV, VH and the angle of 250 px."""


def assumed_seconds(answer: float) -> float:
    """Seconds of a request that nobody has measured, given the bytes of its answer: 2 s for a sample of 250 px, and
    more in proportion for larger ones."""
    return _SECONDS * max(1.0, answer / _ANSWER)


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a platform is opened with."""

    item: PlatformItem
    rule: Rule
    bounds: Bounds
    """Of all places of the corpus."""
    pixels: int = 0
    """Of a patch's side."""
    overlays: "tuple[Overlay, ...]" = ()
    """What it sends with its images."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """What can be known of a platform without its client, and how it is opened."""

    settings: type[PlatformSettings]
    cost: Callable[[Any, CorpusSpec], Cost]
    """Of a spec under the settings."""
    limits: Callable[[Any], str]
    """The limits in force under the settings, in words."""
    open: "Callable[[Opening, Any], Platform]"
    """Open it under the settings. Raises CatalogueError, CredentialsError, SettingsError, SpecError."""
    look_up: "Callable[[Any, str, str, str | None], Asset] | None" = None
    """What it tells, under the settings, of an asset by its id, which the spec names under a key, and the values in a
    column of its features. Raises SpecError, CredentialsError, PixelsError, PlatformUnreachable. None: it has none."""


def room_of(kind: str) -> Room:
    """The room of a platform."""
    return import_module(f"tasks.imagery.{_SHARED.get(kind, kind)}").ROOM


def rooms() -> Mapping[str, Room]:
    """All rooms, by the kind that a spec names."""
    return {kind: room_of(kind) for kind in _KINDS}


def refuse_unknown_settings(also: Iterable[type[BaseSettings]] = ()) -> None:
    """See that every `DEEPSENTINEL_...` variable is a setting of the package, of a platform, or one of `also`.

    Raises SettingsError.
    """
    refuse_unknown([*(room.settings for room in rooms().values()), *also])


def platform_settings(spec: CorpusSpec) -> tuple[PlatformSettings, ...]:
    """The settings of the spec's platforms, in its order, from the environment. Raises SettingsError."""
    return tuple(load(room_of(item.kind).settings) for item in spec.platform_items)


def open_platforms(
    spec: CorpusSpec, bounds: Bounds, settings: tuple[PlatformSettings, ...], overlays: "tuple[Overlay, ...]" = ()
) -> "list[Platform]":
    """Open the platforms of a spec, in its order, for places within `bounds`; `settings` are in the same order.

    Raises CatalogueError, CredentialsError, PlatformUnreachable, SettingsError, SpecError.
    """
    rule = rule_of(spec)
    return [
        room_of(item.kind).open(
            Opening(
                item=item,
                rule=rule,
                bounds=bounds,
                pixels=spec.patch.pixels,
                overlays=tuple(overlay for overlay in overlays if overlay.platform == item.name),
            ),
            own,
        )
        for item, own in zip(spec.platform_items, settings, strict=True)
    ]
