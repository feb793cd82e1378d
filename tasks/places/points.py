"""Places the user lists: a file of points, each the centre of one patch."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import PlacesError
from tasks.places.columns import column_bytes, kept_columns
from tasks.places.draws import ListedPlaces, instants_of_points
from tasks.places.features import read_features
from tasks.places.grids import given_grids
from tasks.places.patches import MAX_LATITUDE, MIN_LATITUDE, patches_around

_NAMES = ("id", "place_id", "fid", "name")
"""Columns that may hold what the user calls a place; the first one there is kept in the rows."""

_NO_INSTANT = ("", "NaT", "nat", "NAT", "nan", "NaN", "NAN")
"""Texts that pandas reads as a missing instant."""

_CLOCK = ("now", "today")
"""Texts that pandas reads off the clock: every day would be another corpus."""


def load_points(
    path: Path,
    *,
    pixels: int,
    seed: int,
    window: tuple[int, int],
    shard_size: int,
    columns: Sequence[str] = (),
) -> ListedPlaces:
    """Read points from any file geopandas reads, in any CRS; the rows keep `columns` of it.

    A column `id` (or place_id, fid, name) is kept as `place_id` in the rows. A column `datetime`, where it has a value,
    is the preferred instant (UTC unless it says otherwise); the others get a seeded one, uniform in the window.
    Columns `epsg`, `xmin` and `ymax`, where there are all three, are the patches' own grids, which are not snapped.
    Raises PlacesError: unreadable, no CRS, no points, coordinates missing or out of range, no instants, or a
    column that is absent or of a type that rows cannot keep.
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
        given = _instants(frame["datetime"], path)
        preferred = np.where(np.isnat(given), preferred, given.astype(np.int64))
    names = None
    if (column := next((name for name in _NAMES if name in frame.columns), None)) is not None:
        names = np.array([None if pd.isna(value) else _name(value) for value in frame[column]], dtype=object)
    grids = given_grids(frame, lon, lat, pixels, path)
    kept = kept_columns(frame, columns, path, "places.points")
    places = hashlib.sha256()
    for column in (lon, lat, preferred, *((grids.epsg, grids.xmin, grids.ymax) if grids is not None else ())):
        places.update(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).tobytes())
    places.update("\0".join("" if name is None else name for name in (names if names is not None else ())).encode())
    places.update(column_bytes(kept))
    found = ListedPlaces(
        patches=patches_around(lon, lat, pixels) if grids is None else grids,
        # A grid that is given is not another one in the neighbouring zone.
        alternatives=2 if grids is None else 1,
        preferred=preferred,
        window=window,
        shard_size=shard_size,
        digest=places.hexdigest(),
        names=names,
        columns=kept,
    )
    if outside := int(found.outside.sum()):
        return replace(found, notes=(f"{outside} of {len(frame)} places have a datetime outside the window",))
    return found


def _instants(column: Any, path: Path) -> NDArray[np.datetime64]:
    """The column `datetime` in microseconds UTC, NaT where it has no value: (n,). Raises PlacesError: other values."""
    known = column.notna().to_numpy()
    # Numbers would be read as years or as nanoseconds.
    possible = [isinstance(value, str | dt.date | np.datetime64) and value not in _CLOCK for value in column]
    wrong = known & ~np.array(possible, bool)
    if not wrong.any():
        given = pd.to_datetime(column, utc=True, format=None if hasattr(column, "dt") else "ISO8601", errors="coerce")
        wrong = known & given.isna().to_numpy() & ~column.isin(_NO_INSTANT).to_numpy()
        if not wrong.any():
            return given.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    first = int(np.flatnonzero(wrong)[0])
    raise PlacesError(
        f"places.points: {path}: the datetime of feature {first} is {column.iloc[first]!r} ({wrong.sum()} of "
        f"{len(column)} are no instants); expected ISO 8601 such as 2019-05-01 or 2019-05-01T10:20:30Z, or nothing. "
        "Correct or remove them."
    )


def _name(value: Any) -> str:
    # Whole numbers beside a missing one are read as 7.0.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
