"""Filling: when a corpus without hope is refused, and how candidates are counted."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tasks.assembly import fetching
from tasks.assembly.candidates import pair_draws
from tasks.assembly.filling import Filling
from tasks.errors import CorpusError
from tasks.imagery.platform import Traffic
from tasks.places.draws import Draws
from tasks.places.patches import patches_around
from tasks.planning.feasibility import refuse_hopeless
from tasks.scenes.roles import DAY
from tasks.shards.pairing_counts import LIMITS
from tasks.spec import memory_of_shard
from tests.archive import Archive
from tests.unit.builders import PATCH, MadeUp, builder_over, draws_of, made_up_builder, small_archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("archive"))


# Hope


def test_a_corpus_of_which_something_pairs_is_not_refused(folder: Path) -> None:
    refuse_hopeless(builder_over(folder), 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"window": ["2019-01-01", "2020-01-01"]}, "no Sentinel-2 scene within the window"),
        ({"pairing": {"search_days": 400, "max_cloud_cover": 1}}, "every Sentinel-2 scene beyond the cloud limit"),
        (
            {"pairing": {"search_days": 400, "max_gap_days": 0.1}},
            "no Sentinel-1 scene near enough in time to a Sentinel-2 scene",
        ),
        (
            {"window": ["2018-06-01", "2018-06-02"], "pairing": {"search_days": 1}},
            "no Sentinel-2 scene within the window",
        ),
    ],
)
def test_a_corpus_of_which_nothing_pairs_is_refused_with_counts_by_reason(
    folder: Path, changes: dict, reason: str
) -> None:
    builder = builder_over(folder, **changes)
    with pytest.raises(CorpusError) as caught:
        refuse_hopeless(builder, 2)
    message = str(caught.value)
    assert "nothing pairs" in message
    assert reason in message
    places = builder.places
    tried = sum(len(places.draws(shard, attempt)) for attempt in range(places.attempts) for shard in range(2))
    assert f"{tried} candidates were tried" in message, "and what the shards would draw again"
    assert "max_gap_days" in message, "what to do"


def test_a_region_that_the_archive_does_not_reach_is_told_where_both_are(folder: Path, tmp_path: Path) -> None:
    gpd.GeoDataFrame(geometry=[shapely.box(20.0, -5.0, 20.02, -4.98)], crs=4326).to_file(tmp_path / "elsewhere.gpkg")
    builder = builder_over(folder, places={"random": str(tmp_path / "elsewhere.gpkg")})
    with pytest.raises(CorpusError) as caught:
        refuse_hopeless(builder, 2)
    assert "the scenes of stac lie at 9.00..9.02 E, 45.14..45.15 N" in str(caught.value)
    assert "the places at 20.00..20.02 E, -5.00..-4.98 N: they do not meet" in str(caught.value)


def test_listed_places_are_refused_only_if_none_of_them_pairs(folder: Path, tmp_path: Path) -> None:
    # On either side of the archive's scenes, so that it cannot be told from the bounds alone.
    nowhere = [shapely.Point(20.0, -5.0), shapely.Point(5.0, 60.0)]
    gpd.GeoDataFrame(geometry=nowhere * 2, crs=4326).to_file(tmp_path / "none.gpkg")
    with pytest.raises(CorpusError, match="4 candidates were tried: 4 no Sentinel-2 scene near the patch"):
        builder = builder_over(folder, places={"points": str(tmp_path / "none.gpkg")}, size=None)
        refuse_hopeless(builder, builder.description.shards)


def test_hope_takes_no_pixels_and_few_candidates(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = builder_over(folder)
    monkeypatch.setattr(type(builder.platforms[0]), "fetch", lambda *_: pytest.fail("fetched"))
    asked: list[int] = []
    candidates = type(builder.platforms[0]).candidates
    monkeypatch.setattr(
        type(builder.platforms[0]), "candidates", lambda self, draws, traffic: (
            asked.append(len(draws)), candidates(self, draws, traffic)
        )[1],
    )  # fmt: skip
    refuse_hopeless(builder, 2)
    assert sum(asked) <= 100, "the first shard has a pair"


# Counts


def test_the_counts_of_a_shard_are_of_its_candidates_and_samples(folder: Path) -> None:
    filling = Filling(builder=builder_over(folder), shard=0, traffic={"stac": Traffic()})
    filling.fill()
    counts = filling.pairing
    assert counts.tried == len(filling.samples) + len(filling.replaced)
    assert counts.gaps.total() == len(filling.samples) == 5
    # Pairs are 19 hours or 2 days apart; candidates without a scene have no gap at all.
    assert set(counts.gaps) <= {18, 48}
    assert [counts.within[days] for days in LIMITS] == [5, 5, 5, 5]


def test_a_plan_counts_as_a_build_does(folder: Path) -> None:
    builder = builder_over(folder)
    planning, filling = (Filling(builder=builder, shard=1, traffic={"stac": Traffic()}) for _ in range(2))
    planning.plan()
    filling.fill()
    assert (planning.pairing.tried, planning.pairing.within) == (filling.pairing.tried, filling.pairing.within)


@pytest.mark.parametrize("max_gap_days", [1, 3])
def test_the_match_rate_within_five_days_does_not_depend_on_the_limit_in_force(
    tmp_path: Path, max_gap_days: float
) -> None:
    # The Sentinel-2 scene is as far from the preferred instant as may be, the Sentinel-1 scene 4.5 days farther.
    archive = Archive(tmp_path)
    archive.sentinel2("S2A_x", "2018-05-11T00:00:00Z")
    archive.sentinel1("S1A_y", "2018-05-15T12:00:00Z")
    # An earlier scene: an index gives all scenes of a draw that has none in the span.
    archive.sentinel1("S1A_w", "2018-05-01T00:00:00Z")
    archive.save()
    builder = builder_over(tmp_path, pairing={"search_days": 10, "max_gap_days": max_gap_days})
    draws = draws_of(PATCH, preferred=1_525_132_800_000_000)
    _, pairs = pair_draws(builder, draws, {"stac": Traffic()})
    assert pairs.smallest_gap[0] == 4.5 * DAY


def test_a_place_takes_the_grid_of_the_neighbouring_zone_where_its_own_has_no_pair(folder: Path) -> None:
    lon, lat = np.array([9.004]), np.array([45.151])
    patches = patches_around(lon, lat, 16)
    draws = Draws(cell=np.zeros(1, np.int64), preferred=np.array([1_525_344_021_000_000]), patches=patches)
    _, pairs = pair_draws(builder_over(folder), draws, {"stac": Traffic()})
    assert pairs.smallest_gap[0] == 19 * 3_600_000_000


# What is fetched ahead


@pytest.mark.parametrize(("samples", "ahead"), [(1, 1), (2, 2), (100, 4)])
def test_no_more_is_fetched_ahead_than_memory_or_threads_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: int, ahead: int
) -> None:
    platform = MadeUp()
    builder = made_up_builder(tmp_path, platform)
    held = memory_of_shard(builder.spec) // builder.spec.shard_size
    monkeypatch.setattr(fetching, "_WAITING", samples * held)
    filling = Filling(builder=builder, shard=0, traffic=builder.traffic())
    batch = list(filling._candidates(0, 0))[:8]  # pyright: ignore[reportPrivateUsage]
    first = fetching.fetched(builder, batch, builder.traffic(), 0)
    next(first)
    first.close()  # waits for what runs
    assert len(platform.fetched) <= ahead
    assert ahead <= 2 * platform.in_flight
