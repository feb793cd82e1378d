"""A corpus' description of itself: `corpus.json`, and what follows from it."""

import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.errors import CorpusError, SpecError
from tasks.imagery.platform import BANDS
from tasks.shards.destinations import LocalFolder
from tasks.shards.json_record import Record, damage
from tasks.shards.layout import CORPUS, SCHEMA, ArrayKind, metadata_objects, sentinel1_array, sentinel2_array, to_json
from tasks.spec import CorpusSpec, PlatformName
from tasks.spec.locations import is_url

_MODES = ("random", "cover", "points")

_MAY_CHANGE = ("size",)
"""Keys of the spec that a later build may give another value; destinations are not recorded at all."""

_SOFTWARE = ("deepsentinel", "zarr", "numcodecs", "rasterio", "pyproj", "shapely", "pyarrow", "geopandas")
"""Packages on which the stored bytes depend."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """`corpus.json`."""

    spec: dict[str, Any]
    """The spec with all defaults, without destinations, with the digest of the places, and of local files no more
    than their names: the corpus is the same wherever they lie."""
    shards: int
    capacity: int
    bands: dict[str, tuple[str, ...]]
    """Bands each platform has."""
    software: dict[str, str]

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def shard_size(self) -> int:
        return int(self.spec["shard_size"])

    @property
    def pixels(self) -> int:
        return int(self.spec["patch"]["pixels"])

    @property
    def listed(self) -> bool:
        """Whether the places are listed, so that one that cannot be served keeps its row."""
        return "random" not in self.spec["places"]

    @property
    def arrays(self) -> list[ArrayKind]:
        """The arrays of the corpus, in the order in which shards hold them."""
        return [kind for name, bands in self.bands.items() for kind in platform_arrays(name, bands)]

    def metadata(self) -> dict[str, bytes]:
        """All Zarr metadata objects by path."""
        return metadata_objects(
            self.arrays, name=self.name, shards=self.shards, shard_size=self.shard_size, pixels=self.pixels
        )

    def to_bytes(self) -> bytes:
        """As stored."""
        return to_json(
            {
                "schema": SCHEMA,
                "spec": self.spec,
                "shards": self.shards,
                "capacity": self.capacity,
                "bands": {name: list(bands) for name, bands in self.bands.items()},
                "software": self.software,
            }
        )


def platform_arrays(name: str, bands: tuple[str, ...]) -> list[ArrayKind]:
    """The arrays that a platform fills."""
    return [sentinel2_array(name, bands), sentinel1_array(name)]


def describe(
    spec: CorpusSpec, *, places: str, shards: int, capacity: int, bands: dict[str, tuple[str, ...]]
) -> Description:
    """Describe the corpus of a spec; `places` is the digest of its places."""
    resolved = spec.model_dump(mode="json", exclude={"destinations"}, exclude_none=True)
    _shorten(resolved)
    resolved["places"]["digest"] = places
    return Description(
        spec=resolved,
        shards=shards,
        capacity=capacity,
        bands=bands,
        software={name: version(name) for name in _SOFTWARE},
    )


def read_description(destination: LocalFolder) -> Description | None:
    """What a corpus says of itself; None where there is no corpus.

    Raises CorpusError: damaged, or of a layout this version does not know.
    """
    content = destination.get(CORPUS)
    if content is None:
        return None
    where = f"{destination.root / CORPUS}"
    try:
        if (layout := _Header.model_validate_json(content).layout) != SCHEMA:
            raise CorpusError(f"{where}: has layout {layout}, this version knows {SCHEMA}. Update deepsentinel.")
        record = _DescriptionRecord.model_validate_json(content)
    except ValidationError as error:
        raise CorpusError(
            f"{where}: is damaged ({damage(error)}). Restore it from another destination, or build into a new folder."
        ) from None
    return Description(
        spec=json.loads(content)["spec"],
        shards=record.shards,
        capacity=record.capacity,
        # JSON is stored with sorted keys; the order of the platforms is that of the spec.
        bands={name: tuple(b for b in BANDS if b in record.bands[name]) for name in record.spec.names},
        software=record.software,
    )


def need_description(destination: LocalFolder) -> Description:
    """What a corpus says of itself. Raises CorpusError: there is no corpus, or it is damaged."""
    found = read_description(destination)
    if found is None:
        raise CorpusError(f"{destination.root}: no corpus here ({CORPUS} is absent). Give the folder of one.")
    return found


def reconcile(wanted: Description, found: Description, where: str) -> Description:
    """What the corpus is to be, given what it is: it may grow, nothing else.

    Raises SpecError: the spec contradicts the corpus; names the differences.
    """
    both = {*_platform_names(found.spec)} & {*_platform_names(wanted.spec)}
    before, after = _flat_spec(found.spec, both), _flat_spec(wanted.spec, both)
    before["capacity"], after["capacity"] = found.capacity, wanted.capacity
    differences = [
        f"{key}: the corpus has {_told(key, before)}, the spec {_told(key, after)}"
        for key in sorted({*before, *after})
        if key not in _MAY_CHANGE and _compared(key, before) != _compared(key, after)
    ]
    differences += [
        f"bands of {name}: the corpus has {' '.join(found.bands[name])}, the platform {' '.join(wanted.bands[name])}"
        for name in found.bands
        if name in wanted.bands and found.bands[name] != wanted.bands[name]
    ]
    if differences:
        raise SpecError(
            f"{where}: holds a corpus that this spec contradicts:\n  "
            + "\n  ".join(differences)
            + "\nOnly size, destinations and limits may change. Restore the values, or build elsewhere with --to."
        )
    if wanted.shards <= found.shards:
        return found
    # All else stays as the first build wrote it, the names of files too: a corpus is not rewritten for having moved.
    return replace(found, spec=found.spec | {"size": wanted.spec["size"]}, shards=wanted.shards)


class _Part(BaseModel):
    """A part of a stored spec, as far as it is read; the rest is only compared."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Header(_Part):
    layout: Annotated[int, Field(alias="schema")]


class _PatchRecord(_Part):
    pixels: Annotated[int, Field(ge=16, le=1024)]


class _StacRecord(_Part):
    name: PlatformName
    catalog: str


class _StacItemRecord(_Part):
    stac: _StacRecord


class _SpecRecord(_Part):
    name: str
    size: int | None = None
    places: dict[str, Any]
    patch: _PatchRecord
    platforms: Annotated[list[PlatformName | _StacItemRecord], Field(min_length=1)]
    shard_size: Annotated[int, Field(ge=1, le=4096)]

    @property
    def names(self) -> list[str]:
        return [item if isinstance(item, str) else item.stac.name for item in self.platforms]


class _DescriptionRecord(Record):
    """What `Description.to_bytes` wrote."""

    layout: Annotated[int, Field(alias="schema")]
    spec: _SpecRecord
    shards: Annotated[int, Field(ge=1, le=10**9)]
    capacity: Annotated[int, Field(ge=1)]
    bands: dict[str, list[str]]
    software: dict[str, str]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if sorted(self.bands) != sorted(self.spec.names):
            raise ValueError(f"bands of {', '.join(sorted(self.bands))}, platforms {', '.join(self.spec.names)}")
        if unknown := {band for held in self.bands.values() for band in held} - {*BANDS}:
            raise ValueError(f"unknown bands {', '.join(sorted(unknown))}")
        if "random" in self.spec.places and self.spec.size != self.shards * self.spec.shard_size:
            raise ValueError(f"{self.shards} shards of {self.spec.shard_size} are not {self.spec.size} samples")
        return self


def _platform_names(spec: dict[str, Any]) -> list[str]:
    return [item if isinstance(item, str) else str(item["stac"]["name"]) for item in spec["platforms"]]


def _is_local(location: Any) -> bool:
    return isinstance(location, str) and (not is_url(location) or urlsplit(location).scheme.lower() == "file")


def _shorten(spec: dict[str, Any]) -> None:
    """Keep of local files no more than their names, of a catalogue its folder's too: catalogues are called alike."""
    for mode in _MODES:
        if _is_places_file(mode, spec["places"].get(mode)):
            spec["places"][mode] = _end(spec["places"][mode], 1)
    for item in spec["platforms"]:
        if not isinstance(item, str) and _is_local(item["stac"]["catalog"]):
            item["stac"]["catalog"] = _end(item["stac"]["catalog"], 2)
    for name, location in spec.get("sources", {}).items():
        if _is_local(location):
            spec["sources"][name] = _end(location, 1)


def _is_places_file(mode: str, source: Any) -> bool:
    return _is_local(source) and (mode, source) != ("random", "land")


def _end(location: str, parts: int) -> str:
    """The last parts of a local path."""
    path = Path(urlsplit(location).path if is_url(location) else location)
    return "/".join(path.relative_to(path.anchor).parts[-parts:]) or "."


def _compared(key: str, flat: dict[str, Any]) -> Any:
    """What has to agree under a key: that there is a local file, not where; the digest tells what places are in it."""
    value = flat.get(key)
    group, _, name = key.partition(".")
    local = (
        (group == "places" and name in _MODES and _is_places_file(name, value))
        or (group == "platforms" and name.endswith(".stac.catalog") and _is_local(value))
        or (group == "sources" and value is not None)
    )
    return Path if local else value


def _told(key: str, flat: dict[str, Any]) -> str:
    return repr(flat[key]) if key in flat else "nothing"


def _flat_spec(spec: dict[str, Any], platforms: set[str]) -> dict[str, Any]:
    """The values of a spec by keys such as a.b.c; `platforms` are those of which more than the name is told."""
    names = _platform_names(spec)
    flat = _flat({key: value for key, value in spec.items() if key != "platforms"}) | {"platforms": names}
    for name, item in zip(names, spec["platforms"], strict=True):
        if name in platforms:
            flat |= {f"platforms.{name}": name} if isinstance(item, str) else _flat(item, f"platforms.{name}.")
    return flat


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as a.b.c."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
