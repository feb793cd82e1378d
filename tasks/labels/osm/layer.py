"""The layer `osm`: points, lines and polygons of OpenStreetMap on a corpus' patches, from its store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.errors import CorpusError, SpecError
from tasks.labels.osm.coverage import area_of, coverage, outside, versions
from tasks.labels.osm.extract import LICENCE
from tasks.labels.osm.frames import Frames, frames_of
from tasks.labels.osm.ingest import places_digest
from tasks.labels.osm.projection import Projection, to_pixels
from tasks.labels.osm.raster import band, dots, fill
from tasks.labels.osm.scheme import KINDS, Scheme, load_scheme
from tasks.labels.osm.store import ExtractRecord, ShardFeatures, corpus_at, read_records, record_object
from tasks.labels.osm.wkb import Vertices, WkbColumn
from tasks.notices import told_if_slow
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.places.patches import PIXEL, Patch, Patches
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.destinations import Destination, open_destination
from tasks.shards.layout import OSM
from tasks.spec import CorpusSpec
from tasks.spec.locations import need_file

_COUNT = "osm_features"
"""Column, and under which name `render` hands the count to `facts`: counting again would be rendering again."""

_COVERAGE = "osm_coverage"

_SHOWN = 5
"""Extracts that a message names."""


@dataclass(frozen=True, kw_only=True)
class OsmLayer:
    """OpenStreetMap on patches. Safe to use from many threads."""

    scheme: Scheme
    places: RandomPlaces | ListedPlaces
    store: Destination
    """Where the store is read from."""
    records: Sequence[ExtractRecord]
    """By key."""
    pixels: int
    """Of a patch's side."""
    shards: int
    """Of the corpus."""

    name: str = "osm"
    overlay: None = None
    columns: Mapping[str, str] = field(default_factory=lambda: {_COUNT: "Int64", _COVERAGE: "Float64"})

    @property
    def arrays(self) -> tuple[ArrayKind, ...]:
        """One array a geometry type, class c is bit c - 1."""
        return tuple(
            ArrayKind(
                path=f"labels/osm_{kind}",
                dimensions=("y", "x"),
                shape=(self.pixels, self.pixels),
                dtype="uint32",
                fill=0,
                codec="zstd",
                attributes={
                    "long_name": f"OpenStreetMap {kind}s: class c is bit c - 1",
                    "nodata": 0,
                    "classes": self.scheme.legend(kind),
                    "licence": LICENCE,
                },
            )
            for kind in KINDS
        )

    @cached_property
    def area(self) -> shapely.Geometry:
        """Where the extracts are complete."""
        return area_of(self.records)

    def covers(self, patches: Patches) -> NDArray[np.bool_]:
        """All of them: places that the extracts leave out are refused when the layer is opened, or told by `notes`."""
        return np.ones(len(patches), bool)

    @cached_property
    def uncovered(self) -> int:
        """How many places are not wholly within the extracts."""
        with told_if_slow("labels: osm: comparing places with the extracts' borders"):
            return outside(self.places, range(self.shards), self.area)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know before a build: places that the extracts leave out, which the spec accepts."""
        if not self.uncovered:
            return ()
        return (f"{_uncovered(self.uncovered, self.records)}. The spec accepts that: they are 0 there.",)

    def describe(self) -> dict[str, Any]:
        """Classes, extracts and licence."""
        return {
            "classes": self.scheme.digest,
            "extracts": {record.key: record.facts() for record in self.records},
            "licence": LICENCE,
        }

    def render(self, patches: Patches, shard: int) -> Mapping[str, NDArray[Any]]:
        """The three arrays, (n, height, width) uint32, and how many features reach into each patch, (n,).

        Raises CorpusError: a part of the store is missing, or a patch is none of the shard's candidates.
        """
        out = {kind.path: np.zeros((len(patches), *kind.shape), np.uint32) for kind in self.arrays}
        count = np.zeros(len(patches), np.int64)
        frames = frames_of(self.places, [shard])
        around = _need_frames(frames, patches, shard)
        features = ShardFeatures(self.store, list(self.records), shard)
        # In the order of the places, each row group is read once.
        for index in np.argsort(frames.place[around], kind="stable"):
            patch, frame = patches[int(index)], around[index]
            rows, shapes = features.of(int(frames.place[frame]))
            rasters, count[index] = _rasters(rows, shapes, patch, frames.boxes[frame], self.scheme)
            for kind, raster in zip(KINDS, rasters, strict=True):
                out[f"labels/osm_{kind}"][index] = raster
        return {**out, _COUNT: count}

    def facts(self, patches: Patches, shard: int, pixels: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """`osm_features`, how many features reach into the patch, and `osm_coverage`, its share within the extracts."""
        count = pixels[_COUNT] if _COUNT in pixels else self.render(patches, shard)[_COUNT]
        return {_COUNT: count, _COVERAGE: coverage(patches.outlines(), self.area)}


def open_osm(spec: CorpusSpec, places: RandomPlaces | ListedPlaces) -> OsmLayer:
    """The layer of a spec, from the store in its destinations.

    Raises SpecError: the classes clash, or the extracts leave places out that the spec does not accept as uncovered;
    CorpusError: nothing is ingested, or not with these classes, places and shards, or two versions of one region.
    """
    scheme = scheme_of(spec)
    destinations = [open_destination(location) for location in spec.destinations]
    store, records = next(
        ((destination, found) for destination in destinations if (found := read_records(destination))),
        (destinations[0], []),
    )
    shards = range(places.shards(spec.size))
    _refuse_unfit(records, store, scheme, places, shards)
    layer = OsmLayer(
        scheme=scheme, places=places, store=store, records=records, pixels=spec.patch.pixels, shards=len(shards)
    )
    # Where it is accepted, whoever asks for the notes counts them; workers need not.
    if "uncovered" not in spec.accept and layer.uncovered:
        raise SpecError(
            f"{_uncovered(layer.uncovered, records)}. Ingest extracts that cover them, or write `accept: [uncovered]`: "
            "they are 0 there."
        )
    return layer


def scheme_of(spec: CorpusSpec) -> Scheme:
    """The classes that a spec uses. Raises SpecError."""
    path = spec.sources.osm_classes
    return load_scheme(Path(need_file(path, "sources.osm_classes")) if path else None)


def _uncovered(places: int, records: Sequence[ExtractRecord]) -> str:
    """How many places no extract covers, and what that may come from."""
    silent = [record.key for record in records if record.border is None]
    boxes = [record.key for record in records if record.border_from == "box"]
    told = f"labels: osm: {places:,} places are not wholly within the {len(records)} ingested extracts"
    if silent:
        told += f"; {', '.join(silent[:_SHOWN])} say nothing of where they hold: put their .poly file beside them and "
        told += "ingest them again"
    elif boxes:
        told += "; of extracts ingested without a .poly file beside them the box of the header counts"
    return told


def mixed_versions(records: Sequence[ExtractRecord], store: Destination) -> str | None:
    """What to do about two versions of one extract; None: there are none, but those that a corpus was begun with."""
    pairs = versions(records)
    held = corpus_at(store) if pairs else None
    begun = {*held.layers[OSM].facts.get("extracts", {})} if held else set[str]()
    for one, other in pairs:
        if not {one.key, other.key} <= begun:
            told = " and ".join(f"{record_object(it.key)} of {it.timestamp or 'unknown date'}" for it in (one, other))
            return (
                f"labels: osm: {store.location} holds two versions of one region, {told}; of what has changed both "
                "would be drawn. Delete one of these two records."
            )
    return None


def _refuse_unfit(
    records: Sequence[ExtractRecord],
    store: Destination,
    scheme: Scheme,
    places: RandomPlaces | ListedPlaces,
    shards: range,
) -> None:
    again = "Run `deepsentinel ingest SPEC FILE.osm.pbf ...` with"
    if not records:
        raise CorpusError(f"labels: osm: {store.location} holds no extract. {again} the extracts of the region.")
    if mixed := mixed_versions(records, store):
        raise CorpusError(mixed)
    digest = places_digest(places)
    for record in records:
        what = f"labels: osm: the extract {record.key} of {record.timestamp or 'unknown date'} in {store.location}"
        if record.classes != scheme.digest:
            raise CorpusError(f"{what} was ingested with other classes. {again} its file.")
        if record.places != digest:
            raise CorpusError(f"{what} was ingested for other places. {again} its file.")
        if lacking := [shard for shard in shards if str(shard) not in record.shards]:
            raise CorpusError(
                f"{what} was ingested for {len(record.shards)} shards; {len(lacking)} lack it. {again} its file."
            )


def _need_frames(frames: Frames, patches: Patches, shard: int) -> NDArray[np.int64]:
    around = frames.around(patches)
    if (wrong := np.flatnonzero(around < 0)).size:
        lon, lat = patches.centres()
        raise CorpusError(
            f"labels: osm: shard {shard}: the patch at {lon[wrong[0]]:.4f}, {lat[wrong[0]]:.4f} is no candidate of it."
        )
    return around


def _rasters(
    rows: Mapping[str, NDArray[Any]], shapes: WkbColumn, patch: Patch, box: NDArray[np.float64], scheme: Scheme
) -> tuple[tuple[NDArray[np.uint32], ...], int]:
    """Points, lines and polygons on one patch, and how many features reach into it."""
    side = patch.pixels
    project = to_pixels(patch, box)
    west, south, east, north = project.reach
    near = (rows["xmin"] <= east) & (rows["xmax"] >= west) & (rows["ymin"] <= north) & (rows["ymax"] >= south)
    kinds, bits, shapes = rows["kind"][near], rows["classes"][near].astype(np.uint32), shapes[near]
    found = shapes.vertices()
    found = replace(found, xy=project(found.xy))
    point, line, polygon = (kinds == code for code in range(len(KINDS)))
    first, last, owner = found.segments(line)
    dotted = point[found.owner]
    return (
        dots(found.xy[dotted], bits[found.owner[dotted]], side),
        _bands(first, last, bits[owner], scheme, side),
        fill(*found.segments(polygon), bits, side),
    ), _reaching(shapes, found, project, side)


def _bands(
    first: NDArray[np.float64], last: NDArray[np.float64], bits: NDArray[np.uint32], scheme: Scheme, side: int
) -> NDArray[np.uint32]:
    """Segments of lines, each once a class that it has, with the class' width."""
    chosen = [np.flatnonzero(bits & np.uint32(item.bit)) for item in scheme.line]
    times = [len(mine) for mine in chosen]
    mine = np.concatenate([np.empty(0, np.int64), *chosen])
    ones = np.repeat(np.array([item.bit for item in scheme.line], np.uint32), times)
    widths = np.repeat(np.array([(item.width or 0) / PIXEL for item in scheme.line], np.float64), times)
    return band(first[mine], last[mine], ones, widths, side)


def _reaching(shapes: WkbColumn, found: Vertices, project: Projection, side: int) -> int:
    """How many features touch the patch: those with a vertex in it, and of the rest what GEOS says."""
    inside = np.zeros(len(shapes), bool)
    inside[found.owner[((found.xy >= 0) & (found.xy <= side)).all(axis=1)]] = True
    rest = shapes[~inside].shapes()
    shapely.set_coordinates(rest, project(shapely.get_coordinates(rest)))
    square = shapely.box(0, 0, side, side)
    shapely.prepare(square)
    return int(inside.sum() + shapely.intersects(square, rest).sum())
