"""Stored pixels to numbers that a network takes: physical units, or those normalised by the released statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import CorpusError
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.destinations import Readable
from tasks.shards.json_record import damage
from tasks.shards.layout import STATISTICS_FILE
from tasks.training.contents import released_object

_REMEDY = "Build with the corpus' spec, which releases it anew; or read it with values='physical'."


class _Part(BaseModel):
    """A part of the statistics, as far as it is read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class BandStatistics(_Part):
    """Of the valid pixels of a band, in physical units."""

    valid: Annotated[int, Field(ge=0)]
    """Pixels."""
    mean: float | None
    std: Annotated[float, Field(ge=0)] | None


class _ArrayStatistics(_Part):
    bands: dict[str, BandStatistics]


class Statistics(_Part):
    """`release/statistics.json`."""

    layout: Annotated[int, Field(alias="schema", ge=1, le=1)]
    corpus: str
    """Digest of the corpus of which they are."""
    split: str
    arrays: dict[str, _ArrayStatistics]


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What makes float32 of the stored pixels of some channels: gain x stored + offset; of nodata, `fill`."""

    gain: NDArray[np.float32]
    """By channel: (c, 1, 1)."""
    offset: NDArray[np.float32]
    """By channel: (c, 1, 1)."""
    nodata: int
    """As stored."""
    fill: float

    def apply(self, stored: NDArray[Any], into: NDArray[np.float32]) -> None:
        """Scale ([time,] c, y, x) into room of the same shape."""
        np.multiply(stored, self.gain, out=into, dtype=np.float32)
        into += self.offset
        # Nodata is the smallest value of its type, and mostly there is none: the least takes a third of comparing all.
        if stored.min() == self.nodata:
            into[stored == self.nodata] = self.fill


def physical(kind: ArrayKind, channels: int, fill: float) -> Scaling:
    """Reflectance x 10,000, dB, or the unit of a layer."""
    gain = np.full((channels, 1, 1), kind.step or 1.0, np.float32)
    return Scaling(gain=gain, offset=np.zeros_like(gain), nodata=kind.fill, fill=fill)


def normalised(kind: ArrayKind, bands: Sequence[str], statistics: Statistics, where: str, fill: float) -> Scaling:
    """A mean of 0 and a standard deviation of 1 over the valid pixels of the train split; a constant band is all 0.

    Raises CorpusError: the statistics know nothing of a band, or it has no valid pixels.
    """
    known = statistics.arrays.get(kind.path)
    mean, std = list[float](), list[float]()
    for band in bands:
        of_band = known.bands.get(band) if known else None
        if of_band is None:
            raise CorpusError(f"{where}/{STATISTICS_FILE}: knows nothing of {band} of {kind.path}. {_REMEDY}")
        if not of_band.valid or of_band.mean is None or of_band.std is None:
            raise CorpusError(
                f"{where}/{STATISTICS_FILE}: {band} of {kind.path} has no valid pixels in the split "
                f"{statistics.split!r}, so there is nothing to normalise it by. Leave it out of `bands`, or read with "
                "values='physical'."
            )
        mean.append(of_band.mean)
        std.append(of_band.std or 1.0)
    gain = (kind.step or 1.0) / np.array(std)
    offset = -np.array(mean) / np.array(std)
    return Scaling(
        gain=gain.astype(np.float32)[:, None, None],
        offset=offset.astype(np.float32)[:, None, None],
        nodata=kind.fill,
        fill=fill,
    )


def read_statistics(source: Readable, digest: str) -> Statistics:
    """The statistics of the released corpus of that digest. Raises CorpusError: absent, damaged, or of another one."""
    found = released_object(source, STATISTICS_FILE)
    where = f"{source.location}/{STATISTICS_FILE}"
    if found is None:
        raise CorpusError(f"{where}: is absent, so pixels cannot be normalised: the corpus is not released. {_REMEDY}")
    try:
        statistics = Statistics.model_validate_json(found[1])
    except ValidationError as error:
        raise CorpusError(f"{where}: cannot be used ({damage(error)}). {_REMEDY}") from None
    if statistics.corpus != digest:
        raise CorpusError(
            f"{where}: is of the corpus {statistics.corpus[:16]}, but {digest[:16]} is there: it has grown since it "
            f"was released. {_REMEDY}"
        )
    return statistics
