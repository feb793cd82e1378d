"""What is asked of a product of the platform `descarteslabs`."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.errors import CatalogueError
from tasks.imagery.descarteslabs.pixels import rendering_of


def held(**ranges: Any) -> dict[str, Any]:
    """A band `red`, and an alpha band."""
    band = SimpleNamespace(type="spectral", data_type="UInt16", display_range=None, processing_levels=None, **ranges)
    return {"red": band, "alpha": SimpleNamespace(type="mask", data_type="UInt16", data_range=(0, 1))}


def asked(bands: dict[str, Any], *, times: float = 10_000, data_type: str = "UInt16") -> Any:
    return rendering_of(bands, ("red",), level="surface", data_type=data_type, times=times, setting="X_BANDS")


@pytest.mark.parametrize(
    ("data", "physical", "scale"),
    [
        ((0, 10_000), (0.0, 1.0), None),
        ((0, 20_000), (0.0, 1.0), (0, 20_000, 0, 10_000)),
        ((1000, 11_000), (0.0, 1.0), (1000, 11_000, 0, 10_000)),
        ((0, 10_000), None, None),
        ((0.0, 1.0), None, (0, 1, 0, 10_000)),
    ],
)
def test_reflectance_is_asked_for_in_ten_thousandths(data: Any, physical: Any, scale: Any) -> None:
    rendering = asked(held(data_range=data, physical_range=physical))
    assert rendering.scales == (scale,)
    assert rendering.alpha


def test_backscatter_is_asked_for_by_its_physical_range() -> None:
    rendering = asked(held(data_range=(0, 255), physical_range=(-40.0, 10.0)), times=1, data_type="Float32")
    assert rendering.scales == ((0, 255, -40, 10),)


def test_a_band_that_the_product_lacks_is_named_with_the_setting() -> None:
    with pytest.raises(CatalogueError, match=r"no band red; it has alpha\. Correct X_BANDS"):
        asked({"alpha": held()["alpha"]})
