"""What a process opens once to build shards of a corpus: places, platforms, destinations, and threads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path
from threading import Lock

from tasks.assembly.fetch_threads import Readers
from tasks.errors import SpecError
from tasks.imagery import Platform, open_platforms
from tasks.places import ListedPlaces, RandomPlaces, open_places
from tasks.scenes import Rule, lifetime_notes, rule_of
from tasks.settings import Settings, load_settings
from tasks.shards.description import Description, describe
from tasks.shards.destinations import LocalFolder, open_destination
from tasks.spec import CorpusSpec


@dataclass(frozen=True)
class Workshop:
    """Everything a shard needs but its number. Safe to use from many threads."""

    spec: CorpusSpec
    settings: Settings
    places: RandomPlaces | ListedPlaces
    platforms: tuple[Platform, ...]
    destinations: tuple[LocalFolder, ...]
    readers: Readers = field(init=False)
    """Threads that fetch samples, shared by all shards of the process: as many as the platforms admit."""
    turns: Iterator[int] = field(init=False, default_factory=count)
    """Numbers for shards in the order in which they begin."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "readers", Readers(sum(platform.in_flight for platform in self.platforms)))

    @cached_property
    def description(self) -> Description:
        """The corpus as the spec has it. Raises PlacesError: larger than the region holds."""
        return describe(
            self.spec,
            places=self.places.digest,
            shards=self.places.shards(self.spec.size),
            capacity=self.places.capacity,
            bands={platform.name: platform.bands for platform in self.platforms},
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know before a build: what was mended, and what the window leaves out."""
        return (*self.places.notes, *lifetime_notes(self.spec))

    @cached_property
    def rule(self) -> Rule:
        """The spec's pairing rule."""
        return rule_of(self.spec)


_opening = Lock()


def open_workshop(spec: CorpusSpec, folder: Path) -> Workshop:
    """Open what a spec names; a process does it once.

    `folder` is where the spec lies. Raises SpecError, PlacesError, CatalogueError, DestinationError, SettingsError.
    """
    with _opening:
        return _open(spec.model_dump_json(), folder, load_settings())  # pyright: ignore[reportArgumentType] hashable: frozen


@lru_cache(maxsize=4)
def _open(spec_text: str, folder: Path, settings: Settings) -> Workshop:
    # The settings are the key themselves: as text they would have lost their secrets.
    spec = CorpusSpec.model_validate_json(spec_text)
    if spec.labels:
        raise SpecError(f"labels: [{', '.join(spec.labels)}]: labels cannot be made by this version. Use labels: [].")
    # What is cheap to find wrong comes first.
    destinations = tuple(open_destination(location) for location in spec.destinations)
    places = open_places(spec, folder, settings.cache)
    platforms = tuple(open_platforms(spec, places.bounds, folder, settings))
    return Workshop(spec, settings, places, platforms, destinations)
