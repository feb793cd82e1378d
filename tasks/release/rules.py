"""What a corpus looks for at each place, in words: its roles, their rules, and at how many instants."""

import datetime as dt
from collections.abc import Sequence

from tasks.scenes.looks import MASK
from tasks.scenes.roles import sensor_of
from tasks.shards.description import Description
from tasks.shards.stored_spec import stored_roles
from tasks.spec.acquisitions import GIVEN, SEARCH_DAYS, Acquisition, anchors_of

SENSORS = {"sentinel2": "Sentinel-2", "sentinel1": "Sentinel-1"}
"""What sensors are called where people read of them."""

_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")

_SHOWN = 12
"""Instants that are told one by one."""


def is_pair(description: Description) -> bool:
    """Whether it has one role of each sensor and one date: what the first corpora had, and other words suit."""
    return set(description.roles) == {"s2", "s1"} and description.dates == 1


def sensors_of(description: Description) -> list[str]:
    """The sensors of its roles as people call them, that of the root first."""
    return list(dict.fromkeys(SENSORS[sensor_of(role)] for role in description.roles))


def first_gap(description: Description) -> tuple[str, str, str] | None:
    """The gap that speaks for a sample: column, role, and the role that it is near; None: there is one role.

    Of the first Sentinel-1 role if there is any, else of the first that is near another.
    """
    roles = [(name, near) for name, near in anchors_of(rules_of(description)).items() if near is not None]
    for name, near in sorted(roles, key=lambda pair: sensor_of(pair[0]) != "sentinel1"):
        return gap_column(name), name, near
    return None


def gap_column(role: str) -> str:
    """The column of the gap between a role and that which it is near."""
    return "gap_hours" if role == "s1" else f"{role}_gap_hours"


def rules_of(description: Description) -> dict[str, Acquisition]:
    """What is asked of each role, root first."""
    return stored_roles(description.spec, description.roles)


def subject(description: Description) -> str:
    """Of what kind the imagery is, e.g. `paired Sentinel-1 and Sentinel-2 imagery`."""
    if is_pair(description):
        return "paired Sentinel-1 and Sentinel-2 imagery"
    return f"{' and '.join(sensors_of(description))} {'time series' if description.dates > 1 else 'imagery'}"


def of_a_sample(description: Description) -> str:
    """What a sample has, e.g. `one acquisition of Sentinel-2 and one of Sentinel-1`."""
    parts: list[str] = []
    for sensor in sensors_of(description):
        roles = [role for role in description.roles if SENSORS[sensor_of(role)] == sensor]
        what = f"acquisition{'s' * (len(roles) > 1)} of " if not parts else "of "
        named = "" if roles in (["s2"], ["s1"]) else f" ({', '.join(f'`{role}`' for role in roles)})"
        parts.append(f"{_COUNTS[len(roles)]} {what}{sensor}{named}")
    return " and ".join(parts) + (f" at each of {description.dates} dates" if description.dates > 1 else "")


def rule_words(description: Description, role: str) -> str:
    """The rule of a role, in words."""
    rule = rules_of(description)[role]
    words = [_nearness(description, rule)]
    if rule.cloud_cover is not None:
        least, most = rule.cloud_cover
        words.append(f"at most {most:g} % cloud" if not least else f"{least:g} to {most:g} % cloud")
    if rule.level == "l1c":
        words.append("Level-1C")
    if rule.mask:
        words.append(f"cloud mask in `{role}{MASK}`")
    return ", ".join(words)


def _nearness(description: Description, rule: Acquisition) -> str:
    if rule.near == GIVEN:
        return f"what the catalogue groups with that of `{description.roles[0]}`"
    if rule.near is not None:
        return f"nearest to that of `{rule.near}`, at most {rule.max_days:g} days from it"
    if _are_given(description):
        return "by the number of its date in the catalogue"
    about = "an instant drawn in the window" if description.dates == 1 else "the middle of a part of the window"
    within = rule.search_days or (None if description.dates > 1 else SEARCH_DAYS)
    first = "the clearest scene" + (" about " if within else " of ") if rule.prefer == "clearest" else "nearest to "
    if within is None and rule.prefer == "clearest":
        return f"{first}a part of the window"
    return f"{first}{about}" + (f", at most {within:g} days from it" if within else "")


def window_of(description: Description) -> tuple[dt.datetime, dt.datetime]:
    """The window in which acquisitions of the root lie, half open, UTC."""
    first, end = (dt.datetime.fromisoformat(str(instant)) for instant in description.spec["window"])
    return first, end


def _are_given(description: Description) -> bool:
    return "given" in (description.spec.get("instants") or {})


def instants_words(description: Description) -> str:
    """At how many instants a place is looked at."""
    if description.dates == 1:
        return "one, drawn at random in the window where the place gives none"
    if _are_given(description):
        return f"{description.dates}, as the catalogue numbers them"
    instants = description.spec.get("instants") or {}
    kind = "seasons" if "seasons" in instants else "equal parts of the window"
    return f"{description.dates} {kind}, from {listed(description.times)}"


def listed(names: Sequence[str], most: int = _SHOWN) -> str:
    """Names one after the other, of many the first and the last."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])}, ... {names[-1]}"


def spread(count: int, most: int) -> list[int]:
    """Numbers below `count`, at most so many of them, evenly spread and with both ends."""
    if count <= most:
        return list(range(count))
    return [round(at * (count - 1) / (most - 1)) for at in range(most)] if most > 1 else [0]
