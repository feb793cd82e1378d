"""The layers of published data sets, each as an item of a spec over a small made-up file of its kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import ColorInterp

from tasks.labels.layer import Layer
from tasks.labels.opening import open_layers
from tests.unit.builders import spec_over
from tests.unit.labels.made import PATCH, centres, exact, patches_of, polygons

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
"""MODIS' own grid, which has no EPSG code."""

ARC_SECOND = 1 / 3600


def grid(crs: str, pixel: float, beyond: int = 3) -> tuple[float, float, int]:
    """A corner of a source that holds the patch, and its pixels a side: left, top, size."""
    x, y = centres(PATCH, crs)
    reach = max(np.ptp(x), np.ptp(y))
    # No edge of a pixel goes through a centre of the patch's, where rounding would decide.
    apart = (beyond + 0.37) * pixel
    return float(x.min()) - apart, float(y.max()) + apart, int(reach / pixel) + 2 * beyond + 3


def write(
    path: Path, crs: str, pixel: float, choices: list[list[float]], dtype: str, nodata: float | None = None,
    names: tuple[str, ...] = (), palette: dict[int, tuple[int, int, int]] | None = None,
) -> list[NDArray[Any]]:  # fmt: skip
    left, top, size = grid(crs, pixel)
    generator = np.random.default_rng(3)
    held = [generator.choice(np.array(some, dtype), (size, size)) for some in choices]
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, transform=rasterio.Affine(pixel, 0, left, 0, -pixel, top), width=size,
        height=size, count=len(held), dtype=dtype, nodata=nodata,
    ) as file:  # fmt: skip
        for number, one in enumerate(held, 1):
            file.write(one, number)
            if names:
                file.set_band_description(number, names[number - 1])
        if palette:
            file.colorinterp = [ColorInterp.palette]
            file.write_colormap(1, palette)
    return held


def under(values: NDArray[Any], crs: str, pixel: float) -> NDArray[Any]:
    left, top, _ = grid(crs, pixel)
    return exact(values, PATCH, left, top, pixel, crs)


def opened(folder: Path, name: str, accept: Any = (), **item: Any) -> tuple[Layer, NDArray[Any], dict[str, float]]:
    """The layer, its pixels on the patch, and its columns."""
    (layer,) = open_layers(spec_over(folder, labels={name: item}, accept=accept, patch={"pixels": 250}))
    patches = patches_of(PATCH)
    assert layer.covers(patches).all()
    pixels = layer.render(patches, 0)
    facts = {column: float(values[0]) for column, values in layer.facts(patches, 0, pixels).items()}
    assert list(facts) == list(layer.columns)
    (kind,) = layer.arrays
    return layer, pixels[kind.path][0], facts


def test_modis_land_cover_in_four_schemes(tmp_path: Path) -> None:
    names = ("LC_Type1", "LC_Prop1", "LC_Prop2", "LC_Prop3")
    choices: list[list[float]] = [[1, 4, 17, 255], [1, 11, 43], [1, 25, 40], [10, 51]]
    held = write(tmp_path / "mcd12q1.tif", SINUSOIDAL, 463.3127, choices, "uint8", 255, names)
    layer, pixels, facts = opened(
        tmp_path, "modis", raster=str(tmp_path / "mcd12q1.tif"), bands=names, licence="no restrictions"
    )
    assert layer.arrays[0].names == {"modis_scheme": names}
    for one, values in zip(pixels, held, strict=True):
        found = under(values, SINUSOIDAL, 463.3127)
        assert np.array_equal(one, np.where(found == 255, 0, found))
    assert facts["modis_lc_prop3_51"] == (pixels[3] == 51).mean() > 0
    assert sum(value for name, value in facts.items() if "_lc_type1_" in name) == pytest.approx(1)


def test_worldcover_in_its_own_colours(tmp_path: Path) -> None:
    degree = 1 / 12_000
    colours = {10: (0, 100, 0), 50: (250, 0, 0), 80: (0, 100, 200)}
    (held,) = write(tmp_path / "cover.tif", "EPSG:4326", degree, [[10, 50, 80]], "uint8", 0, palette=colours)
    layer, pixels, facts = opened(
        tmp_path, "worldcover", raster=str(tmp_path / "cover.tif"), licence="CC BY 4.0", attribution="ESA WorldCover"
    )
    assert np.array_equal(pixels, under(held, "EPSG:4326", degree))
    assert layer.arrays[0].attributes["legend"][1] == {"index": 50, "code": "50", "name": "50", "rgb": colours[50]}
    assert facts["worldcover_80"] == (pixels == 80).mean()
    described = layer.describe()
    assert (described["licence"], described["attribution"]) == ("CC BY 4.0", "ESA WorldCover")


def test_local_climate_zones(tmp_path: Path) -> None:
    degree = 0.00089831528412
    (held,) = write(tmp_path / "lcz.tif", "EPSG:4326", degree, [[*range(1, 18)]], "uint8")
    _, pixels, facts = opened(tmp_path, "lcz", raster=str(tmp_path / "lcz.tif"), values=[*range(1, 18)])
    assert np.array_equal(pixels, under(held, "EPSG:4326", degree))
    assert len(facts) == 18 and sum(facts.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "pixel", "choices", "step"),
    [
        ("viirs", 15 * ARC_SECOND, [0.0, 0.31, 12.5, 890.0], 0.1),
        ("height", ARC_SECOND, [-3.5, 0.0, 212.25, 2_900.0], 0.25),
        ("agb", 25 / 111_195, [-9999.0, 12.0, 350.5], 0.1),
    ],
)
def test_measured_values(tmp_path: Path, name: str, pixel: float, choices: list[float], step: float) -> None:
    (held,) = write(tmp_path / "values.tif", "EPSG:4326", pixel, [choices], "float32", -9999.0)
    layer, pixels, facts = opened(tmp_path, name, raster=str(tmp_path / "values.tif"), kind="values", step=step)
    found = under(held, "EPSG:4326", pixel)
    lacking = found == -9999
    assert np.array_equal(pixels == layer.arrays[0].fill, lacking)
    assert np.abs(pixels[~lacking] * step - found[~lacking]).max() <= step * 0.501
    assert facts[f"{name}_nodata"] == lacking.mean()


def test_protected_areas_of_some_categories(tmp_path: Path) -> None:
    def area(west: int, east: int, category: str) -> tuple[shapely.Geometry, dict[str, Any]]:
        top = PATCH.ymax
        return shapely.box(PATCH.xmin + west, top - 2_500, PATCH.xmin + east, top), {"IUCN_CAT": category}

    areas = [area(0, 1_000, "II"), area(500, 1_500, "Ia"), area(1_200, 2_500, "V")]
    layer, pixels, facts = opened(
        tmp_path, "wdpa", "wdpa-noncommercial", vectors=polygons(tmp_path / "wdpa-202106.gpkg", areas),
        column="IUCN_CAT", values=["Ia", "Ib", "II"][::2],
    )  # fmt: skip
    assert [*np.unique(pixels[:, :100])] == [2] and [*np.unique(pixels[:, 100:150])] == [1]
    assert not pixels[:, 150:].any(), "a category that is not listed"
    assert (facts["wdpa_ii"], facts["wdpa_ia"], facts["wdpa_nodata"]) == (0.4, 0.2, 0.4)
    assert "no commercial use" in layer.describe()["licence"]
