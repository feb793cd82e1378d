"""Files of So2Sat LCZ42 become places with zones, cities and splits: where exactly, and what is told of the rest."""

import builtins
from pathlib import Path
from typing import Any

import geopandas as gpd
import h5py
import numpy as np
import pytest
import yaml

from flows.command.catalogue import catalogue_with_progress
from tasks.errors import CatalogueError, SpecError
from tasks.places.draws import ListedPlaces
from tasks.places.opening import open_places
from tasks.published import so2sat
from tasks.published.cataloguing import cataloguing_of
from tasks.published.geotransforms import KNOWN_CORNER, KNOWN_ROW
from tasks.published.writing import Catalogued
from tasks.spec import load_spec
from tests.unit.published.made_zones import CORNER, corners, gdal, world, write

RECIPE = Path(__file__).parents[3] / "deployments/corpora/recipes/so2sat-lcz42.yaml"


def catalogued(folder: Path) -> Catalogued:
    return cataloguing_of("so2sat", folder / "set", folder / "out").write(lambda _: None)


def places(folder: Path) -> Any:
    return gpd.read_parquet(folder / "out" / "places.parquet")


def refusal(folder: Path) -> str:
    with pytest.raises(CatalogueError) as caught:
        catalogued(folder)
    assert not list(folder.glob("out/*")), "nothing is left of what cannot be used"
    return str(caught.value)


# What is written


def test_each_row_is_a_place_with_its_zone_city_and_split(tmp_path: Path) -> None:
    write(tmp_path / "set", "training", [1, 17], city=np.array([[b"berlin"], [b"saopaulo "]]))
    write(tmp_path / "set", "validation", [6])
    write(tmp_path / "set", "testing", [11], city=["munich"])
    made = catalogued(tmp_path)
    assert (made.places, made.files) == (4, 6)
    assert places(tmp_path)[["id", "label", "city", "split"]].to_numpy().tolist() == [
        ["training_0", 1, "berlin", "train"],
        ["training_1", 17, "saopaulo", "train"],
        ["validation_0", 6, "sanfrancisco", "validation"],
        ["testing_0", 11, "munich", "test"],
    ]
    assert not (tmp_path / "out" / "items.parquet").exists()
    assert "no items.parquet: the published pixels are composites without dates" in made.notes[0]


@pytest.mark.parametrize("order", [gdal, world])
@pytest.mark.parametrize("geo", [True, False])
def test_either_order_of_tfw_gives_the_exact_corners(tmp_path: Path, order: Any, geo: bool) -> None:
    write(tmp_path / "set", "training", [2, 3], geo=geo, tfw=order(corners(2)))
    catalogued(tmp_path)
    held = places(tmp_path)
    np.testing.assert_allclose(held[["xmin", "ymax"]].to_numpy(), corners(2), atol=1e-6)
    assert held["epsg"].tolist() == [32610] * 2
    centre = held.to_crs(32610).geometry.iloc[0]
    assert (centre.x, centre.y) == pytest.approx((CORNER[0] + 160, CORNER[1] - 160), abs=1e-3)


@pytest.mark.parametrize(("off", "point"), [((0, 0), "corner"), ((5, -5), "centre")])
def test_a_known_patch_decides_what_a_world_file_tells(tmp_path: Path, off: tuple[int, int], point: str) -> None:
    rows = KNOWN_ROW + 1
    told = np.full((rows, 2), KNOWN_CORNER) + np.array(off) - (5, -5)
    write(tmp_path / "set", "validation", [1] * rows, tfw=world(told))
    made = catalogued(tmp_path)
    assert f"tfw tells the {point} of the upper left pixel, as the known patch of validation shows" in made.notes
    np.testing.assert_allclose(places(tmp_path)[["xmin", "ymax"]].iloc[0], KNOWN_CORNER, atol=1e-6)


def test_without_the_known_patch_a_world_file_is_told_to_be_taken_for_one(tmp_path: Path) -> None:
    write(tmp_path / "set", "training", [1], tfw=world(corners(1)))
    assert any(
        "is taken for the centre of the upper left pixel, as in world files" in note
        for note in catalogued(tmp_path).notes
    )
    write(tmp_path / "other" / "set", "training", [1])
    assert not any("tfw" in note for note in catalogued(tmp_path / "other").notes)


def test_rows_are_read_in_chunks_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(so2sat, "_CHUNK", 2)
    write(tmp_path / "set", "training", [1, 2, 3, 4, 5])
    write(tmp_path / "set", "testing", [6])
    zones, done = cataloguing_of("so2sat", tmp_path / "set", tmp_path / "out"), list[int]()
    zones.write(done.append)
    assert (zones.count, done) == (6, [2, 4, 5, 6])
    assert places(tmp_path)["label"].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(places(tmp_path)["xmin"][:5], corners(5)[:, 0])


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "set", "training", [1, 2])
    catalogued(tmp_path)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {*first} == {"places.parquet", "spec.yaml"}
    catalogued(tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first


def test_the_spec_is_the_recipe_but_for_its_places_and_destination(tmp_path: Path) -> None:
    write(tmp_path / "set", "training", [1])
    spec = yaml.safe_load(catalogued(tmp_path).spec.read_text())
    recipe = yaml.safe_load(RECIPE.read_text())
    recipe["places"]["points"] = "places.parquet"
    recipe["destinations"] = [str(tmp_path / "out" / "corpus")]
    # YAML reads unquoted days as dates.
    recipe["window"], spec["window"] = [str(day) for day in recipe["window"]], [str(day) for day in spec["window"]]
    assert spec == recipe


# The corpus


def test_the_spec_opens_its_places_on_their_grids(tmp_path: Path) -> None:
    write(tmp_path / "set", "training", [1, 2], tfw=world(corners(2)))
    write(tmp_path / "set", "testing", [3])
    found = open_places(load_spec(catalogued(tmp_path).spec))
    assert isinstance(found, ListedPlaces)
    np.testing.assert_allclose(found.patches.xmin, [CORNER[0], CORNER[0] + 1000, CORNER[0]], atol=1e-6)
    assert (found.patches.pixels, found.alternatives) == (32, 1)
    assert found.columns["label"].tolist() == [1, 2, 3]
    assert found.columns["split"].tolist() == ["train", "train", "test"]
    assert found.notes == ("2 of 3 places overlap another one, 2 one of another split",)


# What cannot be used


def test_files_that_do_not_tell_where_patches_lie_are_told_to_be_of_an_older_version(tmp_path: Path) -> None:
    write(tmp_path / "set", "training", [1], epsg=None, tfw=None, city=None)
    (tmp_path / "set" / "training_geo.h5").unlink()
    told = refusal(tmp_path)
    assert "training.h5: has no datasets epsg, tfw, city; it has label, sen1, sen2. The files of version 4" in told
    assert "versions 1 to 3 do not tell where patches lie): put training_geo.h5 beside training.h5" in told


def test_the_first_files_of_version_4_are_refused_for_their_wrong_codes(tmp_path: Path) -> None:
    write(tmp_path / "set", "training", [1], city=None, coord=np.zeros((1, 6)))
    assert "no datasets city; it has coord, epsg, tfw" in (told := refusal(tmp_path))
    assert "(the first ones, with coord, have wrong EPSG codes of some cities)" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"epsg": np.array([32610, 4326])}, "training_geo.h5: row 1 has 4326 (1 of rows 0 to 1 are such); expected as"),
        ({"epsg": np.array([np.nan, 32610])}, "row 0 has nan (1 of rows 0 to 1 are such); expected as epsg a UTM zone"),
        ({"tfw": gdal(corners(2)) * [[1], [np.nan]]}, "row 1 has [nan, nan, nan, nan, nan, nan] (1 of"),
        ({"tfw": gdal(corners(2)) * [1, 2, 0, 1, 0, 2]}, "(2 of rows 0 to 1 are such); expected as tfw six values"),
        ({"tfw": world(corners(2))[:, [0, 1, 2, 3, 5, 4]]}, "of metres in a UTM zone"),
        ({"tfw": gdal(corners(2)) + np.eye(6)[2]}, "of pixels of 10 m north up"),
        ({"tfw": gdal(corners(3))}, "holds tfw (3, 6), and training.h5 2 labels; expected as many rows"),
        ({"city": np.array([b"berlin", b""])}, "expected the name of a city"),
    ],
)
def test_rows_that_tell_no_place_are_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    write(tmp_path / "set", "training", [1, 2], **changes)
    assert told in refusal(tmp_path)


@pytest.mark.parametrize("label", [[0] * 17, [1, 1] + [0] * 15, [0.5, 0.5] + [0] * 15, [1, np.nan] + [0] * 15])
def test_labels_that_are_not_one_of_the_zones_are_refused(tmp_path: Path, label: list[float]) -> None:
    with h5py.File(write(tmp_path / "set", "training", [1, 2, 3]), "a") as file:
        file["label"][1] = label
    told = refusal(tmp_path)
    assert "training.h5: row 1 has [" in told
    assert "(1 of rows 0 to 2 are such); expected a one among 16 zeros as label" in told


def test_files_of_another_set_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "set", "training", [1])
    with h5py.File(path, "a") as file:
        del file["label"]
        file["label"] = np.zeros((1, 10))
    assert "has labels of shape (1, 10) and patches of (32, 32) pixels; expected (n, 17)" in refusal(tmp_path)
    with h5py.File(path, "a") as file:
        del file["label"]
    assert "has no dataset label; it has sen1, sen2" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["training.h5", "training_geo.h5"])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, name: str) -> None:
    write(tmp_path / "set", "training", [1, 2])
    path = tmp_path / "set" / name
    path.write_bytes(path.read_bytes()[:-100])
    told = refusal(tmp_path)
    assert f"{name}: cannot be read as HDF5 (" in told
    assert "It may have been cut off on its way: get it anew." in told


def test_a_folder_without_files_or_with_several_splits_is_told(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert "holds no file of So2Sat LCZ42; expected training.h5, validation.h5 or testing.h5" in refusal(tmp_path)
    for split in ("block", "random"):
        write(tmp_path / "set" / split, "training", [1])
    assert "holds training.h5 twice" in refusal(tmp_path)
    assert "Give the folder of one." in refusal(tmp_path)
    write(tmp_path / "one" / "set" / "block", "training", [1])
    assert catalogued(tmp_path / "one").places == 1
    with pytest.raises(CatalogueError, match="is no folder; expected the one of So2Sat LCZ42"):
        cataloguing_of("so2sat", tmp_path / "elsewhere", tmp_path / "out")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "h5py":
            raise ModuleNotFoundError("No module named 'h5py'", name="h5py")
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SpecError, match=r"so2sat needs h5py, .*pip install 'deepsentinel\[hdf5\]'"):
        cataloguing_of("so2sat", tmp_path, tmp_path / "out")


# The command


def test_the_command_says_what_it_made_what_it_did_not_and_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "set", "training", [1])
    catalogue_with_progress("so2sat", tmp_path / "set", tmp_path / "out", None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"1 places of 2 files in {tmp_path / 'out'}"
    assert lines[1].startswith("note: no items.parquet: ")
    assert lines[2:] == [
        f"note: no {stem}.h5 in {tmp_path / 'set'}, so no places of the split {split}"
        for stem, split in (("validation", "validation"), ("testing", "test"))
    ] + [f"next: deepsentinel build {tmp_path / 'out' / 'spec.yaml'}"]
    with pytest.raises(SpecError, match="--splits: So2Sat LCZ42 has its splits in the names of its files"):
        catalogue_with_progress("so2sat", tmp_path / "set", tmp_path / "out", tmp_path / "splits.csv")
