"""Labels that Earth Engine sends with its images: the real client, a server on loopback, and what may be wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from tasks.assembly.builder import Builder, close_builders, open_builder
from tasks.assembly.shard import make_shard
from tasks.errors import LabelsError, SpecError
from tasks.labels.legends import CORINE
from tasks.planning.preflight import preflight
from tasks.shards.description import describe_everywhere
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows
from tasks.spec import CorpusSpec
from tests.integration.earthengine_world import draws_at, world_of
from tests.servers.assets import Feature, Raster, Rasters, Table
from tests.servers.earthengine import EarthEngineServer
from tests.servers.world import World
from tests.unit.labels.made import LAEA

LON, LAT = 10.3 + np.array([0.0, 0.02, 0.04]), 50.1 + np.array([0.0, 0.015, 0.03])

CLC, COVER, TILES, PARKS, HEIGHT = (
    "COPERNICUS/CORINE/V20/100m/2018", "ESA/WorldCover/v200/2021", "COPERNICUS/DEM/GLO30", "WCMC/WDPA/202106/polygons",
    "projects/proj-x/assets/height",
)  # fmt: skip


def _corner() -> tuple[int, int]:
    """South west of the places, metres in EPSG:3035, on a multiple of 1,000."""
    x, y = Transformer.from_crs(4326, 3035, always_xy=True).transform(LON[0], LAT[0])
    return int(x // 1000) * 1000 - 2_000, int(y // 1000) * 1000 - 2_000


WEST, SOUTH = _corner()
TOP = SOUTH + 10_000


def grid(pixel: int) -> dict[str, Any]:
    return {"left": WEST, "top": TOP, "pixel": pixel}


def some(values: list[int], pixel: int, dtype: str = "u1") -> Any:
    side = 10_000 // pixel
    return np.random.default_rng(7).choice(np.array(values, dtype), (side, side))


CODES = some([0, 111, 312, 512], 100, "i2")
STEEP = (np.random.default_rng(8).uniform(-50, 900, (100, 100))).astype("f4")

ASSETS = [
    Raster(id=CLC, bands={"landcover": CODES}, **grid(100)),
    Raster(
        id=COVER, bands={"Map": some([10, 50, 80], 10)}, **grid(10),
        properties={"Map_class_values": [10, 50, 80], "Map_class_names": ["Tree cover", "Built-up", "Water"],
                    "Map_class_palette": ["006400", "fa0000", "0064c8"]},
    ),
    Rasters(id=TILES, images=[
        Raster(id=f"{TILES}/a", bands={"DEM": STEEP}, **grid(100), masked=-1e9),
        Raster(id=f"{TILES}/b", bands={"DEM": STEEP[:40] + 1000}, **grid(100), masked=-1e9),
    ]),
    Table(id=PARKS, features=[
        Feature(shapely.box(10.29, 50.09, 10.31, 50.11), {"IUCN_CAT": "II"}),
        Feature(shapely.box(10.30, 50.10, 10.35, 50.14), {"IUCN_CAT": "Ia"}),
        Feature(shapely.box(10.2, 50.0, 10.4, 50.2), {"IUCN_CAT": "V"}),
    ]),
    Raster(id=HEIGHT, bands={"fine": some([1], 5), "a": some([1, 2], 100, "i2"), "b": some([3], 100)}, **grid(100)),
]  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    held = world_of(draws_at(LON, LAT))
    return World(scenes=held.scenes, assets={made.id: made for made in ASSETS})


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngineServer]:
    with EarthEngineServer(World(scenes=world.scenes, assets=dict(world.assets))) as server:
        for name, value in {
            "DEEPSENTINEL_EARTHENGINE_URL": server.url,
            "DEEPSENTINEL_EARTHENGINE_CREDENTIALS": "anonymous",
            "DEEPSENTINEL_EARTHENGINE_PROJECT": "proj-x",
            "DEEPSENTINEL_EARTHENGINE_PATIENCE": "5",
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield server
        close_builders()
        assert not server.complaints


Open = Callable[..., Builder]


@pytest.fixture
def opened(server: EarthEngineServer, tmp_path: Path) -> Open:
    gpd.GeoDataFrame(geometry=shapely.points(LON, LAT), crs=4326).to_file(tmp_path / "points.gpkg")

    def open_over(labels: Any, **changes: Any) -> Builder:
        return open_builder(spec_over(tmp_path, labels, **changes))

    return open_over


def spec_over(folder: Path, labels: Any, **changes: Any) -> CorpusSpec:
    return CorpusSpec.model_validate({
        "name": "labelled", "places": {"points": str(folder / "points.gpkg")}, "window": ("2019-04-01", "2019-07-30"),
        "pairing": {"search_days": 60, "max_gap_days": 6}, "patch": {"pixels": 64}, "platforms": ["earthengine"],
        "shard_size": 3, "labels": labels, "destinations": [str(folder / "corpus")], **changes,
    })  # fmt: skip


def built(builder: Builder) -> tuple[gpd.GeoDataFrame, Any]:
    """Rows with pixels, and the corpus' arrays."""
    import zarr

    (destination,) = builder.destinations
    describe_everywhere(builder.destinations, preflight(builder).description)
    make_shard(builder, 0)
    rows = decode_rows(destination.get(samples_object(0)) or b"")
    kept = rows[rows["missing"].isna()]
    assert len(kept) > 0
    return kept, zarr.open_group(destination.store(), mode="r")


def under(row: Any, values: Any, pixel: int) -> Any:
    """A raster's values under the centres of a patch's pixels, one by one."""
    steps = 10 * np.arange(64) + 5
    x, y = np.meshgrid(row["xmin"] + steps, row["ymax"] - steps)
    x, y = Transformer.from_crs(row["crs"], LAEA, always_xy=True).transform(x, y)
    return values[np.floor((TOP - y) / pixel).astype(int), np.floor((x - WEST) / pixel).astype(int)]


def facts_of(builder: Builder, name: str) -> dict[str, Any]:
    content = json.loads(builder.destinations[0].get("corpus.json") or b"")
    return content["layers"][name]["facts"]


def test_corine_comes_in_the_request_of_the_images(opened: Open, server: EarthEngineServer) -> None:
    builder = opened("corine")
    rows, arrays = built(builder)
    assert server.counts["image"] == len(rows), "one request a sample"
    index = {int(one.code): one.index for one in CORINE} | {0: 0}
    for row, pixels in zip(rows.to_dict("records"), np.asarray(arrays["labels/corine"][:]), strict=False):
        codes = under(row, CODES, 100)
        assert np.array_equal(pixels, np.vectorize(index.get)(codes))
        assert row["corine_312"] == (codes == 312).mean() > 0
        assert row["corine_nodata"] == (codes == 0).mean()
    assert np.asarray(arrays["earthengine/s2"][:]).any(), "and the images come with it"


def test_corine_says_which_version_it_is_of(opened: Open) -> None:
    builder = opened("corine")
    built(builder)
    facts = facts_of(builder, "corine")
    assert facts["source"] == {"asset": CLC, "updated": "2020-05-01T00:00:00Z"}
    assert facts["named"] == {"source": CLC, "year": 2018} and "EEA" in facts["attribution"]


def test_another_version_of_an_asset_is_not_mixed_with_the_first(opened: Open, server: EarthEngineServer) -> None:
    built(opened("corine"))
    close_builders()
    server.world.assets[CLC] = Raster(id=CLC, bands={"landcover": CODES}, **grid(100), updated="2026-01-01T00:00:00Z")
    with pytest.raises(SpecError, match=r"corine: source.updated: the corpus has '2020.*, the spec gives '2026"):
        preflight(opened("corine"))


def test_a_file_wins_over_the_platform(opened: Open, server: EarthEngineServer, tmp_path: Path) -> None:
    from tests.archive import write_raster

    clc = write_raster(tmp_path / "clc.tif", np.full((100, 100), 23, "u1"), crs=LAEA, left=WEST, top=TOP, pixel=100)
    _, arrays = built(opened("corine", sources={"corine": clc}))
    assert {*np.unique(np.asarray(arrays["labels/corine"][:]))} <= {0, 23}
    assert not server.counts["asset"]


def test_without_file_and_platform_both_ways_are_told(opened: Open) -> None:
    with pytest.raises(SpecError, match=r"Give the raster .* as `sources.corine`, .* or build with `earthengine`"):
        opened("corine", platforms=["demo"])
    with pytest.raises(SpecError, match="comes with the images of earthengine, which is not among the platforms"):
        opened({"cover": {"earthengine": COVER}}, platforms=["demo"])


def test_classes_values_and_features_come_together(opened: Open, server: EarthEngineServer) -> None:
    labels = [
        "corine",
        {"cover": {"earthengine": COVER}},
        {"height": {"earthengine": TILES, "kind": "values", "step": 0.5}},
        {"two": {"earthengine": HEIGHT, "bands": ["a", "b"], "values": [1, 2, 3]}},
        {"parks": {"earthengine": PARKS, "column": "IUCN_CAT", "values": ["Ia", "II"]}},
    ]
    builder = opened(labels, accept=["wdpa-noncommercial"])
    rows, arrays = built(builder)
    assert server.counts["image"] == len(rows), "still one request a sample"
    sent = {layer.name: layer.overlay.dtype for layer in builder.layers if layer.overlay}
    assert sent == {"corine": "<u2", "cover": "<u2", "height": "<f4", "two": "<i4", "parks": "<u2"}
    mosaic = np.concatenate([STEEP[:40] + 1000, STEEP[40:]])
    for at, row in enumerate(rows.to_dict("records")):
        held = {name: np.asarray(arrays[f"labels/{name}"][at]) for name in ("cover", "height", "two", "parks")}
        assert np.array_equal(held["cover"], under(row, ASSETS[1].bands["Map"], 10))
        assert np.abs(held["height"] * 0.5 - under(row, mosaic, 100)).max() <= 0.251
        assert np.array_equal(held["two"], [under(row, ASSETS[4].bands[band], 100) for band in "ab"])
        steps = 10 * np.arange(64) + 5
        x, y = np.meshgrid(row["xmin"] + steps, row["ymax"] - steps)
        lon, lat = Transformer.from_crs(row["crs"], 4326, always_xy=True).transform(x, y)
        second, first = (shapely.contains_xy(PARKS_OF[name], lon, lat) for name in ("II", "Ia"))
        assert np.array_equal(held["parks"], np.where(second, 2, np.where(first, 1, 0)))
        assert row["parks_ii"] == second.mean() and row["two_b_3"] == 1 and row["height_nodata"] == 0
        assert row["cover_50"] == (held["cover"] == 50).mean() > 0
    assert facts_of(builder, "height")["source"] | {"updated": ""} == {
        "asset": TILES, "updated": "", "images": 2, "newest": 7, "from": None, "to": None,
    }  # fmt: skip
    assert facts_of(builder, "cover")["licence"] == "CC BY 4.0"
    assert "no commercial use" in facts_of(builder, "parks")["licence"]
    (cover,) = (kind for kind in builder.description.arrays if kind.path == "labels/cover")
    assert cover.attributes["legend"][1] == {"index": 50, "code": "50", "name": "Built-up", "rgb": [250, 0, 0]}


PARKS_OF = {feature.properties["IUCN_CAT"]: feature.geometry for feature in ASSETS[3].features}


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (
            {"earthengine": "projects/proj-x/assets/none"},
            r"assets/none: earthengine refuses it \(.*not found",
        ),
        ({"earthengine": COVER, "bands": ["map"]}, "has no band 'map'. Use some of its bands: Map"),
        ({"earthengine": COVER, "column": "a", "values": [1]}, "is an image and has no columns"),
        ({"earthengine": HEIGHT, "bands": ["a"]}, "does not tell which classes the band a of .* has. List them"),
        ({"earthengine": PARKS, "column": "ISO", "values": [1]}, "no feature has a column 'ISO'"),
        ({"earthengine": PARKS, "column": "IUCN_CAT", "values": ["IX"]}, "no feature of .* has 'IX' in its column"),
        ({"earthengine": PARKS, "bands": [1]}, "is of features, of which `bands` cannot be asked"),
    ],
)
def test_an_asset_that_cannot_be_a_label_is_refused_before_anything_is_built(
    opened: Open, server: EarthEngineServer, item: dict[str, Any], told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        opened({"mine": item}, accept=["wdpa-noncommercial"])
    assert not server.counts["table"] and not server.counts["image"]


def test_an_asset_finer_than_a_patch_is_refused(opened: Open, server: EarthEngineServer) -> None:
    server.world.assets[HEIGHT] = Raster(id=HEIGHT, bands={"fine": some([1], 5)}, **grid(5))
    with pytest.raises(SpecError, match=r"has pixels of 5 m, finer than a patch's 10 m"):
        opened({"mine": {"earthengine": HEIGHT, "values": [1]}})


def test_places_beyond_an_asset_are_counted_and_refused_unless_accepted(
    opened: Open, server: EarthEngineServer
) -> None:
    server.world.assets[CLC] = Raster(id=CLC, bands={"landcover": CODES[:, :32]}, **grid(100))
    with pytest.raises(SpecError, match=r"of the first 3 places .* corine lacks 2, the first at 10.32"):
        preflight(opened("corine"))
    rows, _ = built(opened("corine", accept=["uncovered"]))
    assert rows["corine_nodata"].max() == 1


def test_a_class_that_nobody_listed_fails_the_shard_and_not_as_damage_that_passes(opened: Open) -> None:
    builder = opened({"cover": {"earthengine": COVER, "values": [10, 80]}})
    describe_everywhere(builder.destinations, preflight(builder).description)
    with pytest.raises(LabelsError, match=r"has the value 50 in its band Map, which is no class of it. Add it"):
        make_shard(builder, 0)


def test_an_asset_that_is_gone_while_it_is_built_from_is_told_and_no_scene_is_blamed(
    opened: Open, server: EarthEngineServer
) -> None:
    builder = opened("corine")
    describe_everywhere(builder.destinations, preflight(builder).description)
    server.faults.missing.add(CLC)
    with pytest.raises(LabelsError, match=f"the label {CLC} is refused: Image.load: .* not found"):
        make_shard(builder, 0)


def test_more_bands_than_a_request_has_are_refused(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.imagery.earthengine.parts.MOST_BANDS", 19)
    labels = [{f"height{at}": {"earthengine": TILES, "kind": "values", "step": 1}} for at in range(4)]
    with pytest.raises(SpecError, match=r"labels: 4 bands from earthengine and 16 of images are more than the 19 of a"):
        opened(labels)
