"""What each array of a corpus is: shape, type, codec, and what its attributes say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.scenes.roles import sensor_of

CENTIBEL = 0.01
"""Step of the stored backscatter in dB."""

S1_NODATA = -32768

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
    """Of one sample, which is one chunk."""
    dtype: str
    fill: int
    """Nodata."""
    codec: Codec = "blosc"
    step: float | None = None
    """What one stored step is worth; None: values are stored as they are."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What is along a dimension, e.g. band: B01, B02, ...; kept as an array beside this one."""
    attributes: Mapping[str, Any] = field(default_factory=dict)

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
        """As `corpus.json` has it."""
        return asdict(self)


def platform_arrays(platform: str, roles: tuple[str, ...], bands: tuple[str, ...], pixels: int) -> list[ArrayKind]:
    """The arrays of a platform that has `bands`: one a role, of patches of `pixels` a side."""
    make = {"sentinel2": _sentinel2_array, "sentinel1": _sentinel1_array}
    return [make[sensor_of(role)](array_path(platform, role), bands, pixels) for role in roles]


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
