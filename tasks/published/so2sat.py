"""So2Sat LCZ42: the places of its patches, with the climate zone that experts gave each.

Its pixels are composites without dates, divided by 10,000, two thirds of the radar complex: no acquisitions, so they
become no items, and a corpus looks for acquisitions at its places. Sources: README.md and save_geotiff.py of
zhu-xlab/So2Sat-LCZ42. Where patches lie is told since version 4, in files *_geo.h5 beside those of the pixels, in the
same order. Of these the first ones (with `coord`, without `city`) have wrong EPSG codes of some cities.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import CatalogueError, SpecError
from tasks.places.grids import ZONES
from tasks.places.patches import PIXEL
from tasks.published.geotransforms import KNOWN_ROW, Corners, corners_of
from tasks.published.writing import PLACES, Catalogued, write_places, write_spec, written_spec

NAME, TITLE = "so2sat", "So2Sat LCZ42"

_SPLITS = {"training": "train", "validation": "validation", "testing": "test"}
"""Splits by the names of files."""

_PIXELS, _CLASSES = 32, 17

_GEO = ("epsg", "tfw", "city")
"""Datasets that tell where patches lie."""

_CHUNK = 65_536
"""Rows read at once: 9 MB of labels."""

_NOT_INSTALLED = f"SET: {NAME} needs h5py, which is not installed: pip install 'deepsentinel[hdf5]'."

_NO_ITEMS = (
    "no items.parquet: the published pixels are composites without dates, and most radar channels are complex, so they"
    " are no acquisitions; `build` fetches new ones at these places from the spec's `platforms`, which are yours to"
    " change"
)

SAID = """\
# So2Sat LCZ42 anew: seasons of Level-1C and backscatter at the places that were published, on their grids, with the
# experts' zones as `label`: 1 to 10 built up, 11 to 17 the letters A to G. The published pixels are no acquisitions, so
# none of them are used. Change `platforms` to where you have access."""

KEYS: dict[str, Any] = {
    "name": "so2sat-lcz42",
    "seed": 42,
    "places": {"points": PLACES, "columns": ["label", "city", "split"]},
    "window": ["2016-12-01", "2017-12-01"],
    "patch": {"pixels": _PIXELS},
    "instants": {"seasons": 4},
    "acquisitions": {
        "s2": {"level": "l1c", "cloud_cover": [0, 20], "prefer": "clearest"},
        "s1": {"near": "s2", "max_days": 12},
    },
    "splits": {"by": "split"},
    "platforms": ["earthengine"],
    "shard_size": 4096,
}
"""Of the spec, besides destinations: what the recipe so2sat-lcz42 has."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The files of a split."""

    stem: str
    labels: Path
    geo: Path
    """Which may be the same file."""
    rows: int


class Zones:
    """Makes places and a spec of the set. `count` is how many rows its files have."""

    unit = "rows"
    """What progress counts."""

    def __init__(self, folder: Path, out: Path) -> None:
        """Look into the files; nothing is written yet.

        Raises SpecError: h5py is not installed; CatalogueError: a file is not there, cannot be read, or lacks what
        tells labels and grids.
        """
        self._h5py, self._out, self._folder = _h5py(), out.resolve(), folder.resolve()
        paths = self._find()
        self._parts = [self._look_into(stem, paths) for stem in _SPLITS if f"{stem}.h5" in paths]
        self.count = sum(part.rows for part in self._parts)

    def write(self, progress: Callable[[int], None]) -> Catalogued:
        """Read labels and grids, and write the files; `progress` takes how many rows were read. The same files give the
        same bytes. Raises CatalogueError: a row that cannot be used; OSError: the folder cannot be written.
        """
        corners = self._corners()
        frames: list[pd.DataFrame] = []
        done = 0
        for part in self._parts:
            with self._opened(part.labels) as labels, self._opened(part.geo) as geo:
                for start in range(0, part.rows, _CHUNK):
                    stop = min(start + _CHUNK, part.rows)
                    frames.append(_places(part, labels, geo, start, stop, corners))
                    progress(done := done + stop - start)
        frame = pd.concat(frames, ignore_index=True)
        self._out.mkdir(parents=True, exist_ok=True)
        twice = write_places(frame, _PIXELS, self._out)
        spec, kept = write_spec(written_spec(SAID, {**KEYS, "destinations": [str(self._out / "corpus")]}), self._out)
        absent = [stem for stem in _SPLITS if stem not in {part.stem for part in self._parts}]
        notes = [
            _NO_ITEMS,
            *corners.notes,
            *(f"no {stem}.h5 in {self._folder}, so no places of the split {_SPLITS[stem]}" for stem in absent),
            *([f"{twice:,} places lie on the very grid of another one"] if twice else []),
            *kept,
        ]
        files = {path for part in self._parts for path in (part.labels, part.geo)}
        return Catalogued(spec=spec, places=len(frame), files=len(files), notes=notes)

    def _corners(self) -> Corners:
        """What the values of tfw stand for."""
        known = None
        for part in self._parts:
            if part.stem == "validation" and part.rows > KNOWN_ROW:
                with self._opened(part.geo) as geo:
                    known = _rows(geo, "tfw", KNOWN_ROW, KNOWN_ROW + 1).astype(np.float64)
        with self._opened(self._parts[0].geo) as geo:
            return Corners.told_by(_rows(geo, "tfw", 0, 1).astype(np.float64), known)

    def _find(self) -> dict[str, Path]:
        """The set's files by name, wherever in the folder they lie."""
        if not self._folder.is_dir():
            raise CatalogueError(f"{self._folder}: is no folder; expected the one of {TITLE}, with training.h5.")
        found: dict[str, Path] = {}
        names = {f"{stem}{ending}.h5" for stem in _SPLITS for ending in ("", "_geo")}
        for path in sorted(self._folder.rglob("*.h5")):
            if path.name in names and found.setdefault(path.name, path) != path:
                raise CatalogueError(
                    f"{self._folder}: holds {path.name} twice, {found[path.name]} and {path}: other splits of the same "
                    "patches? Give the folder of one."
                )
        if not {f"{stem}.h5" for stem in _SPLITS} & found.keys():
            raise CatalogueError(
                f"{self._folder}: holds no file of {TITLE}; expected training.h5, validation.h5 or testing.h5, each "
                "with its *_geo.h5. Give the folder in which they are."
            )
        return found

    def _look_into(self, stem: str, paths: dict[str, Path]) -> _Part:
        labels = paths[f"{stem}.h5"]
        geo = paths.get(f"{stem}_geo.h5", labels)
        with self._opened(labels) as file:
            if "label" not in file:
                raise CatalogueError(f"{labels}: has no dataset label; it has {_held(file)}. Get the file anew.")
            shape = tuple(file["label"].shape)
            side = tuple(file["sen2"].shape[1:3]) if "sen2" in file else (_PIXELS, _PIXELS)
        if len(shape) != 2 or shape[1] != _CLASSES or not shape[0] or side != (_PIXELS, _PIXELS):
            raise CatalogueError(
                f"{labels}: has labels of shape {shape} and patches of {side} pixels; expected (n, {_CLASSES}) and "
                f"{(_PIXELS, _PIXELS)}. It is no file of {TITLE}."
            )
        with self._opened(geo) as file:
            if lacking := [name for name in _GEO if name not in file]:
                why = (
                    "the first ones, with coord, have wrong EPSG codes of some cities"
                    if "coord" in file
                    else "versions 1 to 3 do not tell where patches lie"
                )
                raise CatalogueError(
                    f"{geo}: has no datasets {', '.join(lacking)}; it has {_held(file)}. The files of version 4 as they"
                    f" were corrected in March 2026 are needed ({why}): put {stem}_geo.h5 beside {stem}.h5."
                )
            sizes = {name: tuple(file[name].shape) for name in _GEO}
        rows = shape[0]
        expected = {"epsg": {(rows,), (rows, 1)}, "tfw": {(rows, 6)}, "city": {(rows,), (rows, 1)}}
        if wrong := [f"{name} {size}" for name, size in sizes.items() if size not in expected[name]]:
            raise CatalogueError(
                f"{geo}: holds {', '.join(wrong)}, and {labels.name} {rows:,} labels; expected as many rows, six values"
                " each of tfw. They are not of one release: get both anew."
            )
        return _Part(stem=stem, labels=labels, geo=geo, rows=rows)

    @contextmanager
    def _opened(self, path: Path) -> Generator[Any]:
        """An HDF5 file. Raises CatalogueError: it cannot be read, now or while it is open."""
        try:
            with self._h5py.File(path, "r") as file:
                yield file
        except (OSError, RuntimeError) as error:
            raise CatalogueError(
                f"{path}: cannot be read as HDF5 ({error}). It may have been cut off on its way: get it anew."
            ) from None


def _h5py() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "h5py":
            raise
        raise SpecError(_NOT_INSTALLED) from None
    return h5py


def _held(file: Any) -> str:
    return ", ".join(sorted(file)) or "none"


def _rows(file: Any, name: str, start: int, stop: int) -> NDArray[Any]:
    """Rows of a dataset; a single column is no dimension of its own: (rows,) or (rows, columns)."""
    values = np.asarray(file[name][start:stop])
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _places(part: _Part, labels: Any, geo: Any, start: int, stop: int, corners: Corners) -> pd.DataFrame:
    """The places of some rows. Raises CatalogueError: a row that cannot be used."""

    def need(good: NDArray[np.bool_], path: Path, values: Any, expected: str) -> None:
        wrong = np.flatnonzero(~good)
        if len(wrong):
            raise CatalogueError(
                f"{path}: row {start + wrong[0]:,} has {np.array2string(np.asarray(values[wrong[0]]), separator=', ')}"
                f" ({len(wrong):,} of rows {start:,} to {stop - 1:,} are such); expected {expected}. Get the file anew."
            )

    hot = _rows(labels, "label", start, stop)
    one = ((hot == 1).sum(1) == 1) & ((hot != 0).sum(1) == 1)
    need(one, part.labels, hot, f"a one among {_CLASSES - 1} zeros as label")
    epsg = _rows(geo, "epsg", start, stop)
    need(np.isin(epsg, [*ZONES]), part.geo, epsg, "as epsg a UTM zone such as 32632")
    tfw = _rows(geo, "tfw", start, stop).astype(np.float64)
    xmin, ymax, good = corners_of(tfw, corners)
    need(
        good,
        part.geo,
        tfw,
        f"as tfw six values, in the order of GDAL or of a world file, of pixels of {PIXEL} m north up and of metres in "
        "a UTM zone",
    )
    city = np.array([_text(value) for value in _rows(geo, "city", start, stop)], dtype=object)
    need(city != "", part.geo, city, "the name of a city")
    return pd.DataFrame(
        {
            "id": [f"{part.stem}_{row}" for row in range(start, stop)],
            "label": hot.argmax(1) + 1,
            "city": city,
            "split": _SPLITS[part.stem],
            "epsg": epsg.astype(np.int64),
            "xmin": xmin,
            "ymax": ymax,
        }
    )


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ").lower()
