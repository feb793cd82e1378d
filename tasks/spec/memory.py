"""The memory that a shard takes while it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the model itself asks this
    from tasks.spec.model import CorpusSpec

HELD = {"s2": 13 * 2, "s1": 2 * 2}
"""Bytes a pixel of a role in arrays, by the start of its name."""

MASK = 1
"""The same of a role's mask."""

_LABELS = {"corine": 1, "osm": 3 * 4}
"""Bytes a pixel of a sample in arrays."""

_OTHER = 2
"""The same of a band of any other label; of classes up to 255 it is half of that."""

_ENCODING = 1.5
"""What is encoded stands beside what is still to be (measured: 0.65 GB for 250 samples of 250 px, two roles)."""

MOST_HELD = 8_000_000_000
"""Bytes that one shard may take at most."""


def memory_of_shard(spec: CorpusSpec) -> int:
    """Bytes that one shard of a spec takes while it is built."""
    labels = sum(_LABELS.get(item.name, _OTHER * item.bands) for item in spec.label_items)
    imagery = sum(HELD[role[:2]] + (MASK if one.mask else 0) for role, one in spec.roles.items())
    held = len(spec.platforms) * imagery * spec.dates + labels
    return round(spec.shard_size * spec.patch.pixels**2 * held * _ENCODING)
