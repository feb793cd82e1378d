"""All rows of a corpus in one file: as the shards have them, in their order, whatever types their columns came in."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import CorpusError
from tasks.release import samples
from tasks.release.samples import write_samples
from tasks.shards.commits import StoredObject, read_commit
from tasks.shards.destinations import Destination, LocalFolder
from tasks.shards.layout import commit_object, samples_object
from tasks.shards.rows import decode_rows
from tests.unit.release.made import speckled_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Destination:
    """Three shards of two samples."""
    return speckled_corpus(tmp_path_factory.mktemp("samples"), size=6, shard_size=2)


def rows_of(corpus: Destination, shard: int) -> gpd.GeoDataFrame:
    return decode_rows(corpus.get(samples_object(shard)) or b"")


def changed(folder: Path, corpus: Destination, shard: int, change: Any) -> LocalFolder:
    """A copy of a corpus in which the rows of a shard are other ones, recorded as such."""
    copy = LocalFolder(str(folder))
    for number in range(3):
        for path in (commit_object(number), samples_object(number)):
            copy.put(path, corpus.get(path) or b"")
    file = io.BytesIO()
    pq.write_table(change(pq.read_table(io.BytesIO(corpus.get(samples_object(shard)) or b""))), file)
    commit = read_commit(copy, shard)
    assert commit is not None
    path = samples_object(shard)
    objects = [StoredObject.of(path, file.getvalue()) if one.path == path else one for one in commit.objects]
    copy.put(path, file.getvalue())
    copy.put(commit_object(shard), replace(commit, objects=tuple(objects)).to_bytes())
    return copy


def test_all_rows_are_there_in_the_order_of_shards_and_rows(corpus: Destination, tmp_path: Path) -> None:
    found = gpd.read_parquet(write_samples(corpus, tmp_path / "samples.parquet"))
    expected = pd.concat([rows_of(corpus, shard) for shard in range(3)], ignore_index=True)
    assert found.equals(expected)
    assert (found.dtypes == expected.dtypes).all()
    assert list(found["sample"]) == list(range(6))
    assert found.crs == "EPSG:4326"


def test_the_file_says_where_its_rows_lie(corpus: Destination, tmp_path: Path) -> None:
    file = write_samples(corpus, tmp_path / "samples.parquet")
    metadata = pq.ParquetFile(file).metadata.metadata[b"geo"]
    geo = pd.read_json(io.BytesIO(metadata), typ="series")
    west, south, east, north = geo["columns"]["geometry"]["bbox"]
    assert (west, south, east, north) == pytest.approx(tuple(gpd.read_parquet(file).total_bounds))
    assert geo["primary_column"] == "geometry"
    inside = gpd.read_parquet(file, columns=["geometry"])
    assert inside.geometry.is_valid.all()


def test_the_same_corpus_gives_the_same_bytes(corpus: Destination, tmp_path: Path) -> None:
    first, second = (write_samples(corpus, tmp_path / name).read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("shard", [0, 1, 2])
def test_a_column_that_is_null_in_one_shard_has_the_type_that_it_has_in_others(
    corpus: Destination, tmp_path: Path, shard: int
) -> None:
    def untyped(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("s2_tile")
        table = table.set_column(at, "s2_tile", pa.nulls(table.num_rows))
        at = table.schema.get_field_index("split")
        return table.set_column(at, "split", table["split"].cast(pa.string())).drop_columns(["s1_orbit"])

    made = changed(tmp_path / "copy", corpus, shard, untyped)
    found = gpd.read_parquet(write_samples(made, tmp_path / "samples.parquet"))
    expected = pd.concat([rows_of(corpus, number) for number in range(3)], ignore_index=True)
    expected.loc[expected["shard"] == shard, ["s2_tile", "s1_orbit"]] = None
    assert set(found.columns) == set(expected.columns)
    assert found["s2_tile"].isna().tolist() == expected["s2_tile"].isna().tolist()
    assert found["s1_orbit"].isna().tolist() == expected["s1_orbit"].isna().tolist()
    others = [name for name in expected.columns if name not in ("s2_tile", "s1_orbit")]
    assert found[others].astype(expected[others].dtypes).equals(expected[others])


LATER = ["s2_satellite", "s2_sun_elevation", "s1_satellite", "s1_incidence"]


@pytest.mark.parametrize("shard", [0, 2])
def test_shards_from_before_there_were_satellites_and_angles_have_none(
    corpus: Destination, tmp_path: Path, shard: int
) -> None:
    made = changed(tmp_path / "copy", corpus, shard, lambda table: table.drop_columns(LATER))
    assert not set(LATER) & set(rows_of(made, shard).columns)
    found = gpd.read_parquet(write_samples(made, tmp_path / "samples.parquet"))
    assert set(LATER) <= set(found.columns) and len(found) == 6
    assert found.loc[found["shard"] == shard, LATER].isna().all(axis=None)
    expected = pd.concat([rows_of(corpus, number) for number in range(3)], ignore_index=True)
    for name in LATER:
        other = found["shard"] != shard
        assert found.loc[other, name].isna().tolist() == expected.loc[other, name].isna().tolist()


def test_columns_that_do_not_go_together_are_refused(corpus: Destination, tmp_path: Path) -> None:
    def other(table: pa.Table) -> pa.Table:
        return table.set_column(table.schema.get_field_index("lon"), "lon", table["crs"])

    with pytest.raises(CorpusError, match="rows of shards do not go together"):
        write_samples(changed(tmp_path / "copy", corpus, 1, other), tmp_path / "samples.parquet")


def test_rows_that_are_damaged_are_not_passed_on(corpus: Destination, tmp_path: Path) -> None:
    copy = changed(tmp_path / "copy", corpus, 1, lambda table: table)
    copy.put(samples_object(2), corpus.get(samples_object(1)) or b"")
    with pytest.raises(CorpusError, match=r"samples/shard-00002\.parquet: is .*verify --repair"):
        write_samples(copy, tmp_path / "samples.parquet")


def test_no_more_than_a_row_group_is_held(corpus: Destination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_ROWS", 3)
    file = pq.ParquetFile(write_samples(corpus, tmp_path / "samples.parquet"))
    assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [4, 2]
