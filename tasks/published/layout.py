"""How published sets name their files: what a name tells of a file."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.scenes.roles import sensor_of

OPTICAL, RADAR = "sentinel-2-l1c", "sentinel-1-grd"
"""Collections of the items."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """What the name of a file tells."""

    role: str
    roi: str
    """Region of interest, as all sets of the family call it."""
    place: str
    """Name of the place, unique in the set."""
    date: int = 0
    """Which of the place's dates, from 0."""
    span: tuple[dt.datetime, dt.datetime]
    """Half open, UTC: what is known of when it was taken."""
    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """What else the rows are to keep of the place."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A published set of GeoTIFFs, one a place, date and role."""

    name: str
    title: str
    example: str
    """A file of it, from the folder of the set."""
    roles: tuple[str, ...]
    """Root first."""
    dates: int
    """Of each place."""
    columns: tuple[str, ...]
    """What places have besides their grid."""
    parse: Callable[[str], Name | None]
    """What a file's name tells; None: it is no name of the set."""
    spec: Mapping[str, Any]
    """Keys of the spec besides places, platforms and splits."""
    said: str
    """What the spec says at its top, in lines of a comment."""


def channels(role: str) -> tuple[str, ...]:
    """Bands or polarizations of the files of a role, in their order."""
    return BANDS if sensor_of(role) == "sentinel2" else POLARIZATIONS


def midnight(year: int, month: int = 1, day: int = 1) -> dt.datetime:
    """The first instant of a day, UTC."""
    return dt.datetime(year, month, day, tzinfo=dt.UTC)
