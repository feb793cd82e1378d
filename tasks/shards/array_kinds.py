"""What each array of a corpus is: shape, type, codec, and what its attributes say."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.scenes.looks import mask_of
from tasks.scenes.roles import sensor_of

CENTIBEL = 0.01
"""Step of the stored backscatter in dB."""

S1_NODATA = -32768

CLOUD_NODATA = 255

MOST_TILE, _LEAST_TILE = 512, 128
"""Pixels of a chunk's side."""

Codec = Literal["blosc", "zstd"]
"""`blosc`: zstd 1 after a byte shuffle, for imagery; `zstd`: level 3, for classes. Either is followed by a crc32c."""


@dataclass(frozen=True, kw_only=True)
class ArrayKind:
    """One array of a corpus: (sample, *dimensions)."""

    path: str
    """In the corpus, e.g. stac/s2."""
    dimensions: tuple[str, ...]
    """Names of the dimensions of one sample, e.g. band, y, x."""
    shape: tuple[int, ...]
    """Of one sample."""
    dtype: str
    fill: int
    """Nodata."""
    codec: Codec = "blosc"
    step: float | None = None
    """What one stored step is worth; None: values are stored as they are."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What is along a dimension, e.g. band: B01, B02, ...; kept as an array beside this one."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tile: int | None = None
    """Pixels of a chunk's side; None: the patch's."""

    @property
    def chunk(self) -> tuple[int, ...]:
        """What of one sample is one chunk: one date, at most `tile` pixels a side."""
        sizes = dict.fromkeys(("y", "x"), self.tile) | {"time": 1}
        return tuple(sizes.get(name) or size for name, size in zip(self.dimensions, self.shape, strict=True))

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands or polarizations of an imagery array."""
        return self.names[next(name for name in self.dimensions if name in ("band", "polarization"))]

    @property
    def bytes_a_sample(self) -> int:
        """In memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def group(self) -> str:
        """The group that holds the array: a platform, or `labels`."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The array's name in its group."""
        return self.path.rpartition("/")[2]

    def empty(self, samples: int) -> NDArray[Any]:
        """Room for so many samples, all nodata: (samples, *shape)."""
        return np.full((samples, *self.shape), self.fill, self.dtype)

    def stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values as they are stored, any shape; what is of the array's own type is so already.

        With a step, floats become the nearest number of steps, what is beyond the type's range the nearest in it, and
        NaN nodata; nodata is the type's smallest value, which no number of steps ever becomes.
        """
        if self.step is None or values.dtype == np.dtype(self.dtype):
            return values.astype(self.dtype, casting="safe", copy=False)
        steps = np.round(values.astype(np.float64) / self.step)
        most = np.iinfo(self.dtype).max
        return np.where(np.isnan(steps), self.fill, np.clip(steps, -most, most)).astype(self.dtype)

    def to_json(self) -> dict[str, Any]:
        """As `corpus.json` has it; the side of a chunk stands once for all arrays, in the description."""
        return {key: value for key, value in asdict(self).items() if key != "tile"}


def tile_of(pixels: int) -> int | None:
    """Pixels of a chunk's side in patches of a size; None: that of the patch.

    The largest part of at most 512 px in which a larger patch is divided evenly. Where that is less than 128 px, as
    for primes, the patch stays whole: many small chunks are slower to read than a large one.
    """
    if pixels <= MOST_TILE:
        return None
    largest = next(side for side in range(MOST_TILE, 0, -1) if pixels % side == 0)
    return largest if largest >= _LEAST_TILE else None


def platform_arrays(
    platform: str,
    roles: Sequence[str],
    bands: tuple[str, ...],
    pixels: int,
    *,
    masks: Sequence[str] = (),
    times: tuple[str, ...] = (),
) -> list[ArrayKind]:
    """The arrays of a platform that has `bands`: one a role, of patches of `pixels` a side, and one a mask.

    `masks` are roles; `times` name the parts of the window where there are several, and a place is looked at in each.
    """
    make = {"sentinel2": _sentinel2_array, "sentinel1": _sentinel1_array}
    kinds = [make[sensor_of(role)](array_path(platform, role), bands, pixels) for role in roles]
    kinds += [_mask_array(array_path(platform, mask_of(role)), pixels) for role in masks]
    return [_in_time(kind, times) if times else kind for kind in kinds]


def _in_time(kind: ArrayKind, times: tuple[str, ...]) -> ArrayKind:
    return replace(
        kind,
        dimensions=("time", *kind.dimensions),
        shape=(len(times), *kind.shape),
        names={"time": times, **kind.names},
    )


def _mask_array(path: str, pixels: int) -> ArrayKind:
    return ArrayKind(
        path=path,
        dimensions=("y", "x"),
        shape=(pixels, pixels),
        dtype="uint8",
        fill=CLOUD_NODATA,
        codec="zstd",
        attributes={
            "long_name": "Probability of cloud; 0 and 100 alone where the source tells classes",
            "units": "percent",
            "_FillValue": CLOUD_NODATA,
        },
    )


def _sentinel2_array(path: str, bands: tuple[str, ...], pixels: int) -> ArrayKind:
    return ArrayKind(
        path=path,
        dimensions=("band", "y", "x"),
        shape=(len(BANDS), pixels, pixels),
        dtype="uint16",
        fill=0,
        names={"band": BANDS},
        attributes={
            "long_name": "Sentinel-2 reflectance x 10,000, without the +1000 offset; 20 and 60 m bands repeated",
            "units": "1e-4",
            "nodata": 0,
            "bands": list(BANDS),
            "absent_bands": [band for band in BANDS if band not in bands],
        },
    )


def _sentinel1_array(path: str, _: tuple[str, ...], pixels: int) -> ArrayKind:
    """Readers that know CF conventions decode it to dB and NaN."""
    return ArrayKind(
        path=path,
        # Not `band` again: xarray opens both arrays as one data set, in which a name has one length.
        dimensions=("polarization", "y", "x"),
        shape=(len(POLARIZATIONS), pixels, pixels),
        dtype="int16",
        fill=S1_NODATA,
        step=CENTIBEL,
        names={"polarization": POLARIZATIONS},
        attributes={
            "long_name": "Sentinel-1 GRD backscatter",
            "units": "dB",
            "scale_factor": CENTIBEL,
            "_FillValue": S1_NODATA,
            "polarizations": list(POLARIZATIONS),
        },
    )
