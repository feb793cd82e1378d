"""Looks: a role at one of the dates at which a place is looked at.

Where there is one date, a look is called like its role; of several, like the role and the number of the date, such as
`s2__003`. What is said of the acquisitions, pixels and facts of a sample is said by looks.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

_JOIN = "__"
"""No name of a role has two underscores on end."""

MASK = "_cloud"
"""What the name of a role's mask ends with."""

Value = TypeVar("Value")


def look(role: str, date: int, dates: int) -> str:
    """The look of a role, or of its mask, at a date of so many."""
    return role if dates == 1 else f"{role}{_JOIN}{date:03d}"


def role_of(look: str) -> str:
    """The role of a look; of the path of its pixels, the path of the role's array."""
    return look.partition(_JOIN)[0]


def date_of(look: str) -> int:
    """The number of its date."""
    return int(look.partition(_JOIN)[2] or 0)


def mask_of(look: str) -> str:
    """What the mask of a look is called, e.g. s2_cloud or s2_cloud__003."""
    role, join, date = look.partition(_JOIN)
    return f"{role}{MASK}{join}{date}"


def merged(by_date: Mapping[int, Mapping[str, Value]], dates: int) -> dict[str, Value]:
    """What is said by roles at some of the dates, by looks, role by role."""
    roles = dict.fromkeys(role for one in by_date.values() for role in one)
    return {look(role, date, dates): one[role] for role in roles for date, one in by_date.items() if role in one}


def by_date(looks: Iterable[str]) -> dict[int, list[str]]:
    """Looks by the number of their date, in order."""
    found: dict[int, list[str]] = {}
    for one in looks:
        found.setdefault(date_of(one), []).append(one)
    return dict(sorted(found.items()))
