"""A corpus' description of itself, `corpus.json`, and what follows from it.

It stands twice: once more in the attributes of the root's `zarr.json`, from which it is restored.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from pydantic import ValidationError

from tasks.errors import CorpusError, DamagedDescription, SpecError
from tasks.imagery.bands import BANDS
from tasks.scenes.looks import MASK
from tasks.shards.array_kinds import ArrayKind, platform_arrays, tile_of
from tasks.shards.description_record import DescriptionRecord, Header, LayerRecord
from tasks.shards.destinations import Destination, Readable
from tasks.shards.json_record import damage
from tasks.shards.layout import (
    COMMITS,
    CORPUS,
    LABELS,
    OSM,
    QUICKLOOKS,
    RELEASE,
    ROOT_METADATA,
    RUNS,
    SAMPLES,
    SCHEMA,
    STATISTICS,
    TRAINING,
    to_json,
)
from tasks.shards.stored_spec import differences, layer_differences, platform_names, stored_spec
from tasks.spec import CorpusSpec

_COPY = "deepsentinel"
"""Attribute of the root group that holds the second copy."""

_SHOWN = 3
"""Names of others' objects that a message tells."""

_SOFTWARE = ("deepsentinel", "zarr", "numcodecs", "rasterio", "pyproj", "shapely", "pyarrow", "geopandas", "pillow")
"""Packages on which the stored bytes depend."""


@dataclass(frozen=True, kw_only=True)
class LayerDescription:
    """What a corpus says of one layer."""

    arrays: tuple[ArrayKind, ...]
    facts: Mapping[str, Any]
    """Sources with their digests, classes, licence: the same in every build of the corpus."""

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return {"arrays": [kind.to_json() for kind in self.arrays], "facts": dict(self.facts)}


@dataclass(frozen=True, kw_only=True)
class Description:
    """`corpus.json`."""

    spec: dict[str, Any]
    """As `stored_spec` gives it."""
    shards: int
    capacity: int
    roles: tuple[str, ...]
    """Of every platform, root first."""
    bands: dict[str, tuple[str, ...]]
    """Bands each platform has, in the order of the spec's platforms."""
    layers: dict[str, LayerDescription] = field(default_factory=dict)
    software: dict[str, str]
    masks: tuple[str, ...] = ()
    """Roles whose cloud mask is kept."""
    times: tuple[str, ...] = ()
    """First days of the parts of the window, where a place is looked at in each of several; numbers of dates that are
    given."""
    tile: int | None = None
    """Pixels of a chunk's side; None: the patch's."""

    @property
    def dates(self) -> int:
        """At how many instants a place is looked at."""
        return max(1, len(self.times))

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
    def size(self) -> int:
        """Rows of the arrays, those after the last listed place included."""
        return self.shards * self.shard_size

    @property
    def listed(self) -> bool:
        """Whether the places are listed, so that one that cannot be served keeps its row."""
        return "random" not in self.spec["places"]

    @property
    def imagery(self) -> list[ArrayKind]:
        """The arrays of platforms, without masks."""
        return [replace(kind, tile=self.tile) for kind in self._of_platforms if not kind.path.endswith(MASK)]

    @property
    def _of_platforms(self) -> list[ArrayKind]:
        return [
            kind
            for name, bands in self.bands.items()
            for kind in platform_arrays(name, self.roles, bands, self.pixels, masks=self.masks, times=self.times)
        ]

    @property
    def arrays(self) -> list[ArrayKind]:
        """The arrays of the corpus: those of platforms, with masks, then those of layers."""
        all_kinds = [*self._of_platforms, *(kind for layer in self.layers.values() for kind in layer.arrays)]
        return [replace(kind, tile=self.tile) for kind in all_kinds]

    def metadata(self) -> dict[str, bytes]:
        """All Zarr metadata objects by path; the root's has the second copy of the description."""
        # Imported here, because `status` reads descriptions and starts a second faster without zarr.
        from tasks.shards.zarr_metadata import metadata_objects

        # In the order in which it is read back, or the bytes would differ between who describes and who restores.
        attributes = {"corpus": self.name, "schema": SCHEMA, _COPY: json.loads(self.to_bytes())}
        return metadata_objects(self.arrays, attributes=attributes, shards=self.shards, shard_size=self.shard_size)

    def objects(self) -> dict[str, bytes]:
        """All that only the coordinator writes, by path; the description last: where it stands, the rest does."""
        return {**self.metadata(), CORPUS: self.to_bytes()}

    def to_bytes(self) -> bytes:
        """As stored."""
        return to_json(self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "spec": self.spec,
            "shards": self.shards,
            "capacity": self.capacity,
            "roles": list(self.roles),
            "bands": {name: list(bands) for name, bands in self.bands.items()},
            "layers": {name: layer.to_json() for name, layer in self.layers.items()},
            "software": self.software,
            # Only where there are any: what earlier versions wrote stays as it is.
            **({"masks": list(self.masks)} if self.masks else {}),
            **({"times": list(self.times)} if self.times else {}),
            **({"tile": self.tile} if self.tile else {}),
        }


def describe(
    spec: CorpusSpec,
    *,
    places: str,
    shards: int,
    capacity: int,
    bands: dict[str, tuple[str, ...]],
    layers: Mapping[str, LayerDescription] | None = None,
) -> Description:
    """Describe the corpus of a spec; `places` is the digest of its places."""
    return Description(
        spec=stored_spec(spec, places=places),
        shards=shards,
        capacity=capacity,
        roles=tuple(spec.roles),
        masks=tuple(role for role, one in spec.roles.items() if one.mask),
        times=_first_days(spec),
        tile=tile_of(spec.patch.pixels),
        bands=bands,
        layers={name: _as_read(layer) for name, layer in (layers or {}).items()},
        software={name: version(name) for name in _SOFTWARE},
    )


def read_description(destination: Readable) -> Description | None:
    """What a corpus says of itself, from either of the two places; None where there is no corpus.

    Raises DamagedDescription: damaged in both; CorpusError: of a layout this version does not know.
    """
    content = destination.get(CORPUS)
    found = f"{CORPUS} is absent" if content is None else parse_description(content, destination.location)
    if isinstance(found, Description):
        return found
    copy = _second_copy(destination.get(ROOT_METADATA))
    restored = None if copy is None else parse_description(copy, destination.location)
    if isinstance(restored, Description):
        return restored
    if content is None and copy is None:
        return None
    raise DamagedDescription(
        f"{destination.location}/{CORPUS}: is damaged ({found}), and so is its copy in {ROOT_METADATA}. `deepsentinel "
        "build` with the corpus' spec writes both anew; the shards stay."
    )


def parse_description(content: bytes, where: str) -> Description | str:
    """A description from its bytes, or what is wrong with them. Raises CorpusError: a layout of another version."""
    try:
        if (layout := Header.model_validate_json(content).layout) != SCHEMA:
            remedy = "Update deepsentinel." if layout > SCHEMA else "Build it anew, or use the version that made it."
            raise CorpusError(f"{where}: has layout {layout}, this version knows {SCHEMA}. {remedy}")
        record = DescriptionRecord.model_validate_json(content)
    except ValidationError as error:
        return damage(error)
    spec = json.loads(content)["spec"]
    return Description(
        spec=spec,
        shards=record.shards,
        capacity=record.capacity,
        roles=tuple(record.roles),
        # JSON is stored with sorted keys; the order of the platforms is that of the spec.
        bands={name: tuple(b for b in BANDS if b in record.bands[name]) for name in platform_names(spec)},
        layers={name: _layer_of(layer) for name, layer in record.layers.items()},
        software=record.software,
        masks=tuple(record.masks),
        times=tuple(record.times),
        tile=record.tile,
    )


def need_description(destination: Destination) -> Description:
    """What a corpus says of itself.

    Raises CorpusError: there is no corpus, or it is damaged; DestinationError: nor is there a bucket.
    """
    found = read_description(destination)
    if found is None:
        destination.top()  # an object that is absent looks the same in a bucket that is
        raise CorpusError(f"{destination.location}: no corpus here ({CORPUS} is absent). Give the place of one.")
    return found


def reconcile(wanted: Description, found: Description, where: str) -> Description:
    """What the corpus is to be, given what it is: it may grow, nothing else.

    Raises SpecError: the spec contradicts the corpus; names the differences.
    """
    contradictions = differences(found.spec, wanted.spec)
    if found.capacity != wanted.capacity:
        contradictions.append(f"capacity: the corpus has {found.capacity}, the spec {wanted.capacity}")
    contradictions += [
        f"bands of {name}: the corpus has {' '.join(found.bands[name])}, the platform {' '.join(wanted.bands[name])}"
        for name in found.bands
        if name in wanted.bands and found.bands[name] != wanted.bands[name]
    ]
    contradictions += layer_contradictions(found, wanted.layers)
    if contradictions:
        raise SpecError(
            f"{where}: holds a corpus that this spec contradicts:\n  "
            + "\n  ".join(contradictions)
            + "\nOnly size, destinations and limits may change. Restore the values, or build elsewhere with --to."
        )
    if wanted.shards <= found.shards:
        return found
    # All else stays as the first build wrote it, the names of files too: a corpus is not rewritten for having moved.
    return replace(found, spec=found.spec | {"size": wanted.spec["size"]}, shards=wanted.shards)


def layer_contradictions(found: Description, layers: Mapping[str, LayerDescription]) -> list[str]:
    """Where layers differ from those of the same names that a corpus has, in words."""
    return [
        difference
        for name, held in found.layers.items()
        if name in layers
        for difference in layer_differences(name, held.to_json(), _as_read(layers[name]).to_json())
    ]


def describe_everywhere(destinations: Sequence[Destination], wanted: Description) -> None:
    """Write what the coordinator writes wherever it is absent, damaged or smaller. Raises DestinationError.

    A corpus that has grown beyond `wanted` meanwhile, by another coordinator, is left as it is.
    """
    for destination in destinations:
        if _is_larger(destination, wanted):
            continue
        for path, content in wanted.objects().items():
            if destination.get(path) != content:
                destination.put(path, content)


def _is_larger(destination: Destination, wanted: Description) -> bool:
    try:
        held = read_description(destination)
    except DamagedDescription:
        return False
    return held is not None and held.shards > wanted.shards


def foreign(destination: Destination, wanted: Description) -> str:
    """What a destination without a corpus holds that is no part of one, in words; empty where there is nothing.

    Raises DestinationError.
    """
    # By the spec too: who only looks at it knows no arrays.
    groups = {kind.path.partition("/")[0] for kind in wanted.arrays} | {*platform_names(wanted.spec)}
    groups |= {LABELS} if wanted.spec["labels"] else set()
    own = {CORPUS, ROOT_METADATA, COMMITS, SAMPLES, STATISTICS, QUICKLOOKS, RUNS, RELEASE, TRAINING, OSM, *groups}
    # What a file system or a desktop puts everywhere is nobody's.
    others = [name for name in destination.top() if name not in own and not name.startswith((".", "lost+found"))]
    if not others:
        return ""
    some = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
    return (
        f"{destination.location}: holds something else than a corpus ({some}), which would be mixed with it. Use an "
        "empty place, such as a folder or prefix below it, in the spec or with --to."
    )


def _first_days(spec: CorpusSpec) -> tuple[str, ...]:
    if spec.instants is None:
        return ()
    if spec.instants.given is not None:
        return tuple(f"{number:03d}" for number in range(spec.instants.given))
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    starts = [epoch + dt.timedelta(microseconds=first) for first, _ in spec.parts]
    days = tuple(f"{start:%Y-%m-%d}" for start in starts)
    return days if len({*days}) == len(days) else tuple(f"{start:%Y-%m-%dT%H:%M:%S}" for start in starts)


def _second_copy(metadata: bytes | None) -> bytes | None:
    """The description's bytes from the root's metadata; None where there is none."""
    try:
        copy = json.loads(metadata or b"null")["attributes"][_COPY]
    except (ValueError, TypeError, KeyError):
        return None
    return to_json(copy)


def _layer_of(record: LayerRecord) -> LayerDescription:
    return LayerDescription(arrays=tuple(array.kind() for array in record.arrays), facts=record.facts)


def _as_read(layer: LayerDescription) -> LayerDescription:
    """As it comes back from its bytes: keys in order, and lists where its facts and attributes have tuples."""
    return _layer_of(LayerRecord.model_validate_json(to_json(layer.to_json())))
