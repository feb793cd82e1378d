"""The memory that a shard takes while it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the model itself asks this
    from tasks.spec.model import CorpusSpec

HELD_A_PIXEL = 45
"""Bytes a pixel of a sample and platform: 13 x 2 + 2 x 2 in arrays, half as much again while they are encoded
(measured: 0.65 GB for 250 samples of 250 px)."""

_LABELS = {"corine": 1, "osm": 3 * 4}
"""Bytes a pixel of a sample in arrays."""

_OTHER = 2
"""The same of a band of any other label; of classes up to 255 it is half of that."""

_ENCODING = 1.5
"""What is encoded stands beside what is still to be."""

MOST_HELD = 8_000_000_000
"""Bytes that one shard may take at most."""


def memory_of_shard(spec: CorpusSpec) -> int:
    """Bytes that one shard of a spec takes while it is built."""
    labels = sum(_LABELS.get(item.name, _OTHER * item.bands) for item in spec.label_items)
    held = len(spec.platforms) * HELD_A_PIXEL + _ENCODING * labels
    return round(spec.shard_size * spec.patch.pixels**2 * held)
