"""Which collection serves which roles, and for how many places one catalogue request asks."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tasks.scenes.roles import DAY, Role, Rule, sensor_of

L2A, L1C, GRD = "l2a", "l1c", "s1"
"""Sources: what roles of one of them want of the catalogue is asked for once."""

PLACES = 250
"""Places a catalogue request, at most: the default shard."""

_DAYS = PLACES * 131
"""Days a catalogue request, of all its places and sources together: for the default search of 30 days and gap of 3, 60
and 70 days a place. Its answer is about 10 MB before compression."""


def source_of(name: str, role: Role) -> str:
    """The source of a role."""
    return GRD if sensor_of(name) == "sentinel1" else role.level


def days_of(rule: Rule) -> float:
    """Days for which scenes are asked about a place, of all sources together; at the ends of the window it is less."""
    days: dict[str, float] = {}
    for name, role in rule.roles.items():
        first, end = (rule.parts[0][0], rule.parts[-1][1]) if rule.parts else rule.window
        reach = rule.reach(name) if not rule.parts else rule.window[1] - rule.window[0]
        span = min(2 * reach, end - first + 2 * rule.margin(name)) / DAY
        source = source_of(name, role)
        days[source] = max(days.get(source, 0.0), span)
    return sum(days.values())


def requests_for(places: int, days: float) -> int:
    """Catalogue requests about so many places of so many days each."""
    together = max(1, min(PLACES, int(_DAYS // max(days, 1))))
    return ceil(places / together)


def portions(days: NDArray[np.float64]) -> Sequence[NDArray[np.int64]]:
    """Which of n places, of so many days each, share a request: positions."""
    found: list[list[int]] = []
    left = 0.0
    for place, some in enumerate(days.tolist()):
        if not found or len(found[-1]) == PLACES or some > left:
            found.append([])
            left = float(_DAYS)
        found[-1].append(place)
        left -= some
    return [np.array(some, np.int64) for some in found]
