"""Footprints, noise and the other small parts the archive is made of."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tasks.demo.land_cover import BACKSCATTER, CORINE, PHASES, SPECTRA, Cover
from tasks.demo.noise import stream
from tasks.demo.rasters import valid_rows
from tasks.demo.scenes import OPTICAL, RADAR, Edge, footprint
from tasks.demo.spectra import BANDS
from tasks.demo.square import Square
from tasks.demo.year import OPTICAL_YEAR, RADAR_YEAR


@given(bearing=st.floats(0, 360), reach=st.floats(-0.4, 0.4), size=st.floats(8, 72))
def test_pixels_called_valid_lie_inside_the_footprint(bearing: float, reach: float, size: float) -> None:
    square, edges = Square.of_size_km(size), (Edge(bearing, reach),)
    outline = footprint(square, edges)
    step = 600
    transform, width = square.transform(step), square.size // step
    valid = valid_rows(square, transform, edges, slice(0, width), width)
    rows, columns = np.nonzero(valid)
    low_x, high_y = transform.c + step * columns, transform.f - step * rows
    pixels = shapely.box(low_x, high_y - step, low_x + step, high_y)
    assert np.all(shapely.covers(outline.buffer(1e-6), pixels))


@given(size=st.floats(8, 72))
def test_squares_lie_on_the_60_m_lattice_inside_their_tile(size: float) -> None:
    square = Square.of_size_km(size)
    xmin, ymin, xmax, ymax = square.bounds
    assert all(value % 60 == 0 for value in square.bounds)
    assert shapely.box(399_960, 5_290_200, 509_760, 5_400_000).covers(shapely.box(xmin, ymin, xmax, ymax))


def test_a_swath_that_misses_the_square_is_refused() -> None:
    with pytest.raises(ValueError, match="does not cover"):
        footprint(Square.of_size_km(10), (Edge(90, -2.0),))


def test_streams_differ_by_name_and_repeat() -> None:
    assert stream(1, "a", "b").random() == stream(1, "a", "b").random()
    assert len({stream(*key).random() for key in [(1, "a"), (1, "b"), (2, "a")]}) == 3


def test_repeat_cycles_are_those_of_the_satellites() -> None:
    for satellite in ("S2A", "S2B"):
        for first in (*OPTICAL, *OPTICAL_YEAR):
            for second in (*OPTICAL, *OPTICAL_YEAR):
                same = first.relative_orbit == second.relative_orbit
                if first.satellite == second.satellite == satellite and same:
                    assert (second.time.date() - first.time.date()).days % 10 == 0
                    assert (second.absolute_orbit - first.absolute_orbit) % 143 == 0
    for first in (*RADAR, *RADAR_YEAR):
        for second in (*RADAR, *RADAR_YEAR):
            if first.relative_orbit == second.relative_orbit:
                days = (second.time - first.time).total_seconds() / 86_400
                assert (second.absolute_orbit - first.absolute_orbit) / 175 == pytest.approx(days / 12, abs=0.2)


def test_every_cover_is_known_to_every_table() -> None:
    crops = {Cover.CEREAL, Cover.MAIZE, Cover.RAPESEED, Cover.BEET}
    assert set(PHASES) == set(CORINE) == set(Cover)
    assert set(BACKSCATTER) | crops == set(Cover)
    assert all(1 <= code <= 44 for code in CORINE.values())
    assert all(len(spectrum) == len(BANDS) for spectrum in SPECTRA.values())
    for phases in PHASES.values():
        assert all(sum(shares) == pytest.approx(1, abs=0.01) for shares in phases.shares.values())


def test_vegetation_has_a_red_edge_and_water_absorbs_infrared() -> None:
    for name in ("crop", "grass", "leaves", "needles"):
        spectrum = dict(zip(BANDS, SPECTRA[name], strict=True))
        assert spectrum["B04"] < spectrum["B05"] < spectrum["B06"] < spectrum["B08"] > spectrum["B11"] > spectrum["B12"]
    for name in ("lake", "river", "deep sea"):
        spectrum = dict(zip(BANDS, SPECTRA[name], strict=True))
        assert spectrum["B03"] > spectrum["B04"] > spectrum["B08"] > spectrum["B12"]
