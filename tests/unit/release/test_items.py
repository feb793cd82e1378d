"""STAC items: an item a sample, as other tools read it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pystac
import pytest
import shapely
import zarr
from pystac.extensions.eo import EOExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.sar import FrequencyBand, Polarization, SarExtension
from pystac.extensions.sat import OrbitState, SatExtension
from pystac.validation import validate_dict
from stac_geoparquet.arrow import parse_stac_items_to_arrow, stac_table_to_items

from tasks.errors import CorpusError
from tasks.imagery.bands import BANDS
from tasks.release import sample_table
from tasks.release.collection import collection_of
from tasks.release.items import write_items
from tasks.release.sample_table import SampleTable
from tasks.scenes.reasons import Reason
from tasks.shards.destinations import LocalFolder
from tasks.shards.rows import Sample
from tests.unit.release.catalogued import acquired, across_the_antimeridian, at, description, sample, samples_file
from tests.unit.release.extension_fields import faults
from tests.unit.shards.made import small

SHARDS = (
    [sample(0), sample(1, missing=Reason.NO_SENTINEL2), sample(2, absent=("B10", "B01"))],
    [sample(0, patch=at(-60.5, -33.2)), sample(1)],
)


def written(folder: Path, *shards: list[Sample], corpus: Any = None) -> Path:
    """The items of a corpus of these shards."""
    corpus = corpus or description()
    samples = SampleTable.open(samples_file(folder, *shards))
    return write_items(corpus, samples, folder, collection_of(corpus, samples))


def items_in(path: Path) -> list[dict[str, Any]]:
    return list(stac_table_to_items(pq.read_table(path)))


def valid(item: dict[str, Any]) -> dict[str, Any]:
    """Checked against the core schema, which pystac brings along, and against what those of the extensions admit."""
    validate_dict(item, extensions=[])
    assert faults(item) == []
    return item


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("release"), *SHARDS)


@pytest.fixture
def items(path: Path) -> Iterator[list[dict[str, Any]]]:
    yield items_in(path)


def test_a_sample_with_pixels_is_a_valid_item_and_a_place_without_any_is_none(items: list[dict[str, Any]]) -> None:
    assert [valid(item)["id"] for item in items] == [
        "tiny-00000-0000", "tiny-00000-0002", "tiny-00001-0000", "tiny-00001-0001"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "shards",
    [
        SHARDS,
        ([sample(0), sample(1, acquisitions=acquired(known=False)), sample(2, patch=across_the_antimeridian())],),
    ],
    ids=["known", "unknown"],
)
def test_the_file_is_what_stac_geoparquet_makes_of_the_same_items(shards: Any, tmp_path: Path) -> None:
    ours = pq.read_table(written(tmp_path, *shards))
    theirs = parse_stac_items_to_arrow(list(stac_table_to_items(ours))).read_all()
    assert set(ours.column_names) == set(theirs.column_names)
    for name in theirs.column_names:
        assert ours[name].type == theirs[name].type, name
        assert ours[name].to_pylist() == theirs[name].to_pylist(), name
    assert ours.schema.field("geometry").metadata == theirs.schema.field("geometry").metadata


def test_the_projection_is_the_patch_s(items: list[dict[str, Any]]) -> None:
    patch = SHARDS[1][0].patch
    told = ProjectionExtension.ext(pystac.Item.from_dict(items[2]))
    assert told.code == patch.crs == "EPSG:32720"
    assert told.shape == [16, 16]
    assert told.bbox == [patch.xmin, patch.ymin, patch.xmax, patch.ymax]
    assert told.transform == [*patch.transform][:6]
    lon, lat = shapely.geometry.shape(items[2]["geometry"]).centroid.coords[0]
    assert told.centroid == pytest.approx({"lat": lat, "lon": lon}, abs=1e-5)
    assert items[2]["bbox"] == pytest.approx(shapely.geometry.shape(items[2]["geometry"]).bounds)


def test_the_optical_asset_has_its_bands_and_cloud_cover(items: list[dict[str, Any]]) -> None:
    item = pystac.Item.from_dict(items[0])
    assert EOExtension.ext(item).cloud_cover == 12.5
    asset = item.assets["zulu/s2"]
    bands = asset.extra_fields["bands"]
    assert [band["name"] for band in bands] == list(BANDS)
    assert bands[3] == {
        "name": "B04",
        "eo:common_name": "red",
        "eo:center_wavelength": 0.6646,
        "eo:full_width_half_max": 0.031,
        "gsd": 10,
    }
    assert [band["gsd"] for band in bands if band["name"] in ("B01", "B09", "B10")] == [60, 60, 60]
    facts = {"raster:scale": 1e-4, "nodata": 0, "data_type": "uint16", "constellation": "sentinel-2"}
    assert facts.items() <= asset.extra_fields.items()


def test_the_radar_asset_has_its_polarizations_and_orbit(items: list[dict[str, Any]]) -> None:
    item = pystac.Item.from_dict(items[0])
    radar = SarExtension.ext(item)
    assert (radar.instrument_mode, radar.frequency_band, radar.product_type) == ("IW", FrequencyBand.C, "GRD")
    assert radar.polarizations == [Polarization.VV, Polarization.VH]
    assert radar.center_frequency == 5.405
    asset = item.assets["zulu/s1"]
    orbit = SatExtension.ext(asset)
    assert (orbit.relative_orbit, orbit.orbit_state) == (15, OrbitState.DESCENDING)
    assert SatExtension.ext(item).relative_orbit == SatExtension.ext(item.assets["zulu/s2"]).relative_orbit == 8
    assert [band["name"] for band in asset.extra_fields["bands"]] == ["VV", "VH"]
    facts = {"raster:scale": 0.01, "nodata": -32768, "unit": "dB", "deepsentinel:scene": "S1A_y"}
    assert facts.items() <= asset.extra_fields.items()


def test_times_are_those_of_both_acquisitions_to_the_microsecond(items: list[dict[str, Any]]) -> None:
    told = items[0]["properties"]
    assert told["datetime"] == told["end_datetime"] == "2018-05-03T10:40:21.024017Z"
    assert told["start_datetime"] == items[0]["assets"]["zulu/s1"]["datetime"] == "2018-05-02T15:40:21.024017Z"
    assert items[0]["assets"]["zulu/s2"]["datetime"] == told["datetime"]
    assert told["deepsentinel:gap_hours"] == -19


def test_labels_are_rasters_with_classes(items: list[dict[str, Any]]) -> None:
    # Not by pystac's class, which is deprecated because nobody maintains the extension.
    told = {name: value for name, value in items[0]["properties"].items() if name.startswith("label:")}
    assert told == {
        "label:properties": None,
        "label:type": "raster",
        "label:description": "Cover; Height; labels/roads",
        "label:tasks": ["segmentation", "regression"],
        "label:classes": [
            {"name": None, "classes": ["water", "tall forest"]},
            {"name": None, "classes": ["minor road"]},
        ],
    }
    assert items[0]["assets"]["labels/height"]["raster:scale"] == 0.5


def test_assets_lead_to_the_sample_in_the_arrays(items: list[dict[str, Any]], tmp_path: Path) -> None:
    corpus = LocalFolder(str(tmp_path))
    for name, content in description().objects().items():
        corpus.put(name, content)
    for kind in description().arrays:
        zarr.open_array(str(tmp_path / kind.path))[5] = 77
    item = next(item for item in items if item["id"] == "tiny-00001-0000")
    told = item["properties"]
    assert (told["deepsentinel:sample"], told["deepsentinel:shard"], told["deepsentinel:row"]) == (5, 1, 0)
    for asset in item["assets"].values():
        array: Any = zarr.open_array(str((tmp_path / "release" / asset["href"]).resolve()), mode="r")
        assert (array.dtype, array.fill_value) == (asset["data_type"], asset["nodata"])
        assert (array[told["deepsentinel:sample"]] == 77).all()


def test_bands_that_one_sample_lacks_are_told(items: list[dict[str, Any]]) -> None:
    told = [item["assets"]["zulu/s2"]["deepsentinel:absent_bands"] for item in items]
    assert told == [None, ["B10", "B01"], None, None]


def test_what_no_sample_knows_is_left_out_and_what_some_do_not_is_null(tmp_path: Path) -> None:
    unknown = acquired(known=False)
    (item,) = items_in(written(tmp_path, [sample(acquisitions=unknown)]))
    assert not [name for name in valid(item)["properties"] if name.startswith(("eo:", "sat:", "deepsentinel:place"))]
    assert not [name for name in item["stac_extensions"] if "/sat/" in name]
    first, second = items_in(written(tmp_path, [sample(0), sample(1, acquisitions=unknown)]))
    without = [uri for uri in valid(first)["stac_extensions"] if "/sat/" not in uri]
    assert valid(second)["stac_extensions"] == without != first["stac_extensions"]
    assert (first["properties"]["eo:cloud_cover"], second["properties"]["eo:cloud_cover"]) == (12.5, None)


def test_an_outline_across_the_antimeridian_is_cut_there(tmp_path: Path) -> None:
    path = written(tmp_path, [sample(0), sample(1, patch=across_the_antimeridian())])
    near, item = items_in(path)
    assert valid(near)["geometry"]["type"] == "Polygon"
    outline = shapely.geometry.shape(valid(item)["geometry"])
    west, south, east, north = item["bbox"]
    assert outline.geom_type == "MultiPolygon" and outline.bounds == (-180, south, 180, north)
    assert 179.99 < west < 180 and -180 < east < -179.99
    assert outline.area == pytest.approx((east + 360 - west) * (north - south), rel=0.05)
    samples = SampleTable.open(tmp_path / "samples.parquet")
    ((*bounds, top),) = collection_of(description(), samples)["extent"]["spatial"]["bbox"]
    assert bounds == [-180, south, 180] and top == near["bbox"][3]


def test_the_same_samples_give_the_same_bytes_anywhere(path: Path, tmp_path: Path) -> None:
    assert written(tmp_path, *SHARDS).read_bytes() == path.read_bytes()


def test_items_are_written_a_portion_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(sample_table, "PORTION", 2)
    made = written(tmp_path, *SHARDS)
    with pq.ParquetFile(made) as file:
        assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [1, 2, 1]
    assert items_in(made) == items_in(path)


def test_the_collection_stands_in_the_file_too(path: Path) -> None:
    held = json.loads(pq.read_schema(path).metadata[b"stac-geoparquet"])
    samples = SampleTable.open(path.with_name("samples.parquet"))
    assert held["collections"] == {"tiny": json.loads(json.dumps(collection_of(description(), samples)))}


def test_geopandas_reads_the_file(path: Path) -> None:
    table = geopandas.read_parquet(path)
    assert table.crs.to_epsg() == 4326 and table.geometry.geom_type.eq("Polygon").all()
    box = geopandas.read_parquet(path, bbox=(-61, -34, -60, -33))
    assert list(box["id"]) == ["tiny-00001-0000"]


def test_a_corpus_without_labels_or_pixels_has_a_file_too(tmp_path: Path) -> None:
    corpus = small(1)
    (item,) = items_in(written(tmp_path, [sample()], corpus=corpus))
    assert set(valid(item)["assets"]) == {"zulu/s2", "zulu/s1"}
    assert not [name for name in (*item["properties"], *item["stac_extensions"]) if "label" in name]
    assert items_in(written(tmp_path, [sample(missing=Reason.REFUSED)], corpus=corpus)) == []


def test_rows_of_something_else_are_refused(tmp_path: Path) -> None:
    path = samples_file(tmp_path, [sample()])
    pq.write_table(pq.read_table(path).drop_columns(["s1_time"]), path)
    with pytest.raises(CorpusError, match=r"samples\.parquet: has no column s1_time"):
        collection_of(description(), SampleTable.open(path))
    path.write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match=r"samples\.parquet: cannot be read as Parquet"):
        SampleTable.open(path)
