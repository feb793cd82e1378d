"""Builders over a tiny archive or a made-up platform, and a small layer: for tests of what fills and plans shards."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from tasks.assembly.builder import Builder, open_builder
from tasks.imagery.assets import Overlay
from tasks.imagery.bands import BANDS, POLARIZATIONS, array_path
from tasks.imagery.platform import Tiles, Traffic
from tasks.labels.layer import Layer
from tasks.places.draws import Draws
from tasks.places.opening import open_places
from tasks.places.patches import Patch, Patches
from tasks.planning.preflight import preflight
from tasks.scenes.reasons import Rejection
from tasks.scenes.resolving import Resolver
from tasks.scenes.roles import sensor_of
from tasks.scenes.scenes import Acquisitions, Candidates, Nearby, Scenes, Sentinel1Scenes, Sentinel2Scenes
from tasks.settings import load_settings
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description, describe_everywhere
from tasks.shards.destinations import open_destination
from tasks.spec import CorpusSpec
from tests.archive import EPSG, LEFT, SIDE, TOP, Archive

PATCH = Patch(epsg=EPSG, xmin=LEFT + 130, ymax=TOP - 70, pixels=64)
"""Within the archive's scenes."""

SPRING = 1_525_344_021_000_000
"""2018-05-03T10:40:21Z, when the first scene of the archive and that of `MadeUp` were taken; microseconds."""


def square(beyond: float = 300) -> shapely.Polygon:
    """Where the archive's scenes are, and so many metres beyond in the east: some places have no scene."""
    return shapely.box(LEFT, TOP - SIDE, LEFT + SIDE + beyond, TOP)


def values(folder: Path, **changes: Any) -> dict[str, Any]:
    """A spec over `folder`: its archive, its region of some 20 cells, patches of 160 m."""
    region = folder / "region.gpkg"
    if not region.exists():
        gpd.GeoDataFrame(geometry=[square()], crs=EPSG).to_file(region)
    return {
        "name": "tiny",
        "seed": 1,
        "size": 10,
        "places": {"random": str(region)},
        "window": ["2018-01-01", "2019-01-01"],
        **({} if "acquisitions" in changes else {"pairing": {"search_days": 400}}),
        "patch": {"pixels": 16},
        "platforms": [{"stac": {"catalog": str(folder / "catalog.json")}}],
        "shard_size": 5,
        "destinations": [str(folder / "corpus")],
    } | changes


def spec_over(folder: Path, **changes: Any) -> CorpusSpec:
    """The spec, validated."""
    return CorpusSpec.model_validate(values(folder, **changes))


def builder_over(folder: Path, **changes: Any) -> Builder:
    """Open the spec."""
    return open_builder(spec_over(folder, **changes))


def described(builder: Builder) -> Description:
    """Prepare a corpus as a build does, and describe it in every destination."""
    found = preflight(builder).description
    describe_everywhere(builder.destinations, found)
    return found


def small_archive(folder: Path) -> Path:
    """Two scenes of each mission in 2018, 19 hours and 2 days apart; saved."""
    archive = Archive(folder)
    archive.sentinel2("S2A_x", "2018-05-03T10:40:21Z", **{"eo:cloud_cover": 5.0})
    archive.sentinel1("S1A_y", "2018-05-04T05:40:21Z")
    archive.sentinel2("S2A_z", "2018-09-03T10:40:21Z", scene=2, **{"eo:cloud_cover": 50.0})
    archive.sentinel1("S1A_w", "2018-09-01T10:40:21Z", scene=2)
    archive.save()
    return folder


def draws_of(*patches: Patch, preferred: int = SPRING) -> Draws:
    """A draw a patch, all with one preferred instant."""
    columns = Patches(
        epsg=np.array([p.epsg for p in patches], np.int32),
        xmin=np.array([p.xmin for p in patches], np.int64),
        ymax=np.array([p.ymax for p in patches], np.int64),
        pixels=patches[0].pixels,
    )
    return Draws(cell=np.arange(len(patches)), preferred=np.full(len(patches), preferred, np.int64), patches=columns)


class MadeUp:
    """A platform with one acquisition of each role, which covers every place, and pixels that tell the patch.

    Counts what it is asked; `on_fetch` is called with every patch and may raise what a platform raises.
    """

    bands = BANDS
    in_flight = 2
    dates_together = 1
    reach = None

    def __init__(
        self,
        name: str = "stac",
        *,
        roles: Sequence[str] = ("s2", "s1"),
        on_fetch: Callable[[Patch], None] = lambda _: None,
        on_search: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.on_fetch, self.on_search = name, on_fetch, on_search
        self.fetched: list[Patch] = []
        self.searches = 0
        self._scenes = {role: _scenes(name, role) for role in roles}

    @property
    def asked(self) -> int:
        """How often it was asked for anything."""
        return self.searches + len(self.fetched)

    def candidates(self, draws: Draws, traffic: Traffic) -> Candidates:
        self.searches += 1
        self.on_search()
        every, first = np.arange(len(draws)), np.zeros(len(draws), np.int64)
        return {role: Nearby(scenes=held, draw=every, scene=first) for role, held in self._scenes.items()}

    def resolve(
        self, wanted: Sequence[Acquisitions], patches: Patches, traffic: Traffic
    ) -> list[Acquisitions | Rejection]:
        self.searches += 1
        return Resolver(self._scenes).resolve_all(wanted, patches.vertices(inset=5))

    def fetch(self, patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        self.fetched.append(patch)
        self.on_fetch(patch)
        return Tiles(arrays={array_path(self.name, role): self._pixels(patch, role) for role in acquisitions})

    def check(self, draws: Draws | None) -> str:
        return "made up"

    def close(self) -> None:
        pass

    def _pixels(self, patch: Patch, role: str) -> NDArray[Any]:
        tells = 1 + patch.xmin % 1000
        if sensor_of(role) == "sentinel2":
            return np.full((len(BANDS), *patch.shape), tells, np.uint16)
        return np.full((len(POLARIZATIONS), *patch.shape), -tells / 100, np.float32)


def _scenes(platform: str, role: str) -> Scenes:
    def column(value: Any) -> NDArray[np.object_]:
        return np.array([value], object)

    everywhere = column(None)
    everywhere[0] = shapely.box(-180, -89, 180, 89)
    common: dict[str, Any] = {"id": column(f"{platform}-{role}"), "footprint": everywhere, "orbit": np.array([8])}
    if sensor_of(role) == "sentinel2":
        return Sentinel2Scenes(
            time=np.array([SPRING]),
            epsg=np.array([EPSG]),
            tile=column("32TMR"),
            datatake=column("S2A 20180503T104021"),
            baseline=column("02.06"),
            processed=np.array([0]),
            cloud_cover=np.array([5.0]),
            **common,
        )
    return Sentinel1Scenes(
        time=np.array([SPRING + 19 * 3_600_000_000]), product=column("S1A_y"), direction=column("ascending"), **common
    )


def made_up_builder(folder: Path, *platforms: MadeUp, layers: tuple[Layer, ...] = (), **changes: Any) -> Builder:
    """A builder of the spec over `folder` in which `platforms` stand in for those that it names."""
    named = [{"stac": {"catalog": "none", "name": platform.name}} for platform in platforms]
    spec = spec_over(folder, platforms=named, **changes)
    settings = load_settings()
    destinations = tuple(map(open_destination, spec.destinations))
    return Builder(spec, settings, open_places(spec, settings.cache), platforms, destinations, layers)


class Chequer:
    """A layer: squares of 50 m, 1 and 2 by turns over the coordinates of the patch's zone, and the share of 2."""

    name = "chequer"
    overlay: Overlay | None = None
    columns: Mapping[str, str] = {"chequer_two": "Float64"}

    def __init__(self, pixels: int = 16, side: int = 50) -> None:
        self.side = side
        self.asked: list[int] = []
        """How many patches each call of `render` was for."""
        self.arrays = (
            ArrayKind(
                path="labels/chequer",
                dimensions=("y", "x"),
                shape=(pixels, pixels),
                dtype="uint8",
                fill=0,
                codec="zstd",
                attributes={"nodata": 0},
            ),
        )

    def describe(self) -> dict[str, Any]:
        return {"side": self.side, "classes": (1, 2)}

    def covers(self, patches: Patches) -> NDArray[np.bool_]:
        return np.ones(len(patches), bool)

    def render(self, patches: Patches, shard: int) -> Mapping[str, NDArray[Any]]:
        self.asked.append(len(patches))
        steps = 10 * np.arange(patches.pixels) + 5
        columns = (patches.xmin[:, None] + steps) // self.side
        rows = (patches.ymax[:, None] - steps) // self.side
        return {"labels/chequer": (1 + (rows[:, :, None] + columns[:, None, :]) % 2).astype(np.uint8)}

    def facts(self, patches: Patches, shard: int, pixels: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        return {"chequer_two": (pixels["labels/chequer"] == 2).mean(axis=(1, 2))}


@contextmanager
def counting(platform: Any) -> Iterator[list[str]]:
    """The calls for scenes and pixels of a platform within the block, by name."""
    calls: list[str] = []
    originals = {name: getattr(platform, name) for name in ("candidates", "resolve", "fetch")}

    def counted(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls.append(name)
            return originals[name](*arguments)

        return call

    for name in originals:
        setattr(platform, name, counted(name))
    try:
        yield calls
    finally:
        for name in originals:
            delattr(platform, name)
