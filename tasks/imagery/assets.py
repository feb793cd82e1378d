"""Assets: rasters and features that a platform holds beside its images, and can send with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import shapely
from numpy.typing import NDArray

AssetKind = Literal["image", "images", "features"]

Translate = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class AssetClass:
    """A class of a band, as its owner lists it."""

    value: int
    name: str
    rgb: tuple[int, int, int] | None


@dataclass(frozen=True, kw_only=True)
class AssetBand:
    """A band of an image, or of all images of a collection."""

    name: str
    dtype: str
    """In which all its values fit: <u2, <i4 or <f4, little-endian as NPY writes it."""
    metres: float
    """Size of a pixel; along a meridian, if the grid is one of degrees."""
    classes: tuple[AssetClass, ...] = ()
    """Empty where its owner lists none."""


@dataclass(frozen=True, kw_only=True)
class Asset:
    """What a platform tells of an asset."""

    id: str
    kind: AssetKind
    version: Mapping[str, Any]
    """What tells this content from another under the same id."""
    bands: tuple[AssetBand, ...] = ()
    """Of images, in the asset's order."""
    footprint: shapely.Geometry | None = None
    """WGS 84; None: unknown, or everywhere."""
    values: Mapping[str, int] = field(default_factory=dict)
    """Of features: how many have which value in the column that was asked about."""


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """What a platform sends of an asset with its images: nearest, on the patch's grid, of a collection the last image
    on top."""

    platform: str
    path: str
    """Of the array that it fills."""
    asset: str
    kind: AssetKind
    bands: tuple[str, ...] = ()
    """Of images."""
    column: str | None = None
    """Of features: the column of their values; None: they are all of value 1."""
    values: tuple[str | int, ...] = ()
    """Of features: the n-th becomes n; later ones lie on top."""
    dtype: str
    """<u2 or <i4, 0 where masked; or <f4, NaN where masked."""
    translate: Translate
    """From (band, height, width) of that type to the array's own type. Raises LabelsError: a wrong value."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of its bands among those of a whole sample."""
        name = self.path.rpartition("/")[2]
        # No role is called like this, nor any label like another.
        return tuple(f"label_{name}_{index}" for index in range(max(1, len(self.bands))))
