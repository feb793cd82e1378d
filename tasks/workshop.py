"""What a process opens once to build shards of a corpus: places, platforms, destinations, and threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock

from tasks.corpus import Description, describe
from tasks.errors import SpecError
from tasks.imagery import Platform, open_platforms
from tasks.places import ListedPlaces, RandomPlaces, open_places
from tasks.scenes import Rule
from tasks.settings import Settings, load_settings
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

    @cached_property
    def rule(self) -> Rule:
        """The spec's pairing rule."""
        return Rule.of(self.spec)

    @cached_property
    def readers(self) -> ThreadPoolExecutor:
        """Threads that fetch samples, shared by all shards of the process: as many as the platforms admit."""
        threads = sum(platform.in_flight for platform in self.platforms)
        return ThreadPoolExecutor(threads, thread_name_prefix="fetch")


_opening = Lock()


def open_workshop(spec: CorpusSpec, folder: Path) -> Workshop:
    """Open what a spec names; a process does it once.

    `folder` is where the spec lies. Raises SpecError, PlacesError, CatalogueError, DestinationError, SettingsError.
    """
    with _opening:
        return _open(spec.model_dump_json(), folder, load_settings().model_dump_json())


@lru_cache(maxsize=4)
def _open(spec_text: str, folder: Path, settings_text: str) -> Workshop:
    spec, settings = CorpusSpec.model_validate_json(spec_text), Settings.model_validate_json(settings_text)
    if spec.labels:
        raise SpecError(f"labels: [{', '.join(spec.labels)}]: labels cannot be made by this version. Use labels: [].")
    if spec.places.cover is not None:
        raise SpecError("places: {cover: ...} cannot be used by this version. Use random or points.")
    # What is cheap to find wrong comes first.
    destinations = tuple(open_destination(location) for location in spec.destinations)
    platforms = tuple(open_platforms(spec, folder, settings))
    return Workshop(spec, settings, open_places(spec, folder), platforms, destinations)
