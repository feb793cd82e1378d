"""Folders of published sets become items, places and a spec: what of them, and what is told of the rest."""

import datetime as dt
from pathlib import Path

import geopandas as gpd
import pyarrow.parquet as pq
import pytest
import yaml

from flows.command.catalogue import catalogue_with_progress
from tasks.errors import CatalogueError, SpecError
from tasks.published.cataloguing import Cataloguing
from tasks.published.sen12mscr import parse as parse_cr
from tasks.published.sen12mscrts import parse as parse_ts
from tasks.published.writing import Catalogued
from tests.unit.published.made import PIXELS, optical, series, triplet, write


def catalogued(folder: Path, name: str = "sen12mscr", splits: Path | None = None) -> Catalogued:
    return Cataloguing(name, folder / "set", folder / "out", splits).write(lambda _: None)


def items(folder: Path) -> list[dict[str, object]]:
    return pq.read_table(folder / "out" / "items.parquet").to_pylist()


# Names


def test_names_tell_role_region_place_and_what_is_known_of_the_time() -> None:
    cloudy = parse_cr("ROIs1868_summer_s2_cloudy_127_p407.tif")
    assert cloudy is not None
    assert (cloudy.role, cloudy.roi, cloudy.place) == ("s2_cloudy", "ROIs1868_127", "ROIs1868_summer_127_p407")
    assert [f"{instant:%Y-%m-%d}" for instant in cloudy.span] == ["2018-06-01", "2018-09-01"]
    assert cloudy.columns == {"season": "summer"}
    radar = parse_ts("s1_ROIs1158_106_ImgNo_29_2018-12-30_patch_7.tif")
    assert radar is not None
    assert (radar.role, radar.roi, radar.place, radar.date) == ("s1", "ROIs1158_106", "ROIs1158_106_p7", 29)
    assert radar.span == (dt.datetime(2018, 12, 30, tzinfo=dt.UTC), dt.datetime(2018, 12, 31, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    "name",
    [
        "ROIs1868_summer_lc_127_p407.tif",
        "ROIs1868_monsoon_s2_127_p407.tif",
        "ROIs1868_summer_s2_127_p407.tif.aux.xml",
        "s2_ROIs1158_106_ImgNo_30_2018-12-30_patch_7.tif",
        "s2_ROIs1158_106_ImgNo_3_2018-02-30_patch_7.tif",
        "preview.tif",
    ],
)
def test_other_names_tell_nothing(name: str) -> None:
    assert parse_cr(name) is None
    assert parse_ts(name) is None


# What is written


def test_every_file_is_an_item_with_its_bands_and_its_group(tmp_path: Path) -> None:
    files = [triplet(tmp_path / "set", "ROIs1158_1", "spring", patch) for patch in (2, 10)]
    made = catalogued(tmp_path)
    assert (made.places, made.files, made.notes) == (2, 6, [])
    held = {str(item["id"]): item for item in items(tmp_path)}
    assert {*held} == {path.stem for one in files for path in one.values()}
    for number, one in enumerate(files):
        for role, path in one.items():
            item = held[path.stem]
            image = item["assets"]["image"]  # type: ignore[index]
            assert (image["href"], len(image["bands"])) == (str(path), 2 if role == "s1" else 13)
            assert (item["deepsentinel:role"], item["deepsentinel:group"]) == (role, number)


def test_no_date_is_invented(tmp_path: Path) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "winter", 1)
    catalogued(tmp_path)
    for item in items(tmp_path):
        assert item["datetime"] is None
        spans = [item["start_datetime"], item["end_datetime"]]
        assert spans == [dt.datetime(2018, 1, 1, tzinfo=dt.UTC), dt.datetime(2019, 1, 1, tzinfo=dt.UTC)]


def test_places_are_the_centres_with_the_exact_grids_of_the_files(tmp_path: Path) -> None:
    for patch in (10, 2):
        triplet(tmp_path / "set", "ROIs1868_7", "fall", patch)
    catalogued(tmp_path)
    places = gpd.read_parquet(tmp_path / "out" / "places.parquet")
    assert places["id"].tolist() == ["ROIs1868_fall_7_p2", "ROIs1868_fall_7_p10"], "by number, not by letters"
    assert places[["roi", "season", "epsg"]].drop_duplicates().to_numpy().tolist() == [["ROIs1868_7", "fall", 32733]]
    assert places["xmin"].tolist() == [312_342.339 + 320, 312_342.339 + 1600]
    assert places["ymax"].tolist() == [7_812_342.836] * 2
    centre = places.to_crs(32733).geometry.iloc[0]
    assert (centre.x, centre.y) == pytest.approx((312_662.339 + 160, 7_812_342.836 - 160), abs=1e-3)


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    series(tmp_path / "set", "ROIs1158_1", 0, dates=2)
    out = tmp_path / "out"
    catalogued(tmp_path, "sen12mscrts")
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {*first} == {"items.parquet", "places.parquet", "spec.yaml"}
    catalogued(tmp_path, "sen12mscrts")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


def test_however_archives_were_unpacked_files_are_found_by_their_names(tmp_path: Path) -> None:
    triplet(tmp_path / "set" / "unpacked" / "twice", "ROIs1158_1", "spring", 1)
    assert catalogued(tmp_path).places == 1


def test_a_spec_that_is_there_stays(tmp_path: Path) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 1)
    spec = catalogued(tmp_path).spec
    spec.write_text(spec.read_text().replace("256", "64"))
    made = catalogued(tmp_path)
    assert "shard_size: 64" in spec.read_text()
    assert made.notes == [f"{spec} was there and stays as it is; remove it to have it written anew"]


# Splits


def test_regions_are_split_as_a_table_says(tmp_path: Path) -> None:
    for roi in ("ROIs1158_1", "ROIs1868_7"):
        triplet(tmp_path / "set", roi, "spring", 1)
    table = tmp_path / "splits.csv"
    table.write_text("roi,split\nROIs1158_1,train\nROIs1868_7,test\nROIs2017_8,test\n")
    spec = yaml.safe_load(catalogued(tmp_path, splits=table).spec.read_text())
    assert spec["splits"] == {"by": "split"}
    assert "split" in spec["places"]["columns"]
    assert gpd.read_parquet(tmp_path / "out" / "places.parquet")["split"].tolist() == ["train", "test"]


def test_without_a_table_whole_regions_are_drawn(tmp_path: Path) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 1)
    spec = yaml.safe_load(catalogued(tmp_path).spec.read_text())
    assert spec["splits"] == {"by": "roi", "validation": 0.1, "test": 0.1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("roi,split\nROIs1868_7,test\n", "tells no split of ROIs1158_1 (1 of 1 regions)"),
        ("region,set\nROIs1158_1,test\n", "expected columns roi and split"),
        ("roi,split\nROIs1158_1,dev\n", "line 2: the split 'dev' is none of train, validation, test"),
        ("roi,split\nROIs1158_1,test\nROIs1158_1,train\n", "line 3: ROIs1158_1 has been given the split test before"),
    ],
)
def test_a_table_of_splits_that_cannot_be_used_is_told(tmp_path: Path, text: str, told: str) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 1)
    table = tmp_path / "splits.csv"
    table.write_text(text)
    with pytest.raises(SpecError) as caught:
        catalogued(tmp_path, splits=table)
    assert told in str(caught.value)


# What cannot be used


def test_a_folder_of_another_set_is_told_with_what_was_expected_and_found(tmp_path: Path) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 1)
    with pytest.raises(CatalogueError) as caught:
        catalogued(tmp_path, "sen12mscrts")
    assert "holds no file of SEN12MS-CR-TS; expected such as ROIs1158/106/S2/0/s2_ROIs" in str(caught.value)
    assert "3 files whose names are none of SEN12MS-CR-TS left out: ROIs1158_spring_s1_1_p1.tif" in str(caught.value)
    with pytest.raises(CatalogueError, match="is no folder; expected the one of SEN12MS-CR, with ROIs1158"):
        Cataloguing("sen12mscr", tmp_path / "elsewhere", tmp_path / "out")
    with pytest.raises(SpecError, match="'sen12' is none that can be catalogued; expected one of sen12mscr, "):
        Cataloguing("sen12", tmp_path / "set", tmp_path / "out")


def test_names_that_tell_nothing_are_counted(tmp_path: Path) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 1)
    for name in ("b", "a", "d", "c"):
        (tmp_path / "set" / f"{name}.tif").touch()
    (tmp_path / "set" / "README.txt").touch()
    assert catalogued(tmp_path).notes == [
        "4 files whose names are none of SEN12MS-CR left out: a.tif, b.tif, c.tif, ..."
    ]


def test_a_place_that_lacks_a_file_is_left_out_and_told(tmp_path: Path) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 1)
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 2)["s1"].unlink()
    made = catalogued(tmp_path)
    assert (made.places, made.files) == (1, 3)
    assert made.notes == [
        "1 dates left out, which lack a usable file of s1: ROIs1158_spring_s2_1_p2.tif",
        "1 places left out, with no date of all roles: ROIs1158_spring_1_p2",
    ]


def test_files_that_are_not_as_the_others_are_left_out_and_told(tmp_path: Path) -> None:
    files = [triplet(tmp_path / "set", "ROIs1158_1", "spring", patch) for patch in range(1, 8)]
    write(files[1]["s2"], optical(1)[:12], "ROIs1158_1", 2)
    write(files[2]["s2"], optical(1)[:, :16, :16], "ROIs1158_1", 3)
    write(files[3]["s2_cloudy"], optical(1), "ROIs1158_1", 5)
    write(files[4]["s1"], optical(1)[:2], "ROIs1158_1", 5, crs="EPSG:4326")
    files[5]["s1"].write_bytes(files[5]["s1"].read_bytes()[:100])
    files[6]["s1"].write_bytes(b"")
    made = catalogued(tmp_path)
    assert made.places == 1
    told = "\n".join(made.notes)
    assert f"files left out, which are not {PIXELS} pixels a side, as the first one is: {files[2]['s2'].name}" in told
    assert f"which have 12 bands and not the 13 of s2: {files[1]['s2'].name}" in told
    assert f"with a file on another grid than the place's: {files[3]['s2_cloudy'].name}" in told
    assert f"which are in no UTM zone: {files[4]['s1'].name}" in told
    assert "2 files left out, which cannot be read as georeferenced rasters: " in told


def test_a_set_of_which_nothing_can_be_used_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    for role, path in triplet(tmp_path / "set", "ROIs1158_1", "spring", 1).items():
        if role == "s1":
            path.unlink()
    with pytest.raises(CatalogueError, match="no place of SEN12MS-CR can be used: 1 dates left out, which"):
        catalogued(tmp_path)
    assert not list((tmp_path / "out").iterdir())


def test_a_place_that_lacks_a_date_keeps_the_others(tmp_path: Path) -> None:
    files = series(tmp_path / "set", "ROIs1158_1", 0, dates=3)
    files[1]["s1"].unlink()
    made = catalogued(tmp_path, "sen12mscrts")
    assert (made.places, made.files) == (1, 4)
    assert {item["deepsentinel:date"] for item in items(tmp_path)} == {0, 2}
    assert {item["deepsentinel:group"] for item in items(tmp_path)} == {0, 2}


# The command


def test_the_command_says_what_it_made_and_what_is_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    triplet(tmp_path / "set", "ROIs1158_1", "spring", 1)
    (tmp_path / "set" / "other.tif").touch()
    catalogue_with_progress("sen12mscr", tmp_path / "set", tmp_path / "out", None)
    assert capsys.readouterr().out.splitlines() == [
        f"1 places of 3 files in {tmp_path / 'out'}",
        "note: 1 files whose names are none of SEN12MS-CR left out: other.tif",
        f"next: deepsentinel build {tmp_path / 'out' / 'spec.yaml'}",
    ]
