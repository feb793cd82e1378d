"""The last look at a tile: what can be reflectance or backscatter, and what cannot, whoever sent it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import SceneUnavailable
from tasks.imagery.plausible import (
    backscatter_problem,
    bounds,
    reflectance_problem,
    refuse_implausible,
    refuse_removed_twice,
)
from tasks.scenes.reasons import Reason

RANDOM = np.random.default_rng(3)


def land(scale: float = 10_000) -> np.ndarray:
    """Reflectance from 0.01 to 0.5, 13 bands."""
    return (RANDOM.uniform(0.01, 0.5, (13, 16, 16)) * scale).astype(np.uint16)


def decibels(mean: float = -14) -> np.ndarray:
    return RANDOM.normal(mean, 4, (2, 16, 16)).astype(np.float32)


def test_land_snow_and_nothing_are_reflectance() -> None:
    snow = np.full((13, 16, 16), 11_000, np.uint16)
    glint = land()
    glint[:, :4, :4] = 65_535
    for values in (land(), snow, glint, np.zeros((13, 16, 16), np.uint16)):
        assert reflectance_problem(values) == ""


def test_reflectance_of_0_to_1_that_was_rounded_is_none() -> None:
    assert "reflectance from 0 to 1" in reflectance_problem(np.maximum(land(1), 1))


def test_one_band_that_is_far_too_bright_is_enough() -> None:
    values = land()
    values[7] = 40_000
    assert "40000" in reflectance_problem(values)


def test_land_sea_ships_and_nothing_are_backscatter() -> None:
    sea, ships = decibels(-28), decibels()
    ships[:, 3, :5] = 38
    hole = decibels()
    hole[0] = np.nan
    for values in (decibels(), sea, ships, hole, np.full((2, 4, 4), np.nan, np.float32)):
        assert backscatter_problem(values) == ""


@given(st.floats(-24, -3), st.sampled_from(["power", "amplitude", "number"]))
def test_what_is_not_in_decibels_is_seen(mean: float, unit: str) -> None:
    power = 10 ** (decibels(mean) / 10)
    values = {"power": power, "amplitude": np.sqrt(power), "number": np.rint(500 * np.sqrt(power))}[unit]
    assert "linear power, amplitudes or digital numbers" in backscatter_problem(values.astype(np.float32))


@pytest.mark.parametrize("nothing", [-9999, -32_768, -3.4e38, 9999])
def test_one_value_that_stands_for_nothing_is_seen(nothing: float) -> None:
    values = decibels()
    values[1, 2, 3] = nothing
    assert "stands for nothing" in backscatter_problem(values)


def test_power_that_was_scaled_is_far_too_faint() -> None:
    assert "noise" in backscatter_problem(decibels(-60))


def test_a_refusal_names_scene_tile_range_and_remedy() -> None:
    with pytest.raises(SceneUnavailable) as caught:
        refuse_implausible(-decibels(), scene="S1A", what="stac s1", remedy="Set it right.")
    assert caught.value.reason == Reason.NOT_UNDERSTOOD
    assert str(caught.value).startswith("S1A: stac s1: ")
    assert str(caught.value).endswith(". Set it right.")


def test_an_offset_that_was_taken_out_twice_is_seen_in_blue_green_and_red_at_once() -> None:
    there = dict.fromkeys(range(13), 100)
    for below, refused in (
        ({1: 90, 2: 80, 3: 70}, True),
        ({1: 90, 2: 80, 3: 40}, False),  # vegetation is dark in red only, water in red and infrared
        ({11: 100, 12: 100}, False),
        ({}, False),
    ):
        try:
            refuse_removed_twice(below, there, scene="S2A", what="stac s2", remedy="Say so.")
        except SceneUnavailable as error:
            assert refused
            assert "70%" in str(error)
        else:
            assert not refused


def test_bounds_pass_over_what_is_not_there() -> None:
    assert bounds(np.array([np.nan, 3, -2])) == (-2, 3)
    assert np.isnan(bounds(np.array([]))).all()
