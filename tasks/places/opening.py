"""Opening the places of a spec, whichever way it names them."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from tasks.errors import PlacesError
from tasks.notices import told_if_slow
from tasks.places.draws import ListedPlaces, RandomPlaces, draw_strata
from tasks.places.overlaps import overlap_counts
from tasks.places.points import load_points
from tasks.places.regions import Region, load_region
from tasks.places.splits import split_by, split_of
from tasks.places.tiling import load_cover
from tasks.spec import CorpusSpec
from tasks.spec.locations import need_file
from tasks.spec.places import LAND


def open_places(spec: CorpusSpec, cache: Path | None = None) -> RandomPlaces | ListedPlaces:
    """Find the places that a spec draws from; `cache` is a folder where the cells of large regions are kept.

    Raises PlacesError, SpecError.
    """
    places, window, pixels = spec.places, spec.span, spec.patch.pixels
    if places.random is not None:
        several = len(places.strata) > 1
        return draw_strata(
            [
                _region(one.region, f"places.random.{at}.region" if several else "places.random")
                for at, one in enumerate(places.strata)
            ],
            [one.share for one in places.strata],
            pixels=pixels,
            seed=spec.seed,
            window=window,
            shard_size=spec.shard_size,
            cache=cache,
        )
    path, columns = need_file(str(places.source), f"places.{places.mode}"), places.columns or ()
    if places.mode == "points":
        found = load_points(
            path, pixels=pixels, seed=spec.seed, window=window, shard_size=spec.shard_size, columns=columns
        )
    else:
        found = load_cover(
            path,
            pixels=pixels,
            seed=spec.seed,
            window=window,
            shard_size=spec.shard_size,
            columns=columns,
            stride=places.stride,
        )
    return _split(found, spec)


def _region(source: str | tuple[str, ...], key: str) -> Region:
    if not isinstance(source, str):
        return load_region(list(source))
    return load_region(LAND if source == LAND else need_file(source, key))


def _split(found: ListedPlaces, spec: CorpusSpec) -> ListedPlaces:
    """Listed places with their splits, where these go by a column, and with notes on what overlaps.

    Raises PlacesError: a value of the column is no split; or tiles that overlap are in different ones.
    """
    key, by = f"places.{spec.places.mode}", spec.splits.by
    if by is None:
        split = split_of(*found.patches.centres(), spec.seed, spec.splits)
    else:
        split = split_by(found.columns[by], spec.seed, spec.splits, key)
        found = replace(found, columns={**found.columns, "split": pd.array(split, dtype="string")})
    if not found.may_overlap:
        return found
    with told_if_slow(f"{key}: looking for places that overlap"):
        overlap, across, pair = overlap_counts(found.patches, split)
    if spec.places.mode == "points":
        if not overlap:
            return found
        told = f"{overlap:,} of {len(split):,} places overlap another one"
        return replace(found, notes=(*found.notes, f"{told}, {across:,} one of another split" if across else told))
    if pair is not None and by is not None:
        lon, lat = found.patches.centres()
        groups = [f"{found.columns[by][at]!r} at {lon[at]:.3f} E, {lat[at]:.3f} N ({split[at]})" for at in pair]
        raise PlacesError(
            f"{key}: {across:,} of {len(split):,} tiles overlap one of another split, such as {' and '.join(groups)} "
            f"by {by!r}: what is tested would have been trained with. Put such regions into one split or "
            f"group, leave a patch's side between them, or leave `stride` out."
        )
    return found
