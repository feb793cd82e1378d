"""Searches of the platform `descarteslabs`: what shares a request."""

from itertools import pairwise

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tasks.imagery.descarteslabs.catalogue import area_of, merged, searches, text
from tasks.places.patches import patches_around

SPANS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 500)).map(lambda s: (s[0], s[0] + s[1])), max_size=40)


@given(SPANS)
def test_merged_spans_hold_the_same_instants_in_order_and_apart(spans: list[tuple[int, int]]) -> None:
    first, end = np.array(spans, np.int64).reshape(-1, 2).T
    result = merged(first, end)
    assert {t for a, b in spans for t in range(a, b)} == {t for a, b in result for t in range(a, b)}
    assert all(before[1] < after[0] for before, after in pairwise(result))


@given(SPANS, st.integers(1, 20))
def test_every_patch_is_in_one_search_that_holds_its_span(spans: list[tuple[int, int]], together: int) -> None:
    first, end = np.array(spans, np.int64).reshape(-1, 2).T
    boxes = np.array([shapely.box(n, 0, n + 0.5, 0.5) for n in range(len(spans))], dtype=object)
    made = list(searches(boxes, first, end, together=together))
    assert len(made) == -(-len(spans) // together)
    for box, (start, stop) in zip(boxes, spans, strict=True):
        (own,) = [search for search in made if search.area.intersects(box)]
        assert any(a <= start and stop <= b for a, b in own.spans)
        assert len(shapely.get_parts(own.area)) <= together


def test_outlines_are_sent_within_the_globe_also_across_the_antimeridian() -> None:
    patches = patches_around(np.array([179.999, -179.999, 10.0]), np.array([-16.5, 20.0, 48.0]), 250)
    area = area_of(patches.outlines())
    assert area.is_valid
    assert len(shapely.get_parts(area)) == 5
    west, _, east, _ = area.bounds
    assert (west, east) == (-180, 180)
    assert np.isclose(area.area, sum(outline.area for outline in patches.outlines()))


def test_outlines_that_overlap_are_sent_as_one_valid_geometry() -> None:
    patches = patches_around(np.array([10.0, 10.001, 12.0]), np.array([48.0, 48.001, 48.0]), 250)
    area = area_of(patches.outlines())
    assert area.is_valid and len(shapely.get_parts(area)) == 2
    assert all(area.buffer(1e-9).covers(outline) for outline in patches.outlines())


def test_instants_are_written_in_utc_to_the_microsecond() -> None:
    assert text(1_546_336_800_000_001) == "2019-01-01T10:00:00.000001Z"
