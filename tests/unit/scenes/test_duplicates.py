"""Reprocessed products: which newer one replaces them, on scenes made up and on a real year of one tile."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tasks.imagery.stac.items import Records
from tasks.imagery.stac.scenes import sentinel1_scenes, sentinel2_scenes
from tasks.places.patches import Patches, patches_around
from tasks.scenes.duplicates import superseded
from tasks.scenes.pairing import Outcome, pair
from tasks.scenes.roles import DAY
from tasks.scenes.scenes import Sentinel2Scenes
from tests.unit.scenes.made import all_near_all, objects, rule

CATALOGS = Path(__file__).parents[4] / "shared" / "data" / "catalogs"
TILE = shapely.box(9.0, 45.0, 10.0, 46.0)
WEST, EAST = shapely.box(9.0, 45.0, 9.6, 46.0), shapely.box(9.4, 45.0, 10.0, 46.0)
"""Two datastrips of one datatake, which share a fifth of the tile's width."""


def scenes(*rows: dict[str, Any]) -> Sentinel2Scenes:
    """Scenes with the defaults of one datatake on one tile; `id` is the position where it is not given."""
    full = [
        {"id": f"p{n}", "tile": "32TNR", "datatake": "D", "baseline": "02.06", "processed": 0, "ground": TILE} | row
        for n, row in enumerate(rows)
    ]
    count = len(full)
    return Sentinel2Scenes(
        id=objects([row["id"] for row in full]), time=np.zeros(count, np.int64),
        footprint=objects([row["ground"] for row in full]), orbit=np.zeros(count, np.int64),
        epsg=np.full(count, 32632), tile=objects([row["tile"] for row in full]),
        datatake=objects([row["datatake"] for row in full]), baseline=objects([row["baseline"] for row in full]),
        processed=np.array([row["processed"] for row in full], np.int64), cloud_cover=np.zeros(count),
    )  # fmt: skip


def dropped(*rows: dict[str, Any]) -> dict[int, int]:
    """Which scene replaces which."""
    return {found.scene: found.by for found in superseded(scenes(*rows))}


def test_a_product_of_its_own_is_kept() -> None:
    assert superseded(scenes()) == []
    assert dropped({}) == {}
    assert dropped({}, {"datatake": "E"}, {"tile": "32TMR"}) == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"baseline": "02.06"}, {"baseline": "05.00"}),
        ({"baseline": "05.00", "processed": 1}, {"baseline": "05.00", "processed": 2}),
        ({"baseline": "02.06", "processed": 9}, {"baseline": "05.00", "processed": 1}),
        ({"baseline": "", "processed": 9}, {"baseline": "02.04"}),
        ({"id": "a"}, {"id": "b"}),
        ({"baseline": "9.9"}, {"baseline": "10.0"}),
    ],
)
def test_the_newest_processing_is_kept(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert dropped(old, new) == {0: 1}
    assert dropped(new, old) == {1: 0}


def test_all_older_processings_are_replaced_by_the_newest() -> None:
    assert dropped({"baseline": "02.06"}, {"baseline": "05.10"}, {"baseline": "05.00"}, {"baseline": "03.00"}) == {
        0: 1, 2: 1, 3: 1,
    }  # fmt: skip


def test_split_datastrips_are_both_kept() -> None:
    assert dropped({"id": "west", "ground": WEST}, {"id": "east", "ground": EAST}) == {}


def test_each_datastrip_is_replaced_by_its_own_newer_processing() -> None:
    rows = [
        {"ground": WEST, "baseline": "02.06"}, {"ground": EAST, "baseline": "02.06"},
        {"ground": EAST, "baseline": "05.00"}, {"ground": WEST, "baseline": "05.00"},
    ]  # fmt: skip
    assert dropped(*rows) == {0: 3, 1: 2}


def test_datastrips_that_were_merged_are_replaced_by_the_whole() -> None:
    assert dropped({"ground": WEST}, {"ground": EAST}, {"ground": TILE, "baseline": "05.00"}) == {0: 2, 1: 2}


def test_a_whole_is_not_replaced_by_a_newer_part_of_less_than_half() -> None:
    # What the part does not show would be lost.
    assert dropped({"ground": TILE}, {"ground": shapely.box(9.0, 45.0, 9.4, 46.0), "baseline": "05.00"}) == {}


def test_the_reason_names_both_products_and_their_baselines() -> None:
    (found,) = superseded(scenes({"id": "OLD", "baseline": "02.06"}, {"id": "NEW", "baseline": "05.00"}))
    assert found.reason == "OLD (baseline 02.06) is superseded by NEW (baseline 05.00)"
    (found,) = superseded(scenes({"id": "OLD", "baseline": ""}, {"id": "NEW"}))
    assert "OLD (baseline unknown)" in found.reason


rows = st.lists(
    st.fixed_dictionaries(
        {
            "tile": st.sampled_from(["32TNR", "32TMR"]),
            "datatake": st.sampled_from(["D", "E", "F"]),
            "baseline": st.sampled_from(["", "02.06", "05.00"]),
            "processed": st.integers(0, 3),
            "ground": st.sampled_from([TILE, WEST, EAST]),
        }
    ),
    max_size=12,
)


@given(rows)
def test_every_product_is_kept_or_has_one_newer_that_is_kept_and_mostly_covers_it(given_: list[dict[str, Any]]) -> None:
    made = scenes(*given_)
    found = superseded(made)
    gone = [one.scene for one in found]
    assert len(gone) == len(set(gone))
    for one in found:
        assert one.by not in gone
        assert made.acquisition[one.scene] == made.acquisition[one.by]
        assert made.newness[one.scene] < made.newness[one.by]
        shared = made.footprint[one.scene].intersection(made.footprint[one.by])
        assert shared.area > 0.5 * made.footprint[one.scene].area
        assert str(made.id[one.scene]) in one.reason
        assert str(made.id[one.by]) in one.reason
    kept = [n for n in range(len(made)) if n not in gone]
    for key in set(made.acquisition.tolist()):
        of_key = [n for n in range(len(made)) if made.acquisition[n] == key]
        assert max(of_key, key=lambda n: made.newness[n]) in kept
        assert sum(n in kept for n in of_key) <= 2, "the two datastrips"


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_products_does_not_matter(given_: list[dict[str, Any]], random: Any) -> None:
    named = [row | {"id": f"p{n}"} for n, row in enumerate(given_)]
    mixed = random.sample(named, len(named))
    pairs = [
        {(made.id[one.scene], made.id[one.by]) for one in superseded(made)} for made in (scenes(*named), scenes(*mixed))
    ]
    assert pairs[0] == pairs[1]


# A real year of one tile


def features(name: str) -> list[dict[str, Any]]:
    path = CATALOGS / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return json.loads(path.read_text())["features"]


def records(found: list[dict[str, Any]], properties: list[dict[str, Any]]) -> Records:
    return Records(
        properties=pd.DataFrame.from_records(properties),
        footprint=shapely.from_geojson([json.dumps(feature["geometry"]) for feature in found]),
        assets=lambda _: {},
        asset_keys=frozenset(),
    )


def optical(level: str) -> tuple[list[str], Sentinel2Scenes]:
    """Product names of the level in the catalogue over 31UFS and its neighbours, and their scenes."""
    found = [f for f in features("cdse_s2_geel_2018.json") if f["properties"]["productType"] == level]
    names = [feature["properties"]["title"].removesuffix(".SAFE") for feature in found]
    rows = [
        {
            "id": name,
            "title": name,
            "datetime": feature["properties"]["startDate"],
            "proj:epsg": 32600 + int(name.split("_T")[1][:2]),
            "eo:cloud_cover": feature["properties"]["cloudCover"],
        }
        for feature, name in zip(found, names, strict=True)
    ]
    return names, sentinel2_scenes(records(found, rows))


def of_name(name: str) -> tuple[str, str, str, str]:
    """Satellite, sensing time, tile; and what orders processings: baseline and time of processing."""
    satellite, _, sensed, baseline, _, tile, processed = name.split("_")
    return satellite, sensed, tile, f"{baseline} {processed}"


@pytest.mark.parametrize(("level", "products"), [("S2MSI1C", 256), ("S2MSI2A", 312)])
def test_a_real_year_has_each_acquisition_once_and_a_reason_for_every_product_dropped(
    level: str, products: int
) -> None:
    names, made = optical(level)
    assert len(made) == products
    found = superseded(made)
    newest: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        newest[of_name(name)[:3]].append(name)
    repeated = {key: group for key, group in newest.items() if len(group) > 1}
    assert repeated, "the catalogue has reprocessed products"
    gone = {str(made.id[one.scene]): one for one in found}
    kept = [name for name in names if name not in gone]
    for key, group in newest.items():
        left = [name for name in kept if of_name(name)[:3] == key]
        grounds = [made.footprint[names.index(name)] for name in left]
        assert max(group, key=lambda name: of_name(name)[3]) in left
        # Once, unless two datastrips each show a part of the tile.
        for n, first in enumerate(grounds):
            for second in grounds[n + 1 :]:
                assert first.intersection(second).area <= 0.5 * min(first.area, second.area), left
    for name, one in gone.items():
        by = str(made.id[one.by])
        assert of_name(by)[:3] == of_name(name)[:3]
        assert of_name(by)[3] > of_name(name)[3]
        assert by in kept
        assert name in one.reason
        assert by in one.reason
    assert len(kept) == len(newest) == 145


@pytest.mark.parametrize("level", ["S2MSI1C", "S2MSI2A"])
def test_the_facts_of_real_products_are_those_of_their_names(level: str) -> None:
    names, made = optical(level)
    for n, name in enumerate(names):
        satellite, sensed, tile, processing = of_name(name)
        assert made.datatake[n] == f"{satellite} {sensed}"
        assert made.tile[n] == tile.removeprefix("T")
        assert made.baseline[n].replace(".", "") == processing[1:5]
        stamp = pd.Timestamp(processing.split()[1], tz="UTC")
        assert made.processed[n] == stamp.value // 1000
        assert abs(made.time[n] - pd.Timestamp(sensed, tz="UTC").value // 1000) < 60_000_000


def test_levels_of_one_acquisition_share_datatake_and_tile() -> None:
    first, second = optical("S2MSI1C")[1], optical("S2MSI2A")[1]
    keys = [set(zip(made.datatake, made.tile, strict=True)) for made in (first, second)]
    assert len(keys[0] & keys[1]) > 0.9 * min(map(len, keys))


def test_the_pairing_never_takes_a_superseded_product_of_the_real_year() -> None:
    _, made = optical("S2MSI2A")
    gone = {one.scene for one in superseded(made)}
    limits = rule(window=(0, 2**60), search=400 * DAY)
    patches: Patches = patches_around(np.array([5.0, 5.2, 4.9, 4.6]), np.array([51.2, 51.15, 50.9, 51.0]), 250)
    s1 = sentinel1_scenes(radar_everywhere(made))
    chosen = set()
    for preferred in range(int(made.time.min()), int(made.time.max()), 10 * DAY):
        pairs = pair(patches, np.full(4, preferred), all_near_all(made, s1, 4), limits)
        chosen |= set(pairs.scene["s2"][pairs.outcome == Outcome.PAIRED].tolist())
    assert len(chosen) > 20
    assert not chosen & gone


def radar_everywhere(made: Sentinel2Scenes) -> Records:
    times = pd.to_datetime(np.arange(made.time.min(), made.time.max(), 3 * DAY), unit="us", utc=True)
    return Records(
        properties=pd.DataFrame(
            {
                "id": [f"S1_{n:03d}" for n in range(len(times))],
                "datetime": times,
                "sar:instrument_mode": "IW",
                "sar:polarizations": [["VV", "VH"]] * len(times),
            }
        ),
        footprint=objects([shapely.box(0, 45, 10, 55)] * len(times)),
        assets=lambda _: {},
        asset_keys=frozenset(),
    )


def test_real_sentinel_1_products_are_scenes_of_their_own() -> None:
    found = features("cdse_s1_zeebrugge_20200606.json")
    rows = [
        {
            "id": feature["id"],
            "title": feature["properties"]["title"],
            "start_datetime": feature["properties"]["startDate"],
            "sar:instrument_mode": feature["properties"]["sensorMode"],
            "sar:polarizations": feature["properties"]["polarisation"].split("&"),
            "sat:relative_orbit": feature["properties"]["relativeOrbitNumber"],
            "sat:orbit_state": feature["properties"]["orbitDirection"],
        }
        for feature in found
    ]
    made = sentinel1_scenes(records(found, rows))
    assert len(made) == 2
    for n, feature in enumerate(found):
        assert made.product[n] == feature["properties"]["title"]
        start = re.findall(r"\d{8}T\d{6}", made.product[n])[0]
        assert abs(made.time[n] - pd.Timestamp(start, tz="UTC").value // 1000) < 1_000_000
        assert made.direction[n] == "descending"
        assert made.orbit[n] == feature["properties"]["relativeOrbitNumber"] > 0
        assert made.footprint[n].is_valid
    assert len(set(made.product)) == 2
