"""What is asked of a catalogue: about each place once, however often and by however many roles it is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.places.patches import Patches

Spans = Mapping[str, NDArray[np.int64]]
"""From when to when acquisitions start, microseconds since 1970 UTC, half open, (n, 2)."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """n looks at m places, by roles of some sources: which collection or product serves a role."""

    first: NDArray[np.int64]
    """Of each place a patch, (m,)."""
    place: NDArray[np.int64]
    """Of each patch the place, (n,)."""
    spans: Spans
    """By source, of each place all the time from the first to the last, (m, 2)."""


def by_place(patches: Patches, spans: Spans, sources: Mapping[str, str]) -> Asked:
    """What is to be asked about n patches, which may be the same ones several times, within the spans of each role."""
    keys = np.stack([patches.epsg, patches.xmin, patches.ymax], axis=1)
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    place = place.reshape(-1)
    asked: dict[str, NDArray[np.int64]] = {}
    bounds = np.iinfo(np.int64)
    for role, source in sources.items():
        whole = asked.setdefault(source, np.tile(np.array([bounds.max, bounds.min]), (len(first), 1)))
        np.minimum.at(whole[:, 0], place, spans[role][:, 0])
        np.maximum.at(whole[:, 1], place, spans[role][:, 1])
    return Asked(first=first, place=place, spans=asked)
