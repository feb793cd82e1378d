"""What all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

# The time of an example says nothing: the first one loads PROJ's grids or compiles a codec.
settings.register_profile(
    "deepsentinel", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# `make quick`: fewer examples, and without what makes archives or looks at the whole globe.
settings.register_profile("quick", settings.get_profile("deepsentinel"), max_examples=5)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "deepsentinel"))

_SLOW = ("unit/demo/", "places/test_uniformity", "places/test_tiling", "places/test_world", "scenes/test_antimeridian")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes seconds a test."""
    for item in items:
        if any(part in item.nodeid for part in _SLOW):
            item.add_marker("slow")
