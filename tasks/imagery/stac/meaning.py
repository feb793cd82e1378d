"""What the pixels of a file mean, from what spec, catalogue and file say: in this order, the first that says it.

What is said is either enough to convert them exactly, or the scene is refused.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SceneUnavailable
from tasks.imagery.backscatter import looks_like_decibels, power_to_db
from tasks.imagery.plausible import BRIGHT, bounds
from tasks.imagery.reflectance import OFFSET, STEPS, darkened, remove_offset, stored_steps, to_steps
from tasks.imagery.stac.cogs.facts import Facts, File
from tasks.imagery.stac.declared import Declared, Said
from tasks.scenes.reasons import Reason
from tasks.spec import StacSource

_ESA = -OFFSET / STEPS
"""What raster:bands says of the +1000 offset."""

_LEAST = -0.2
"""Reflectance: products go down to -0.1, which is what the +1000 offset is there for."""

_MOST_BEYOND = 0.01
"""Of the pixels of a tile that may be beyond what an array holds, 6.5535."""

_POWER = ("power", "linear", "linear power", "power (linear)", "intensity", "m2/m2", "m^2/m^2", "m²/m²")
_DECIBELS = ("db", "decibel", "decibels")
_AMPLITUDE = ("amplitude", "dn", "digital number", "digital numbers", "count", "counts")
_OF_REFLECTANCE = ("", "1", "none", "unitless", "dimensionless", "reflectance", "surface reflectance", "dn")
_PERCENT = ("%", "percent")

CALIBRATION = (
    "GRD as ESA delivers it is not calibrated, holds the noise of the instrument and lies in no map projection: use a "
    "collection of terrain-corrected backscatter, as sentinel-1-rtc of Planetary Computer (`backscatter: power`)"
)


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """How the pixels of one band of a file become what an array holds."""

    file: File
    band: int
    """Counted from 1."""
    dtype: np.dtype[Any]
    fill: float
    """What stands for nothing in the pixels as they are read."""
    nothing: float | None
    """What does besides."""
    scale: float
    offset: float
    said: str
    """Where scale and offset were said, for messages."""

    def there(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Where pixels hold something."""
        there = np.isfinite(values) if values.dtype.kind == "f" else values != values.dtype.type(self.fill)
        if self.nothing is not None:
            there &= values != self.nothing
        return there

    def refused(self, values: NDArray[Any], why: str) -> SceneUnavailable:
        """A refusal that names the file, its type and the range of its values."""
        there = self.there(values)
        low, high = bounds(values[there])
        found = f"values from {low:.6g} to {high:.6g}" if there.any() else "no values"
        return SceneUnavailable(
            Reason.NOT_UNDERSTOOD, self.file.scene, f"{self.file.name}: {self.dtype} with {found}{self.said}: {why}"
        )


@dataclass(frozen=True, kw_only=True)
class Reflectance:
    """Of a Sentinel-2 band."""

    meaning: Meaning
    carries: bool
    """Whether the pixels are digital numbers with the +1000 offset."""

    def stored(self, values: NDArray[Any]) -> tuple[NDArray[np.uint16], int, int]:
        """Pixels as read, (height, width), as reflectance x 10,000, 0 = nodata; how many were clipped to the bounds of
        the type, and how many of these by taking out the offset. Raises SceneUnavailable."""
        own = self.meaning
        if values.dtype == np.uint16 and own.scale * STEPS == 1 and own.offset == 0:
            if own.fill or own.nothing:
                values = np.where(own.there(values), values, np.uint16(0))
            if not self.carries:
                return values, 0, 0
            dark = darkened(values)
            return remove_offset(values), dark, dark
        there = own.there(values)
        if values.dtype.kind != "f":
            # A digital number of 0 is nodata in every product of ESA's, whatever else is.
            there &= values != 0
        steps = to_steps(values, there, scale=own.scale, offset=own.offset + (_ESA if self.carries else 0.0))
        low, high = bounds(steps)
        if low < _LEAST * STEPS:
            raise own.refused(
                values,
                f"that is reflectance down to {low / STEPS:.4g}, and nothing is below {_LEAST:g}. Give the value that "
                "stands for nothing as `nodata` in raster:bands of the item or in the file, or say what reflectance 1 "
                "is with `reflectance_scale`",
            )
        beyond = np.count_nonzero(steps > 65_535.5)
        if beyond > _MOST_BEYOND * np.count_nonzero(there) or np.count_nonzero(steps > BRIGHT) > there.sum() / 2:
            raise own.refused(
                values,
                f"that is reflectance up to {high / STEPS:.4g}, where snow and cloud are about 1. Say what the values "
                "are to be multiplied with to be reflectance with `reflectance_scale` of the platform in the spec, as "
                "0.0001 or 1",
            )
        stored, clipped = stored_steps(steps)
        return stored, clipped, int(np.count_nonzero(steps < 0.5)) if self.carries else 0


@dataclass(frozen=True, kw_only=True)
class Backscatter:
    """Of a polarization."""

    meaning: Meaning
    unit: Literal["db", "power"]

    def decibels(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels as read, (height, width), in dB, NaN = nodata. Raises SceneUnavailable."""
        own = self.meaning
        if values.dtype == np.float32 and own.scale == 1 and own.offset == 0 and own.nothing is None:
            # Outside a swath archives write NaN or, where they keep power, 0; in dB, 0 has become minus infinity.
            found = np.where(np.isfinite(values), values, np.float32(np.nan))
        else:
            found = np.full(values.shape, np.nan)
            np.multiply(values, own.scale, out=found, where=own.there(values), dtype=np.float64)
            found = (found + own.offset).astype(np.float32)
        if self.unit == "db":
            return found
        if looks_like_decibels(found):
            raise own.refused(
                values,
                "linear power is never negative. They look like decibels: set `backscatter: db` of the platform in "
                "the spec",
            )
        return power_to_db(found)


def band_number(said: Said, facts: Facts, wanted: str, file: File) -> int:
    """Which band of a file holds a Sentinel-2 band or polarization. Raises SceneUnavailable: nothing tells."""
    if facts.bands == 1:
        return 1
    found = said.numbers(wanted)
    if len(found) == 1 and found[0] <= facts.bands:
        return found[0]
    raise SceneUnavailable(
        Reason.NOT_UNDERSTOOD,
        file.scene,
        f"{file.name}: has {facts.bands} bands, and the catalogue does not say which of them is {wanted}. Name them in "
        "`bands` (or eo:bands) of the item's asset, or use files of one band",
    )


def reflectance_of(
    file: File, facts: Facts, said: Said, band: str, source: StacSource, carries: bool | None
) -> Reflectance:
    """What the pixels of a Sentinel-2 file mean.

    `carries` says whether digital numbers of the scene are 1000 too high, None where nothing tells. Raises
    SceneUnavailable: not enough is said.
    """
    number = band_number(said, facts, band, file)
    scale, offset, unit, where = _linear(said.at(number), facts, number)
    chosen = source.reflectance_scale
    if chosen is not None:
        scale, offset, unit, where = chosen, None, "", ", which reflectance_scale of the spec is for"
    elif unit.lower() in _PERCENT:
        scale = (1.0 if scale is None else scale) / 100
    elif unit.lower() not in _OF_REFLECTANCE:
        raise _unscaled(file, facts, f"is in {unit!r}, which is no reflectance. Use a collection of reflectance")
    if scale is None:
        if facts.dtype.kind == "f" or facts.dtype.itemsize == 1:
            kind = "a picture for the eye" if facts.dtype.itemsize == 1 else "reflectance from 0 to 1, or times 10,000"
            raise _unscaled(
                file,
                facts,
                f"is {facts.dtype}, and nothing says what reflectance 1 is in it (it may be {kind}). If it is "
                "reflectance, say what its values are to be multiplied with: `reflectance_scale: 1` for 0 to 1, "
                "0.0001 for times 10,000, of the platform in the spec",
            )
        scale = 1 / STEPS
    offset, carried = _offset(file, facts, scale, offset, carries)
    fill, nothing = _nothing(facts, said.at(number), 0)
    meaning = Meaning(
        file=file, band=number, dtype=facts.dtype, fill=fill, nothing=nothing, scale=scale, offset=offset, said=where
    )
    return Reflectance(meaning=meaning, carries=carried)


def backscatter_of(file: File, facts: Facts, said: Said, polarization: str, source: StacSource) -> Backscatter:
    """What the pixels of a Sentinel-1 file mean. Raises SceneUnavailable: not enough is said, or no backscatter."""
    number = band_number(said, facts, polarization, file)
    declared = said.at(number)
    scale, offset, written, where = _linear(declared, facts, number)
    unit, kind = source.backscatter, written.lower()
    if kind in _AMPLITUDE or (facts.dtype.kind == "u" and scale is None):
        what = f"are said to be {written!r}" if kind in _AMPLITUDE else "of this type are amplitudes or digital numbers"
        raise _unscaled(file, facts, f"is {facts.dtype}; its values {what}, no backscatter. {CALIBRATION}")
    if kind in _POWER:
        unit = "power"
    elif kind in _DECIBELS and unit == "power":
        raise _unscaled(
            file, facts, f"is said to be in {written}, and the spec says power. Take `backscatter: power` out of it"
        )
    fill, nothing = _nothing(facts, declared, np.iinfo(facts.dtype).min if facts.dtype.kind in "iu" else np.nan)
    meaning = Meaning(
        file=file,
        band=number,
        dtype=facts.dtype,
        fill=fill,
        nothing=nothing,
        scale=1.0 if scale is None else scale,
        offset=offset or 0.0,
        said=where,
    )
    return Backscatter(meaning=meaning, unit=unit)


def _linear(declared: Declared, facts: Facts, number: int) -> tuple[float | None, float | None, str, str]:
    """Scale, offset and unit, None and "" where nothing says them, and who says them."""
    unit = declared.unit or facts.units[number - 1]
    # Tools write 1 and 0 for want of anything to say: on integers they say nothing.
    plain = facts.dtype.kind in "iu" and declared.scale in (None, 1) and not declared.offset
    if not plain and (declared.scale is not None or declared.offset is not None):
        return declared.scale, declared.offset, unit, _told("the item", declared.scale, declared.offset)
    scale, offset = facts.scales[number - 1], facts.offsets[number - 1]
    if (scale, offset) != (1, 0):
        return scale, offset, unit, _told("the file", scale, offset)
    return None, None, unit, ""


def _told(who: str, scale: float | None, offset: float | None) -> str:
    values = [f"{name} {value:g}" for name, value in (("scale", scale), ("offset", offset)) if value is not None]
    return f", of which {who} says {' and '.join(values)}"


def _offset(file: File, facts: Facts, scale: float, offset: float | None, carries: bool | None) -> tuple[float, bool]:
    """What to add besides ESA's offset, and whether that is to be taken out. Raises SceneUnavailable."""
    is_esa = offset is not None and abs(offset - _ESA) < 1e-9
    if is_esa:
        # Archives that took it out go on saying so (Element84/earth-search#66): the product's word comes first.
        return 0.0, carries is not False
    if carries is None:
        if offset is None:
            raise SceneUnavailable(Reason.OFFSET_UNKNOWN, file.scene, Reason.OFFSET_UNKNOWN.words)
        return offset, False
    digital = abs(scale * STEPS - 1) < 1e-9
    if carries and (offset is not None or not digital):
        told = (
            f"the catalogue says offset {offset:g}"
            if offset is not None
            else f"its values are no multiples of {1 / STEPS:g}"
        )
        raise _unscaled(
            file,
            facts,
            f"is of a processing baseline whose digital numbers are {OFFSET} too high, but {told}: nothing tells "
            "whether the pixels still are. Have the items say so with the property boa_offset_applied",
        )
    return offset or 0.0, carries


def _nothing(facts: Facts, declared: Declared, otherwise: float) -> tuple[float, float | None]:
    """What stands for nothing in the pixels as they are read, and what does besides; `otherwise` where nothing is
    said."""
    marks = [
        value
        for value in (facts.nodata, declared.nodata)
        if value is not None and (facts.dtype.kind == "f" or _fits(value, facts.dtype))
    ]
    if facts.dtype.kind == "f":
        if not marks:
            return np.nan, None if np.isnan(otherwise) else otherwise
        # The file's own has become NaN when its pixels were read.
        own = None if declared.nodata is None else float(facts.dtype.type(declared.nodata))
        return np.nan, own if own is not None and np.isfinite(own) else None
    if not marks:
        return otherwise, None
    return marks[0], marks[-1] if marks[-1] != marks[0] else None


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    held = np.iinfo(dtype)
    return bool(np.isfinite(value)) and float(value).is_integer() and held.min <= value <= held.max


def _unscaled(file: File, facts: Facts, why: str) -> SceneUnavailable:
    return SceneUnavailable(Reason.NOT_UNDERSTOOD, file.scene, f"{file.name}: {why}")
