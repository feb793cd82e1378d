"""HOW IT IS KEPT: layout, encoding, destinations, commit records, verification."""
