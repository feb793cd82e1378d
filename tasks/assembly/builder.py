"""What a process opens once to build shards of a corpus: places, platforms, layers, destinations, and threads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import count
from threading import Lock

from tasks.imagery.platform import Platform, Traffic
from tasks.imagery.registry import open_platforms, platform_settings
from tasks.imagery.threads import Threads
from tasks.labels.layer import Layer
from tasks.labels.opening import layer_notes, open_layers
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.places.opening import open_places
from tasks.scenes.roles import Rule, lifetime_notes, rule_of
from tasks.settings import PlatformSettings, Settings, load_settings
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description, LayerDescription, describe
from tasks.shards.destinations import Destination, open_destination
from tasks.spec import CorpusSpec


@dataclass(frozen=True, eq=False)
class Builder:
    """Everything a shard needs but its number. Safe to use from many threads."""

    spec: CorpusSpec
    settings: Settings
    places: RandomPlaces | ListedPlaces
    platforms: tuple[Platform, ...]
    destinations: tuple[Destination, ...]
    layers: tuple[Layer, ...] = ()
    threads: Threads = field(init=False)
    """Fetch samples for all shards of the process: as many as the platforms admit."""
    turns: Iterator[int] = field(init=False, default_factory=count)
    """Numbers for shards in the order in which they begin."""

    def __post_init__(self) -> None:
        most = sum(platform.in_flight for platform in self.platforms)
        object.__setattr__(self, "threads", Threads(most, "fetch"))

    @cached_property
    def description(self) -> Description:
        """The corpus as the spec has it. Raises PlacesError: larger than the region holds."""
        return describe(
            self.spec,
            places=self.places.digest,
            shards=self.places.shards(self.spec.size),
            capacity=self.places.capacity,
            bands={platform.name: platform.bands for platform in self.platforms},
            layers=self.layer_descriptions,
        )

    @cached_property
    def layer_descriptions(self) -> dict[str, LayerDescription]:
        """What a corpus says of its layers, by name."""
        return {layer.name: LayerDescription(arrays=layer.arrays, facts=layer.describe()) for layer in self.layers}

    @cached_property
    def kinds(self) -> dict[str, ArrayKind]:
        """The corpus' arrays by path."""
        return {kind.path: kind for kind in self.description.arrays}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know before a build: what was mended, what the window and what labels leave out."""
        return (*self.places.notes, *lifetime_notes(self.spec), *layer_notes(self.layers))

    @cached_property
    def rule(self) -> Rule:
        """The spec's pairing rule."""
        return rule_of(self.spec)

    def traffic(self) -> dict[str, Traffic]:
        """Fresh counters, by platform."""
        return {platform.name: Traffic() for platform in self.platforms}

    def close(self) -> None:
        """End threads, connections and logins."""
        self.threads.close()
        for platform in self.platforms:
            platform.close()


_opening = Lock()
_opened: list[Builder] = []


def open_builder(spec: CorpusSpec) -> Builder:
    """Open what a spec names; a process does it once.

    Raises SpecError, PlacesError, LabelsError, CorpusError, CatalogueError, PixelsError, CredentialsError,
    PlatformUnreachable, DestinationError, SettingsError.
    """
    with _opening:
        # The settings are part of the key as they are: as text they would have lost their secrets.
        return _open(spec.model_dump_json(), load_settings(), platform_settings(spec))  # pyright: ignore[reportArgumentType] hashable: frozen


def close_builders() -> None:
    """Close all that this process has opened."""
    with _opening:
        _open.cache_clear()
        while _opened:
            _opened.pop().close()


@lru_cache(maxsize=4)
def _open(spec_text: str, settings: Settings, of_platforms: tuple[PlatformSettings, ...]) -> Builder:
    spec = CorpusSpec.model_validate_json(spec_text)
    # What is cheap to find wrong comes first: a folder that cannot be written before a catalogue that is read.
    destinations = tuple(open_destination(location) for location in spec.destinations)
    places = open_places(spec, settings.cache)
    layers = open_layers(spec, places, of_platforms)
    overlays = tuple(layer.overlay for layer in layers if layer.overlay is not None)
    platforms = tuple(open_platforms(spec, places.bounds, of_platforms, overlays))
    builder = Builder(spec, settings, places, platforms, destinations, layers)
    _opened.append(builder)
    return builder
