"""WHERE: regions, the lattice, seeded draws, patches."""

from pathlib import Path

from tasks.places.draws import Draws, ListedPlaces, RandomPlaces, draw_region
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.places.points import load_points
from tasks.places.regions import load_region
from tasks.spec import CorpusSpec, resolve_path

__all__ = ["PIXEL", "Draws", "ListedPlaces", "Patch", "Patches", "RandomPlaces", "open_places"]


def open_places(spec: CorpusSpec, folder: Path) -> RandomPlaces | ListedPlaces:
    """Find the places that a spec draws from.

    `folder` is where the spec lies. Raises PlacesError, SpecError.
    """
    places, window, pixels = spec.places, spec.span, spec.patch.pixels
    if places.random is not None:
        source = places.random
        if not isinstance(source, str):
            region = load_region(list(source))
        elif source == "land":
            region = load_region("land")
        else:
            region = load_region(resolve_path(source, folder, key="places.random"))
        return draw_region(region, pixels=pixels, seed=spec.seed, window=window, shard_size=spec.shard_size)
    if places.points is not None:
        path = resolve_path(places.points, folder, key="places.points")
        return load_points(path, pixels=pixels, seed=spec.seed, window=window, shard_size=spec.shard_size)
    raise NotImplementedError
