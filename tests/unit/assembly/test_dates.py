"""Shards of places that are looked at on several dates, and of more roles than two: what is stored, and what is not."""

import io
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
import zarr

from tasks.assembly.builder import Builder
from tasks.assembly.shard import make_shard
from tasks.errors import SceneUnavailable
from tasks.imagery.platform import Tiles, Traffic
from tasks.places.patches import Patch
from tasks.scenes.looks import by_date
from tasks.scenes.reasons import Reason
from tasks.scenes.scenes import Acquisitions
from tasks.shards.description import describe_everywhere
from tasks.shards.layout import samples_object, statistics_object
from tasks.shards.rows import decode_rows
from tasks.shards.statistics import decode_counts
from tasks.shards.verification import verify_shard
from tests.archive import EPSG, LEFT, TOP
from tests.unit.builders import builder_over, small_archive

PARTS = {"instants": {"slices": 3}, "acquisitions": {"s2": {}, "s1": {"near": "s2", "max_days": 3}}}
"""January to April, of which the archive has nothing; May to August; September to December."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_archive(tmp_path)


def listed(folder: Path, **changes: Any) -> Builder:
    """A builder of three listed places."""
    points = folder / "points.gpkg"
    places = [shapely.Point(LEFT + 300 + 400 * index, TOP - 500) for index in range(3)]
    gpd.GeoDataFrame(geometry=places, crs=EPSG).to_crs(4326).to_file(points)
    changes = {"size": None, "shard_size": 3} | changes
    return builder_over(folder, places={"points": str(points)}, **PARTS, **changes)


def built(builder: Builder) -> tuple[zarr.Group, gpd.GeoDataFrame]:
    """Shard 0, and the corpus that it is in."""
    describe_everywhere(builder.destinations, builder.description)
    make_shard(builder, 0)
    destination = builder.destinations[0]
    content = destination.get(samples_object(0))
    assert content is not None
    assert not verify_shard(destination, builder.description, 0, deep=True)
    return zarr.open_group(destination.store(), mode="r"), decode_rows(content)


def stored(group: zarr.Group, path: str) -> np.ndarray:
    array = group[path]
    assert isinstance(array, zarr.Array)
    return np.asarray(array[:])


# Listed places keep the dates that they have


def test_a_listed_place_that_lacks_a_date_keeps_the_others(folder: Path) -> None:
    group, rows = built(listed(folder))
    s2, s1 = stored(group, "stac/s2"), stored(group, "stac/s1")
    assert (s2.shape, s1.shape) == ((3, 3, 13, 16, 16), (3, 3, 2, 16, 16))
    assert not s2[:, 0].any()
    assert (s1[:, 0] == -32768).all()
    assert all(s2[row, date].any() and (s1[row, date] != -32768).any() for row in range(3) for date in (1, 2))
    assert rows["missing"].isna().all(), "the place has pixels"
    assert [list(why) for why in rows["missing_dates"]] == [["outside-window", None, None]] * 3
    assert [list(ids) for ids in rows["stac_s2_id"]] == [[None, "S2A_x", "S2A_z"]] * 3
    assert [[round(gap, 3) for gap in gaps] for gaps in rows["gap_hours"]] == [
        pytest.approx([np.nan, 19, -48], nan_ok=True)
    ] * 3


def test_the_dates_stand_in_the_order_of_the_parts_with_their_first_days(folder: Path) -> None:
    group, rows = built(listed(folder))
    assert stored(group, "stac/time").tolist() == ["2018-01-01", "2018-05-02", "2018-09-01"]
    assert group["stac/s2"].metadata.dimension_names == ("sample", "time", "band", "y", "x")  # type: ignore[union-attr]
    times = pd.to_datetime(pd.Series(rows["s2_time"].iloc[0]), utc=True)
    assert times.isna().tolist() == [True, False, False]
    assert times[1] == pd.Timestamp("2018-05-03T10:40:21Z")


def test_a_place_that_lacks_every_date_has_no_pixels_and_says_why(folder: Path) -> None:
    group, rows = built(listed(folder, window=["2019-01-01", "2020-01-01"]))
    assert rows["missing"].tolist() == ["outside-window"] * 3
    assert [list(why) for why in rows["missing_dates"]] == [["outside-window"] * 3] * 3
    assert not stored(group, "stac/s2").any()


def test_a_date_that_the_platform_refuses_is_lost_alone(folder: Path) -> None:
    builder = listed(folder)
    platform: Any = builder.platforms[0]
    fetch = platform.fetch

    def refusing(patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        if any(one.id == "S2A_z" for one in acquisitions.values()):
            raise SceneUnavailable(Reason.REFUSED, "S2A_z", "gone")
        return fetch(patch, acquisitions, traffic)

    platform.fetch = refusing
    group, rows = built(builder)
    assert [list(why) for why in rows["missing_dates"]] == [["outside-window", None, "refused"]] * 3
    assert [list(ids) for ids in rows["stac_s2_id"]] == [[None, "S2A_x", None]] * 3
    assert not stored(group, "stac/s2")[:, 2].any()
    assert stored(group, "stac/s2")[:, 1].any()


def test_dates_that_were_asked_for_together_and_refused_are_asked_for_one_by_one(folder: Path) -> None:
    builder = listed(folder)
    platform: Any = builder.platforms[0]
    fetch, asked = platform.fetch, []

    def together(patch: Patch, acquisitions: Acquisitions, traffic: Traffic) -> Tiles:
        dates = by_date(acquisitions)
        asked.append([*dates])
        if 2 in dates:
            raise SceneUnavailable(Reason.REFUSED, "S2A_z", "one of them is gone")
        return fetch(patch, acquisitions, traffic)

    platform.fetch, platform.dates_together = together, 8
    _, rows = built(builder)
    assert sorted(asked) == [[1]] * 3 + [[1, 2]] * 3 + [[2]] * 3
    assert [list(why) for why in rows["missing_dates"]] == [["outside-window", None, "refused"]] * 3


# At random every date is needed


def test_a_random_place_needs_every_date(folder: Path) -> None:
    parts = {**PARTS, "instants": {"slices": 2}}
    group, rows = built(builder_over(folder, **parts, size=4, shard_size=4))
    s2 = stored(group, "stac/s2")
    assert all(s2[row, date].any() for row in range(4) for date in range(2))
    assert [list(ids) for ids in rows["stac_s2_id"]] == [["S2A_x", "S2A_z"]] * 4
    assert rows["missing"].isna().all()


def test_every_pixel_of_every_date_is_counted(folder: Path) -> None:
    builder = builder_over(folder, **{**PARTS, "instants": {"slices": 2}}, size=4, shard_size=4)
    built(builder)
    content = builder.destinations[0].get(statistics_object(0))
    counts = [int(one.counts.sum()) for one in decode_counts(content or b"")]
    splits = len({one.split for one in decode_counts(content or b"")})
    assert sum(counts) == 15 * 2 * 4 * 16 * 16
    assert len(counts) == 15 * splits


# More roles


def test_three_roles_are_three_arrays_and_the_gaps_are_to_their_anchors(folder: Path) -> None:
    roles = {
        "s2": {"cloud_cover": [0, 10], "search_days": 400},
        "s2_cloudy": {"near": "s2", "max_days": 200, "cloud_cover": [40, 100]},
        "s1": {"near": "s2_cloudy", "max_days": 3},
    }
    group, rows = built(builder_over(folder, acquisitions=roles, size=4, shard_size=4))
    assert {name for name, _ in group["stac"].arrays()} >= {"s2", "s2_cloudy", "s1"}  # type: ignore[union-attr]
    assert (stored(group, "stac/s2") != stored(group, "stac/s2_cloudy")).any()
    assert rows["stac_s2_id"].tolist() == ["S2A_x"] * 4
    assert rows["stac_s2_cloudy_id"].tolist() == ["S2A_z"] * 4
    assert rows["s2_cloudy_gap_hours"].tolist() == [123 * 24] * 4
    assert rows["gap_hours"].tolist() == [-48] * 4


def test_sentinel_2_alone_is_a_corpus_too(folder: Path) -> None:
    group, rows = built(builder_over(folder, acquisitions={"s2": {"search_days": 400}}, size=4, shard_size=4))
    assert [name for name, _ in group["stac"].arrays()].count("s1") == 0  # type: ignore[union-attr]
    assert "gap_hours" not in rows.columns


# The shorthand


def test_pairing_and_the_roles_that_it_stands_for_give_the_same_bytes(folder: Path) -> None:
    written = {"s2": {"search_days": 400, "cloud_cover": [0, 60]}, "s1": {"near": "s2", "max_days": 2.5}}
    short = {"search_days": 400, "max_gap_days": 2.5, "max_cloud_cover": 60}
    for name, roles in (("short", {"pairing": short}), ("written", {"pairing": {}, "acquisitions": written})):
        built(builder_over(folder, **roles, destinations=[str(folder / name)]))

    def objects(name: str) -> dict[str, bytes]:
        root = folder / name
        files = (path for path in root.rglob("*") if path.is_file() and "runs" not in path.parts)
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    assert objects("short") == objects("written")
    assert len(objects("short")) > 8


# Chunks


@pytest.mark.parametrize(
    ("pixels", "chunk"), [(250, 250), (512, 512), (600, 300), (1024, 512), (1042, 1042), (1920, 480)]
)
def test_a_chunk_is_one_date_and_at_most_512_px_a_side_where_the_patch_divides(
    pixels: int, chunk: int, tmp_path: Path
) -> None:
    points = tmp_path / "points.geojson"
    gpd.GeoDataFrame(geometry=[shapely.Point(9, 45)], crs=4326).to_file(points)
    builder = builder_over(
        small_archive(tmp_path),
        patch={"pixels": pixels},
        shard_size=1,
        size=None,
        places={"points": str(points)},
        **PARTS,
    )
    kinds = {kind.path: kind for kind in builder.description.arrays}
    assert kinds["stac/s2"].shape == (3, 13, pixels, pixels)
    assert kinds["stac/s2"].chunk == (1, 13, chunk, chunk)
    assert kinds["stac/s1"].chunk == (1, 2, chunk, chunk)


# Rows


def test_rows_with_lists_are_the_same_bytes_twice_and_keep_their_types_where_nothing_is_known(folder: Path) -> None:
    builder = listed(folder)
    built(builder)
    content = builder.destinations[0].get(samples_object(0))
    nothing = listed(folder, window=["2019-01-01", "2020-01-01"], destinations=[str(folder / "other")])
    built(nothing)
    one, other = (
        pq.read_schema(io.BytesIO(text or b"")) for text in (content, nothing.destinations[0].get(samples_object(0)))
    )
    assert one.remove_metadata().equals(other.remove_metadata())
    assert str(one.field("s2_time").type) == "list<element: timestamp[us, tz=UTC]>"
    assert gpd.read_parquet(io.BytesIO(content or b"")).crs.to_epsg() == 4326
