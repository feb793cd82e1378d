"""A plan: what a build would keep and what it would replace, before a pixel is fetched."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tasks.assembly.builder import Builder
from tasks.assembly.filling import Filling
from tasks.assembly.shard import make_shard
from tasks.errors import CatalogueError, CorpusError, SpecError
from tasks.imagery.platform import Traffic
from tasks.planning.plan import parse_shards, plan
from tasks.shards.commits import read_commit
from tasks.shards.layout import samples_object
from tasks.shards.rows import decode_rows
from tests.archive import EPSG, LEFT, TOP, Archive, item
from tests.unit.builders import builder_over, described, small_archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("archive"))


def built(builder: Builder, shards: range) -> gpd.GeoDataFrame:
    """The rows of a real build."""
    described(builder)
    tables = []
    for shard in shards:
        make_shard(builder, shard)
        tables.append(decode_rows(builder.destinations[0].get(samples_object(shard)) or b""))
    return pd.concat(tables, ignore_index=True)


def points(folder: Path, name: str = "sites.gpkg") -> Path:
    """Three places with scenes, and one without between them."""
    metres = [(200, 200), (700, 300), (5_000, 300), (500, 900)]
    frame = gpd.GeoDataFrame(
        {"id": ["a", "b", "none", "d"]}, geometry=[shapely.Point(LEFT + x, TOP - y) for x, y in metres], crs=EPSG
    )
    frame.to_file(folder / name)
    return folder / name


# As a build


def test_the_rows_with_a_pair_are_those_that_a_build_keeps(folder: Path, tmp_path: Path) -> None:
    builder = builder_over(folder, destinations=[str(tmp_path / "corpus")])
    planned, kept = plan(builder, range(2)), built(builder, range(2))
    assert planned["missing"].notna().any(), "some candidates are replaced"
    paired = planned[planned["missing"].isna()].reset_index(drop=True)
    assert len(paired) == len(kept) == 10
    same = [
        "sample_id", "shard", "row", "cell", "crs", "xmin", "ymin", "xmax", "ymax", "lon", "lat", "preferred_time",
        "s2_time", "s1_time", "gap_hours", "s2_tile", "s2_orbit", "s2_cloud_cover", "s1_orbit", "s1_direction",
        "stac_s2_id", "stac_s1_id", "split",
    ]  # fmt: skip
    for name in same:
        pd.testing.assert_series_equal(paired[name], kept[name], obj=name)
    assert paired.geometry.geom_equals_exact(kept.geometry, 0).all()


def test_rows_without_a_pair_are_those_that_a_build_replaces_with_the_same_reasons(
    folder: Path, tmp_path: Path
) -> None:
    builder = builder_over(folder, destinations=[str(tmp_path / "corpus")])
    planned = plan(builder, range(2))
    built(builder, range(2))
    for shard in range(2):
        commit = read_commit(builder.destinations[0], shard)
        assert commit is not None
        here = planned[(planned["shard"] == shard) & planned["missing"].notna()]
        assert list(zip(here["cell"], here["missing"], strict=True)) == [
            (one.cell, one.why.reason) for one in commit.replaced
        ]


def test_candidates_stand_in_the_order_of_their_draws(folder: Path) -> None:
    builder = builder_over(folder)
    for shard in range(2):
        cells = plan(builder, range(shard, shard + 1))["cell"].tolist()
        drawn = [builder.places.draws(shard, attempt).cell for attempt in range(builder.places.attempts)]
        assert cells == np.concatenate(drawn)[: len(cells)].tolist()


def test_a_plan_has_the_columns_and_types_of_a_corpus(folder: Path, tmp_path: Path) -> None:
    builder = builder_over(folder, destinations=[str(tmp_path / "corpus")])
    planned, kept = plan(builder, range(1)), built(builder, range(1))
    assert planned.columns.tolist() == kept.columns.tolist()
    assert planned.dtypes.drop("geometry").equals(kept.dtypes.drop("geometry"))
    assert planned.crs == "EPSG:4326"


def test_rows_of_a_plan_have_names_of_their_own(folder: Path) -> None:
    planned = plan(builder_over(folder), range(2))
    names = planned.loc[planned["missing"].isna(), "sample_id"]
    assert names.is_unique
    assert names.notna().all()


def test_shards_are_planned_alone_as_together(folder: Path) -> None:
    builder = builder_over(folder)
    together = plan(builder, range(2))
    alone = pd.concat([plan(builder, range(1)), plan(builder, range(1, 2))], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone)


def test_nothing_is_fetched_or_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = builder_over(folder, destinations=[str(tmp_path / "corpus")])
    monkeypatch.setattr(type(builder.platforms[0]), "fetch", lambda *_: pytest.fail("fetched"))
    plan(builder, range(2))
    assert not (tmp_path / "corpus").exists() or not any((tmp_path / "corpus").iterdir())


def test_a_shard_that_cannot_be_filled_is_planned_as_far_as_it_goes(folder: Path) -> None:
    builder = builder_over(folder, pairing={"search_days": 400, "max_cloud_cover": 0})
    planned = plan(builder, range(1))
    assert len(planned) == sum(len(builder.places.draws(0, attempt)) for attempt in range(builder.places.attempts))
    assert set(planned["missing"]) >= {"too-cloudy"}
    with pytest.raises(CorpusError):
        Filling(builder=builder, shard=0, traffic={"stac": Traffic()}).fill()


def test_a_catalogue_without_files_can_be_planned_but_not_built(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add("sentinel-2-l2a", item("S2A_x", **{"proj:code": f"EPSG:{EPSG}"}))
    iw = {"sar:instrument_mode": "IW", "sar:polarizations": ["VV", "VH"]}
    archive.add("sentinel-1-grd", item("S1A_y", **iw))
    archive.save()
    builder = builder_over(tmp_path)
    assert plan(builder, range(1))["missing"].isna().sum() == 5
    with pytest.raises(CatalogueError, match="only `plan` can use it"):
        Filling(builder=builder, shard=0, traffic={"stac": Traffic()}).fill()


# Listed places


def test_listed_places_are_planned_with_their_names_and_reasons(folder: Path, tmp_path: Path) -> None:
    sites = points(tmp_path)
    builder = builder_over(
        folder, places={"points": str(sites)}, size=None, shard_size=3, destinations=[str(tmp_path / "corpus")]
    )
    planned, kept = plan(builder, range(2)), built(builder, range(2))
    assert planned["place_id"].tolist() == kept["place_id"].tolist() == ["a", "b", "none", "d"]
    for name in ("sample_id", "cell", "missing", "stac_s2_id", "s2_time", "s1_time", "split", "xmin", "ymax"):
        pd.testing.assert_series_equal(planned[name], kept[name], obj=name)
    assert planned["missing"].isna().tolist() == [True, True, False, True]
    assert kept["shard"].tolist() == [0, 0, 0, 1]


# Which shards


@pytest.mark.parametrize(
    ("text", "shards"),
    [("0:4", range(4)), ("7", range(7, 8)), (":3", range(3)), ("2:3", range(2, 3)), ("0", range(1))],
)
def test_shards_are_first_and_end_or_one(text: str, shards: range) -> None:
    assert parse_shards(text) == shards


@pytest.mark.parametrize("text", ["", ":", "4:", "a", "0:b", "1.5", "0:4:2", "0-4", "0,4"])
def test_what_is_no_shards_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SpecError, match="such as 0:4"):
        parse_shards(text)


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_shards_come_back_from_their_text(first: int, count: int) -> None:
    assert parse_shards(f"{first}:{first + count}") == range(first, first + count)


@pytest.mark.parametrize("shards", [range(3), range(2, 3), range(1, 1), range(-1, 1), range(1, 0), range(5, 9)])
def test_shards_that_the_corpus_does_not_have_are_refused_with_those_it_has(folder: Path, shards: range) -> None:
    with pytest.raises(SpecError, match="the corpus has shards 0:2"):
        plan(builder_over(folder), shards)


def test_a_plan_is_the_same_whatever_was_planned_before(folder: Path) -> None:
    first = plan(builder_over(folder), range(2))
    second = plan(builder_over(folder, seed=2), range(2))
    again: Any = plan(builder_over(folder), range(2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.array_equal(first["cell"], second["cell"])
