"""Items from a GeoParquet table: stac-geoparquet, or any table of footprints with the same column names."""

from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from tasks.errors import CatalogueError
from tasks.imagery.records import Records

_COLUMNS = (
    "id", "collection", "datetime", "start_datetime", "platform", "title", "created", "geometry", "assets",
    "proj:code", "proj:epsg", "grid:code", "s2:mgrs_tile", "s2:product_uri", "s2:product_id", "s2:source_product",
    "s2:processing_baseline", "processing:version", "s2:datatake_id", "s2:generation_time", "eo:cloud_cover",
    "earthsearch:boa_offset_applied", "boa_offset_applied", "sar:instrument_mode", "sar:polarizations",
    "sat:relative_orbit", "sat:orbit_state", "s1:source_product", "s1:product_id",
)  # fmt: skip
"""What is read of a table; the others may be many and large."""


def is_table(location: str) -> bool:
    """Whether a location names a Parquet file."""
    return location.partition("?")[0].endswith((".parquet", ".geoparquet", ".pq"))


def read_table(location: str, names: list[str]) -> dict[str, Records]:
    """The items of some collections in a table at a path or URL.

    A table without a column `collection` is that of the mission its columns are about: all of its rows are given for
    every name. Raises CatalogueError: unreadable, no footprints, or a collection that it does not have.
    """
    try:
        with fsspec.open(location, "rb") as file:
            source = pq.ParquetFile(file)
            held = [name for name in _COLUMNS if name in source.schema_arrow.names]
            if "geometry" not in held or "id" not in held:
                raise CatalogueError(
                    f"{location}: has no columns `id` and `geometry`; it has "
                    f"{', '.join(source.schema_arrow.names[:20])}. Give a stac-geoparquet table."
                )
            table = source.read(held)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise CatalogueError(f"{location}: cannot be read as a table of items: {error}") from None
    if "collection" not in held:
        return {name: _records(table) for name in names}
    column = table["collection"].combine_chunks()
    found: dict[str, Records] = {}
    for name in names:
        rows = table.filter(pc.field("collection") == name)
        if not len(rows):
            known = sorted(str(value) for value in column.unique().to_pylist())
            raise CatalogueError(f"{location}: has no collection {name!r}; it has {', '.join(known) or 'none'}.")
        found[name] = _records(rows)
    return found


def _records(table: pa.Table) -> Records:
    geometry = table["geometry"]
    footprint = shapely.from_wkb(np.asarray(geometry.to_numpy(zero_copy_only=False), dtype=object))
    assets = table["assets"] if "assets" in table.column_names else None
    properties = table.drop_columns([name for name in ("geometry", "assets") if name in table.column_names])
    return Records(
        properties=properties.to_pandas(),
        footprint=np.asarray(footprint, dtype=object),
        hrefs=lambda index: {} if assets is None else _hrefs(assets[index].as_py()),
        asset_keys=frozenset(_keys(assets)),
    )


def _keys(assets: Any) -> list[str]:
    """Asset keys: the fields of the column, or what its first row holds where it is JSON text."""
    if assets is None or not len(assets):
        return []
    if pa.types.is_struct(assets.type):
        return [assets.type.field(i).name for i in range(assets.type.num_fields)]
    return list(_hrefs(assets[0].as_py()))


def _hrefs(assets: Any) -> dict[str, str]:
    return {key: asset["href"] for key, asset in (assets or {}).items() if asset and asset.get("href")}
