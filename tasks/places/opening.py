"""Opening the places of a spec, whichever way it names them."""

from pathlib import Path

from tasks.places.draws import ListedPlaces, RandomPlaces, draw_region
from tasks.places.points import load_points
from tasks.places.regions import load_region
from tasks.places.tiling import load_cover
from tasks.spec import CorpusSpec
from tasks.spec.locations import need_file


def open_places(spec: CorpusSpec, cache: Path | None = None) -> RandomPlaces | ListedPlaces:
    """Find the places that a spec draws from; `cache` is a folder where the cells of large regions are kept.

    Raises PlacesError, SpecError.
    """
    places, window, pixels = spec.places, spec.span, spec.patch.pixels
    if places.random is not None:
        source = places.random
        if not isinstance(source, str):
            region = load_region(list(source))
        elif source == "land":
            region = load_region("land")
        else:
            region = load_region(need_file(source, "places.random"))
        return draw_region(
            region, pixels=pixels, seed=spec.seed, window=window, shard_size=spec.shard_size, cache=cache
        )
    load = load_points if places.mode == "points" else load_cover
    path = need_file(str(places.source), f"places.{places.mode}")
    return load(path, pixels=pixels, seed=spec.seed, window=window, shard_size=spec.shard_size)
