"""What the data card says of the bands: what each is, and its figures."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.release.markdown import percent, table
from tasks.release.sensors import SPECTRAL_BANDS
from tasks.scenes.roles import sensor_of
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description

_MSI = {
    "B01": "coastal aerosol", "B02": "blue", "B03": "green", "B04": "red", "B05": "red edge", "B06": "red edge",
    "B07": "red edge", "B08": "near infrared", "B8A": "narrow near infrared", "B09": "water vapour", "B10": "cirrus",
    "B11": "shortwave infrared", "B12": "shortwave infrared",
}  # fmt: skip
"""What the bands of Sentinel-2's instrument are for (ESA, MSI overview)."""

_SAR = {"VV": "co-polarized", "VH": "cross-polarized"}


def band_sections(description: Description, statistics: Mapping[str, Any]) -> list[str]:
    """A table of bands an array: units, and figures over the valid pixels of the split that the statistics are of."""
    split, samples = statistics["split"], statistics["samples"]
    of = "all splits, as there are no samples to train with" if split == "all" else f"the {split} split"
    lines = ["## Bands", "", f"Figures are exact, over the valid pixels of {of} ({samples:,} samples).", ""]
    for kind in description.imagery:
        found = statistics["arrays"][kind.path]
        stored = f"; stored as {kind.dtype} in steps of {kind.step:g} dB" if kind.step else f"; stored as {kind.dtype}"
        lines += [f"### `{kind.path}`", "", f"In {found['unit']}{stored}, {kind.fill} = nodata.", ""]
        lines += _table(kind, found["bands"])
    return lines


def absent_bands(description: Description) -> Iterator[str]:
    """Which bands platforms do not have, in words."""
    for kind in description.imagery:
        if absent := kind.attributes.get("absent_bands"):
            verb = "are" if len(absent) > 1 else "is"
            yield f"{' '.join(absent)} of `{kind.path}` {verb} absent: all nodata, never invented."


def _table(kind: ArrayKind, bands: Mapping[str, Any]) -> list[str]:
    optical = sensor_of(kind.name) == "sentinel2"
    absent = kind.attributes.get("absent_bands", ())
    rows: list[tuple[object, ...]] = []
    for band in kind.bands:
        figures = bands[band]
        what: tuple[object, ...]
        if optical:
            seen = SPECTRAL_BANDS[band]
            what = (_MSI[band], f"{seen.centre * 1000:.0f}", seen.resolution)
        else:
            what = (_SAR[band],)
        pixels = figures["valid"] + figures["nodata"]
        valid = "absent" if band in absent else percent(figures["valid"] / pixels) if pixels else ""
        shares = figures["percentiles"]
        numbers = [figures["mean"], figures["std"], figures["min"], *(shares[at] for at in ("1", "50", "99"))]
        rows.append((band, *what, valid, *(_figure(number, optical) for number in (*numbers, figures["max"]))))
    what_heads = ("what", "nm", "m") if optical else ("what",)
    heads = ("band", *what_heads, "valid", "mean", "std", "min", "1 %", "median", "99 %", "max")
    return table(heads, rows, right=range(2, len(heads)))


def _figure(number: float | None, optical: bool) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if optical else f"{number:.2f}"
