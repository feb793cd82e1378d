"""What every set that is catalogued ends as: a table of places with their grids, and a spec."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
import yaml

from tasks.places.patches import PIXEL, to_degrees

PLACES, SPEC = "places.parquet", "spec.yaml"


@dataclass(frozen=True, kw_only=True)
class Catalogued:
    """What was written of a set."""

    spec: Path
    places: int
    files: int
    """Of the set, that were used."""
    notes: list[str]
    """What was left out, and what to know."""


def write_places(frame: pd.DataFrame, pixels: int, out: Path) -> int:
    """Write a table of places with columns epsg, xmin and ymax, each at its centre; how many lie on another's very
    grid. Raises OSError.
    """
    half = PIXEL * pixels / 2
    lon, lat = to_degrees(frame["epsg"].to_numpy(), frame["xmin"].to_numpy() + half, frame["ymax"].to_numpy() - half)
    geometry = np.asarray(shapely.points(lon, lat))
    table = geopandas.GeoDataFrame(frame, geometry=geometry, crs=4326)
    part = out / f".{PLACES}.part"
    table.to_parquet(part, index=False, compression="zstd")
    part.replace(out / PLACES)
    return int(frame.duplicated(["epsg", "xmin", "ymax"]).sum())


def write_spec(content: str, out: Path) -> tuple[Path, list[str]]:
    """Write the spec, unless there is one, which may have been changed; and what to tell of that. Raises OSError."""
    path = out / SPEC
    if not path.exists():
        path.write_text(content, encoding="utf-8")
        return path, []
    same = path.read_text(encoding="utf-8") == content
    return path, [] if same else [f"{path} was there and stays as it is; remove it to have it written anew"]


def written_spec(said: str, keys: Mapping[str, Any]) -> str:
    """A spec as YAML under a comment, a key a line, as the other specs have it."""
    return f"{said}\n{''.join(f'{key}: {_written(value)}' for key, value in keys.items())}"


def _written(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=10_000, default_flow_style=True).removesuffix("...\n")
