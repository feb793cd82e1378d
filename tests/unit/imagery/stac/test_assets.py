"""Asset keys: what archives call the bands, and what is no band."""

import pytest

from tasks.imagery.stac.assets import keys_by_band, keys_by_polarization
from tasks.imagery.stac.declared import Said, band_keys, polarization_keys, said_of


@pytest.mark.parametrize(
    ("key", "band"),
    [
        ("B1", "B01"), ("B01", "B01"), ("b01", "B01"), ("B01_20m", "B01"), ("B01_60m", "B01"), ("coastal", "B01"),
        ("B2", "B02"), ("B02_10m", "B02"), ("blue", "B02"), ("green", "B03"), ("red", "B04"), ("rededge1", "B05"),
        ("rededge2", "B06"), ("rededge3", "B07"), ("B08", "B08"), ("nir", "B08"), ("B8A", "B8A"), ("b8a", "B8A"),
        ("B08A", "B8A"), ("B8A_20m", "B8A"), ("nir08", "B8A"), ("B9", "B09"), ("nir09", "B09"), ("B10", "B10"),
        ("cirrus", "B10"), ("B11", "B11"), ("swir16", "B11"), ("b12", "B12"), ("swir22", "B12"),
    ],
)  # fmt: skip
def test_bands_are_known_by_all_their_names(key: str, band: str) -> None:
    assert set(keys_by_band([key])) == {band}


@pytest.mark.parametrize(
    "key", ["B0", "B13", "B14", "B8B", "B100", "visual", "scl", "SCL", "AOT_10m", "thumbnail", "B02-jp2", "xB02", "B"]
)
def test_other_assets_are_no_bands(key: str) -> None:
    assert keys_by_band([key]) == {}


@pytest.mark.parametrize("keys", [("B02_10m", "B02_20m", "B02_60m"), ("B02_60m", "B02_20m", "B02_10m")])
def test_of_several_resolutions_of_a_band_the_finest_is_taken(keys: tuple[str, ...]) -> None:
    assert keys_by_band(keys) == {"B02": "B02_10m"}


@pytest.mark.parametrize("key", ["vv", "VV", "Vv"])
def test_polarizations_are_known_in_any_case(key: str) -> None:
    assert keys_by_polarization([key, "hh", "vv_noise"]) == {"VV": key}


# Files of several bands


def said(*names: str) -> Said:
    return said_of("a.tif", {"bands": [{"name": name} for name in names]})


def test_bands_are_found_in_a_file_of_several_by_what_the_item_calls_them() -> None:
    assert band_keys({"image": said("B1", "scl", "red", "nir")}) == {"B01": "image", "B04": "image", "B08": "image"}
    assert polarization_keys({"image": said("vh", "VV", "angle")}) == {"VH": "image", "VV": "image"}


def test_where_an_asset_is_called_like_a_band_pictures_of_several_are_none() -> None:
    """As the true colours that archives have beside the bands."""
    picture = said_of("a.tif", {"eo:bands": [{"common_name": name} for name in ("red", "green", "blue")]})
    assert band_keys({"visual": picture, "nir": said("nir")}) == {"B08": "nir"}
    assert polarization_keys({"image": said("VV", "VH"), "vv": said("VV")}) == {"VV": "vv"}
