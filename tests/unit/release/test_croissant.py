"""The Croissant description: mlcroissant finds it sound, and loads the samples by it."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import mlcroissant
import pandas as pd
import pytest

from tasks.imagery.bands import BANDS
from tasks.release.collection import collection_json, collection_of
from tasks.release.croissant import croissant
from tasks.release.sample_table import SampleTable
from tasks.scenes.reasons import Reason
from tests.unit.release.catalogued import MOMENT, acquired, description, sample, samples_file
from tests.unit.shards.made import small

# What mlcroissant is warned of: a class of rdflib's and a word of pandas' that are to go.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]

DIGEST = "0123456789abcdef" * 4

SHARDS = (
    [sample(0), sample(1, missing=Reason.NO_SENTINEL2)],
    [sample(0, acquisitions=acquired(known=False)), sample(1, absent=("B10",))],
)


def made(corpus: Path, *, labelled: bool = True) -> Path:
    """The description of a corpus in a folder, beside its rows and its collection."""
    folder = corpus / "release"
    folder.mkdir()
    held = description() if labelled else small(2)
    metadata = held.metadata()["zarr.json"]
    (corpus / "zarr.json").write_bytes(metadata)
    samples = SampleTable.open(samples_file(folder, *SHARDS))
    collection = folder / "collection.json"
    collection.write_bytes(collection_json(collection_of(held, samples)))
    path = folder / "croissant.json"
    path.write_bytes(croissant(held, samples, digest=DIGEST, metadata=metadata, files=[collection]))
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def dataset(path: Path) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(jsonld=str(path))


def records(dataset: mlcroissant.Dataset, name: str) -> list[dict[str, Any]]:
    """Records with the names of columns, texts as texts."""
    return [
        {key.removeprefix(f"{name}/"): value.decode() if _is_text(value) else value for key, value in record.items()}
        for record in dataset.records(name)
    ]


def _is_text(value: Any) -> bool:
    return isinstance(value, bytes) and not value.startswith(b"\x01")


def test_mlcroissant_finds_nothing_wrong_but_the_date_that_would_be_a_clock_s(dataset: mlcroissant.Dataset) -> None:
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    (warning,) = issues.warnings
    assert "datePublished" in warning


def test_it_says_what_the_corpus_is_and_whose(dataset: mlcroissant.Dataset) -> None:
    told = dataset.metadata
    assert (told.name, told.version) == ("tiny", "1.0.0+0123456789ab")
    assert DIGEST in (told.cite_as or "")
    assert "Sentinel_Data_Legal_Notice" in str(told.license) and "CC BY 4.0" in str(told.license)
    assert "zarr.open_group(CORPUS, mode='r')['zulu/s2'][sample]" in str(told.description)


def test_samples_are_loaded_with_all_columns_and_their_types(dataset: mlcroissant.Dataset, path: Path) -> None:
    table = pd.read_parquet(path.with_name("samples.parquet"))
    found = records(dataset, "samples")
    assert [set(record) for record in found] == [set(table.columns)] * len(table)
    for column in ("sample_id", "sample", "crs", "xmin", "split", "geometry"):
        assert [record[column] for record in found] == table[column].to_list(), column
    first, place, unknown, lacking = found
    assert first["s2_time"] == pd.Timestamp(MOMENT, unit="us", tz="UTC") and first["gap_hours"] == -19.0
    assert place["missing"] == "no-sentinel2" and pd.isna(place["s2_time"])
    assert pd.isna(unknown["s2_orbit"]) and first["s2_orbit"] == 8
    assert lacking["zulu_absent_bands"] == "B10"


def test_records_are_loaded_as_often_as_one_likes(dataset: mlcroissant.Dataset) -> None:
    assert len(records(dataset, "samples")) == len(records(dataset, "samples")) == 4


def test_a_copy_elsewhere_is_read_without_an_address_in_it(path: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(path.parent, tmp_path / "copy" / "release")
    shutil.copy(path.parent.parent / "zarr.json", tmp_path / "copy")
    assert len(records(mlcroissant.Dataset(jsonld=str(copy / "croissant.json")), "samples")) == 4
    assert str(path.parent.parent) not in path.read_text()


def test_files_are_told_by_size_and_digest(dataset: mlcroissant.Dataset, path: Path) -> None:
    objects = dataset.metadata.file_objects
    assert [one.content_url for one in objects] == ["samples.parquet", "collection.json", "../zarr.json"]
    for one in objects:
        content = (path.parent / str(one.content_url)).read_bytes()
        assert (one.content_size, one.sha256) == (f"{len(content)} B", hashlib.sha256(content).hexdigest())


def test_arrays_bands_classes_and_splits_are_records_too(dataset: mlcroissant.Dataset) -> None:
    arrays = {record["path"]: record for record in records(dataset, "arrays")}
    assert [*arrays] == ["zulu/s2", "zulu/s1", "labels/cover", "labels/height", "labels/roads"]
    facts = {"dimensions": "sample polarization y x", "shape": "10 2 16 16", "dtype": "int16", "nodata": -32768}
    assert facts.items() <= arrays["zulu/s1"].items() and arrays["zulu/s1"]["step"] == 0.01
    assert [record["name"] for record in records(dataset, "bands")] == list(BANDS)
    classes = [(record["array"], record["index"], record["name"]) for record in records(dataset, "classes")]
    assert classes == [
        ("labels/cover", 1, "water"), ("labels/cover", 2, "tall forest"), ("labels/roads", 3, "minor road")
    ]  # fmt: skip
    assert [record["name"] for record in records(dataset, "splits")] == ["train", "validation", "test"]
    assert [one.includes for one in dataset.metadata.file_sets][:2] == [["../zulu/s2/c/*"], ["../zulu/s1/c/*"]]


def test_a_corpus_without_labels_has_no_classes(tmp_path: Path) -> None:
    told = json.loads(made(tmp_path, labelled=False).read_bytes())
    assert [one["@id"] for one in told["recordSet"]] == ["splits", "samples", "arrays", "bands"]


def test_the_same_corpus_has_the_same_description(path: Path, tmp_path: Path) -> None:
    assert made(tmp_path).read_bytes() == path.read_bytes()
