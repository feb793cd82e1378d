"""WHERE: regions, the lattice, seeded draws, patches."""

from pathlib import Path

from tasks.places.draws import Draws, ListedPlaces, RandomPlaces, draw_region
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.places.points import load_points
from tasks.places.regions import load_region
from tasks.spec import CorpusSpec, resolve_path

__all__ = ["PIXEL", "Draws", "ListedPlaces", "Patch", "Patches", "RandomPlaces", "open_places", "window_of"]


def open_places(spec: CorpusSpec, folder: Path) -> RandomPlaces | ListedPlaces:
    """Find the places that a spec draws from.

    `folder` is where the spec lies. Raises PlacesError, SpecError.
    """
    places, window, pixels = spec.places, window_of(spec), spec.patch.pixels
    if places.random is not None:
        source = places.random
        if isinstance(source, str):
            region = load_region(source if source == "land" else resolve_path(source, folder, key="places.random"))
        else:
            region = load_region(list(source))
        return draw_region(region, pixels=pixels, seed=spec.seed, window=window, shard_size=spec.shard_size)
    if places.points is not None:
        path = resolve_path(places.points, folder, key="places.points")
        return load_points(path, pixels=pixels, seed=spec.seed, window=window, shard_size=spec.shard_size)
    raise NotImplementedError


def window_of(spec: CorpusSpec) -> tuple[int, int]:
    """The spec's window in microseconds since 1970 UTC, half open."""
    first, end = (round(instant.timestamp() * 1_000_000) for instant in spec.window)
    return first, end
