"""The seam for labels: a small layer beside the images, from its pixels to a corpus that is verified and grows."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import zarr

from tasks.assembly.builder import Builder
from tasks.assembly.shard import make_shard
from tasks.errors import LabelsError, SceneUnavailable, SpecError
from tasks.places.patches import Patch, Patches
from tasks.scenes.reasons import Reason
from tasks.shards.commits import read_commit
from tasks.shards.description import need_description
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows
from tasks.shards.verification import verify_corpus
from tests.archive import EPSG, LEFT, TOP
from tests.unit.builders import Chequer, MadeUp, described, made_up_builder

OBJECT = "labels/chequer/c/0/0/0"


def built(folder: Path, layer: Chequer, **changes: object) -> Builder:
    """A corpus of imagery and the layer."""
    builder = made_up_builder(folder, MadeUp(), layers=(layer,), **changes)
    for shard in range(described(builder).shards):
        make_shard(builder, shard)
    return builder


def rows_of(builder: Builder, shard: int) -> gpd.GeoDataFrame:
    return decode_rows(builder.destinations[0].get(samples_object(shard)) or b"")


def expected(rows: gpd.GeoDataFrame) -> np.ndarray:
    """The layer's pixels on the patches of rows, pixel by pixel."""
    found = np.zeros((len(rows), 16, 16), np.uint8)
    for index, (left, top) in enumerate(zip(rows["xmin"], rows["ymax"], strict=True)):
        for y in range(16):
            for x in range(16):
                square = (top - 10 * y - 5) // 50 + (left + 10 * x + 5) // 50
                found[index, y, x] = 1 + square % 2
    return found


def faults(builder: Builder) -> list[str]:
    (destination,) = builder.destinations
    found = verify_corpus(destination, need_description(destination), lambda _: None)
    return [f"{fault.path} {fault.problem}" for fault in found]


def test_a_layer_fills_its_array_and_its_column(tmp_path: Path) -> None:
    builder = built(tmp_path, Chequer(), size=5)
    array = zarr.open_array(builder.destinations[0].store(), mode="r", path="labels/chequer")
    assert (array.shape, array.dtype, array.chunks) == ((5, 16, 16), np.uint8, (1, 16, 16))
    assert array.metadata.dimension_names == ("sample", "y", "x")  # pyright: ignore
    rows = rows_of(builder, 0)
    pixels = np.asarray(array[:])
    assert np.array_equal(pixels, expected(rows))
    assert rows["chequer_two"].tolist() == pytest.approx((pixels == 2).mean(axis=(1, 2)).tolist())
    assert len({bytes(one) for one in pixels}) > 1, "it follows the patch"


def test_a_layer_is_part_of_the_commit_and_of_what_the_corpus_says_of_itself(tmp_path: Path) -> None:
    builder = built(tmp_path, Chequer(), size=5)
    (destination,) = builder.destinations
    commit = read_commit(destination, 0)
    assert commit and OBJECT in {item.path for item in commit.objects}
    content = json.loads(destination.get("corpus.json") or b"")
    assert content["layers"]["chequer"]["facts"] == {"side": 50, "classes": [1, 2]}
    assert need_description(destination).to_bytes() == destination.get("corpus.json")
    codecs = json.dumps(json.loads(destination.get("labels/chequer/zarr.json") or b"")["codecs"])
    assert '"zstd"' in codecs and '"crc32c"' in codecs


def test_a_layer_is_verified_like_imagery(tmp_path: Path) -> None:
    builder = built(tmp_path, Chequer(), size=5)
    (destination,) = builder.destinations
    assert not faults(builder)
    content = destination.get(OBJECT) or b""
    destination.put(OBJECT, content[:-1] + bytes([content[-1] ^ 1]))
    assert faults(builder) == [f"{OBJECT} is damaged: its checksum is not the recorded one"]


def test_a_corpus_with_a_layer_grows_to_what_it_would_be_at_once(tmp_path: Path) -> None:
    grown = built(tmp_path, Chequer(), size=5, destinations=[str(tmp_path / "grown")])
    before = grown.destinations[0].get(OBJECT)
    grown = built(tmp_path, Chequer(), size=10, destinations=[str(tmp_path / "grown")])
    at_once = built(tmp_path, Chequer(), size=10, destinations=[str(tmp_path / "at-once")])
    assert grown.destinations[0].get(OBJECT) == before
    for shard in range(2):
        for path in (f"labels/chequer/c/{shard}/0/0", samples_object(shard), "labels/chequer/zarr.json"):
            assert grown.destinations[0].get(path) == at_once.destinations[0].get(path), path
    assert not faults(grown)


def test_a_layer_is_asked_only_for_the_places_that_have_pixels(tmp_path: Path) -> None:
    metres = [(200, 200), (5_000, 300), (500, 900)]
    sites = gpd.GeoDataFrame(geometry=[shapely.Point(LEFT + x, TOP - y) for x, y in metres], crs=EPSG)
    sites["datetime"] = ["2018-05-01", "2031-05-01", "2018-05-01"]
    sites.to_file(tmp_path / "sites.gpkg")
    layer = Chequer()
    builder = built(tmp_path, layer, places={"points": str(tmp_path / "sites.gpkg")}, size=None)
    rows = rows_of(builder, 0)
    assert rows["missing"].isna().tolist() == [True, False, True]
    assert rows["missing"][1] == "instant-outside-window"
    assert layer.asked[1:] == [2], "besides the trial before the build"
    assert rows["chequer_two"].isna().tolist() == [False, True, False]
    pixels = np.asarray(zarr.open_array(builder.destinations[0].store(), mode="r", path="labels/chequer")[:])
    assert not pixels[1].any()
    assert np.array_equal(pixels[[0, 2]], expected(rows)[[0, 2]])
    assert not pixels[3:].any(), "rows after the last place stay empty"


def test_a_layer_is_not_asked_at_all_if_no_place_has_pixels(tmp_path: Path) -> None:
    layer = Chequer()
    sites = gpd.GeoDataFrame({"datetime": ["2031-05-01"]}, geometry=[shapely.Point(LEFT + 200, TOP - 200)], crs=EPSG)
    sites.to_file(tmp_path / "sites.gpkg")
    builder = made_up_builder(
        tmp_path, MadeUp(), layers=(layer,), places={"points": str(tmp_path / "sites.gpkg")}, size=None
    )
    make_shard(builder, 0)
    assert layer.asked == []
    assert rows_of(builder, 0)["chequer_two"].isna().all()


def test_labels_are_those_of_the_samples_that_are_kept_when_others_are_replaced(tmp_path: Path) -> None:
    asked = count()

    def refuse(patch: Patch) -> None:
        if next(asked) in (0, 3, 5):
            raise SceneUnavailable(Reason.REFUSED, "scene")

    calm = built(tmp_path, Chequer(), size=5, destinations=[str(tmp_path / "calm")])
    builder = made_up_builder(tmp_path, MadeUp(on_fetch=refuse), layers=(Chequer(),), size=5)
    described(builder)
    make_shard(builder, 0)
    commit, rows = read_commit(builder.destinations[0], 0), rows_of(builder, 0)
    assert commit and len(commit.replaced) == 3
    assert rows["cell"].tolist() != rows_of(calm, 0)["cell"].tolist()
    pixels = np.asarray(zarr.open_array(builder.destinations[0].store(), mode="r", path="labels/chequer")[:])
    assert np.array_equal(pixels, expected(rows))
    assert rows["chequer_two"].tolist() == pytest.approx((pixels == 2).mean(axis=(1, 2)).tolist())


def test_a_listed_place_whose_pixels_are_refused_has_no_labels(tmp_path: Path) -> None:
    asked = count()

    def refuse(patch: Patch) -> None:
        if next(asked) == 1:
            raise SceneUnavailable(Reason.REFUSED, "scene")

    sites = gpd.GeoDataFrame(geometry=[shapely.Point(LEFT + x, TOP - 300) for x in (200, 500, 900)], crs=EPSG)
    sites.to_file(tmp_path / "sites.gpkg")
    platform = MadeUp(on_fetch=refuse)
    platform.in_flight = 1
    places = {"points": str(tmp_path / "sites.gpkg")}
    builder = made_up_builder(tmp_path, platform, layers=(Chequer(),), places=places, size=None)
    described(builder)
    make_shard(builder, 0)
    rows = rows_of(builder, 0)
    lacking = rows["missing"].notna().to_numpy()
    assert lacking.sum() == 1 and rows["chequer_two"].isna().tolist() == lacking.tolist()
    pixels = np.asarray(zarr.open_array(builder.destinations[0].store(), mode="r", path="labels/chequer")[:])[:3]
    assert np.array_equal(pixels[~lacking], expected(rows)[~lacking]) and not pixels[lacking].any()


def test_no_pixel_is_fetched_for_a_shard_whose_labels_are_wrong(tmp_path: Path) -> None:
    class Damaged(Chequer):
        def render(self, patches: Patches, shard: int) -> Any:
            raise LabelsError("the source is damaged")

    platform = MadeUp()
    builder = made_up_builder(tmp_path, platform, layers=(Damaged(),), size=5)
    with pytest.raises(LabelsError, match="the source is damaged"):
        described(builder)
    with pytest.raises(LabelsError, match="the source is damaged"):
        make_shard(builder, 0)
    assert not platform.fetched


def test_a_layer_other_than_the_one_the_corpus_was_built_with_is_refused(tmp_path: Path) -> None:
    built(tmp_path, Chequer(side=50), size=5)
    other = made_up_builder(tmp_path, MadeUp(), layers=(Chequer(side=40),), size=5)
    with pytest.raises(SpecError, match="labels: chequer: side: the corpus has 50, the spec gives 40"):
        described(other)


def test_a_worker_with_another_source_builds_nothing(tmp_path: Path) -> None:
    described(made_up_builder(tmp_path, MadeUp(), layers=(Chequer(side=50),)))
    platform = MadeUp()
    with pytest.raises(LabelsError, match=r"chequer: side: the corpus has 50, the spec gives 40\. Restore"):
        make_shard(made_up_builder(tmp_path, platform, layers=(Chequer(side=40),)), 1)
    assert not platform.asked


def test_the_chequer_itself_is_a_function_of_the_coordinates() -> None:
    patch = Patch(epsg=EPSG, xmin=LEFT, ymax=TOP, pixels=16)
    patches = Patches(epsg=np.array([EPSG]), xmin=np.array([patch.xmin]), ymax=np.array([patch.ymax]), pixels=16)
    (pixels,) = Chequer().render(patches, 0)["labels/chequer"]
    assert pixels[0, 0] != pixels[0, 5] == pixels[5, 0] != pixels[5, 5]
