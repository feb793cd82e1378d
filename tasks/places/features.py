"""The user's own files of points or polygons, read in one way whatever they hold."""

from pathlib import Path
from typing import Literal

import geopandas as gpd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from tasks.errors import PlacesError

Holding = Literal["points", "polygons"]

_PARQUET = (".parquet", ".geoparquet")
"""GDAL as pyogrio ships it has no driver for these; in any case of letters."""

_KINDS = {
    "points": ("Point", "Unknown", "GeometryCollection"),
    "polygons": ("Polygon", "Surface", "Unknown", "GeometryCollection"),
}
"""Parts of GDAL's names for the layers that may hold them."""


def read_features(path: Path, holding: Holding) -> gpd.GeoDataFrame:
    """Read the features of any file geopandas reads, as they stand; of several layers the one that may hold them.

    Raises PlacesError: unreadable, without geometry, or several layers that may be meant.
    """
    if not path.exists():
        raise PlacesError(
            f"{path} does not exist; expected a file of {holding}. Relative paths start at the spec's folder."
        )
    try:
        table = _load(path, holding)
    except (DataSourceError, DataLayerError, OSError, ValueError) as error:
        # pyarrow's errors are ValueErrors too, and geopandas raises one for Parquet without geometry.
        raise PlacesError(
            f"{path} cannot be read: {error}. Expected {holding} as GeoPackage, GeoJSON or GeoParquet."
        ) from error
    if not isinstance(table, gpd.GeoDataFrame):
        raise PlacesError(
            f"{path} has no geometry; expected {holding}. Save them as GeoPackage, GeoJSON or GeoParquet."
        )
    return table


def _load(path: Path, holding: Holding) -> object:
    """A GeoDataFrame, or a DataFrame if the file has no geometry (contrary to geopandas' annotation)."""
    if path.suffix.lower() in _PARQUET:
        return gpd.read_parquet(path)
    return gpd.read_file(path, layer=_layer(path, holding))


def _layer(path: Path, holding: Holding) -> str | None:
    """The one layer that may be meant (GDAL would take the first of several and say so in a warning only)."""
    layers = pyogrio.list_layers(path)
    if len(layers) == 1:
        return str(layers[0][0])
    fitting = [str(name) for name, kind in layers if kind and any(word in kind for word in _KINDS[holding])]
    if len(fitting) > 1:
        raise PlacesError(
            f"{path} has several layers of {holding} ({', '.join(fitting)}); expected one. Save the one you mean"
            " to a file of its own."
        )
    return fitting[0] if fitting else None
