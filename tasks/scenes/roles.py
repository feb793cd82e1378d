"""Roles: what is looked for at a place, and within which limits. Today's corpora have two, `s2` and `s1`."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tasks.spec import CorpusSpec
from tasks.spec.acquisitions import GIVEN, SEARCH_DAYS, anchors_of

DAY = 86_400_000_000
"""Microseconds."""

DATATAKE = 3_600_000_000
"""Microseconds by which catalogues may differ over the start of one Sentinel-2 acquisition: some give the datatake's
start for every tile of it, and a datatake lasts up to 50 minutes (ESA, Sentinel-2 mission guide). Which scene it is,
its name decides."""

_GIVEN_REACH = 366 * DAY
"""How far scenes are looked for whose group and not whose time decides."""

REPORTED_GAPS = (1, 2, 3, 5)
"""Days for which the match rate is told (asked for in ESA-PhiLab/Major-TOM#6)."""

FIRST_IMAGES = {
    "Sentinel-1": dt.datetime(2014, 10, 3, tzinfo=dt.UTC),
    "Sentinel-2": dt.datetime(2015, 6, 27, tzinfo=dt.UTC),
}
"""First public Sentinel-1A and first Sentinel-2A acquisitions (ESA)."""

Sensor = Literal["sentinel2", "sentinel1"]


def sensor_of(role: str) -> Sensor:
    """The sensor of a role, by the start of its name: s2, s2_cloudy, s1, ..."""
    if role.startswith("s2"):
        return "sentinel2"
    if role.startswith("s1"):
        return "sentinel1"
    raise ValueError(f"the role {role!r} begins with neither s2 nor s1, so nothing tells its sensor")


Level = Literal["l2a", "l1c"]
"""Of Sentinel-2: surface reflectance, or all 13 bands of one product at the top of the atmosphere."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """What one role asks of an acquisition."""

    near: str | None
    """The role whose acquisition it is to be near; None: the root, near the preferred instant."""
    reach: int
    """How far from that acquisition or instant it may start, microseconds, inclusive."""
    cloud_cover: tuple[float, float] | None = None
    """Least and most percent, inclusive."""
    level: Level = "l2a"
    clearest: bool = False
    """Of the root: by cloud cover rather than by the distance from the preferred instant."""
    mask: bool = False
    """Whether its cloud mask is kept."""
    given: bool = False
    """Whether it takes what the catalogue groups with the acquisition that it is near, whenever that was."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The limits of all roles."""

    window: tuple[int, int]
    """Acquisition times of the root, microseconds since 1970 UTC, half open."""
    roles: Mapping[str, Role]
    """Root first, every other one after the role that it is near."""
    parts: tuple[tuple[int, int], ...] = ()
    """Where a place is looked at several times: the parts of the window, each with an acquisition of the root."""
    given: bool = False
    """Whether the catalogue numbers the dates of a place; then every part is the whole window."""

    @property
    def root(self) -> str:
        """The role that is near no other."""
        return next(iter(self.roles))

    @property
    def first_pair(self) -> tuple[str, str] | None:
        """The first Sentinel-1 role and the role that it is near: the two whose gap is told."""
        return next(
            (
                (name, role.near)
                for name, role in self.roles.items()
                if role.near is not None and sensor_of(name) == "sentinel1"
            ),
            None,
        )

    @property
    def search(self) -> int:
        """How far from the preferred instant the root may start, microseconds, inclusive."""
        return self.roles[self.root].reach

    def reach(self, role: str) -> int:
        """How far from the preferred instant scenes of a role are looked for, microseconds.

        For Sentinel-1 that is the gap, or the largest limit for which a match rate is told.
        """
        near = self.roles[role].near
        if near is None:
            return self.roles[role].reach
        told = REPORTED_GAPS[-1] * DAY if sensor_of(role) == "sentinel1" else 0
        return self.reach(near) + max(self.roles[role].reach, told)

    def margin(self, role: str) -> int:
        """How far before and after the window scenes of a role are looked for, microseconds."""
        return self.reach(role) - self.search


def rule_of(spec: CorpusSpec) -> Rule:
    """The spec's pairing rule."""
    # Without a word of the spec a part of the window is searched as a whole, and one instant as far as the default.
    widest = max(end - first for first, end in spec.parts)
    about = round(SEARCH_DAYS * DAY) if spec.instants is None else -(-widest // 2)
    anchors = anchors_of(spec.roles)
    roles = {
        name: Role(
            near=anchors[name],
            reach=_GIVEN_REACH
            if one.near == GIVEN
            else round(one.max_days * DAY)
            if one.max_days is not None
            else (about if one.search_days is None else round(one.search_days * DAY)),
            cloud_cover=one.cloud_cover,
            level=one.level,
            clearest=one.prefer == "clearest",
            mask=one.mask == "cloud",
            given=one.near == GIVEN,
        )
        for name, one in spec.roles.items()
    }
    return Rule(
        window=spec.span,
        roles=roles,
        parts=() if spec.instants is None else spec.parts,
        given=spec.instants is not None and spec.instants.given is not None,
    )


def first_images(spec: CorpusSpec) -> dict[str, dt.datetime]:
    """When the first images of the missions were taken that the spec's roles are of."""
    missions = {sensor_of(role).replace("sentinel", "Sentinel-") for role in spec.roles}
    return {mission: since for mission, since in FIRST_IMAGES.items() if mission in missions}


def lifetime_notes(spec: CorpusSpec) -> tuple[str, ...]:
    """What of the spec's window lies before the missions' first images, in words."""
    first, end = spec.window
    notes: list[str] = []
    for mission, since in first_images(spec).items():
        if first < since:
            share = min(1.0, (since - first) / (end - first))
            notes.append(
                f"{100 * share:.0f} % of the window lies before {mission}'s first images ({since:%Y-%m-%d}): draws "
                "that prefer an instant there get later scenes or none"
            )
    return tuple(notes)
