"""Labels of the spec's own: classes and values of rasters, features of vectors, and what pins them."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray
from numpy.typing import NDArray

from tasks.assembly.shard import make_shard
from tasks.errors import LabelsError, PixelsError, PlatformUnreachable, SpecError
from tasks.labels import remote
from tasks.labels.layer import Layer
from tasks.labels.opening import open_layers
from tasks.places.patches import Patch
from tests.archive import EPSG, LEFT, TOP, write_raster
from tests.unit.builders import builder_over, described, small_archive, spec_over
from tests.unit.labels.made import LAEA, PATCH, around, exact, patches_of, polygons, source


def opened(folder: Path, name: str = "mine", accept: Any = (), **item: Any) -> Layer:
    (layer,) = open_layers(spec_over(folder, labels=[{name: item}], accept=accept, patch={"pixels": 250}))
    return layer


def drawn(layer: Layer, patch: Patch = PATCH) -> NDArray[Any]:
    (kind,) = layer.arrays
    return layer.render(patches_of(patch), 0)[kind.path][0]


def bands(folder: Path, *values: NDArray[Any]) -> str:
    left, top = around(PATCH)
    with rasterio.open(
        folder / "modis.tif", "w", driver="GTiff", count=len(values), height=60, width=60, dtype=values[0].dtype,
        crs=LAEA, transform=rasterio.Affine(100, 0, left, 0, -100, top),
    ) as file:  # fmt: skip
        for number, one in enumerate(values, 1):
            file.write(one, number)
            file.set_band_description(number, f"LC_Type{number}")
    return str(folder / "modis.tif")


def some(*classes: int, dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(4).choice(np.array(classes, dtype), (60, 60))


def test_classes_are_those_that_the_file_holds(tmp_path: Path) -> None:
    values = some(0, 3, 7)
    layer = opened(tmp_path, raster=source(tmp_path, values))
    assert np.array_equal(drawn(layer), exact(values, PATCH, *around(PATCH), 100))
    assert list(layer.columns) == ["mine_3", "mine_7", "mine_nodata"]
    patches = patches_of(PATCH)
    facts = layer.facts(patches, 0, layer.render(patches, 0))
    assert facts["mine_7"][0] == (drawn(layer) == 7).mean() > 0
    assert sum(float(share[0]) for share in facts.values()) == pytest.approx(1)


def test_classes_beyond_255_take_16_bits(tmp_path: Path) -> None:
    values = some(10, 1200, dtype="uint16")
    layer = opened(tmp_path, raster=source(tmp_path, values))
    assert (layer.arrays[0].dtype, layer.arrays[0].codec) == ("uint16", "zstd")
    assert np.array_equal(drawn(layer), exact(values, PATCH, *around(PATCH), 100))


def test_several_bands_are_schemes_with_their_own_columns(tmp_path: Path) -> None:
    first, second = some(1, 2), some(40, 41)
    layer = opened(tmp_path, "modis", raster=bands(tmp_path, first, second), bands=["LC_Type2", "LC_Type1"])
    (kind,) = layer.arrays
    assert (kind.dimensions, kind.shape) == (("modis_scheme", "y", "x"), (2, 250, 250))
    assert kind.names == {"modis_scheme": ("LC_Type2", "LC_Type1")}
    held = drawn(layer)
    assert np.array_equal(held[0], exact(second, PATCH, *around(PATCH), 100))
    assert np.array_equal(held[1], exact(first, PATCH, *around(PATCH), 100))
    assert list(layer.columns) == [
        "modis_lc_type2_40", "modis_lc_type2_41", "modis_lc_type2_nodata",
        "modis_lc_type1_1", "modis_lc_type1_2", "modis_lc_type1_nodata",
    ]  # fmt: skip


def test_a_class_that_the_spec_does_not_list_is_refused_at_its_place(tmp_path: Path) -> None:
    layer = opened(tmp_path, raster=source(tmp_path, some(1, 2)), values=[1])
    with pytest.raises(LabelsError, match=r"has the value 2 at column \d+, .*: values has 1. Add it"):
        drawn(layer)


def test_a_class_0_beside_another_nodata_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"0 is nodata in a corpus, and here 255 is. Add 1 to the classes"):
        opened(tmp_path, raster=source(tmp_path, some(0, 1, 255), nodata=255))


def test_a_raster_of_measured_values_is_not_taken_for_classes(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"expected whole numbers from 1 to 65535. Or use `kind: values`"):
        opened(tmp_path, raster=source(tmp_path, np.full((60, 60), 1.5, "float32")))
    many = np.arange(3_600, dtype="uint16").reshape(60, 60)
    with pytest.raises(SpecError, match=r"has 3,599 different numbers"):
        opened(tmp_path, raster=source(tmp_path, many))


def test_values_are_stored_in_steps(tmp_path: Path) -> None:
    values = np.random.default_rng(1).uniform(-50, 3_000, (60, 60)).astype("float32")
    values[::7] = -9999
    layer = opened(tmp_path, "height", raster=source(tmp_path, values, nodata=-9999), kind="values", step=0.1)
    (kind,) = layer.arrays
    assert (kind.dtype, kind.fill, kind.attributes["scale_factor"]) == ("int16", -32768, 0.1)
    expected = exact(values, PATCH, *around(PATCH), 100)
    stored = kind.stored(layer.render(patches_of(PATCH), 0)[kind.path])[0]
    assert np.array_equal(stored == -32768, expected == -9999)
    there = expected != -9999
    assert np.abs(stored[there] * 0.1 - expected[there]).max() <= 0.0501
    facts = layer.facts(patches_of(PATCH), 0, layer.render(patches_of(PATCH), 0))
    assert facts["height_nodata"][0] == (~there).mean()


def test_values_beyond_what_the_steps_hold_are_refused_with_a_step_that_does(tmp_path: Path) -> None:
    values = np.full((60, 60), 4_810, "int16")
    layer = opened(tmp_path, "height", raster=source(tmp_path, values), kind="values", step=0.1)
    with pytest.raises(LabelsError, match=r"has the value 4810, .* hold 3276.7 at most. Use `step: 0.15` or more"):
        drawn(layer)


def test_features_are_burnt_in_the_order_of_the_values(tmp_path: Path) -> None:
    def square(west: float, east: float) -> shapely.Polygon:
        return shapely.box(PATCH.xmin + west, PATCH.ymin - 500, PATCH.xmin + east, PATCH.ymax + 500)

    path = polygons(
        tmp_path / "areas.gpkg",
        [(square(500, 1_500), {"IUCN": "II"}), (square(1_000, 2_000), {"IUCN": "Ia"}), (square(0, 200), {"IUCN": "V"})],
    )
    for order, top in ((["Ia", "II"], 2), (["II", "Ia"], 2)):
        layer = opened(tmp_path, "areas", vectors=path, column="IUCN", values=order)
        held = drawn(layer)[125]
        assert not held[:50].any(), "V is not listed"
        assert held[75] == order.index("II") + 1 and held[175] == order.index("Ia") + 1
        assert held[125] == top, "where they overlap the last one wins"
        assert layer.describe()["features_left_out"] == 1
        assert list(layer.columns) == [f"areas_{value.lower()}" for value in order] + ["areas_nodata"]


def test_features_in_degrees_with_holes_and_none_at_all(tmp_path: Path) -> None:
    outer = shapely.box(PATCH.xmin - 9e4, PATCH.ymin - 9e4, PATCH.xmax + 9e4, PATCH.ymax + 9e4)
    hole = shapely.box(PATCH.xmin + 1_000, PATCH.ymin + 1_000, PATCH.xmin + 1_500, PATCH.ymin + 1_500)
    dense = shapely.segmentize(outer.difference(hole), 500)
    gpd.GeoDataFrame(geometry=[dense], crs=PATCH.epsg).to_crs(4326).to_file(tmp_path / "areas.fgb")
    layer = opened(tmp_path, "areas", vectors=str(tmp_path / "areas.fgb"))
    held = drawn(layer)
    expected = np.ones((250, 250))
    expected[100:150, 100:150] = 0
    assert np.array_equal(held, expected), "a polygon that covers the patch has no vertex in it"
    far = Patch(epsg=32632, xmin=700_000, ymax=6_000_000, pixels=250)
    assert not drawn(layer, far).any()
    assert list(layer.columns) == ["areas_1", "areas_nodata"]


def test_a_ring_that_touches_itself_leaves_no_line(tmp_path: Path) -> None:
    west, north = PATCH.xmin + 500, PATCH.ymax - 500
    spike = [(0, 0), (400, 0), (400, -200), (1_500, -200), (400, -200), (400, -400), (0, -400)]
    shape = shapely.Polygon([(west + x, north + y) for x, y in spike])
    held = drawn(opened(tmp_path, "areas", vectors=polygons(tmp_path / "areas.gpkg", [(shape, {})])))
    expected = np.zeros((250, 250))
    expected[50:90, 50:90] = 1
    assert np.array_equal(held, expected)


def test_features_without_area_are_refused(tmp_path: Path) -> None:
    line = shapely.LineString([(PATCH.xmin, PATCH.ymax), (PATCH.xmax, PATCH.ymin)])
    with pytest.raises(SpecError, match=r"has geometries of type LineString, and a label of classes needs areas"):
        opened(tmp_path, vectors=polygons(tmp_path / "roads.gpkg", [(line, {})]))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    square = shapely.box(PATCH.xmin, PATCH.ymin, PATCH.xmax, PATCH.ymax)
    path = polygons(tmp_path / "areas.gpkg", [(square, {"kind": kind}) for kind in ("NoData", "a-b", "a b")])
    for values, column in ((["NoData"], "mine_nodata"), (["a-b", "a b"], "mine_a_b")):
        with pytest.raises(SpecError, match=f"would write the column {column}.*Rename one"):
            opened(tmp_path, vectors=path, column="kind", values=values)
    raster = source(tmp_path, some(1, 2))
    labels = [{"foo": {"raster": bands(tmp_path, some(1), some(1)), "bands": ["LC_Type1", "LC_Type2"], "values": [1]}},
              {"foo_lc_type1": {"raster": raster}}]  # fmt: skip
    with pytest.raises(SpecError, match="foo and foo_lc_type1 would both write the column foo_lc_type1_1"):
        open_layers(spec_over(tmp_path, labels=labels, patch={"pixels": 250}))


def test_vectors_are_refused_where_they_cannot_be_what_is_meant(tmp_path: Path) -> None:
    path = polygons(tmp_path / "areas.gpkg", [(shapely.box(0, 0, 1, 1), {"IUCN": "II"})])
    with pytest.raises(SpecError, match=r"no feature of .* has 'IX' in its column IUCN, which has 'II'"):
        opened(tmp_path, vectors=path, column="IUCN", values=["IX"])
    with pytest.raises(SpecError, match=r"has no column 'iucn'; it has IUCN"):
        opened(tmp_path, vectors=path, column="iucn", values=["II"])
    with pytest.raises(SpecError, match=r"cannot be read patch by patch. Save it as a GeoPackage"):
        opened(tmp_path, vectors=str(tmp_path / "areas.geojson"))
    with pytest.raises(SpecError, match=r"there is no file"):
        opened(tmp_path, vectors=str(tmp_path / "none.gpkg"))
    (tmp_path / "damaged.gpkg").write_text("nothing")
    with pytest.raises(SpecError, match=r"damaged.gpkg cannot be read"):
        opened(tmp_path, vectors=str(tmp_path / "damaged.gpkg"))


def test_licence_and_attribution_come_with_it(tmp_path: Path) -> None:
    path = source(tmp_path, some(1, 2))
    facts = opened(tmp_path, raster=path, licence="CC BY 4.0", attribution="ESA WorldCover").describe()
    assert (facts["licence"], facts["attribution"]) == ("CC BY 4.0", "ESA WorldCover")
    wdpa = polygons(tmp_path / "WDPA_Jun2021.gpkg", [(shapely.box(0, 0, 1, 1), {})])
    facts = opened(tmp_path, vectors=wdpa, accept="wdpa-noncommercial").describe()
    assert "no commercial use" in facts["licence"] and "UNEP-WCMC" in facts["attribution"]


@contextmanager
def served(folder: Path, *, etag: str | None, failures: list[int] | None = None) -> Generator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def send_head(self) -> Any:
            if failures:
                self.send_error(failures.pop(0))
                return None
            return super().send_head()

        def send_header(self, keyword: str, value: str) -> None:
            if keyword != "Last-Modified":
                super().send_header(keyword, value)

        def end_headers(self) -> None:
            if etag:
                self.send_header("ETag", etag)
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_remote_raster_is_pinned_by_what_the_server_says_of_it(tmp_path: Path) -> None:
    values = some(1, 2)
    size = Path(source(tmp_path, values)).stat().st_size
    with served(tmp_path, etag='"abc"') as address:
        layer = opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])
        assert layer.describe()["source"] == {"bytes": size, "etag": '"abc"'}
        assert np.array_equal(drawn(layer), exact(values, PATCH, *around(PATCH), 100))
        with pytest.raises(SpecError, match=r"is not on this machine.*List them as `values`"):
            opened(tmp_path, raster=f"{address}/source.tif")
    with (
        served(tmp_path, etag=None) as address,
        pytest.raises(SpecError, match=r"tells neither an ETag nor when the file was changed"),
    ):
        opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])


def test_a_server_that_fails_for_now_is_asked_again(tmp_path: Path) -> None:
    values, failures = some(1, 2), [503]
    source(tmp_path, values)
    with served(tmp_path, etag='"abc"', failures=failures) as address:
        # The head by which it is pinned, the opening of the file, and its pixels: each fails at first.
        layer = opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])
        failures.append(503)
        again = opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])
        failures.append(503)
        assert np.array_equal(drawn(layer), exact(values, PATCH, *around(PATCH), 100))
        assert not failures and again.describe() == layer.describe()


def test_what_a_server_does_not_have_is_not_asked_for_again(tmp_path: Path) -> None:
    with served(tmp_path, etag='"abc"') as address, pytest.raises(SpecError, match=r"source.tif cannot be read .*404"):
        opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])


def test_a_server_that_does_not_come_back_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE", 0.2)
    source(tmp_path, some(1, 2))
    with served(tmp_path, etag='"abc"') as address:
        layer = opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])
    with pytest.raises(PlatformUnreachable, match=r"source.tif: out of reach .* Run the same command later"):
        drawn(layer)
    with pytest.raises(PlatformUnreachable, match=r"labels: http.*source.tif: out of reach"):
        opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])
    with served(tmp_path, etag='"abc"', failures=[503] * 99) as address, pytest.raises(PixelsError, match="503"):
        opened(tmp_path, raster=f"{address}/source.tif", values=[1, 2])


def test_a_corpus_with_labels_of_its_own_opens_as_one(tmp_path: Path) -> None:
    small_archive(tmp_path)
    held = np.random.default_rng(2).integers(1, 4, (30, 30)).astype(np.uint8)
    grid: dict[str, Any] = {"crs": f"EPSG:{EPSG}", "left": LEFT - 500, "top": TOP + 500, "pixel": 100}
    cover = write_raster(tmp_path / "cover.tif", held, **grid)
    height = write_raster(tmp_path / "height.tif", held * 100.5, **grid)
    labels = [{"cover": {"raster": cover}}, {"height": {"raster": height, "kind": "values", "step": 0.5}}]
    builder = builder_over(tmp_path, labels=labels, size=5)
    described(builder)
    make_shard(builder, 0)
    with xarray.open_zarr(builder.destinations[0].store(), group="labels", chunks=None) as data:
        assert set(data) == {"cover", "height"}
        assert np.array_equal(data["height"].values, data["cover"].values * 100.5)
    with pytest.raises(SpecError, match=r"labels.cover.kind: the corpus has 'classes', the spec 'values'"):
        described(builder_over(
            tmp_path, labels=[{"cover": {"raster": cover, "kind": "values", "step": 1}}, labels[1]], size=5
        ))  # fmt: skip
