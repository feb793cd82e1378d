"""Statistics of a corpus: those that numpy finds in all pixels, from what the shards counted alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CorpusError
from tasks.imagery.bands import BANDS
from tasks.release.statistics import PERCENTILES, VALUES, band_statistics, histograms, statistics
from tasks.shards.array_kinds import S1_NODATA, platform_arrays
from tasks.shards.commits import corpus_digest, read_commit
from tasks.shards.description import need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import commit_object, samples_object, statistics_object, to_json
from tasks.shards.rows import decode_rows
from tests.unit.release.made import speckled_corpus

S2, S1 = platform_arrays("zulu", ("s2", "s1"), BANDS, 16)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Destination:
    return speckled_corpus(tmp_path_factory.mktemp("statistics"))


def report_of(corpus: Destination) -> Any:
    description = need_description(corpus)
    return json.loads(to_json(statistics(description, histograms(corpus, description), corpus_digest(corpus))))


def read_back(corpus: Destination, array: str, *splits: str) -> np.ndarray:
    """All samples of some splits: (n, bands, y, x), as stored."""
    rows = [decode_rows(corpus.get(samples_object(shard)) or b"") for shard in range(2)]
    chosen = [sample for table in rows for sample in table.loc[table["split"].isin(splits), "sample"]]
    return np.asarray(zarr.open_array(corpus.store(), mode="r", path=array))[chosen]


def agree(found: dict[str, Any], pixels: np.ndarray, *, nodata: int, step: float = 1) -> None:
    """Compare the figures of one band with what numpy finds in its pixels as stored."""
    valid = pixels[pixels != nodata].astype(np.float64) * step
    assert (found["valid"], found["nodata"]) == (valid.size, pixels.size - valid.size)
    if not valid.size:
        assert [found[name] for name in ("mean", "std", "min", "max", "histogram")] == [None] * 5
        assert set(found["percentiles"].values()) == {None}
        return
    for name in ("mean", "std", "min", "max"):
        assert found[name] == pytest.approx(getattr(valid, name)(), rel=1e-9, abs=1e-9), name
    expected = np.percentile(valid, PERCENTILES)
    assert list(found["percentiles"]) == ["1", "2", "50", "98", "99"]
    assert list(found["percentiles"].values()) == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-9)
    edges, counts = np.array(found["histogram"]["edges"]), found["histogram"]["counts"]
    assert (len(edges), len(counts), sum(counts)) == (65, 64, valid.size)
    assert np.allclose(np.diff(edges), edges[1] - edges[0])
    assert edges[0] < edges[-1]


def test_they_are_those_of_all_valid_pixels_of_the_train_split(corpus: Destination) -> None:
    report = report_of(corpus)
    assert (report["schema"], report["corpus"], report["split"]) == (1, corpus_digest(corpus), "train")
    assert list(report["arrays"]) == ["stac/s1", "stac/s2"]
    for array, step, nodata in (("stac/s2", 1, 0), ("stac/s1", 0.01, S1_NODATA)):
        pixels = read_back(corpus, array, "train")
        assert 0 < len(pixels) < 10, "some samples are of other splits"
        assert report["samples"] == len(pixels)
        kind = next(kind for kind in need_description(corpus).imagery if kind.path == array)
        for number, band in enumerate(kind.names[kind.dimensions[0]]):
            agree(report["arrays"][array]["bands"][band], pixels[:, number], nodata=nodata, step=step)
    assert report["arrays"]["stac/s2"]["bands"]["B10"]["valid"] == 0
    assert [report["arrays"][array]["unit"] for array in ("stac/s2", "stac/s1")] == ["reflectance x 10,000", "dB"]


def test_a_corpus_without_a_train_split_says_that_all_samples_count(tmp_path: Path) -> None:
    corpus = speckled_corpus(tmp_path, splits={"train": 0, "validation": 0.5, "test": 0.5})
    report = report_of(corpus)
    assert (report["split"], report["samples"]) == ("all", 10)
    pixels = read_back(corpus, "stac/s2", "validation", "test")
    agree(report["arrays"]["stac/s2"]["bands"]["B02"], pixels[:, 1], nodata=0)


def test_shards_that_recorded_nothing_are_counted_from_their_pixels(tmp_path: Path) -> None:
    corpus = speckled_corpus(tmp_path)
    expected = report_of(corpus)
    commit = read_commit(corpus, 0)
    assert commit is not None
    older = replace(commit, objects=tuple(one for one in commit.objects if one.path != statistics_object(0)))
    corpus.delete(statistics_object(0))
    corpus.put(commit_object(0), older.to_bytes())
    assert report_of(corpus) == expected | {"corpus": corpus_digest(corpus)}


def test_counts_that_are_damaged_are_not_used(tmp_path: Path) -> None:
    corpus = speckled_corpus(tmp_path)
    corpus.put(statistics_object(1), corpus.get(statistics_object(0)) or b"")
    with pytest.raises(CorpusError, match=r"statistics/shard-00001\.parquet: is .*verify --repair"):
        report_of(corpus)


@given(st.lists(st.tuples(st.integers(-32_768, 32_767), st.integers(1, 50)), max_size=30), st.booleans())
def test_figures_of_any_counts_are_those_of_the_pixels(made: list[tuple[int, int]], signed: bool) -> None:
    kind = S1 if signed else S2
    values = np.array([value if signed else value + 32_768 for value, _ in made], np.int64)
    pixels = np.repeat(values, [count for _, count in made])
    counts = np.zeros(VALUES, np.int64)
    np.add.at(counts, pixels, 1)
    agree(band_statistics(kind, counts), pixels, nodata=kind.fill, step=kind.step or 1)
