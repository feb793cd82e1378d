"""Made-up files of So2Sat LCZ42: pixels that nobody reads, zones, and where the patches lie."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

CORNER = (550_335.858, 4_183_214.43)
"""Of the first patch: off every lattice, as those that were published are; each next one lies 1 km east."""


def gdal(corners: NDArray[Any]) -> NDArray[Any]:
    """Six values a row in the order of 2025: (n, 6)."""
    return np.array([[x, 10, 0, y, 0, 10] for x, y in corners])


def world(corners: NDArray[Any]) -> NDArray[Any]:
    """The same in the order of a world file: the centre of the upper left pixel."""
    return np.array([[10, 0, 0, -10, x + 5, y - 5] for x, y in corners])


def corners(rows: int) -> NDArray[Any]:
    """Upper left corners, (n, 2): metres."""
    return np.array([[CORNER[0] + 1000 * row, CORNER[1]] for row in range(rows)])


def write(folder: Path, stem: str, zones: list[int], *, geo: bool = True, **changes: Any) -> Path:
    """Write the two files of a split; `changes` are datasets of the second, None for none. The first is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = len(zones)
    path = folder / f"{stem}.h5"
    with h5py.File(path, "w") as file:
        file["label"] = np.eye(17)[np.array(zones) - 1]
        file.create_dataset("sen1", (rows, 32, 32, 8), "f8", chunks=(1, 32, 32, 8))
        file.create_dataset("sen2", (rows, 32, 32, 10), "f8", chunks=(1, 32, 32, 10))
    held = {
        "epsg": np.full((rows, 1), 32610),
        "tfw": gdal(corners(rows)),
        "city": np.array([[b"SanFrancisco"]] * rows),
    }
    with h5py.File(folder / f"{stem}_geo.h5" if geo else path, "a") as file:
        for name, values in (held | changes).items():
            if values is not None:
                file[name] = values
    return path
