"""Items from a GeoParquet table: stac-geoparquet, or any table of footprints with the same column names."""

import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from aiohttp import ClientError, ClientResponseError, ClientTimeout, InvalidURL
from pyproj import CRS
from pystac.utils import make_absolute_href

from tasks.errors import CatalogueError
from tasks.imagery.stac.declared import Said, said_of
from tasks.imagery.stac.items import PROPERTIES, Records
from tasks.imagery.stac.refusals import CatalogueFailed, NoAnswer, reason_of, seconds_of, without_query
from tasks.imagery.stac.transport import Transport
from tasks.spec.locations import is_url

_DEGREES = CRS.from_epsg(4326)

_COLUMNS = ("id", "collection", "geometry", "assets", *PROPERTIES)
"""What is read of a table; the others may be many and large."""


def is_table(location: str) -> bool:
    """Whether a location names a Parquet file."""
    return location.partition("?")[0].endswith((".parquet", ".geoparquet", ".pq"))


def read_table(location: str, names: list[str], transport: Transport) -> dict[str, Records]:
    """The items of some collections in a table at a path or URL.

    A table without a column `collection` is that of the mission its columns are about: all of its rows are given for
    every name.
    Raises CatalogueError: unreadable, no footprints, or a collection that it does not have; PlatformUnreachable.
    """
    table = transport.ask(location, lambda: _read(location, transport.deadline))
    if "collection" not in table.column_names:
        return {name: _records(table, location) for name in names}
    column = table["collection"].combine_chunks()
    found: dict[str, Records] = {}
    for name in names:
        rows = table.filter(pc.field("collection") == name)
        if not len(rows):
            known = sorted(str(value) for value in column.unique().to_pylist())
            raise CatalogueError(f"{location}: has no collection {name!r}; it has {', '.join(known) or 'none'}.")
        found[name] = _records(rows, location)
    return found


def _read(location: str, deadline: float) -> pa.Table:
    """The columns that are needed."""
    options: dict[str, Any] = {}
    if location.lower().startswith(("http://", "https://")):
        options["client_kwargs"] = {"timeout": ClientTimeout(sock_connect=deadline, sock_read=deadline)}
    try:
        # Not fsspec.open, which takes the query of an address for a pattern of names.
        system, path = fsspec.url_to_fs(location, **options)
        with system.open(path, "rb") as file:
            source = pq.ParquetFile(file)
            held = [name for name in _COLUMNS if name in source.schema_arrow.names]
            if "geometry" not in held or "id" not in held:
                raise CatalogueError(
                    f"{location}: has no columns `id` and `geometry`; it has "
                    f"{', '.join(source.schema_arrow.names[:20])}. Give a stac-geoparquet table."
                )
            _refuse_other_crs(source, location)
            return source.read(held)
    except (OSError, ValueError, pa.ArrowException, ClientError) as error:
        raise _explained(error, location) from None


def _explained(error: Exception, location: str) -> Exception:
    """fsspec calls everything that it meets on a server a file that is not found."""
    met = error.__cause__ or error
    if isinstance(met, ClientResponseError):
        pause = seconds_of((met.headers or {}).get("Retry-After"))
        return CatalogueFailed(location, met.status, asked=pause)
    if isinstance(met, ClientError | TimeoutError) and not isinstance(met, InvalidURL):
        return NoAnswer(reason_of(met))
    return CatalogueError(f"{without_query(location)}: cannot be read as a table of items: {without_query(str(error))}")


def _records(table: pa.Table, location: str) -> Records:
    geometry = table["geometry"]
    try:
        footprint = shapely.from_wkb(np.asarray(geometry.to_numpy(zero_copy_only=False), dtype=object))
    except (shapely.errors.ShapelyError, TypeError) as error:
        raise CatalogueError(f"{location}: column geometry is no WKB ({error}). Give a GeoParquet table.") from None
    assets = table["assets"] if "assets" in table.column_names else None
    properties = table.drop_columns([name for name in ("geometry", "assets") if name in table.column_names])
    return Records(
        properties=properties.to_pandas(),
        footprint=np.asarray(footprint, dtype=object),
        assets=lambda index: {} if assets is None else _beside(location, _assets(assets[index].as_py())),
        asset_keys=frozenset(_keys(assets)),
    )


def _keys(assets: Any) -> list[str]:
    """Asset keys: the fields of the column, or what its first row holds where it is JSON text."""
    if assets is None or not len(assets):
        return []
    if pa.types.is_struct(assets.type):
        return [assets.type.field(i).name for i in range(assets.type.num_fields)]
    return list(_assets(assets[0].as_py()))


def _assets(assets: Any) -> dict[str, dict[str, Any]]:
    """Assets by key, from a struct, a map (pairs), or JSON text."""
    held: Any = json.loads(assets) if isinstance(assets, str) else assets
    return {key: dict(asset) for key, asset in dict(held or {}).items() if asset and dict(asset).get("href")}


def _beside(location: str, assets: dict[str, dict[str, Any]]) -> dict[str, Said]:
    """Assets with relative locations resolved against where the table lies."""
    start = location if is_url(location) else str(Path(location).resolve())
    return {
        key: said_of(href if href.startswith("/") else make_absolute_href(href, start), asset)
        for key, asset in assets.items()
        if (href := str(asset["href"]))
    }


def _refuse_other_crs(source: pq.ParquetFile, location: str) -> None:
    """Raises CatalogueError: the footprints are not in WGS 84 degrees."""
    geo = json.loads((source.schema_arrow.metadata or {}).get(b"geo", b"{}"))
    crs = geo.get("columns", {}).get("geometry", {}).get("crs")
    if crs and not CRS.from_json_dict(crs).equals(_DEGREES, ignore_axis_order=True):
        raise CatalogueError(
            f"{location}: its footprints are in {CRS.from_json_dict(crs).name}, expected WGS 84 degrees (EPSG:4326 or "
            "OGC:CRS84). Reproject the table with to_crs(4326)."
        )
