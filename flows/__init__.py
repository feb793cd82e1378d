"""Flows: what runs, in what order."""
