"""FROM WHOM: platforms behind one protocol."""
