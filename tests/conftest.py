"""What all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Google's client reads it when it is imported: whichever test comes first, none looks for a machine of its cloud.
os.environ["NO_GCE_CHECK"] = "true"

# PyTorch's threads wait for each other without giving way: beside other tests a training of seconds takes minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The time of an example says nothing: the first one loads PROJ's grids or compiles a codec.
settings.register_profile(
    "deepsentinel", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# `make quick`: fewer examples, and without the slow ones.
settings.register_profile("quick", settings.get_profile("deepsentinel"), max_examples=5)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "deepsentinel"))

_SLOW = (
    # Make archives, read real ones, or look at the whole globe.
    "unit/demo/",
    "unit/labels/osm/test_real",
    "unit/places/test_uniformity",
    "unit/places/test_tiling",
    "unit/places/test_world",
    "unit/places/test_splits.py::test_the_cells_of_the_land",
    "unit/scenes/test_antimeridian",
    # Wait for servers, or read and write whole stores.
    "unit/imagery/stac/test_search",
    "unit/imagery/stac/test_transport",
    "unit/imagery/stac/test_pixels_http",
    "unit/labels/osm/test_layer",
    "unit/labels/osm/test_store",
    "unit/planning/test_plan.py",
    "test_what_may_pass_is_tried_again",
    # Import PyTorch.
    "unit/training/test_reader",
    "unit/training/test_job",
    # Compare with plain loops, or many times over.
    "test_land_is_land",
    "test_pairs_are_those_of_the_rule_in_plain_loops",
    "test_the_smallest_gap_is_the_smallest_limit",
    "test_every_pair_keeps_every_limit",
    "test_the_order_of_scenes_and_rows",
    "test_near_scenes_are_those_whose_box",
    "test_contains_is_what_shapely_says",
    "test_cells_are_near_square_everywhere",
    "test_the_patch_put_in_a_cell_lies_wholly_inside",
    "test_damage_of_any_byte",
    "test_encoding_in_many_threads",
    "test_records_of_four_thousand_shards",
    "test_pixels_do_not_depend_on_what_was_read_before",
    "test_degrees_anywhere_are_exact",
    "test_areas_are_filled_as_gdal_fills_them",
    "test_a_labelled_corpus_is_built_verified_and_grows",
    "test_random_places_have_labels_in_every_attempt",
    "test_many_threads_read_the_same_pixels",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes seconds a test."""
    for item in items:
        if any(part in item.nodeid for part in _SLOW):
            item.add_marker("slow")
