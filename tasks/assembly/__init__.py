"""HOW A SHARD IS MADE: candidates, fetching, filling, encoding, committing."""
