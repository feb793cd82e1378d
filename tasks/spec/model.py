"""CorpusSpec: the one description of a corpus."""

import datetime as dt
from typing import Any, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from tasks.errors import SpecError
from tasks.spec.acquisitions import SEARCH_DAYS, Acquisition, Instants, check_acquisitions, in_order, refuse_given
from tasks.spec.expectations import NAME
from tasks.spec.labels import EARTHENGINE, Accepted, LabelItem, WrittenLabel, label_item, usable_labels
from tasks.spec.locations import canonical, destination_location
from tasks.spec.memory import MOST_HELD, memory_of_shard
from tasks.spec.messages import tell
from tasks.spec.parts import MOST_GAP_DAYS, Pairing, Part, PatchSize, Sources
from tasks.spec.places import Places, refuse_columns
from tasks.spec.platforms import PlatformItem, WrittenPlatform, known_platforms, platform_item
from tasks.spec.splits import Splits, refuse_splits


class CorpusSpec(Part):
    """A corpus, described completely: with what the platforms hold, it determines every byte.

    Its locations are absolute, wherever it was made. Files that it names start at the folder of the spec (given as the
    validation context `folder`), or where they are not there, at the current one; destinations at the current one.
    """

    name: str = Field(pattern=NAME)
    """What the corpus is called, in its own metadata and in the tags of its runs."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of the random draws; another seed gives other places and instants."""
    size: int | None = Field(default=None, gt=0, le=1_000_000_000)
    """Samples. A random corpus needs it, as a multiple of `shard_size`; in the other modes the places say it."""
    places: Places
    """Where samples are drawn: exactly one of `random`, `cover` and `points`."""
    window: tuple[dt.datetime, dt.datetime]
    """Acquisition times of the Sentinel-2 scenes: the first instant and the one after the last, UTC if no zone is
    given; dates such as `[2018-01-01, 2021-01-01]` are their first instants."""
    pairing: Pairing = Pairing()
    """Limits of what makes a pair of acquisitions: the shorthand for `{s2: {search_days, cloud_cover: [0, most]}, s1:
    {near: s2, max_days}}` under `acquisitions`."""
    acquisitions: dict[str, Acquisition] | None = None
    """What is looked for at a place, by roles such as `s2`, `s2_cloudy`, `s1`, each near another one. It takes the
    place of `pairing`."""
    instants: Instants | None = None
    """At how many instants a place is looked at: `{slices: 30}` or `{seasons: 4}`; without it at one."""
    patch: PatchSize = PatchSize()
    """How large a sample is."""
    platforms: tuple[WrittenPlatform, ...] = Field(default=("demo",), min_length=1)
    """Whom the images come from: `earthengine`, `descarteslabs`, `demo`, or `{stac: {...}}`. The first one pairs, and
    each other delivers the same two acquisitions. One alone need not be a list."""
    labels: tuple[WrittenLabel, ...] = ()
    """Rasters made beside the images: `corine`, CORINE Land Cover 2018; `osm`, OpenStreetMap's points, lines and
    polygons; or any other source, `NAME: {...}`. One alone need not be a list."""
    sources: Sources = Sources()
    """Files that labels are read from."""
    accept: tuple[Accepted, ...] = ()
    """What has to be said in so many words: `uncovered`, that labels do not cover all places, which are nodata there;
    `wdpa-noncommercial`, that a corpus with the World Database on Protected Areas may not be used commercially."""
    splits: Splits = Splits()
    """Which samples are for training, validation and test."""
    shard_size: int = Field(default=250, ge=1, le=4096)
    """Samples a shard, the unit that is built, stored and repeated as a whole, in memory while it is built."""
    destinations: tuple[str, ...] = Field(min_length=1)
    """Folders, `gs://bucket/prefix` or `az://container/prefix`: each gets a whole copy of the corpus. One alone need
    not be a list."""

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
        return known_platforms(platforms)

    @field_validator("destinations")
    @classmethod
    def _absolute(cls, destinations: tuple[str, ...]) -> tuple[str, ...]:
        locations = tuple(destination_location(item) for item in destinations)
        written: dict[str, str] = {}
        for location, item in zip(map(canonical, locations), destinations, strict=True):
            if location in written:
                raise ValueError(
                    f"{item!r} stands twice, first as {written[location]!r}; every destination gets its own copy"
                )
            written[location] = item
        return locations

    @field_validator("labels")
    @classmethod
    def _usable_labels(cls, labels: Any) -> Any:
        usable_labels(labels)
        return labels

    # Of validators that come before, the last one defined is the first to run: the others see lists.
    @field_validator("platforms", "destinations", "labels", "accept", mode="before")
    @classmethod
    def _lists(cls, value: Any, info: ValidationInfo) -> Any:
        return [value] if isinstance(value, str) or (info.field_name == "labels" and isinstance(value, dict)) else value

    @model_validator(mode="after")
    def _looked_for(self) -> Self:
        if self.acquisitions is not None:
            if "pairing" in self.model_fields_set and self.pairing != Pairing():
                raise ValueError("pairing: is the shorthand of acquisitions; give one of the two")
            try:
                check_acquisitions(self.acquisitions)
            except ValueError as error:
                raise ValueError(f"acquisitions: {error}") from None
        taken = {column for role, one in self.roles.items() for column in (role, *([f"{role}_cloud"] * bool(one.mask)))}
        for item in self.label_items:
            if item.name in taken:
                raise ValueError(
                    f"labels: {item.name} is the name of a role or of its mask; give the label another one"
                )
        _ = self.parts
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse_given(self.roles, self.instants, [item.kind for item in self.platform_items])
        names = self.platform_names
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"platforms: the name {name!r} stands twice; give each stac item a `name` of its own")
        for item in self.label_items:
            needed = item.source.needs_acceptance if item.source else None
            if needed and needed not in self.accept:
                raise ValueError(
                    f"labels: {item.name}: the World Database on Protected Areas, and whatever is derived from it, may "
                    f"not be used commercially without permission; write `accept: [{needed}]` if that suits the corpus"
                )
        held = memory_of_shard(self)
        if held > MOST_HELD:
            several = f" at {self.dates} dates" if self.dates > 1 else ""
            if not (fits := MOST_HELD * self.shard_size // held):
                raise ValueError(
                    f"patch.pixels: one sample of {self.patch.pixels} px{several} would take "
                    f"{held / self.shard_size / 1e9:.1f} GB of memory while it is built, {MOST_HELD / 1e9:g} GB at "
                    "most; use fewer pixels, dates or roles"
                )
            raise ValueError(
                f"shard_size: {self.shard_size} samples of {self.patch.pixels} px{several} would take "
                f"{held / 1e9:.1f} GB of memory while they are built, {MOST_HELD / 1e9:g} GB at most; use shard_size: "
                f"{fits} or less"
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

    @model_validator(mode="after")
    def _placed(self) -> Self:
        refuse_splits(self.splits, self.places, self.patch.pixels)
        given = self.splits.by if self.splits.as_given else None
        refuse_columns(
            self.places, split=given, named=[*self.platform_names, *(item.name for item in self.label_items)]
        )
        return self

    @property
    def span(self) -> tuple[int, int]:
        """The window in microseconds since 1970 UTC, half open."""
        first, end = (round(instant.timestamp() * 1_000_000) for instant in self.window)
        return first, end

    @property
    def roles(self) -> dict[str, Acquisition]:
        """What is looked for at each instant, root first, every other role after the one that it is near."""
        if self.acquisitions is not None:
            return in_order(self.acquisitions)
        most = self.pairing.max_cloud_cover
        return {
            "s2": Acquisition(search_days=self.pairing.search_days, cloud_cover=None if most is None else (0.0, most)),
            "s1": Acquisition(near="s2", max_days=self.pairing.max_gap_days),
        }

    @property
    def as_pairing(self) -> Pairing | None:
        """The roles in the words of `pairing`; None where these do not say them."""
        if self.acquisitions is None:
            return self.pairing
        if {*self.acquisitions} != {"s2", "s1"}:
            return None
        root, radar = self.acquisitions["s2"], self.acquisitions["s1"]
        least, most = root.cloud_cover or (0.0, None)
        gap, search = radar.max_days, SEARCH_DAYS if root.search_days is None else root.search_days
        if least or gap is None or gap > MOST_GAP_DAYS or self.instants is not None:
            return None
        pairing = Pairing(max_gap_days=gap, search_days=search, max_cloud_cover=most)
        plain = self.model_copy(update={"acquisitions": None, "pairing": pairing})
        same = root.model_copy(update={"search_days": search}), radar
        return pairing if same == tuple(plain.roles[role] for role in ("s2", "s1")) else None

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """The parts of the window in each of which a place is looked at, microseconds since 1970 UTC, half open."""
        return (self.span,) if self.instants is None else self.instants.parts(self.window)

    @property
    def dates(self) -> int:
        """At how many instants a place is looked at."""
        return len(self.parts)

    @property
    def platform_items(self) -> tuple[PlatformItem, ...]:
        """The platforms in the spec's order, each with its kind and the name that arrays and columns bear."""
        return tuple(platform_item(written) for written in self.platforms)

    @property
    def platform_names(self) -> list[str]:
        """Names of the platforms as arrays and columns bear them, in the spec's order."""
        return [item.name for item in self.platform_items]

    @property
    def labels_sent(self) -> tuple[LabelItem, ...]:
        """The labels that Earth Engine sends with its images."""
        if EARTHENGINE not in self.platform_names:
            return ()
        own = () if self.sources.corine else ("corine",)
        return tuple(item for item in self.label_items if item.name in own or (item.source and item.source.earthengine))

    @property
    def label_items(self) -> tuple[LabelItem, ...]:
        """The labels in the spec's order, each with its name."""
        return tuple(label_item(written) for written in self.labels)

    def changed(self, *, size: int | None = None, destinations: list[str] | None = None) -> "CorpusSpec":
        """The spec with another size or other destinations. Raises SpecError: it is none with them."""
        content = self.model_dump()
        content |= {"size": size} if size is not None else {}
        content |= {"destinations": destinations} if destinations else {}
        try:
            return CorpusSpec.model_validate(content)
        except ValidationError as error:
            raise SpecError(tell(error.errors()[0])) from None


def _instant(value: Any) -> dt.datetime:
    try:
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        if isinstance(value, dt.datetime):
            return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)
        if isinstance(value, dt.date):
            return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    except (ValueError, OverflowError) as error:  # the latter: beyond the years 1 to 9999 once it is in UTC
        why = "" if str(error).startswith("Invalid isoformat") else f" ({error})"
        raise ValueError(f"{value!r} is not a date{why}; expected one such as 2018-01-01") from None
    raise ValueError(f"{value!r} is not a date; expected one such as 2018-01-01")
