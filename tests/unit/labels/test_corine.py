"""CORINE: every delivery's codes as 1 to 44, the legend, the shares, and what is no CORINE."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.assembly.shard import make_shard
from tasks.errors import LabelsError, SpecError
from tasks.labels.classes import ClassLayer
from tasks.labels.corine import classes_of, year_of
from tasks.labels.legends import CORINE
from tasks.labels.opening import open_layers
from tasks.labels.rasters import WrongValue
from tasks.shards.description import need_description, read_description
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows
from tasks.shards.verification import verify_corpus
from tasks.spec import CorpusSpec
from tests.archive import EPSG, LEFT, SIDE, TOP, write_raster
from tests.unit.builders import builder_over, described, small_archive, spec_over
from tests.unit.labels.made import PATCH, around, exact, patches_of, polygons, source

REAL = Path(__file__).parents[4] / "shared" / "data" / "labels"


def spec_of(folder: Path, path: str, **changes: Any) -> CorpusSpec:
    return spec_over(folder, labels=["corine"], sources={"corine": path}, patch={"pixels": 250}, **changes)


def opened(folder: Path, path: str) -> ClassLayer:
    (layer,) = open_layers(spec_of(folder, path))
    assert isinstance(layer, ClassLayer)
    return layer


def drawn(layer: ClassLayer) -> NDArray[Any]:
    return layer.render(patches_of(PATCH), 0)["labels/corine"][0]


def classes(side: int = 60) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 45, (side, side)).astype(np.uint8)


def codes() -> NDArray[np.int16]:
    return np.array([0, *(int(one.code) for one in CORINE)], np.int16)


def test_the_legend_has_the_44_classes_in_the_order_of_their_codes() -> None:
    assert [one.index for one in CORINE] == list(range(1, 45))
    assert [one.code for one in CORINE] == sorted({one.code for one in CORINE})
    assert (CORINE[0].name, CORINE[0].rgb) == ("Continuous urban fabric", (230, 0, 77))
    assert (CORINE[43].code, CORINE[43].name) == ("523", "Sea and ocean")


@pytest.mark.skipif(not REAL.exists(), reason="needs the real inputs beside the checkout")
def test_the_legend_has_the_colours_of_a_real_file() -> None:
    with rasterio.open(REAL / "clc-aachen_clipped_geokit.tif") as file:
        palette = file.colormap(1)
    assert [palette[one.index][:3] for one in CORINE] == [one.rgb for one in CORINE]


@given(st.lists(st.integers(1, 44), min_size=1, max_size=20), st.sampled_from(["uint8", "int16", "int32", "float32"]))
def test_both_numberings_give_the_same_classes(found: list[int], dtype: str) -> None:
    delivered = np.array(found, dtype)
    assert classes_of(delivered[None, None]).ravel().tolist() == found
    if dtype != "uint8":  # 311 does not fit
        assert classes_of(codes()[found].astype(dtype)[None, None]).ravel().tolist() == found


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(0, "uint8"), (48, "uint8"), (128, "uint8"), (255, "uint8"), (-128, "int8"), (-32768, "int16"), (999, "int16"),
     (np.nan, "float32")],
)  # fmt: skip
def test_every_convention_of_nodata_is_0(value: float, dtype: str) -> None:
    assert classes_of(np.array([[[value, 12]]], dtype)).tolist() == [[[0, 12]]]


def test_a_declared_nodata_is_0_whatever_it_is() -> None:
    assert classes_of(np.array([[[-9999, 12]]], np.int16), -9999.0).tolist() == [[[0, 12]]]


@given(st.integers(-300, 2_000), st.integers(0, 5), st.integers(0, 6))
def test_a_number_that_is_no_code_is_refused_at_its_place(number: int, row: int, column: int) -> None:
    held = np.full((1, 6, 7), 12, np.int16)
    held[0, row, column] = number
    try:
        found = classes_of(held)
    except WrongValue as wrong:
        assert (wrong.value, wrong.row, wrong.column) == (number, row, column)
        assert number not in codes() and not 1 <= number <= 44
    else:
        assert found[0, row, column] in (0, *range(1, 45))
        assert number in {*range(1, 45), *codes().tolist(), 0, 48, 49, 50, 128, -128, 255, 990, 995, 999}


@pytest.mark.parametrize("three_digits", [False, True])
def test_a_raster_is_stored_as_1_to_44(tmp_path: Path, three_digits: bool) -> None:
    held = codes()[classes()] if three_digits else classes()
    layer = opened(tmp_path, source(tmp_path, held))
    assert np.array_equal(drawn(layer), exact(classes(), PATCH, *around(PATCH), 100))
    (kind,) = layer.arrays
    assert (kind.path, kind.dtype, kind.fill, kind.codec, kind.shape) == (
        "labels/corine",
        "uint8",
        0,
        "zstd",
        (250, 250),
    )
    assert kind.attributes["legend"][11] == {
        "index": 12, "code": "211", "name": "Non-irrigated arable land", "rgb": (255, 255, 168)
    }  # fmt: skip


def test_columns_are_shares_of_all_pixels(tmp_path: Path) -> None:
    layer = opened(tmp_path, source(tmp_path, classes(side=20)))
    patches = patches_of(PATCH)
    pixels = layer.render(patches, 0)
    facts = layer.facts(patches, 0, pixels)
    assert set(facts) == set(layer.columns) and len(facts) == 45
    held = pixels["labels/corine"][0]
    assert facts["corine_211"][0] == (held == 12).mean()
    assert facts["corine_nodata"][0] == (held == 0).mean() > 0.05
    assert sum(float(share[0]) for share in facts.values()) == pytest.approx(1)


def test_a_wrong_code_is_told_with_value_place_and_remedy(tmp_path: Path) -> None:
    held = np.full((60, 60), 12, np.uint8)
    held[20, 30] = 77
    layer = opened(tmp_path, source(tmp_path, held))
    with pytest.raises(LabelsError, match=r"has the value 77 at column 30, row 20 \(x \d+, y \d+ in .*LAEA.*1 to 44"):
        drawn(layer)


def test_vectors_are_burnt_by_their_codes(tmp_path: Path) -> None:
    left = shapely.box(PATCH.xmin - 900, PATCH.ymin - 900, PATCH.xmin + 1_000, PATCH.ymax + 900)
    right = shapely.box(PATCH.xmin + 1_000, PATCH.ymin - 900, PATCH.xmax + 900, PATCH.ymax + 900)
    path = polygons(tmp_path / "clc.gpkg", [(left, {"Code_18": "312"}), (right, {"Code_18": "512"})])
    layer = opened(tmp_path, path)
    held = drawn(layer)
    assert (held[:, :100] == 24).all() and (held[:, 100:] == 41).all()
    assert layer.describe()["column"] == "Code_18"
    assert layer.covers(patches_of(PATCH)).tolist() == [True]


def test_vectors_with_other_codes_are_refused(tmp_path: Path) -> None:
    square = shapely.box(0, 0, 1_000, 1_000)
    with pytest.raises(SpecError, match="has '777' in its column code_18; expected CORINE's classes"):
        opened(tmp_path, polygons(tmp_path / "clc.gpkg", [(square, {"code_18": "777"})]))
    with pytest.raises(SpecError, match="has no column of CLC codes such as Code_18; it has kind"):
        opened(tmp_path, polygons(tmp_path / "other.gpkg", [(square, {"kind": "211"})]))


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("U2018_CLC2018_V2020_20u1.tif", 2018), ("U2018_CLC2012_V2020_20u1.tif", 2012), ("g100_clc12_V18_5.tif", 2012),
        ("CLC2018_CLC2012_V2018_20.tif", 2012), ("g100_clc90_V18_5.tif", 1990), ("clc-aachen.tif", None),
    ],
)  # fmt: skip
def test_the_year_is_what_the_files_name_tells(name: str, year: int | None) -> None:
    assert year_of(name) == year


def test_what_a_corpus_says_of_it(tmp_path: Path) -> None:
    path = Path(source(tmp_path, classes(), name="U2018_CLC2018_V2020_20u1.tif"))
    facts = opened(tmp_path, str(path)).describe()
    assert facts["source"]["bytes"] == path.stat().st_size and len(facts["source"]["sha256"]) == 64
    assert facts["named"] == {"source": "U2018_CLC2018_V2020_20u1.tif", "year": 2018}
    assert "Copernicus" in facts["licence"] and "European Environment Agency" in facts["attribution"]


def test_without_a_source_it_is_told_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"labels: \[corine\] needs its source.*sources.corine"):
        open_layers(spec_over(tmp_path, labels=["corine"]))
    with pytest.raises(SpecError, match=r"sources.corine: there is no file .*nowhere.tif"):
        open_layers(spec_of(tmp_path, str(tmp_path / "nowhere.tif")))


def country(folder: Path, side: float = 3_000) -> str:
    """CORINE in the archive's zone, around its scenes."""
    held = np.random.default_rng(2).integers(1, 45, (int(side // 100), int(side // 100))).astype(np.uint8)
    path = folder / "clc2018.tif"
    return write_raster(path, held, crs=f"EPSG:{EPSG}", left=LEFT - 500, top=TOP + 500, pixel=100)


def test_a_labelled_corpus_is_built_verified_and_grows(tmp_path: Path) -> None:
    small_archive(tmp_path)
    changes: dict[str, Any] = {"labels": "corine", "sources": {"corine": country(tmp_path)}}
    for name, sizes in (("grown", (5, 10)), ("at-once", (10,))):
        for size in sizes:
            builder = builder_over(tmp_path, size=size, destinations=[str(tmp_path / name)], **changes)
            for shard in range(described(builder).shards):
                make_shard(builder, shard)
    grown, at_once = (builder_over(tmp_path, size=10, destinations=[str(tmp_path / name)], **changes).destinations[0]
                      for name in ("grown", "at-once"))  # fmt: skip
    for shard in range(2):
        for path in (f"labels/corine/c/{shard}/0/0", samples_object(shard), f"commits/shard-{shard:05d}.json"):
            assert grown.get(path) == at_once.get(path) is not None, path
    assert not list(verify_corpus(grown, need_description(grown), lambda _: None))
    pixels = np.asarray(zarr.open_array(grown.store(), mode="r", path="labels/corine")[:])
    assert (pixels.shape, pixels.dtype) == ((10, 16, 16), np.uint8)
    with rasterio.open(tmp_path / "clc2018.tif") as file:
        held = file.read(1)
    rows = decode_rows(grown.get(samples_object(1)) or b"")
    for row, own in rows.iterrows():
        y = (TOP + 500 - (own["ymax"] - 10 * np.arange(16) - 5)) // 100
        x = (own["xmin"] + 10 * np.arange(16) + 5 - LEFT + 500) // 100
        expected = held[np.asarray(y, int)[:, None], np.asarray(x, int)]
        assert np.array_equal(pixels[5 + int(str(row))], expected)
        assert own[f"corine_{CORINE[int(expected[0, 0]) - 1].code}"] == (expected == expected[0, 0]).mean()
    description = read_description(grown)
    assert description is not None and description.spec["sources"] == {"corine": "clc2018.tif"}


def test_a_corpus_grows_with_the_same_file_alone_wherever_it_lies(tmp_path: Path) -> None:
    small_archive(tmp_path)
    path = country(tmp_path)
    described(builder_over(tmp_path, size=5, labels="corine", sources={"corine": path}))
    Path(path).rename(tmp_path / "moved.tif")
    described(builder_over(tmp_path, size=10, labels="corine", sources={"corine": str(tmp_path / "moved.tif")}))
    other = country(tmp_path, side=2_900)
    with pytest.raises(SpecError, match=r"labels: corine: source.sha256: the corpus has '\w+', the spec gives '\w+'"):
        described(builder_over(tmp_path, size=10, labels="corine", sources={"corine": other}))


def test_a_file_that_does_not_cover_the_region_is_refused_with_counts(tmp_path: Path) -> None:
    small_archive(tmp_path)
    path = country(tmp_path, side=1_000)
    changes: dict[str, Any] = {"labels": "corine", "sources": {"corine": path}}
    told = (
        r"of the first \d+ places that would be tried, corine lacks \d+, the first at .* E, .* N.*accept: \[uncovered\]"
    )
    with pytest.raises(SpecError, match=told):
        described(builder_over(tmp_path, **changes))
    assert described(builder_over(tmp_path, accept="uncovered", **changes)).shards == 2
    assert SIDE > 1_000


@pytest.mark.skipif(not REAL.exists(), reason="needs the real inputs beside the checkout")
def test_corine_of_aachen(tmp_path: Path) -> None:
    path = REAL / "clc-aachen_clipped_geokit.tif"
    layer = opened(tmp_path, str(path))
    with rasterio.open(path) as file:
        held, corner = file.read(1), file.transform
    assert np.array_equal(drawn(layer), exact(held, PATCH, corner.c, corner.f, 100))
    facts = layer.facts(patches_of(PATCH), 0, layer.render(patches_of(PATCH), 0))
    # The patch lies in the countryside by Aachen: fields, pastures and villages.
    assert facts["corine_nodata"][0] == 0
    assert facts["corine_211"][0] + facts["corine_231"][0] + facts["corine_112"][0] > 0.5
