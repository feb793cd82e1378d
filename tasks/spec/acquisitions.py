"""When and how often a place is looked at, and what is found near each instant: roles and instants of a spec."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.spec.parts import Part

ROLE = re.compile(r"s[12](_[a-z0-9]+)*")
"""Names of roles: their start tells the sensor, and no two underscores follow each other (see `tasks.scenes.looks`)."""

MOST_ROLES = 8

GIVEN = "given"
"""What a role is near whose acquisitions the catalogue groups with those of the root."""

SEARCH_DAYS = 30.0
"""Reach of the root about its one instant, where a spec says nothing."""


class Acquisition(Part):
    """What a role asks of the acquisition that fills it. Its sensor follows from the start of its name, s2 or s1."""

    near: str | None = None
    """The role whose acquisition it is to be near. Exactly one role has none: the root, which is searched about the
    instant. A role never takes the acquisition of the role that it is near. `given`: what the catalogue groups with the
    root's acquisition, whenever that was, by its properties `deepsentinel:group` and `deepsentinel:role`."""
    max_days: float | None = Field(default=None, gt=0, le=366)
    """Days by which its start may differ from that of the role that it is near, either way."""
    search_days: float | None = Field(default=None, gt=0, le=3660)
    """Of the root: days by which it may differ from the instant, either way; 30 where there is one instant. Of several
    instants each has a part of the window, which the root never leaves; without this key all of it is searched."""
    cloud_cover: tuple[float, float] | None = None
    """Least and most clouds in the whole Sentinel-2 scene in percent, as the catalogue gives them, both inclusive; a
    scene without the figure does not qualify."""
    level: Literal["l2a", "l1c"] = "l2a"
    """Of Sentinel-2: `l2a`, surface reflectance, with B10 of the L1C twin where the platform has it; `l1c`, all 13
    bands of one product at the top of the atmosphere."""
    prefer: Literal["nearest", "clearest"] = "nearest"
    """Of the root: which of the scenes that qualify comes first, the one nearest to the instant, or the one with the
    fewest clouds by the catalogue's figure."""
    mask: Literal["cloud"] | None = None
    """Of Sentinel-2: `cloud` keeps the cloud mask of the same acquisition beside it, as array `<role>_cloud` and column
    `<role>_clear`."""

    @field_validator("cloud_cover", mode="before")
    @classmethod
    def _two(cls, value: Any) -> Any:
        if value is not None and (not isinstance(value, list | tuple) or len(value) != 2):
            raise ValueError(f"found {value!r}, expected the least and the most percent, such as [0, 20]")
        return value

    @field_validator("cloud_cover")
    @classmethod
    def _range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] <= value[1] <= 100:
            raise ValueError(f"found [{value[0]:g}, {value[1]:g}], expected 0 <= least <= most <= 100, such as [0, 20]")
        return value


class Instants(Part):
    """At how many instants a place is looked at, told in one of three ways; without it at one."""

    slices: int | None = Field(default=None, ge=2, le=366)
    """So many equal half-open parts of the window, an instant in the middle of each."""
    seasons: int | None = None
    """4: December to February, March to May, June to August, September to November, the first four of them in the
    window."""
    given: int | None = Field(default=None, ge=2, le=366)
    """So many dates that the catalogue numbers for each place, from 0, by the property `deepsentinel:date` of the
    root's items, wherever they lie in the window."""

    @field_validator("seasons")
    @classmethod
    def _four(cls, seasons: int | None) -> int | None:
        if seasons not in (None, 4):
            raise ValueError(f"found {seasons}, expected 4; for other parts of the window use {{slices: {seasons}}}")
        return seasons

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.slices, self.seasons, self.given).count(None) != 2:
            raise ValueError("expected one of slices, seasons and given, such as {slices: 12} or {seasons: 4}")
        return self

    def parts(self, window: tuple[dt.datetime, dt.datetime]) -> tuple[tuple[int, int], ...]:
        """The parts of a window, microseconds since 1970 UTC, half open, in order; all of it for dates that are given.

        Raises ValueError: the window is shorter than the parts need.
        """
        first, end = (round(instant.timestamp() * 1_000_000) for instant in window)
        if self.given is not None:
            return ((first, end),) * self.given
        if self.slices is not None:
            edges = [first + (end - first) * index // self.slices for index in range(self.slices + 1)]
        else:
            edges = [round(edge.timestamp() * 1_000_000) for edge in _seasons(window[0])]
            if edges[-1] > end:
                start, stop = _seasons(window[0])[0], _seasons(window[0])[-1]
                raise ValueError(
                    f"instants: the four seasons from {start:%Y-%m-%d} end {stop:%Y-%m-%d}, outside the window, which "
                    f"ends {window[1]:%Y-%m-%d}; use window: [{start:%Y-%m-%d}, {stop:%Y-%m-%d}], or slices"
                )
        return tuple(pairwise(edges))


def _seasons(first: dt.datetime) -> list[dt.datetime]:
    """Starts of the first four whole seasons from an instant on, and the end of the last."""
    starts = [
        dt.datetime(year, month, 1, tzinfo=dt.UTC)
        for year in (first.year, first.year + 1, first.year + 2)
        for month in (3, 6, 9, 12)
        if year <= dt.MAXYEAR
    ]
    return [start for start in starts if start >= first][:5]


def check_acquisitions(acquisitions: Mapping[str, Acquisition]) -> None:
    """See that roles make one tree and ask for what there is. Raises ValueError: names the role, and what to write."""
    if not acquisitions:
        raise ValueError("expected a role at least, such as {s2: {}, s1: {near: s2, max_days: 3}}")
    if len(acquisitions) > MOST_ROLES:
        raise ValueError(f"{len(acquisitions)} roles, {MOST_ROLES} at most")
    for name, one in acquisitions.items():
        _check_role(name, one, acquisitions)
    roots = [name for name, one in acquisitions.items() if one.near is None]
    if len(roots) > 1:
        raise ValueError(
            f"{' and '.join(roots)} are near no other role, but there is one root; say of all but one which it is "
            f"near, such as {roots[1]}: {{near: {roots[0]}, max_days: 3}}"
        )
    for name in acquisitions:
        _check_path(name, acquisitions)
    if not roots:
        raise ValueError("no role is the root, to which others are given; make one near nothing, such as s2: {}")
    if not roots[0].startswith("s2"):
        raise ValueError(
            f"{roots[0]} is the root, but the grid of a patch and the window are those of Sentinel-2; make one of its "
            f"roles the root, and write {roots[0]}: {{near: s2, max_days: 3}}"
        )


def _check_role(name: str, one: Acquisition, acquisitions: Mapping[str, Acquisition]) -> None:
    optical = name.startswith("s2")
    if not ROLE.fullmatch(name) or len(name) > 32:
        raise ValueError(
            f"{name!r} is no name of a role; expected s2 or s1, and what tells it from others, such as s2_cloudy"
        )
    if name.endswith("_cloud"):
        raise ValueError(f"{name} is called like the cloud mask of a role; give it another name, such as {name}y")
    if one.near is None and one.max_days is not None:
        raise ValueError(f"{name}: max_days says how far from another role; the root takes search_days")
    if one.near == GIVEN and one.max_days is not None:
        raise ValueError(f"{name}: is near what is given, whenever that was; leave max_days out")
    if one.near is not None:
        if one.near != GIVEN and one.near not in acquisitions:
            known = ", ".join(role for role in acquisitions if role != name) or "none"
            raise ValueError(f"{name}: near {one.near!r}, which is no role; the others are: {known}")
        if one.near != GIVEN and one.max_days is None:
            raise ValueError(f"{name}: near {one.near}, but how near? Write max_days, such as max_days: 3")
        if one.search_days is not None:
            raise ValueError(f"{name}: search_days is the root's; write max_days, the days from {one.near}")
        if one.prefer != "nearest":
            raise ValueError(f"{name}: prefer is the root's; below it the acquisition nearest to {one.near} is taken")
    if not optical:
        for key, value, plain in (
            ("cloud_cover", one.cloud_cover, None),
            ("level", one.level, "l2a"),
            ("mask", one.mask, None),
        ):
            if value != plain:
                raise ValueError(f"{name}: {key} is of Sentinel-2; leave it out of a Sentinel-1 role")


def _check_path(name: str, acquisitions: Mapping[str, Acquisition]) -> None:
    """See that a role leads to the root. Raises ValueError: it is near itself, by way of others or at once."""
    path = [name]
    while (near := acquisitions[path[-1]].near) not in (None, GIVEN):
        if near in path:
            raise ValueError(f"{' is near '.join([*path, near])}: a circle; one role must be near no other")
        path.append(near)


def refuse_given(acquisitions: Mapping[str, Acquisition], instants: Instants | None, kinds: Sequence[str]) -> None:
    """See that what is given can be: by the items of one catalogue. `kinds` are those of platforms.

    Raises ValueError: another platform, or several.
    """
    given = [f"acquisitions: {name}: near" for name, one in acquisitions.items() if one.near == GIVEN]
    given += ["instants: given"] if instants is not None and instants.given is not None else []
    if given and list(kinds) != ["stac"]:
        raise ValueError(
            f"{given[0]}: what is given is by properties of a catalogue's items; expected one platform, {{stac: ...}}, "
            f"found {', '.join(kinds)}"
        )


def anchors_of(acquisitions: Mapping[str, Acquisition]) -> dict[str, str | None]:
    """The role that each role is near, None of the root; of what is given that is the root."""
    root = next(name for name, one in acquisitions.items() if one.near is None)
    return {name: root if one.near == GIVEN else one.near for name, one in acquisitions.items()}


def in_order(acquisitions: Mapping[str, Acquisition]) -> dict[str, Acquisition]:
    """The same, root first, every other role after the one that it is near, otherwise as written."""
    ordered: dict[str, Acquisition] = {}
    anchors = anchors_of(acquisitions)
    while len(ordered) < len(acquisitions):
        name = next(name for name, near in anchors.items() if name not in ordered and (near is None or near in ordered))
        ordered[name] = acquisitions[name]
    return ordered
