"""A corpus' description of itself: `corpus.json`, and what follows from it."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from tasks.errors import CorpusError, SpecError
from tasks.imagery.platform import BANDS
from tasks.shards.destinations import LocalFolder
from tasks.shards.layout import CORPUS, SCHEMA, ArrayKind, metadata_objects, sentinel1_array, sentinel2_array, to_json
from tasks.spec import CorpusSpec

_MAY_CHANGE = ("size",)
"""Keys of the spec that a later build may give another value; destinations are not recorded at all."""

_SOFTWARE = ("deepsentinel", "zarr", "numcodecs", "rasterio", "pyproj", "shapely", "pyarrow", "geopandas")
"""Packages on which the stored bytes depend."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """`corpus.json`."""

    spec: dict[str, Any]
    """The spec with all defaults, without destinations, and with the digest of the places."""
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
        record = json.loads(content)
        if record["schema"] != SCHEMA:
            raise CorpusError(
                f"{where}: has layout {record['schema']}, this version knows {SCHEMA}. Update deepsentinel."
            )
        bands = {name: tuple(b for b in BANDS if b in held) for name, held in record["bands"].items()}
        return Description(
            spec=record["spec"],
            shards=record["shards"],
            capacity=record["capacity"],
            # JSON is stored with sorted keys; the order of the platforms is that of the spec.
            bands={name: bands[name] for name in _platform_names(record["spec"])},
            software=record["software"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f"{where}: is damaged ({type(error).__name__}: {error}). Restore it from another destination, or "
            "build into a new folder."
        ) from None


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
    before, after = _flat(found.spec), _flat(wanted.spec)
    before["capacity"], after["capacity"] = found.capacity, wanted.capacity
    differences = [
        f"{key}: the corpus has {before.get(key, 'nothing')!r}, the spec {after.get(key, 'nothing')!r}"
        for key in sorted({*before, *after})
        if key not in _MAY_CHANGE and before.get(key) != after.get(key)
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
    larger = wanted if wanted.shards >= found.shards else found
    return Description(
        spec=larger.spec, shards=larger.shards, capacity=found.capacity, bands=found.bands, software=found.software
    )


def _platform_names(spec: dict[str, Any]) -> list[str]:
    return [item if isinstance(item, str) else str(item["stac"]["name"]) for item in spec["platforms"]]


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as a.b.c."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
