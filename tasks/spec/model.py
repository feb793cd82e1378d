"""CorpusSpec: the one description of a corpus."""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tasks.errors import SpecError
from tasks.spec.locations import FOLDER, destination_location, place, source_location
from tasks.spec.memory import MOST_HELD, memory_of_shard
from tasks.spec.messages import OTHER, TEXT, explain, tell
from tasks.spec.yaml_file import read_spec_file

NAMED_PLATFORMS = ("earthengine", "descarteslabs", "demo")
RESERVED_NAMES = ("labels", "samples", "commits", "runs", "release")
"""Folders of a corpus, which no platform may be called."""


def _branch(value: Any) -> str:
    return TEXT if isinstance(value, str) else OTHER


PlatformName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Places(_Part):
    """Where samples are drawn: exactly one of three modes."""

    random: (
        Annotated[Annotated[str, Tag(TEXT)] | Annotated[tuple[str, ...], Tag(OTHER)], Discriminator(_branch)] | None
    ) = None
    """`land`, ISO 3166 alpha-2 codes and groups such as `EU27`, or a file of polygons."""
    cover: str | None = None
    """A file of polygons, tiled without gaps."""
    points: str | None = None
    """A file of points, one sample centred on each."""

    @field_validator("random", mode="before")
    @classmethod
    def _codes(cls, random: Any) -> Any:
        if isinstance(random, list | tuple) and False in random:
            raise ValueError("NO (Norway) without quotes is a truth value in YAML; write 'NO'")
        if isinstance(random, str) and random != "land" and re.fullmatch(r"[A-Za-z]{2}|[A-Z0-9]{3,6}", random):
            raise ValueError(f"{random!r} alone is taken for a file; write [{random.upper()}] for a country or group")
        return random

    @field_validator("random", "cover", "points")
    @classmethod
    def _absolute(cls, source: Any, info: ValidationInfo) -> Any:
        return source_location(source, info.context) if isinstance(source, str) and source != "land" else source

    @model_validator(mode="before")
    @classmethod
    def _mode_and_source(cls, places: Any) -> Any:
        if isinstance(places, str):
            raise ValueError(f"expected a mode and its source, such as {{random: {places}}}")
        return places

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        given = [mode for mode in ("random", "cover", "points") if getattr(self, mode) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of random, cover, points, found {' and '.join(given) or 'none'}; "
                "for instance {random: land} or {points: sites.geojson}"
            )
        return self

    @property
    def mode(self) -> Literal["random", "cover", "points"]:
        if self.random is not None:
            return "random"
        return "cover" if self.cover is not None else "points"

    @property
    def source(self) -> str | list[str]:
        source = getattr(self, self.mode)
        return source if isinstance(source, str) else list(source)


class Pairing(_Part):
    """Which Sentinel-2 and Sentinel-1 acquisitions make a pair."""

    max_gap_days: float = Field(default=3.0, gt=0, le=30)
    search_days: float = Field(default=30.0, gt=0, le=3660)
    """How far from the preferred instant a Sentinel-2 scene may lie."""
    max_cloud_cover: float | None = Field(default=None, ge=0, le=100)
    """Percent, as the catalogue gives it for the scene; a scene without the figure does not qualify under a limit."""


class PatchSize(_Part):
    """The patch: a square of 10 m pixels."""

    pixels: int = Field(default=250, ge=16, le=1024)


class StacSource(_Part):
    """A STAC archive: any API or static catalogue."""

    catalog: str
    """Path or URL of the catalogue."""
    sentinel2: str = "sentinel-2-l2a"
    """Collection of the Sentinel-2 scenes."""
    sentinel2_b10: str | None = None
    """Collection of their L1C twins, from which B10 is taken; Level-2A has none."""
    sentinel1: str = "sentinel-1-grd"
    """Collection of the Sentinel-1 scenes."""
    backscatter: Literal["db", "power"] = "db"
    """What the Sentinel-1 pixels hold: decibels or linear power."""
    name: PlatformName = "stac"
    """What the platform is called in the corpus."""

    @field_validator("name")
    @classmethod
    def _free_name(cls, name: str) -> str:
        if name in RESERVED_NAMES or name in ("earthengine", "descarteslabs"):
            raise ValueError(f"the name {name!r} is taken by the layout of a corpus; choose another")
        return name

    @field_validator("catalog")
    @classmethod
    def _absolute(cls, catalog: str, info: ValidationInfo) -> str:
        return source_location(catalog, info.context)


@dataclass(frozen=True, kw_only=True)
class PlatformItem:
    """One item of `platforms`, in whichever way it was written."""

    kind: str
    """earthengine, descarteslabs, stac or demo."""
    name: str
    """What it is called in the corpus."""
    stac: StacSource | None = None
    """With `stac`."""


class Splits(_Part):
    """Shares of the samples for training, validation and test; they add up to 1."""

    train: float = Field(default=0.7, ge=0, le=1)
    validation: float = Field(default=0.1, ge=0, le=1)
    test: float = Field(default=0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test add up to {total:g}, expected 1")
        return self

    @property
    def shares(self) -> dict[str, float]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


class Sources(_Part):
    """Files that labels are read from instead of a platform's own copy."""

    corine: str | None = None

    @field_validator("corine")
    @classmethod
    def _absolute(cls, file: str | None, info: ValidationInfo) -> str | None:
        return file if file is None else source_location(file, info.context)


class _StacItem(_Part):
    stac: StacSource


Platform = Annotated[Annotated[str, Tag(TEXT)] | Annotated[_StacItem, Tag(OTHER)], Discriminator(_branch)]


class CorpusSpec(_Part):
    """A corpus, described completely: with what the platforms hold, it determines every byte."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")
    seed: int = Field(default=0, ge=0, lt=2**63)
    size: int | None = Field(default=None, gt=0, le=1_000_000_000)
    """Samples. A random corpus needs it; in the other modes the places say it."""
    places: Places
    window: tuple[dt.datetime, dt.datetime]
    """Acquisition times, half open, UTC."""
    pairing: Pairing = Pairing()
    patch: PatchSize = PatchSize()
    platforms: tuple[Platform, ...] = Field(default=("demo",), min_length=1)
    labels: tuple[Literal["corine", "osm"], ...] = ()
    sources: Sources = Sources()
    splits: Splits = Splits()
    shard_size: int = Field(default=250, ge=1, le=4096)
    destinations: tuple[str, ...] = Field(min_length=1)

    @field_validator("window", mode="before")
    @classmethod
    def _instants(cls, window: Any) -> Any:
        if not isinstance(window, list | tuple) or len(window) != 2:
            raise ValueError("expected two dates, the first day and the day after the last: [2018-01-01, 2021-01-01]")
        return tuple(_instant(value) for value in window)

    @field_validator("window")
    @classmethod
    def _forward(cls, window: tuple[dt.datetime, dt.datetime]) -> tuple[dt.datetime, dt.datetime]:
        first, end = window
        if first >= end:
            raise ValueError(
                f"the window is half open and must run forward, but it begins {first:%Y-%m-%d %H:%M} "
                f"and ends {end:%Y-%m-%d %H:%M}; swap the two dates"
            )
        return window

    @field_validator("platforms", mode="before")
    @classmethod
    def _known_platforms(cls, platforms: Any) -> Any:
        for item in platforms if isinstance(platforms, list | tuple) else ():
            if isinstance(item, str) and item not in NAMED_PLATFORMS:
                raise ValueError(
                    f"unknown platform {item!r}; expected {', '.join(NAMED_PLATFORMS)} or "
                    "{stac: {catalog: path or URL}}"
                )
        return platforms

    @field_validator("destinations")
    @classmethod
    def _absolute(cls, destinations: tuple[str, ...]) -> tuple[str, ...]:
        locations = tuple(destination_location(item) for item in destinations)
        places = [place(location) for location in locations]
        for index, item in enumerate(places):
            if item in places[:index]:
                raise ValueError(
                    f"{destinations[index]!r} stands twice, first as {destinations[places.index(item)]!r}; every "
                    "destination gets its own copy"
                )
        return locations

    # Of validators that come before, the last one defined is the first to run: the others see lists.
    @field_validator("platforms", "destinations", "labels", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = self.platform_names
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"platforms: the name {name!r} stands twice; give each stac item a `name` of its own")
        held = memory_of_shard(self)
        if held > MOST_HELD:
            fits = max(1, MOST_HELD * self.shard_size // held)
            raise ValueError(
                f"shard_size: {self.shard_size} samples of {self.patch.pixels} px would take {held / 1e9:.1f} GB of "
                f"memory while they are built, {MOST_HELD / 1e9:g} GB at most; use shard_size: {fits} or less"
            )
        if self.places.mode == "random":
            if self.size is None:
                raise ValueError("size: a random corpus needs the number of samples, for instance `size: 1_000`")
            if self.size % self.shard_size:
                below = self.size // self.shard_size * self.shard_size
                nearest = f"{below} or {below + self.shard_size}" if below else str(self.shard_size)
                raise ValueError(
                    f"size: {self.size} is not a multiple of shard_size {self.shard_size}, and a random corpus has "
                    f"whole shards; use {nearest}, or another shard_size"
                )
        return self

    @property
    def span(self) -> tuple[int, int]:
        """The window in microseconds since 1970 UTC, half open."""
        first, end = (round(instant.timestamp() * 1_000_000) for instant in self.window)
        return first, end

    def changed(self, *, size: int | None = None, destinations: list[str] | None = None) -> "CorpusSpec":
        """The spec with another size or other destinations. Raises SpecError: it is none with them."""
        content = self.model_dump()
        content |= {"size": size} if size is not None else {}
        content |= {"destinations": destinations} if destinations else {}
        try:
            return CorpusSpec.model_validate(content)
        except ValidationError as error:
            raise SpecError(tell(error.errors()[0])) from None

    @property
    def platform_items(self) -> tuple[PlatformItem, ...]:
        """The platforms in the spec's order, each with its kind and the name that arrays and columns bear."""
        return tuple(
            PlatformItem(kind=item, name=item)
            if isinstance(item, str)
            else PlatformItem(kind="stac", name=item.stac.name, stac=item.stac)
            for item in self.platforms
        )

    @property
    def platform_names(self) -> list[str]:
        """Names of the platforms as arrays and columns bear them, in the spec's order."""
        return [item.name for item in self.platform_items]


def load_spec(path: str | Path) -> CorpusSpec:
    """Read a spec from a YAML file.

    Files that it names are looked for in its own folder first, then in the current one; all locations become absolute.
    Raises SpecError: unreadable, not YAML, an unknown key or a wrong value; names key, value, expectation and line.
    """
    file = read_spec_file(Path(path))
    try:
        return CorpusSpec.model_validate(file.content, context={FOLDER: file.path.absolute().parent})
    except ValidationError as error:
        raise SpecError(explain(error, file, _keys())) from None


def _instant(value: Any) -> dt.datetime:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a date; expected one such as 2018-01-01") from None
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    raise ValueError(f"{value!r} is not a date; expected one such as 2018-01-01")


def _keys() -> dict[str, list[str]]:
    """Allowed keys by the key they stand under."""
    parts: dict[str, type[BaseModel]] = {
        "": CorpusSpec,
        "places": Places,
        "pairing": Pairing,
        "patch": PatchSize,
        "platforms": _StacItem,
        "stac": StacSource,
        "sources": Sources,
        "splits": Splits,
    }
    return {name: list(part.model_fields) for name, part in parts.items()}
