"""What pixels mean, from what spec, catalogue and file say: converted exactly, or refused with words that help."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.transform import Affine

from tasks.errors import CatalogueError, SceneUnavailable
from tasks.imagery.reflectance import remove_offset
from tasks.imagery.stac.cogs.facts import Facts, File
from tasks.imagery.stac.declared import said_of
from tasks.imagery.stac.meaning import Backscatter, Reflectance, backscatter_of, band_number, reflectance_of
from tasks.scenes.reasons import Reason
from tasks.spec import StacSource

FILE = File(href="/archive/S2A/B04.tif", scene="S2A")


def facts_of(values: np.ndarray, **changes: Any) -> Facts:
    bands = changes.get("bands", 1)
    known = {"nodata": None, "scales": (1.0,) * bands, "offsets": (0.0,) * bands, "units": ("",) * bands, "bands": 1}
    return Facts(
        width=4, height=4, crs="EPSG:32632", transform=Affine.identity(), dtype=values.dtype, **known | changes
    )


def optical(
    values: np.ndarray,
    *,
    carries: bool | None = False,
    asset: dict | None = None,
    scale: float | None = None,
    **facts: Any,
) -> Reflectance:
    source = StacSource(catalog="/archive", reflectance_scale=scale)
    return reflectance_of(FILE, facts_of(values, **facts), said_of(FILE.href, asset or {}), "B04", source, carries)


def stored(values: np.ndarray, **options: Any) -> list[int]:
    meant = optical(values, **options)
    # As the reader gives it: what the file marks as nothing is the fill.
    nodata = options.get("nodata")
    read = values if nodata is None else np.where(values == nodata, values.dtype.type(meant.meaning.fill), values)
    return meant.stored(read)[0].tolist()


def refusal(values: np.ndarray, **options: Any) -> str:
    with pytest.raises(SceneUnavailable) as caught:
        stored(values, **options)
    assert caught.value.reason == Reason.NOT_UNDERSTOOD
    assert caught.value.scene == "S2A"
    assert str(caught.value).startswith("S2A: B04.tif: ")
    return str(caught.value)


def raster(**band: Any) -> dict[str, Any]:
    """STAC 1.0."""
    return {"raster:bands": [band]}


# Reflectance


@given(arrays(np.uint16, (4, 4)), st.booleans())
def test_digital_numbers_of_16_bits_are_stored_as_they_are_or_without_the_offset(
    values: np.ndarray, carries: bool
) -> None:
    found, clipped, darkened = optical(values, carries=carries).stored(values)
    assert np.array_equal(found, remove_offset(values) if carries else values)
    assert clipped == darkened == (((values > 0) & (values <= 1000)).sum() if carries else 0)


@given(arrays(np.int16, (4, 4), elements=st.integers(-2000, 20_000)))
def test_signed_integers_do_not_wrap_around(values: np.ndarray) -> None:
    found, clipped, _ = optical(values).stored(values)
    assert np.array_equal(found, np.where(values == 0, 0, np.maximum(values, 1)))
    assert clipped == (values < 0).sum()


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.int64])
def test_wide_integers_do_not_wrap_around(dtype: Any) -> None:
    assert stored(np.array([[0, 1, 1200], [9000, 10_000, 20_000]], dtype)) == [[0, 1, 1200], [9000, 10_000, 20_000]]
    assert "up to 7" in refusal(np.array([[70_000, 1200], [300, 400]], dtype))


@given(arrays(np.float32, (4, 4), elements=st.floats(-0.125, 1.5, width=32)))
def test_reflectance_from_0_to_1_is_converted_exactly_once_it_is_known(values: np.ndarray) -> None:
    expected = np.where(values == 0, 0, np.maximum(np.rint(values.astype(float) * 10_000), 1)).astype(int).tolist()
    assert stored(values, scale=1) == expected
    assert stored(values, asset=raster(scale=1)) == expected


def test_float_without_a_scale_is_refused_with_the_key_that_sets_it_right() -> None:
    for dtype in (np.float32, np.float64):
        said = refusal(np.array([[0.1, 0.2]], dtype))
        assert np.dtype(dtype).name in said
        assert "reflectance_scale: 1" in said


def test_pictures_of_8_bits_are_no_reflectance() -> None:
    assert "picture for the eye" in refusal(np.array([[1, 255]], np.uint8))
    assert stored(np.array([[0, 1, 250]], np.uint8), asset=raster(scale=0.004)) == [[0, 40, 10_000]]


def test_a_scale_that_cannot_be_is_refused_with_the_range_found() -> None:
    said = refusal(np.array([[1200, 3000]], np.float32), scale=1)
    assert "float32 with values from 1200 to 3000" in said
    assert "reflectance up to 3000" in said
    assert "reflectance_scale" in said


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_nodata_that_nobody_marked_is_refused_and_one_that_is_marked_is_nodata(dtype: Any) -> None:
    values = np.array([[-9999, 1200]], dtype)
    options = {"scale": 0.0001} if dtype is np.float32 else {}
    assert "values from -9999 to 1200" in refusal(values, **options)
    assert stored(values, nodata=-9999, **options) == [[0, 1200]]
    assert stored(values, asset=raster(nodata=-9999), **options) == [[0, 1200]]


def test_what_is_not_finite_is_nodata() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 0, 0.3]], np.float32)
    assert stored(values, scale=1) == [[0, 0, 0, 0, 3000]]
    assert stored(values, scale=1, asset=raster(nodata="nan")) == [[0, 0, 0, 1, 3000]], "0 is dark where NaN is nothing"


def test_another_nodata_of_16_bits_becomes_0() -> None:
    assert stored(np.array([[65_535, 0, 7]], np.uint16), asset=raster(nodata=65_535)) == [[0, 0, 7]]
    assert stored(np.array([[-9999, 0, 7]], np.int16), nodata=-9999) == [[0, 0, 7]], "a digital number of 0 is none"


@pytest.mark.parametrize(
    "asset",
    [
        raster(scale=0.00002, offset=-0.05, data_type="uint16"),
        {"bands": [{"name": "B04", "raster:scale": 0.00002, "raster:offset": -0.05}]},
        {"raster:scale": 0.00002, "raster:offset": -0.05, "bands": [{"name": "B04"}]},
        {"raster:scale": 0.00002, "raster:offset": -0.05},
    ],
)
def test_scale_and_offset_of_the_item_are_honoured_in_stac_1_0_and_1_1(asset: dict) -> None:
    assert stored(np.array([[0, 10_000, 30_000]], np.uint16), asset=asset) == [[0, 1500, 5500]]


def test_scale_and_offset_of_the_file_are_honoured_where_the_item_says_nothing() -> None:
    values = np.array([[0, 10_000]], np.uint16)
    assert stored(values, scales=(0.00002,), offsets=(-0.05,)) == [[0, 1500]]
    assert stored(values, scales=(0.00002,), asset=raster(scale=0.0001)) == [[0, 10_000]], "the item comes first"
    assert stored(values, scales=(0.00002,), asset=raster(scale=0.0001), scale=0.00005) == [[0, 5000]], "the spec first"


def test_a_scale_of_1_on_integers_is_what_tools_write_for_want_of_one() -> None:
    assert stored(np.array([[1200]], np.uint16), asset=raster(scale=1, offset=0)) == [[1200]]


def test_percent_are_hundredths_and_other_units_are_refused() -> None:
    assert stored(np.array([[12.5]], np.float32), asset=raster(unit="%", scale=1)) == [[1250]]
    assert "W m-2 sr-1" in refusal(np.array([[12]], np.uint16), asset=raster(unit="W m-2 sr-1 um-1"))


@pytest.mark.parametrize(
    ("carries", "expected"),
    [(True, 1000), (None, 1000), (False, 2000)],
    ids=["baseline says so", "nothing else says it", "archive took it out and goes on saying it"],
)
def test_the_offset_of_esa_is_taken_out_once_whoever_says_it(carries: bool | None, expected: int) -> None:
    values = np.array([[2000]], np.uint16)
    assert stored(values, asset=raster(scale=0.0001, offset=-0.1), carries=carries) == [[expected]]


def test_contradictions_about_the_offset_are_refused() -> None:
    values = np.array([[2000]], np.uint16)
    assert "boa_offset_applied" in refusal(values, asset=raster(scale=0.0001, offset=0), carries=True)
    assert "boa_offset_applied" in refusal(np.array([[0.2]], np.float32), scale=1, carries=True)
    with pytest.raises(SceneUnavailable) as caught:
        optical(values, carries=None)
    assert caught.value.reason == Reason.OFFSET_UNKNOWN


# Bands


def test_a_file_of_many_bands_is_used_only_where_the_catalogue_names_them() -> None:
    facts = facts_of(np.zeros((1, 1), np.uint16), bands=3)
    for key in ("bands", "eo:bands"):
        named = said_of("a.tif", {key: [{"name": "B02"}, {"common_name": "green"}, {"name": "red"}]})
        assert [band_number(named, facts, band, FILE) for band in ("B02", "B03", "B04")] == [1, 2, 3]
    with pytest.raises(SceneUnavailable, match="has 3 bands, and the catalogue does not say which of them is B04"):
        band_number(said_of("a.tif", {}), facts, "B04", FILE)


def test_a_scale_that_is_no_number_is_an_error_of_the_catalogue() -> None:
    with pytest.raises(CatalogueError, match="its scale is 'many', expected a number"):
        said_of("https://a/b.tif?sig=SECRET", raster(scale="many"))


# Backscatter


def radar(values: np.ndarray, *, backscatter: str = "db", asset: dict | None = None, **facts: Any) -> Backscatter:
    source = StacSource.model_validate({"catalog": "/archive", "backscatter": backscatter})
    return backscatter_of(FILE, facts_of(values, **facts), said_of(FILE.href, asset or {}), "VV", source)


def in_db(values: np.ndarray, **options: Any) -> Any:
    return radar(values, **options).decibels(values)


DB = np.array([[-20.5, np.nan, -3.25]], np.float32)


def test_decibels_are_stored_as_they_are_and_power_is_converted() -> None:
    assert np.array_equal(in_db(DB), DB, equal_nan=True)
    power = (10 ** (DB / 10)).astype(np.float32)
    for options in ({"backscatter": "power"}, {"asset": raster(unit="power")}, {"units": ("linear power",)}):
        assert in_db(power, **options) == pytest.approx(DB, abs=1e-4, nan_ok=True)


def test_hundredths_of_decibels_are_converted_where_the_scale_is_said() -> None:
    values = np.array([[-2050, -32_768, -325]], np.int16)
    for options in ({"scales": (0.01,), "nodata": -32_768}, {"asset": raster(scale=0.01, unit="dB")}):
        assert in_db(values, **options) == pytest.approx(DB, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("asset", [{}, raster(unit="amplitude", scale=0.001), raster(unit="DN", scale=2)])
def test_digital_numbers_and_amplitudes_are_refused_with_an_explanation(asset: dict) -> None:
    with pytest.raises(SceneUnavailable, match="sentinel-1-rtc"):
        radar(np.array([[120]], np.uint16), asset=asset)


def test_decibels_that_are_said_to_be_power_are_refused_with_the_key_that_sets_it_right() -> None:
    with pytest.raises(SceneUnavailable, match=r"float32 with values from -20\.5 to -3\.25.*backscatter: db"):
        in_db(DB, backscatter="power")
    with pytest.raises(SceneUnavailable, match="Take `backscatter: power` out"):
        in_db(DB, backscatter="power", asset=raster(unit="dB"))


def test_a_nodata_of_the_item_is_nodata() -> None:
    values = np.array([[-9999, -12]], np.float32)
    assert np.array_equal(in_db(values, asset=raster(nodata=-9999)), [[np.nan, -12]], equal_nan=True)
