"""What ESA's product names say, each read in one place."""

import pytest

from tasks.scenes.products import (
    SENTINEL1_PRODUCT,
    SENTINEL2_PRODUCT,
    datatake_of,
    product_key,
    relative_orbit,
    tile_epsg,
)

S2 = "S2A_MSIL2A_20180503T104021_N0207_R008_T32UMA_20180503T143557"
S1 = "S1B_IW_GRDH_1SDV_20200606T174034_20200606T174059_021914_029986_B1C2"


def test_a_sentinel_2_name_tells_satellite_datatake_baseline_orbit_tile_and_processing() -> None:
    found = SENTINEL2_PRODUCT.match(S2)
    assert found is not None
    assert found.groupdict() == {
        "platform": "S2A", "datatake": "20180503T104021", "baseline": "0207", "orbit": "008", "tile": "32UMA",
        "processed": "20180503T143557",
    }  # fmt: skip


def test_a_sentinel_1_name_tells_satellite_mode_polarizations_times_and_orbit() -> None:
    found = SENTINEL1_PRODUCT.match(S1)
    assert found is not None
    assert found.groupdict() == {
        "platform": "S1B", "mode": "IW", "resolution": "H", "polarization": "DV", "start": "20200606T174034",
        "stop": "20200606T174059", "orbit": "021914", "datatake": "029986",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("identifier", "datatake"),
    [
        ("GS2A_20180503T104021_014949_N02.06", "S2A 20180503T104021"),
        ("S2B_20180503T104021_014949_N05.00", "S2B 20180503T104021"),
        ("GS2A_20180503T104021_014949", None),
        ("DT 7", None),
        ("", None),
    ],
)
def test_processings_of_one_datatake_share_what_is_left_without_the_baseline(
    identifier: str, datatake: str | None
) -> None:
    assert datatake_of(identifier) == datatake


def test_another_name_is_its_own_key() -> None:
    assert product_key("something else") == "something else"
    assert product_key(S1) == "S1B 20200606T174034 20200606T174059 021914"
    assert product_key(S1.removesuffix("_B1C2")) == product_key(S1)


@pytest.mark.parametrize(
    ("tile", "epsg"),
    [
        ("32UMA", 32632), ("01NAA", 32601), ("60XWT", 32660), ("56HLH", 32756), ("01MAA", 32701), ("01CDN", 32701),
        ("", 0), ("32TMR ", 0), ("T32TMR", 0), ("32BMR", 0), ("2UMA", 0),
    ],
)  # fmt: skip
def test_a_tile_tells_its_utm_zone_on_either_hemisphere(tile: str, epsg: int) -> None:
    assert tile_epsg(tile) == epsg


@pytest.mark.parametrize(
    ("satellite", "absolute", "relative"),
    [("S1A", 73, 1), ("S1A", 247, 175), ("S1A", 248, 1), ("S1A", 21_752, 155), ("S1B", 27, 1), ("S1C", 1_000, 0)],
)
def test_absolute_orbits_of_known_satellites_tell_the_relative_one(
    satellite: str, absolute: int, relative: int
) -> None:
    assert relative_orbit(satellite, absolute) == relative
