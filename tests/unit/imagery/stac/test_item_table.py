"""Catalogues as GeoParquet: stac-geoparquet and plain tables of footprints, local and over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from tasks.errors import CatalogueError
from tasks.imagery.platform import Traffic
from tasks.imagery.stac.assets import keys_by_band
from tasks.imagery.stac.catalogue import read_collections
from tasks.imagery.stac.item_table import is_table
from tasks.imagery.stac.items import Records
from tasks.imagery.stac.scenes import sentinel1_scenes, sentinel2_scenes
from tasks.imagery.stac.transport import Transport
from tests.archive import Archive, item
from tests.servers.stac_api import Files, serving
from tests.unit.imagery.stac.opening import PATCH, expected_s2, fetched, found_pair, ids_of, opened_at, rule_over, s2_of

RULE = rule_over((0, 2**60), search_days=30)
BOUNDS = (-180.0, -90.0, 180.0, 90.0)
NAMES = ["sentinel-2-l2a", "sentinel-1-grd"]
PRODUCT = "S2A_MSIL2A_20180503T104021_N0206_R008_T32TMR_20180503T181512"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two scenes of each mission with files, of which facts differ."""
    archive = Archive(tmp_path)
    archive.sentinel2("S2A_x", **{
        "eo:cloud_cover": 12.5, "s2:product_uri": f"{PRODUCT}.SAFE", "s2:generation_time": "2018-05-03T18:15:12Z",
        "s2:processing_baseline": "02.06", "sat:relative_orbit": 8,
    })  # fmt: skip
    archive.sentinel2("S2B_z", "2018-06-03T10:40:21.024017Z", scene=2)
    archive.sentinel1("S1A_y", **{"sar:polarizations": ["VV", "VH"]})
    archive.sentinel1("S1B_w", "2018-06-04T05:30:00Z", scene=2, **{"sar:polarizations": ["VV", "VH"]})
    single = item("S1_single", **{"sar:instrument_mode": "IW", "sar:polarizations": ["VV"]})
    archive.add("sentinel-1-grd", single)
    return archive


def table(archive: Archive, *, assets: str = "struct", collections: list[str] | None = None) -> pa.Table:
    """Items as stac-geoparquet has them: properties as columns, times as stamps, assets as structs."""
    rows = []
    for name, items in archive.collections.items():
        if collections and name not in collections:
            continue
        for one in items:
            found = one.to_dict(include_self_link=False)
            row = {"type": "Feature", "stac_version": "1.0.0", "id": one.id, "collection": name, **found["properties"]}
            for key in ("datetime", "start_datetime", "s2:generation_time"):
                if row.get(key):
                    row[key] = pd.Timestamp(row[key])
            row["geometry"] = shapely.to_wkb(shapely.geometry.shape(found["geometry"]))
            if assets == "struct":
                row["assets"] = found["assets"]
            elif assets == "json":
                row["assets"] = json.dumps(found["assets"])
            rows.append(row)
    keys = sorted({key for row in rows for key in row})
    columns = {key: [row.get(key) for row in rows] for key in keys}
    if assets == "struct":
        names = sorted({key for row in rows for key in row["assets"]})
        kind = pa.struct([(key, pa.struct([("href", pa.string())])) for key in names])
        columns["assets"] = pa.array(
            [{key: row["assets"].get(key) and {"href": row["assets"][key]["href"]} for key in names} for row in rows],
            kind,
        )
    made = pa.table(columns)
    geo = {"version": "1.0.0", "primary_column": "geometry",
           "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"]}}}  # fmt: skip
    return made.replace_schema_metadata({"geo": json.dumps(geo)})


def written(archive: Archive, found: pa.Table | None = None, name: str = "items.parquet") -> Path:
    path = archive.root / name
    pq.write_table(table(archive) if found is None else found, path)
    return path


def read(location: str | Path, names: list[str] = NAMES) -> dict[str, Records]:
    return read_collections(str(location), names, RULE, BOUNDS, Transport(deadline=1, patience=0.5))


def refusal(location: str | Path, names: list[str] = NAMES) -> str:
    with pytest.raises(CatalogueError) as caught:
        for name, records in read(location, names).items():
            (sentinel1_scenes if "1" in name else sentinel2_scenes)(records)
    return str(caught.value)


def facts(found: dict[str, Records]) -> dict[str, list[Any]]:
    """Everything that is known of the scenes of both missions, by mission and name."""
    optical = sentinel2_scenes(found["sentinel-2-l2a"])
    radar = sentinel1_scenes(found["sentinel-1-grd"])
    both = {
        "s2": (optical, ("id", "time", "orbit", "epsg", "tile", "datatake", "baseline", "processed", "cloud_cover")),
        "s1": (radar, ("id", "time", "orbit", "product", "direction")),
    }
    columns = {
        f"{mission} {name}": [repr(value) for value in getattr(made, name).tolist()]
        for mission, (made, names) in both.items()
        for name in names
    }
    columns |= {f"{mission} footprint": [g.wkt for g in made.footprint] for mission, (made, _) in both.items()}
    columns["files"] = [radar.assets(n) for n in range(len(radar))]
    columns["bands"] = [keys_by_band(found["sentinel-2-l2a"].assets(n)) for n in range(len(optical))]
    columns["held"] = sorted(keys_by_band(found["sentinel-2-l2a"].asset_keys))
    return columns


# The same as JSON


def test_scenes_are_those_of_the_same_items_as_json(archive: Archive) -> None:
    path = written(archive)
    of_table = facts(read(path))
    of_json = facts(read(archive.save()))
    assert of_table.keys() == of_json.keys()
    for name, values in of_json.items():
        assert of_table[name] == values, name
    assert of_table["s1 id"] == ["'S1A_y'", "'S1B_w'"], "the one with VV only is left out"


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_stamps_of_any_unit_are_the_same_instant(archive: Archive, unit: str) -> None:
    made = table(archive)
    column = made.column_names.index("datetime")
    stamps = pa.array([v.to_pydatetime() if hasattr(v, "to_pydatetime") else v for v in made["datetime"].to_pylist()])
    made = made.set_column(column, "datetime", stamps.cast(pa.timestamp(unit, tz="UTC"), safe=False))
    time = sentinel2_scenes(read(written(archive, made))["sentinel-2-l2a"]).time
    assert time[0] == 1_525_344_021_000_000
    assert abs(time[1] - 1_528_022_421_024_017) < (1_000 if unit == "ms" else 1)


def test_times_may_be_text(archive: Archive) -> None:
    made = table(archive)
    texts = pa.array([value.isoformat().replace("+00:00", "Z") for value in made["datetime"].to_pylist()])
    made = made.set_column(made.column_names.index("datetime"), "datetime", texts)
    assert facts(read(written(archive, made))) == facts(read(written(archive, name="b.parquet")))


def test_a_collection_may_be_a_dictionary_column(archive: Archive) -> None:
    made = table(archive)
    coded = made["collection"].combine_chunks().dictionary_encode()
    made = made.set_column(made.column_names.index("collection"), "collection", coded)
    assert facts(read(written(archive, made))) == facts(read(written(archive, name="b.parquet")))
    assert "it has sentinel-1-grd, sentinel-2-l2a" in refusal(archive.root / "items.parquet", ["other"])


def test_many_row_groups_are_one_table(archive: Archive) -> None:
    pq.write_table(table(archive), archive.root / "parts.parquet", row_group_size=1)
    assert facts(read(archive.root / "parts.parquet")) == facts(read(written(archive)))


@pytest.mark.parametrize("name", ["items.geoparquet", "items.pq", "items.parquet"])
def test_a_table_is_known_by_its_name(archive: Archive, name: str) -> None:
    assert is_table(name)
    assert is_table(f"https://example.org/{name}?sig=1")
    assert not is_table(f"{name}/catalog.json")
    assert len(read(written(archive, name=name))["sentinel-2-l2a"]) == 2


# Files


def test_pixels_of_a_table_are_fetched(archive: Archive) -> None:
    assert np.array_equal(s2_of(fetched(opened_at(written(archive)))), expected_s2(1))


def test_assets_may_be_json_text(archive: Archive) -> None:
    path = written(archive, table(archive, assets="json"))
    assert facts(read(path))["files"] == facts(read(written(archive, name="b.parquet")))["files"]
    assert np.array_equal(s2_of(fetched(opened_at(path))), expected_s2(1))


def test_relative_files_lie_beside_the_table(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    # As those of an item collection do.
    for items in archive.collections.values():
        for one in items:
            for asset in one.assets.values():
                asset.href = "./" + str(Path(asset.href).relative_to(archive.root))
    path = written(archive)
    monkeypatch.chdir("/")
    assert np.array_equal(s2_of(fetched(opened_at(path))), expected_s2(1))


def test_a_table_without_files_pairs_but_is_not_fetched_from(archive: Archive) -> None:
    platform = opened_at(written(archive, table(archive, assets="none")))
    pair = found_pair(platform)
    assert ids_of(pair) == {"s2": "S2A_x", "s1": "S1A_y"}
    with pytest.raises(CatalogueError, match="so only `plan` can use it"):
        platform.fetch(PATCH, pair, Traffic())


def test_a_plain_table_of_footprints_is_a_catalogue_of_one_mission(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(
        {
            "id": ["a", "b"],
            "datetime": pd.to_datetime(["2018-05-03T10:40:21Z", "2018-05-08T10:40:21Z"]),
            "proj:epsg": [32632, 32632],
        },
        geometry=[shapely.box(8, 44, 9, 45), shapely.box(9, 44, 10, 45)],
        crs=4326,
    )
    frame.to_parquet(tmp_path / "s2.parquet")
    made = sentinel2_scenes(read(tmp_path / "s2.parquet", ["anything"])["anything"])
    assert made.id.tolist() == ["a", "b"]
    assert made.footprint[1].equals(shapely.box(9, 44, 10, 45))


def test_multipolygons_and_holes_come_back(tmp_path: Path) -> None:
    shapes = [
        shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)]),
        shapely.box(0, 0, 3, 3).difference(shapely.box(1, 1, 2, 2)),
    ]
    frame = gpd.GeoDataFrame(
        {"id": ["a", "b"], "datetime": pd.to_datetime(["2018-05-03T10:40:21Z"] * 2), "proj:epsg": [32632] * 2},
        geometry=shapes,
        crs=4326,
    )
    frame.to_parquet(tmp_path / "s2.parquet")
    made = sentinel2_scenes(read(tmp_path / "s2.parquet", ["x"])["x"])
    assert made.footprint[0].equals(shapely.box(179, 0, 181, 1))
    assert made.footprint[1].equals(shapes[1])


# Over HTTP


@pytest.fixture
def served(archive: Archive) -> Iterator[tuple[Files, str]]:
    files = Files(archive.root)
    with serving(files) as url:
        yield files, url


def test_a_table_is_read_over_http(archive: Archive, served: tuple[Files, str]) -> None:
    written(archive)
    assert facts(read(f"{served[1]}/items.parquet")) == facts(read(archive.root / "items.parquet"))


def test_a_table_at_a_server_without_ranges_is_read_too(archive: Archive) -> None:
    content = written(archive).read_bytes()

    def whole(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    with serving(whole) as url:
        assert facts(read(f"{url}/items.parquet")) == facts(read(archive.root / "items.parquet"))


@pytest.mark.parametrize("code", [403, 404, 500])
def test_a_table_that_a_server_does_not_give_is_told_in_words(served: tuple[Files, str], code: int) -> None:
    files, url = served
    files.failures = [code] * 1000
    assert f"{url}/none.parquet: the server answers {code}" in refusal(f"{url}/none.parquet")


def test_a_table_whose_server_fails_for_a_moment_is_asked_for_again(
    archive: Archive, served: tuple[Files, str]
) -> None:
    written(archive)
    files, url = served
    files.failures = [503, 503, 503]
    found = read_collections(f"{url}/items.parquet", NAMES, RULE, BOUNDS, Transport(patience=10))
    assert facts(found) == facts(read(archive.root / "items.parquet"))


# What is refused


def test_a_table_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert "none.parquet" in refusal(tmp_path / "none.parquet")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "items.parquet").mkdir()
    assert "items.parquet" in refusal(tmp_path / "items.parquet")


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "items.parquet"
    path.write_bytes(content)
    message = refusal(path)
    assert str(path) in message
    assert "cannot be read as a table of items" in message


def test_a_table_cut_short_is_refused(archive: Archive) -> None:
    path = written(archive)
    path.write_bytes(path.read_bytes()[:-20])
    assert str(path) in refusal(path)


def test_a_collection_that_is_not_there_is_refused_with_those_that_are(archive: Archive) -> None:
    message = refusal(written(archive), ["sentinel-2-l1c"])
    assert "has no collection 'sentinel-2-l1c'; it has sentinel-1-grd, sentinel-2-l2a" in message


@pytest.mark.parametrize("missing", ["id", "geometry"])
def test_a_table_without_ids_or_footprints_is_refused_with_what_it_has(archive: Archive, missing: str) -> None:
    message = refusal(written(archive, table(archive).drop_columns([missing])))
    assert "has no columns `id` and `geometry`" in message
    assert "collection" in message


@pytest.mark.parametrize(
    ("missing", "told"), [("datetime", "has neither start_datetime nor datetime"), ("proj:code", "tells no UTM zone")]
)
def test_scenes_without_a_time_or_a_zone_are_refused_by_name(archive: Archive, missing: str, told: str) -> None:
    message = refusal(written(archive, table(archive).drop_columns([missing])))
    assert told in message
    assert "S2A_x" in message


def test_columns_that_only_some_missions_have_may_be_missing(archive: Archive) -> None:
    made = table(archive).drop_columns(["eo:cloud_cover", "sat:relative_orbit", "s2:processing_baseline"])
    found = sentinel2_scenes(read(written(archive, made))["sentinel-2-l2a"])
    assert np.isnan(found.cloud_cover).all()
    assert found.orbit.tolist() == [8, 0], "from the product's name"


def with_geometry(archive: Archive, values: list[Any]) -> Path:
    made = table(archive)
    column = made.column_names.index("geometry")
    return written(archive, made.set_column(column, "geometry", pa.array((values * 5)[: len(made)])))


def test_a_row_without_a_footprint_is_refused_by_name(archive: Archive) -> None:
    wkb = shapely.to_wkb(shapely.box(8, 44, 9, 45))
    assert "S2A_x: has no geometry" in refusal(with_geometry(archive, [None, wkb]))


@pytest.mark.parametrize("value", [b"no footprint", "POLYGON ((0 0, 1 0, 1 1, 0 0))", 5])
def test_footprints_that_are_none_are_refused_by_the_tables_name(archive: Archive, value: Any) -> None:
    assert "items.parquet" in refusal(with_geometry(archive, [value]))


def test_footprints_in_another_crs_are_refused_not_guessed(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(
        {"id": ["a"], "datetime": pd.to_datetime(["2018-05-03T10:40:21Z"]), "proj:epsg": [32632]},
        geometry=[shapely.box(500_000, 5_000_000, 600_000, 5_100_000)],
        crs=32632,
    )
    frame.to_parquet(tmp_path / "s2.parquet")
    assert "s2.parquet" in refusal(tmp_path / "s2.parquet", ["x"])
