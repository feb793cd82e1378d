"""Why a candidate was replaced or a place has no pixels: a closed list of codes.

Commits, rows and `release/` hold codes and scene ids alone. What a server said differs from day to day, and would make
two builds of one corpus differ; it stays in `runs/`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A code, as stored."""

    NO_SENTINEL2 = "no-sentinel2"
    NOT_COVERED = "not-covered"
    OTHER_ZONE = "other-zone"
    OUTSIDE_WINDOW = "outside-window"
    TOO_CLOUDY = "too-cloudy"
    TOO_FAR = "too-far"
    NO_COMPANION = "no-companion"
    NO_SENTINEL1 = "no-sentinel1"
    INSTANT_OUTSIDE_WINDOW = "instant-outside-window"
    NOT_IN_CATALOGUE = "not-in-catalogue"
    NO_FILE = "no-file"
    OFFSET_UNKNOWN = "offset-unknown"
    NOT_UNDERSTOOD = "not-understood"
    REFUSED = "refused"
    MOSTLY_NODATA = "mostly-nodata"

    @property
    def words(self) -> str:
        """For messages and tables."""
        return _WORDS[self]


_WORDS = {
    Reason.NO_SENTINEL2: "no Sentinel-2 scene near the patch",
    Reason.NOT_COVERED: "no Sentinel-2 scene covers the patch",
    Reason.OTHER_ZONE: "Sentinel-2 only in another UTM zone",
    Reason.OUTSIDE_WINDOW: "no Sentinel-2 scene within the window",
    Reason.TOO_CLOUDY: "every Sentinel-2 scene beyond the cloud limit",
    Reason.TOO_FAR: "no Sentinel-2 scene within search_days of the preferred instant",
    Reason.NO_COMPANION: "no Sentinel-2 scene for a further role within its max_days and cloud_cover",
    Reason.NO_SENTINEL1: "no Sentinel-1 scene near enough in time to a Sentinel-2 scene",
    Reason.INSTANT_OUTSIDE_WINDOW: "the place's datetime lies outside the window",
    Reason.NOT_IN_CATALOGUE: "a platform's catalogue lacks one of the acquisitions",
    Reason.NO_FILE: "the archive lacks a file of the scene",
    Reason.OFFSET_UNKNOWN: "nothing tells whether the pixels carry the +1000 offset",
    Reason.NOT_UNDERSTOOD: "pixels that are not what they are said to be",
    Reason.REFUSED: "the platform refuses the scene for good",
    Reason.MOSTLY_NODATA: "pixels mostly nodata",
}


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Why one candidate has no pixels."""

    reason: Reason
    platform: str | None = None
    """Where it was found out; None: by the rule, whatever the platform."""
    scene: str | None = None
    """The platform's id of the scene, or the acquisition that its catalogue lacks."""

    def on(self, platform: str) -> Self:
        """The same, found out on a platform."""
        return type(self)(reason=self.reason, platform=platform, scene=self.scene)
