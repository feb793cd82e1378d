"""Places the user lists: a file of points, each the centre of one patch."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.errors import PlacesError
from tasks.places.draws import ListedPlaces, instants_of_points
from tasks.places.features import read_features
from tasks.places.patches import MAX_LATITUDE, MIN_LATITUDE, patches_around

_NAMES = ("id", "place_id", "fid", "name")
"""Columns that may hold what the user calls a place; the first one there is kept in the rows."""


def load_points(path: Path, *, pixels: int, seed: int, window: tuple[int, int], shard_size: int) -> ListedPlaces:
    """Read points from any file geopandas reads, in any CRS.

    A column `id` (or place_id, fid, name) is kept as `place_id` in the rows. A column `datetime`, where it has a value,
    is the preferred instant (UTC unless it says otherwise); the others get a seeded one, uniform in the window.
    Raises PlacesError: unreadable, no CRS, no points, coordinates missing or out of range, or no instants.
    """
    frame: Any = read_features(path, "points")
    if frame.crs is None:
        raise PlacesError(f"places.points: {path} has no CRS. Write it with one, e.g. set_crs('EPSG:4326').")
    if not len(frame):
        raise PlacesError(f"places.points: {path} holds no points.")
    wrong = np.flatnonzero((frame.geom_type != "Point") | frame.geometry.is_empty)
    if len(wrong):
        kind = frame.geom_type.iloc[wrong[0]]
        found = "without geometry" if pd.isna(kind) else f"a {kind}"
        raise PlacesError(
            f"places.points: {path}: feature {wrong[0]} is {found}, expected a point ({len(wrong)} of {len(frame)} are "
            "not). Use {cover: ...} for polygons, or take their centroids."
        )
    degrees = frame.geometry.to_crs(4326)
    lon, lat = degrees.x.to_numpy(), degrees.y.to_numpy()
    # Negated, so that NaN and infinity are out of range too.
    wrong = np.flatnonzero(~((np.abs(lon) <= 180) & (lat > MIN_LATITUDE) & (lat < MAX_LATITUDE)))
    if len(wrong):
        raise PlacesError(
            f"places.points: {path}: feature {wrong[0]} lies at longitude {lon[wrong[0]]}, latitude {lat[wrong[0]]}; "
            f"expected -180..180 and {MIN_LATITUDE:g}..{MAX_LATITUDE:g}, where UTM is defined "
            f"({len(wrong)} of {len(frame)} are outside). Correct or remove them."
        )
    preferred = instants_of_points(len(frame), seed, window)
    if "datetime" in frame.columns:
        column = frame["datetime"]
        if pd.api.types.is_numeric_dtype(column) and bool(column.notna().any()):
            raise PlacesError(f"places.points: {path}: column datetime holds numbers. Use ISO 8601 dates.")
        try:
            given = pd.to_datetime(column, utc=True, format=None if hasattr(column, "dt") else "ISO8601")
        except (ValueError, TypeError) as error:
            raise PlacesError(f"places.points: {path}: column datetime: {error}. Use ISO 8601 dates.") from None
        known = given.notna().to_numpy()
        stamps = given.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
        preferred = np.where(known, stamps, preferred)
    names = None
    if (column := next((name for name in _NAMES if name in frame.columns), None)) is not None:
        names = np.array([None if pd.isna(value) else _name(value) for value in frame[column]], dtype=object)
    places = hashlib.sha256()
    for column in (lon, lat, preferred):
        places.update(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).tobytes())
    places.update("\0".join("" if name is None else name for name in (names if names is not None else ())).encode())
    return ListedPlaces(
        patches=patches_around(lon, lat, pixels),
        preferred=preferred,
        shard_size=shard_size,
        digest=places.hexdigest(),
        names=names,
    )


def _name(value: Any) -> str:
    # Whole numbers beside a missing one are read as 7.0.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
