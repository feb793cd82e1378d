"""The rows of a shard: columns and types as the design lists them."""

import datetime as dt
import io
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely

from tasks.places.patches import Patch, patches_around
from tasks.places.splits import split_of
from tasks.scenes.reasons import Reason
from tasks.scenes.scenes import Acquisition, Acquisitions, Sentinel1Scenes, Sentinel2Scenes
from tasks.shards.rows import PlatformFacts, Sample, decode_rows, encode_rows, sample_id, sample_rows
from tasks.spec import CorpusSpec, Splits

MOMENT = 1_525_344_021_024_017
"""2018-05-03T10:40:21.024017Z: microseconds that a float of nanoseconds would lose."""

HOUR = 3_600_000_000

COLUMNS = [
    "sample_id", "sample", "shard", "row", "cell", "geometry", "crs", "xmin", "ymin", "xmax", "ymax", "lon", "lat",
    "preferred_time", "s2_time", "s1_time", "gap_hours", "s2_tile", "s2_baseline", "s2_orbit", "s2_cloud_cover",
    "s2_satellite", "s2_sun_elevation", "s1_orbit", "s1_direction", "s1_satellite", "s1_incidence",
    "stac_s2_id", "stac_s1_id", "stac_s2_nodata", "stac_s1_nodata", "stac_absent_bands",
    "demo_s2_id", "demo_s1_id", "demo_s2_nodata", "demo_s1_nodata", "demo_absent_bands",
    "split", "place_id", "missing",
]  # fmt: skip

SPEC = CorpusSpec.model_validate(
    {
        "name": "tiny",
        "seed": 5,
        "places": {"points": "sites.geojson"},
        "window": ["2018-01-01", "2019-01-01"],
        "platforms": [{"stac": {"catalog": "catalog.json"}}, "demo"],
        "destinations": ["corpus"],
    }
)


def acquired(*, known: bool = True, gap: int = -19 * HOUR) -> Acquisitions:
    def one(value: object) -> np.ndarray:
        return np.array([value], dtype=object)

    outline = one(None)
    outline[0] = shapely.box(8, 44, 10, 46)
    s2 = Sentinel2Scenes(
        id=one("S2A_x"), time=np.array([MOMENT]), footprint=outline, orbit=np.array([8 if known else 0]),
        epsg=np.array([32632]), tile=one("32TMR" if known else ""), datatake=one("d"),
        baseline=one("02.06" if known else ""), processed=np.array([0]),
        cloud_cover=np.array([12.5 if known else np.nan]), satellite=one("S2A" if known else ""),
        sun_elevation=np.array([55.25 if known else np.nan]),
    )  # fmt: skip
    s1 = Sentinel1Scenes(
        id=one("S1A_y"), time=np.array([MOMENT + gap]), footprint=outline, orbit=np.array([15 if known else 0]),
        product=one("S1A_y"), direction=one("descending" if known else ""), satellite=one("S1A" if known else ""),
        incidence=np.array([38.5 if known else np.nan]),
    )  # fmt: skip
    return {"s2": Acquisition(scenes=s2, scene=0), "s1": Acquisition(scenes=s1, scene=0)}


def facts(absent: tuple[str, ...] = ()) -> PlatformFacts:
    return PlatformFacts(ids={"s2": "S2A_x", "s1": "S1A_y"}, nodata={"s2": 0.25, "s1": 0.0}, absent_bands=absent)


PATCH = patches_around(np.array([9.1]), np.array([45.2]), 250)[0]


def sample(
    row: int = 0, *, acquisitions: Acquisitions | None = None, missing: Reason | None = None, patch: Patch = PATCH,
    absent: tuple[str, ...] = (),
) -> Sample:  # fmt: skip
    return Sample(
        row=row,
        cell=2**40 + row,
        preferred=MOMENT + 1,
        patch=patch,
        acquisitions={} if missing else acquisitions or acquired(),
        platforms={} if missing else {"stac": facts(absent), "demo": facts()},
        missing=missing,
    )


def encoded(*samples: Sample, shard: int = 3, spec: CorpusSpec = SPEC) -> bytes:
    return encode_rows(sample_rows(list(samples), spec, shard))


def rows(*samples: Sample) -> gpd.GeoDataFrame:
    return decode_rows(encoded(*samples))


CASES = {
    "full": [sample(0), sample(1)],
    "unknown facts": [sample(0, acquisitions=acquired(known=False))],
    "some missing": [sample(0), sample(1, missing=Reason.NO_SENTINEL2)],
    "all missing": [sample(0, missing=Reason.REFUSED), sample(1, missing=Reason.REFUSED)],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES)
def test_columns_and_types_are_the_same_whatever_is_known(case: str) -> None:
    content = encoded(*CASES[case])
    schema = pq.read_schema(io.BytesIO(content))
    assert schema.names == COLUMNS
    types = {name: str(schema.field(name).type) for name in COLUMNS if name != "geometry"}
    integers = {"sample", "shard", "row", "cell", "xmin", "ymin", "xmax", "ymax", "s2_orbit", "s1_orbit"}
    times = {"preferred_time", "s2_time", "s1_time"}
    numbers = {"lon", "lat", "gap_hours", "s2_cloud_cover", "s2_sun_elevation", "s1_incidence"}
    numbers |= {c for c in COLUMNS if c.endswith("_nodata")}
    for name, kind in types.items():
        if name in integers:
            assert kind == "int64", name
        elif name in times:
            assert kind == "timestamp[us, tz=UTC]", name
        elif name in numbers:
            assert kind == "double", name
        else:
            assert kind in ("string", "large_string"), name


def test_types_of_texts_are_the_same_in_every_shard() -> None:
    schemas = [pq.read_schema(io.BytesIO(encoded(*samples))) for samples in CASES.values()]
    assert all(schema.remove_metadata().equals(schemas[0].remove_metadata()) for schema in schemas)


def test_rows_say_what_the_samples_are() -> None:
    row = rows(sample(7, absent=("B01", "B10"))).iloc[0]
    assert row["sample_id"] == "tiny-00003-0007" == sample_id("tiny", 3, 7)
    assert (row["shard"], row["row"], row["cell"]) == (3, 7, 2**40 + 7)
    assert row["crs"] == "EPSG:32632"
    assert (row["xmin"], row["ymin"], row["xmax"], row["ymax"]) == (PATCH.xmin, PATCH.ymin, PATCH.xmax, PATCH.ymax)
    assert (row["lon"], row["lat"]) == pytest.approx((9.1, 45.2), abs=1e-4)
    assert row["s2_time"] == dt.datetime(2018, 5, 3, 10, 40, 21, 24_017, tzinfo=dt.UTC)
    assert row["preferred_time"] == row["s2_time"] + dt.timedelta(microseconds=1)
    assert row["s1_time"] == row["s2_time"] - dt.timedelta(hours=19)
    assert row["gap_hours"] == -19
    assert (row["s2_tile"], row["s2_baseline"], row["s2_orbit"], row["s2_cloud_cover"]) == ("32TMR", "02.06", 8, 12.5)
    assert (row["s2_satellite"], row["s2_sun_elevation"]) == ("S2A", 55.25)
    assert (row["s1_orbit"], row["s1_direction"]) == (15, "descending")
    assert (row["s1_satellite"], row["s1_incidence"]) == ("S1A", 38.5)
    assert (row["stac_s2_id"], row["stac_s1_id"]) == ("S2A_x", "S1A_y")
    assert (row["stac_s2_nodata"], row["stac_s1_nodata"]) == (0.25, 0.0)
    assert row["stac_absent_bands"] == "B01 B10"
    assert pd.isna(row["demo_absent_bands"])
    assert pd.isna(row["missing"])
    assert pd.isna(row["place_id"])


@pytest.mark.parametrize(("shard", "row"), [(0, 0), (0, 249), (3, 7), (41, 5)])
def test_a_sample_is_the_place_of_its_row_in_the_arrays(shard: int, row: int) -> None:
    made = decode_rows(encoded(sample(row), shard=shard)).iloc[0]
    assert made["sample"] == shard * SPEC.shard_size + row


def test_what_is_known_before_pixels_are_fetched_are_the_platforms_own_ids() -> None:
    assert PlatformFacts.of(acquired()) == PlatformFacts(ids={"s2": "S2A_x", "s1": "S1A_y"}, nodata={})
    before = replace(sample(0), platforms={"stac": PlatformFacts.of(acquired())})
    row = rows(before).iloc[0]
    assert (row["stac_s2_id"], row["stac_s1_id"]) == ("S2A_x", "S1A_y")
    assert all(pd.isna(row[name]) for name in ("stac_s2_nodata", "stac_s1_nodata", "demo_s2_id"))


def test_columns_of_layers_stand_between_the_platforms_and_the_split() -> None:
    layers = {"height_mean": np.array([1.5, np.nan]), "land": pd.array(["wood", None], dtype="string")}
    table = decode_rows(encode_rows(sample_rows([sample(0), sample(1)], SPEC, 0, layers)))
    at = COLUMNS.index("split")
    assert table.columns.tolist() == [*COLUMNS[:at], "height_mean", "land", *COLUMNS[at:]]
    assert table["land"][0] == "wood"
    assert pd.isna(table["land"][1])
    assert table["height_mean"][0] == 1.5


FACTS = (
    "s2_tile", "s2_baseline", "s2_orbit", "s2_cloud_cover", "s2_satellite", "s2_sun_elevation",
    "s1_orbit", "s1_direction", "s1_satellite", "s1_incidence",
)  # fmt: skip


def test_unknown_facts_are_null() -> None:
    row = rows(sample(acquisitions=acquired(known=False))).iloc[0]
    for name in FACTS:
        assert pd.isna(row[name]), name


def test_a_catalogue_that_tells_no_satellite_and_no_angles_leaves_them_null() -> None:
    def untold(one: Acquisition, *names: str) -> Acquisition:
        return replace(one, scenes=replace(one.scenes, **dict.fromkeys(names)))

    both = acquired()
    told = {
        "s2": untold(both["s2"], "satellite", "sun_elevation"),
        "s1": untold(both["s1"], "satellite", "incidence"),
    }
    row = rows(sample(acquisitions=told)).iloc[0]
    assert {name for name in FACTS if pd.isna(row[name])} == {
        "s2_satellite", "s2_sun_elevation", "s1_satellite", "s1_incidence",
    }  # fmt: skip


def test_the_incidence_that_pixels_tell_of_the_patch_goes_before_that_of_the_scene() -> None:
    told = replace(facts(), incidence={"s1": 41.25})
    for platforms in ({"stac": told, "demo": facts()}, {"stac": facts(), "demo": told}):
        assert rows(replace(sample(), platforms=platforms)).iloc[0]["s1_incidence"] == 41.25


def test_a_place_without_pixels_keeps_its_row_with_the_reasons_code() -> None:
    table = rows(sample(0), sample(1, missing=Reason.NOT_COVERED))
    row = table.iloc[1]
    assert row["missing"] == "not-covered"
    known = {
        "sample_id",
        "sample",
        "shard",
        "row",
        "cell",
        "geometry",
        "crs",
        "xmin",
        "ymin",
        "xmax",
        "ymax",
        "lon",
        "lat",
    }
    known |= {"preferred_time", "split", "missing"}
    assert row["split"] in ("train", "validation", "test")
    assert all(pd.isna(row[name]) for name in COLUMNS if name not in known)
    assert table.iloc[0]["s2_time"] == dt.datetime(2018, 5, 3, 10, 40, 21, 24_017, tzinfo=dt.UTC)


def test_a_row_keeps_what_the_users_file_calls_the_place() -> None:
    table = rows(
        replace(sample(0), place_id="Hof Nr. 7"), replace(sample(1, missing=Reason.REFUSED), place_id="0012"), sample(2)
    )
    assert table["place_id"].tolist()[:2] == ["Hof Nr. 7", "0012"]
    assert pd.isna(table["place_id"][2])


@pytest.mark.parametrize("seed", [0, 5, 6])
@pytest.mark.parametrize("shares", [Splits(), Splits(train=0.2, validation=0.5, test=0.3)])
def test_the_split_is_that_of_the_patch_centre_by_seed_and_shares(seed: int, shares: Splits) -> None:
    patches = patches_around(np.linspace(-120, 140, 40), np.linspace(-50, 70, 40), 250)
    spec = SPEC.model_copy(update={"seed": seed, "splits": shares})
    table = sample_rows([sample(row, patch=patches[row]) for row in range(40)], spec, 0)
    assert table["split"].tolist() == split_of(*patches.centres(), seed, shares).tolist()
    assert table["split"].nunique() == 3


def test_the_geometry_is_the_patchs_outline_in_degrees() -> None:
    patches = patches_around(np.array([9.1, 151.2]), np.array([45.2, -33.9]), 250)
    table = rows(sample(0, patch=patches[0]), sample(1, patch=patches[1]))
    assert table.crs == "EPSG:4326"
    for index in range(2):
        assert table.geometry.iloc[index].equals_exact(patches.outlines()[index], 0)
    assert table["crs"].tolist() == ["EPSG:32632", "EPSG:32756"]


def test_the_same_rows_give_the_same_bytes() -> None:
    for samples in CASES.values():
        assert encoded(*samples) == encoded(*samples)


def test_tables_of_many_shards_are_read_as_one(tmp_path: Path) -> None:
    for shard, samples in enumerate(CASES.values()):
        (tmp_path / f"shard-{shard:05d}.parquet").write_bytes(encoded(*samples, shard=shard))
    table = gpd.read_parquet(tmp_path)
    assert len(table) == sum(len(samples) for samples in CASES.values())
    assert table["sample_id"].is_unique
