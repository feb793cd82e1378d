"""HOW IT IS KEPT: layout, encoding, destinations, commit records, description, survey, verification, repair."""
