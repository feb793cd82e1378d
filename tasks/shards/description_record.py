"""`corpus.json` as it is read: typed, or with what is wrong in words."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.imagery.bands import BANDS
from tasks.shards.array_kinds import ArrayKind, Codec
from tasks.shards.json_record import Record
from tasks.spec import PlatformName


class _Part(BaseModel):
    """A part of a stored spec, as far as it is read; the rest is only compared."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Header(_Part):
    layout: Annotated[int, Field(alias="schema")]


class _PatchRecord(_Part):
    pixels: Annotated[int, Field(ge=16, le=2048)]


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


class _ArrayRecord(Record):
    path: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*/[a-z][a-z0-9_]*$")]
    dimensions: list[str]
    shape: list[int]
    dtype: str
    fill: int
    codec: Codec
    step: float | None
    names: dict[str, list[str]]
    attributes: dict[str, Any]

    def kind(self) -> ArrayKind:
        return ArrayKind(
            path=self.path,
            dimensions=tuple(self.dimensions),
            shape=tuple(self.shape),
            dtype=self.dtype,
            fill=self.fill,
            codec=self.codec,
            step=self.step,
            names={axis: tuple(values) for axis, values in self.names.items()},
            attributes=self.attributes,
        )


class LayerRecord(Record):
    arrays: list[_ArrayRecord]
    facts: dict[str, Any]


class DescriptionRecord(Record):
    """What `Description.to_bytes` wrote."""

    layout: Annotated[int, Field(alias="schema")]
    spec: _SpecRecord
    shards: Annotated[int, Field(ge=1, le=10**9)]
    capacity: Annotated[int, Field(ge=1)]
    roles: Annotated[list[Annotated[str, Field(pattern=r"^s[12][a-z0-9_]*$")]], Field(min_length=1)]
    bands: dict[str, list[str]]
    layers: dict[str, LayerRecord]
    software: dict[str, str]
    masks: Annotated[list[str], Field(default_factory=list)]
    times: Annotated[list[str], Field(default_factory=list)]
    tile: Annotated[int, Field(ge=16, le=2048)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if sorted(self.bands) != sorted(self.spec.names):
            raise ValueError(f"bands of {', '.join(sorted(self.bands))}, platforms {', '.join(self.spec.names)}")
        if unknown := {band for held in self.bands.values() for band in held} - {*BANDS}:
            raise ValueError(f"unknown bands {', '.join(sorted(unknown))}")
        if "random" in self.spec.places and self.spec.size != self.shards * self.spec.shard_size:
            raise ValueError(f"{self.shards} shards of {self.spec.shard_size} are not {self.spec.size} samples")
        return self
