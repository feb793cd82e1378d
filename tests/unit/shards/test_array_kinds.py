"""What each array is, and how values become what is stored."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.imagery.bands import BANDS, POLARIZATIONS
from tasks.shards.array_kinds import CENTIBEL, S1_NODATA, ArrayKind, platform_arrays
from tests.unit.shards.made import L2A, LAYER, described

S2, S1 = platform_arrays("stac", ("s2", "s1"), L2A, 250)


# Arrays of platforms


def test_a_platform_has_an_array_a_role() -> None:
    made = platform_arrays("stac", ("s2", "s2_cloudy", "s1"), BANDS, 64)
    assert [(kind.path, kind.group, kind.name) for kind in made] == [
        ("stac/s2", "stac", "s2"),
        ("stac/s2_cloudy", "stac", "s2_cloudy"),
        ("stac/s1", "stac", "s1"),
    ]
    assert [(kind.shape, kind.dtype, kind.fill) for kind in made] == [
        ((13, 64, 64), "uint16", 0),
        ((13, 64, 64), "uint16", 0),
        ((2, 64, 64), "int16", S1_NODATA),
    ]


def test_what_is_stored_for_todays_roles_is_as_documented() -> None:
    assert S2.dimensions == ("band", "y", "x")
    assert S2.attributes["absent_bands"] == ["B10"]
    assert S2.attributes["bands"] == list(BANDS)
    assert S1.dimensions == ("polarization", "y", "x")
    assert S1.attributes["scale_factor"] == S1.step == 0.01
    assert S1.attributes["_FillValue"] == S1.fill == -32768
    assert S1.attributes["polarizations"] == list(POLARIZATIONS)
    assert S2.codec == S1.codec == "blosc"


def test_room_for_samples_is_all_nodata() -> None:
    room = S1.empty(3)
    assert room.shape == (3, 2, 250, 250)
    assert room.dtype == np.int16
    assert (room == S1_NODATA).all()


def test_arrays_of_layers_come_after_those_of_platforms_and_are_found_by_name() -> None:
    found = described(layers={"cover": LAYER})
    by_path = {kind.path: kind for kind in found.arrays}
    assert list(by_path) == [
        "zulu/s2", "zulu/s1", "alpha/s2", "alpha/s1", "labels/cover", "labels/height",
    ]  # fmt: skip
    assert by_path["labels/height"] == LAYER.arrays[1]


def test_a_kind_as_json_has_all_of_it() -> None:
    kind = LAYER.arrays[1]
    told = json.loads(json.dumps(kind.to_json()))
    restored = told | {
        "dimensions": tuple(told["dimensions"]),
        "shape": tuple(told["shape"]),
        "names": {axis: tuple(values) for axis, values in told["names"].items()},
    }
    assert ArrayKind(**restored) == kind


# Steps


@given(arrays(np.float32, (4, 5), elements=st.floats(-327.5, 327.5, width=32) | st.just(float("nan"))))
def test_backscatter_is_kept_to_half_a_step(db: np.ndarray) -> None:
    steps = S1.stored(db)
    assert steps.dtype == np.int16
    assert np.array_equal(steps == S1_NODATA, np.isnan(db))
    back = steps.astype(np.float64) * CENTIBEL
    assert (np.abs(back - db)[~np.isnan(db)] <= 0.005 + 1e-9).all()


@pytest.mark.filterwarnings("error")
def test_backscatter_beyond_the_range_is_the_nearest_step_and_never_nodata() -> None:
    db = np.array([-1e6, -327.68, -327.67, 0, -0.0, 327.67, 400, -np.inf, np.inf, np.nan], np.float32)
    assert S1.stored(db).tolist() == [
        -32767, -32767, -32767, 0, 0, 32767, 32767, -32767, 32767, S1_NODATA,
    ]  # fmt: skip


def test_nan_becomes_nodata_and_what_is_beyond_the_type_its_last_value() -> None:
    height = LAYER.arrays[1]
    assert height.stored(np.array([np.nan, 1.2, 1.3, -1e9, 1e9], np.float64)).tolist() == [-32768, 2, 3, -32767, 32767]


def test_without_a_step_values_are_stored_as_they_are() -> None:
    cover = LAYER.arrays[0]
    values = np.array([[0, 255]], np.uint8)
    assert cover.stored(values) is values
    assert S2.stored(np.array([7], np.uint8)).dtype == np.uint16


@pytest.mark.parametrize("values", [np.array([1.5]), np.array([-1], np.int16)])
def test_values_that_would_lose_what_they_are_are_refused(values: np.ndarray) -> None:
    with pytest.raises(TypeError, match="Cannot cast"):
        LAYER.arrays[0].stored(values)
