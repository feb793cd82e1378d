"""Made-up folders in the layouts that sets were published in: small patches whose pixels tell place, date and role."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

PIXELS = 32

ORIGINS = {"ROIs1158_1": (32632, 500_002.339, 5_000_002.836), "ROIs1868_7": (32733, 312_342.339, 7_812_342.836)}
"""Zone and upper left corner of the first patch of a region: off the lattice, as those that were published are."""

STRIDE = PIXELS // 2
"""Pixels from one patch to the next: half of each is the next one's."""


def optical(seed: int) -> NDArray[np.uint16]:
    """Thirteen bands of a scene, 1 to 11,000: (band, y, x)."""
    return np.random.default_rng(seed).integers(1, 11_000, (13, PIXELS, PIXELS), np.uint16)


def radar(seed: int) -> NDArray[np.float32]:
    """VV and VH of a scene in dB, VV with a few pixels clipped at 0: (polarization, y, x)."""
    values = np.random.default_rng(seed).uniform(-36, 0, (2, PIXELS, PIXELS)).astype(np.float32)
    values[0, :2, :3] = 0
    return values


def write(path: Path, values: NDArray[Any], roi: str, patch: int, **changes: Any) -> Path:
    """Write a file of several bands, as GDAL does by default: strips, bands in one."""
    epsg, left, top = ORIGINS[roi]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": len(values),
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "crs": f"EPSG:{epsg}",
        "transform": Affine(10, 0, left + 10 * STRIDE * patch, 0, -10, top),
        "interleave": "pixel",
    }
    with rasterio.open(path, "w", **profile | changes) as file:
        file.write(values)
    return path


def triplet(folder: Path, roi: str, season: str, patch: int, **changes: Any) -> dict[str, Path]:
    """The three files of a place of SEN12MS-CR, by role."""
    seed, region = roi.split("_")
    made: dict[str, Path] = {}
    for number, role in enumerate(("s2", "s2_cloudy", "s1")):
        values = radar(patch) if role == "s1" else optical(1000 * number + patch)
        path = folder / f"{seed}_{season}_{role}" / f"{role}_{region}" / f"{seed}_{season}_{role}_{region}_p{patch}.tif"
        made[role] = write(path, values, roi, patch, **changes)
    return made


def series(folder: Path, roi: str, patch: int, dates: int = 30) -> list[dict[str, Path]]:
    """The pairs of a place of SEN12MS-CR-TS: days of one in no even steps, those of Sentinel-1 up to two weeks off."""
    seed, region = roi.split("_")
    made: list[dict[str, Path]] = []
    for date in range(dates):
        # All in the first half of the year, so that no even parts of it would hold them.
        day = dt.date(2018, 1, 2) + dt.timedelta(days=6 * date + date % 3)
        pair: dict[str, Path] = {}
        for role, other in (("s2", 0), ("s1", 13 - date % 27)):
            of_role = day + dt.timedelta(days=other)
            name = f"{role}_{seed}_{region}_ImgNo_{date}_{of_role}_patch_{patch}.tif"
            values = radar(100 * patch + date) if role == "s1" else optical(100 * patch + date)
            path = folder / seed / region / role.upper() / str(date) / name
            # What was published of Sentinel-1 holds floats of 64 bits.
            pair[role] = write(path, values.astype(np.float64) if role == "s1" else values, roi, patch)
        made.append(pair)
    return made


def pixels_of(path: Path) -> NDArray[Any]:
    """All bands of a file: (band, y, x)."""
    with rasterio.open(path) as file:
        return file.read()
