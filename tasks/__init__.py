"""Tasks: the work itself, in plain packages, and the units that Prefect runs."""
