"""HOW IT IS SHOWN: statistics, rows, card, map and pictures of a corpus."""
