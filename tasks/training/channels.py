"""Which arrays and bands of a corpus are read, and where each goes in a sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.errors import SpecError
from tasks.scenes.looks import mask_of
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description
from tasks.shards.destinations import Readable
from tasks.shards.layout import LABELS
from tasks.training.contents import Contents
from tasks.training.scaling import Scaling, normalised, physical, read_statistics

Values = Literal["normalised", "physical", "stored"]

IMAGE, MASK = "image", "mask"
"""Keys of a sample, or what they begin with: transforms turn whatever begins so."""


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Bands of one array: some channels of one image."""

    kind: ArrayKind
    names: tuple[str, ...]
    """s2_B04, ...; of several platforms zulu_s2_B04."""
    along: slice | NDArray[np.int64]
    """Where they are along the array's bands."""
    key: str
    """Of the image."""
    first: int
    """Channel of the image at which they begin."""
    of: int
    """Channels of the image."""
    scaling: Scaling | None
    """None: as stored."""


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    kind: ArrayKind
    key: str
    sensor: str
    """What it is called: its role, and of several platforms also which."""
    bands: tuple[str, ...]


def choose_channels(
    source: Readable,
    contents: Contents,
    *,
    platforms: Sequence[str] | None,
    bands: Mapping[str, Sequence[str]] | None,
    values: Values,
    stack: bool,
    fill: float,
) -> list[Channels]:
    """The channels of the images, in order.

    Raises SpecError: the corpus has no such platform, sensor or band; CorpusError: it is not released, or a band has no
    valid pixels, and is to be normalised.
    """
    if values not in ("normalised", "physical", "stored"):
        raise SpecError(f"values={values!r}: expected normalised, physical or stored.")
    if values == "stored" and stack:
        raise SpecError("values='stored': the sensors' pixels are of different types. Add stack=False.")
    chosen = _chosen(source.location, contents.description, platforms, bands, stack=stack)
    statistics = read_statistics(source, contents.digest) if values == "normalised" else None
    channels: list[Channels] = []
    for one in chosen:
        scaling = None
        if statistics is not None:
            scaling = normalised(one.kind, one.bands, statistics, source.location, fill)
        elif values == "physical":
            scaling = physical(one.kind, len(one.bands), fill)
        channels.append(
            Channels(
                kind=one.kind,
                names=tuple(f"{one.sensor}_{band}" for band in one.bands),
                along=_along([one.kind.bands.index(band) for band in one.bands]),
                key=one.key,
                first=sum(len(before.names) for before in channels if before.key == one.key),
                of=sum(len(other.bands) for other in chosen if other.key == one.key),
                scaling=scaling,
            )
        )
    return channels


def choose_labels(source: Readable, description: Description, labels: Sequence[str]) -> dict[str, ArrayKind]:
    """The arrays of labels by their keys in a sample. Raises SpecError: the corpus has no such label."""
    known = {kind.name: kind for kind in description.arrays if kind.group == LABELS}
    for name in labels:
        _need("labels", name, known, source.location)
    return {MASK if len(labels) == 1 else f"{MASK}_{name}": known[name] for name in labels}


def choose_clouds(
    source: Readable, description: Description, clouds: Sequence[str], platforms: Sequence[str] | None
) -> dict[str, ArrayKind]:
    """The cloud masks of roles by their keys in a sample. Raises SpecError: the corpus has none of such a role."""
    wanted = list(description.bands)[:1] if platforms is None else platforms
    kinds = {(kind.group, kind.name): kind for kind in description.arrays}
    found: dict[str, ArrayKind] = {}
    for platform in wanted:
        _need("platforms", platform, description.bands, source.location)
    for role in clouds:
        _need("clouds", role, description.masks, source.location)
        for platform in wanted:
            name = mask_of(role) if len(wanted) == 1 else f"{platform}_{mask_of(role)}"
            found[f"{MASK}_{name}"] = kinds[platform, mask_of(role)]
    return found


def _chosen(
    where: str,
    description: Description,
    platforms: Sequence[str] | None,
    bands: Mapping[str, Sequence[str]] | None,
    *,
    stack: bool,
) -> list[_Chosen]:
    wanted = list(description.bands)[:1] if platforms is None else platforms
    for platform in wanted:
        _need("platforms", platform, description.bands, where)
    for role in bands or ():
        _need("bands", role, description.roles, where)
    chosen: list[_Chosen] = []
    for platform in wanted:
        arrays = {kind.name: kind for kind in description.arrays if kind.group == platform}
        for role in description.roles if bands is None else bands:
            kind = arrays[role]
            names = kind.bands
            absent = kind.attributes.get("absent_bands", ())
            some = [name for name in names if name not in absent] if bands is None else bands[role]
            for band in some:
                _need(f"bands of {role}", band, names, where)
            sensor = role if len(wanted) == 1 else f"{platform}_{role}"
            key = IMAGE if stack else f"{IMAGE}_{sensor}"
            chosen.append(_Chosen(kind=kind, key=key, sensor=sensor, bands=tuple(some)))
    if not any(one.bands for one in chosen):
        raise SpecError("bands: none are asked for. Name some, e.g. bands={'s2': ['B04', 'B03', 'B02']}.")
    return [one for one in chosen if one.bands]


def _along(places: list[int]) -> slice | NDArray[np.int64]:
    """Neighbours in order are read without a copy."""
    if places == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return np.array(places)


def _need(what: str, name: str, known: Sequence[str] | Mapping[str, object], where: str) -> None:
    if name not in known:
        raise SpecError(f"{what}: {where} has no {name!r}; it has {', '.join(known) or 'none'}. Name one of them.")
