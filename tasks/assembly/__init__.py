"""HOW A SHARD IS MADE: candidates, fetching, filling, layers, encoding, committing."""
