"""Files of a published set as a table of STAC items, written in a stream."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from tasks.places.patches import Patches
from tasks.published.files import Found
from tasks.published.layout import OPTICAL, RADAR, channels
from tasks.scenes.roles import sensor_of
from tasks.shards.layout import to_json

_BANDS = pa.list_(pa.struct([("name", pa.string())]))
_INSTANT = pa.timestamp("us", tz="UTC")

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("collection", pa.string()),
        ("geometry", pa.binary()),
        ("datetime", _INSTANT),
        ("start_datetime", _INSTANT),
        ("end_datetime", _INSTANT),
        ("proj:code", pa.string()),
        ("sar:instrument_mode", pa.string()),
        ("sar:polarizations", pa.list_(pa.string())),
        ("deepsentinel:role", pa.string()),
        ("deepsentinel:group", pa.int64()),
        ("deepsentinel:date", pa.int64()),
        ("assets", pa.struct([("image", pa.struct([("href", pa.string()), ("bands", _BANDS)]))])),
    ],
    # GeoParquet 1.1, in whose longitudes and latitudes of WGS 84 a column is that names no CRS.
    metadata={
        b"geo": to_json(
            {
                "version": "1.1.0",
                "primary_column": "geometry",
                "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"]}},
            }
        )
    },
)


class ItemTable:
    """A table that grows by the files of a region at a time."""

    def __init__(self, path: Path) -> None:
        """Begin the file. Raises OSError."""
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="zstd")
        self.count = 0

    def add(self, files: Sequence[Found], groups: Sequence[int]) -> None:
        """Add items, one a file; files of one group belong together. No date is told but the span that names give."""
        if not files:
            return
        roles = [one.name.role for one in files]
        optical = [sensor_of(role) == "sentinel2" for role in roles]
        patches = Patches(
            epsg=np.array([one.grid.epsg for one in files], np.int32),
            xmin=np.array([one.grid.xmin for one in files], np.float64),
            ymax=np.array([one.grid.ymax for one in files], np.float64),
            pixels=files[0].grid.pixels,
        )
        columns: dict[str, Any] = {
            "id": [one.path.stem for one in files],
            "collection": [OPTICAL if is_optical else RADAR for is_optical in optical],
            "geometry": shapely.to_wkb(patches.outlines()),
            "datetime": [None] * len(files),
            "start_datetime": [one.name.span[0] for one in files],
            "end_datetime": [one.name.span[1] for one in files],
            "proj:code": [f"EPSG:{one.grid.epsg}" for one in files],
            "sar:instrument_mode": [None if is_optical else "IW" for is_optical in optical],
            "sar:polarizations": [None if is_optical else list(channels("s1")) for is_optical in optical],
            "deepsentinel:role": roles,
            "deepsentinel:group": groups,
            "deepsentinel:date": [one.name.date for one in files],
            "assets": [
                {"image": {"href": str(one.path), "bands": [{"name": name} for name in channels(one.name.role)]}}
                for one in files
            ],
        }
        arrays = [pa.array(columns[field.name], field.type) for field in _SCHEMA]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=_SCHEMA))
        self.count += len(files)

    def close(self) -> None:
        """End the file. Raises OSError."""
        self._writer.close()
