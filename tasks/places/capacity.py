"""How many shards a region has candidates for."""

CANDIDATES_PER_SAMPLE = 1.5
"""A shard's share of the region's cells: candidates beyond its size replace those that cannot be served."""


def capacity_in_shards(cells: int, shard_size: int) -> int:
    """Shards that a region of so many cells has candidates for, at least 1."""
    return max(1, int(cells // (CANDIDATES_PER_SAMPLE * shard_size)))
