"""Scenes across the antimeridian: found and paired like any other, however the archive writes their outlines."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.imagery.stac.items import Records
from tasks.imagery.stac.scenes import sentinel1_scenes, sentinel2_scenes
from tasks.places.patches import Patches, patches_around
from tasks.scenes.index import SceneIndex
from tasks.scenes.pairing import Outcome, Pairs, pair
from tasks.scenes.scenes import Candidates, Nearby
from tests.unit.scenes.made import NOON, objects, rule

RULE = rule()


def split(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """In two parts, one at either end of the map (RFC 7946, 3.1.9)."""
    if east <= 180:
        return shapely.box(west, south, east, north)
    return shapely.MultiPolygon([shapely.box(west, south, 180, north), shapely.box(-180, south, east - 360, north)])


def jumping(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    """One ring that jumps from one end of the map to the other."""
    x = [value - 360 if value > 180 else value for value in (west, east)]
    return shapely.Polygon([(x[0], south), (x[1], south), (x[1], north), (x[0], north)])


def beyond(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    return shapely.box(west, south, east, north)


def before(west: float, south: float, east: float, north: float) -> shapely.Geometry:
    return shapely.box(west - 360, south, east - 360, north)


WRITINGS = {"split": split, "jumping": jumping, "beyond 180": beyond, "before -180": before}


def records(footprints: list[shapely.Geometry], **columns: Any) -> Records:
    return Records(
        properties=pd.DataFrame({"id": [f"s{n}" for n in range(len(footprints))]} | columns),
        footprint=objects(footprints),
        assets=lambda _: {},
        asset_keys=frozenset(),
    )


def paired(patches: Patches, s2: list[shapely.Geometry], s1: list[shapely.Geometry], epsg: int) -> Pairs:
    """Pairs as the platform finds them: through scenes, index and rule."""
    at = pd.to_datetime([NOON], unit="us", utc=True)[0]
    optical = sentinel2_scenes(records(s2, **{"datetime": [at] * len(s2), "proj:epsg": [epsg] * len(s2)}))
    iw = {"sar:instrument_mode": ["IW"] * len(s1), "sar:polarizations": [["VV", "VH"]] * len(s1)}
    radar = sentinel1_scenes(records(s1, datetime=[at] * len(s1), **iw))
    lon, lat = patches.centres()
    preferred = np.full(len(patches), NOON, np.int64)
    found: Candidates = {}
    for role, scenes in (("s2", optical), ("s1", radar)):
        draw, scene = SceneIndex(scenes).near(lon, lat, preferred, RULE.reach(role))
        found |= {role: Nearby(scenes=scenes, draw=draw, scene=scene)}
    return pair(patches, preferred, found, RULE)


@pytest.mark.parametrize("s2", WRITINGS)
@pytest.mark.parametrize("s1", WRITINGS)
def test_patches_on_both_sides_pair_however_footprints_are_written(s2: str, s1: str) -> None:
    box = (178.0, 64.0, 182.0, 66.0)
    for lons, epsg in (([178.5, 179.5, 179.95], 32660), ([-179.95, -179.5, -178.5], 32601)):
        patches = patches_around(np.array(lons), np.full(3, 65.0), 250)
        assert set(patches.epsg.tolist()) == {epsg}
        pairs = paired(patches, [WRITINGS[s2](*box)], [WRITINGS[s1](*box)], epsg)
        assert pairs.outcome.tolist() == [Outcome.PAIRED] * 3
        assert pairs.smallest_gap.tolist() == [0] * 3


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_patch_that_itself_lies_across_pairs(writing: str) -> None:
    patches = patches_around(np.array([179.999, -179.999]), np.array([65.0, 65.0]), 250)
    outlines = patches.outlines()
    assert (shapely.bounds(outlines)[:, 2] > 180).any() or (shapely.bounds(outlines)[:, 0] < -180).any()
    for index, epsg in enumerate((32660, 32601)):
        one = patches.take(np.array([index]))
        footprint = WRITINGS[writing](178.0, 64.0, 182.0, 66.0)
        assert paired(one, [footprint], [footprint], epsg).outcome.tolist() == [Outcome.PAIRED]


@pytest.mark.parametrize("writing", WRITINGS)
def test_what_lies_beside_the_footprint_or_on_the_other_side_of_the_globe_does_not_pair(writing: str) -> None:
    footprint = WRITINGS[writing](178.0, 64.0, 182.0, 66.0)
    patches = patches_around(
        np.array([177.5, 0.0, -90.0, -177.5, 179.0, 178.0]), np.array([65.0] * 4 + [66.5, 65.0]), 250
    )
    for epsg in set(patches.epsg.tolist()):
        assert not (paired(patches, [footprint], [footprint], epsg).outcome == Outcome.PAIRED).any()


def test_scenes_on_the_two_sides_that_do_not_cross_are_kept_apart() -> None:
    west, east = shapely.box(178, 64, 180, 66), shapely.box(-180, 64, -178, 66)
    patches = patches_around(np.array([179.0, -179.0]), np.array([65.0, 65.0]), 250)
    assert paired(patches.take(np.array([0])), [west], [west, east], 32660).scene["s1"].tolist() == [0]
    assert paired(patches.take(np.array([1])), [east], [west, east], 32601).scene["s1"].tolist() == [1]
    assert paired(patches.take(np.array([1])), [west], [west, east], 32601).outcome[0] == Outcome.NO_SENTINEL2


@given(
    st.floats(174, 186).filter(lambda lon: abs(lon - 180) > 1e-6),
    st.floats(-75, 80),
    st.floats(170.0, 179.5),
    st.floats(180.5, 190.0),
    st.sampled_from(sorted(WRITINGS)),
    st.sampled_from(sorted(WRITINGS)),
)
@settings(max_examples=80)
def test_pairing_is_the_same_across_the_antimeridian_as_half_a_globe_away(
    lon: float, lat: float, west: float, east: float, s2: str, s1: str
) -> None:
    def outcome(turn: float, first: Any, second: Any) -> int:
        # UTM looks the same in every zone but those of Norway and Svalbard, so the globe may be turned by 6 degrees.
        place = (lon + turn + 180) % 360 - 180
        patches = patches_around(np.array([place]), np.array([lat]), 100)
        box = (west + turn, lat - 0.3, east + turn, lat + 0.3)
        return int(paired(patches, [first(*box)], [second(*box)], int(patches.epsg[0])).outcome[0])

    assert outcome(0, WRITINGS[s2], WRITINGS[s1]) == outcome(-150, beyond, beyond)
