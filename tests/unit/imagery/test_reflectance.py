"""Reflectance and backscatter: the offset is taken out once, power becomes decibels."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.imagery.backscatter import power_to_db
from tasks.imagery.reflectance import carries_offset, remove_offset

BEFORE, AFTER = dt.datetime(2021, 6, 1, tzinfo=dt.UTC), dt.datetime(2022, 6, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("baseline", "already_removed", "acquired", "carries"),
    [
        # By the baseline, whenever the scene was acquired.
        ("02.06", None, BEFORE, False),
        ("03.01", None, AFTER, False),
        ("04.00", None, AFTER, True),
        ("05.00", None, BEFORE, True),
        ("05.11", None, AFTER, True),
        # The archive took it out, as Earth Search does.
        ("05.00", True, AFTER, False),
        ("05.00", True, BEFORE, False),
        ("", True, AFTER, False),
        ("02.06", True, BEFORE, False),
        # The archive did not, which means nothing where there was none.
        ("05.00", False, AFTER, True),
        ("02.06", False, BEFORE, False),
        ("", False, AFTER, True),
        # Nothing but the date: before the offset there was none.
        ("", None, BEFORE, False),
        ("", None, dt.datetime(2022, 1, 24, 23, 59, tzinfo=dt.UTC), False),
        ("", None, dt.datetime(2022, 1, 25, tzinfo=dt.UTC), None),
        ("unknown", None, AFTER, None),
    ],
)
def test_whether_pixels_carry_the_offset(
    baseline: str, already_removed: bool | None, acquired: dt.datetime, carries: bool | None
) -> None:
    assert carries_offset(baseline=baseline, already_removed=already_removed, acquired=acquired) is carries


def test_removing_the_offset_keeps_nodata_and_makes_nothing_nodata() -> None:
    values = np.array([0, 1, 999, 1000, 1001, 1002, 11_000, 65_535], np.uint16)
    assert remove_offset(values).tolist() == [0, 1, 1, 1, 1, 2, 10_000, 64_535]
    assert remove_offset(values).dtype == np.uint16


@given(arrays(np.uint16, (3, 4)))
def test_the_offset_is_a_thousand_wherever_it_leaves_light(values: np.ndarray) -> None:
    lowered = remove_offset(values.copy())
    assert ((lowered == 0) == (values == 0)).all()
    bright = values > 1000
    assert (lowered[bright].astype(int) == values[bright].astype(int) - 1000).all()


def test_removing_the_offset_leaves_its_argument_alone() -> None:
    values = np.array([0, 2000], np.uint16)
    remove_offset(values)
    assert values.tolist() == [0, 2000]


def test_power_becomes_decibels() -> None:
    power = np.array([[1, 0.1, 0.001], [10, 2, 1e-30]], np.float32)
    assert power_to_db(power) == pytest.approx(np.array([[0, -10, -30], [10, 3.0103, -300]]), abs=1e-4)
    assert power_to_db(power).dtype == np.float32


@pytest.mark.filterwarnings("error")
def test_what_has_no_logarithm_is_nodata() -> None:
    assert np.isnan(power_to_db(np.array([0, -0.0, -1, np.nan, -np.inf], np.float32))).all()


@given(st.floats(-50, 30))
def test_decibels_come_back_from_power(db: float) -> None:
    assert power_to_db(np.array([10 ** (db / 10)], np.float32))[0] == pytest.approx(db, abs=1e-4)
