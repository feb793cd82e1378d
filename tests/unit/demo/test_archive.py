"""The archive as a whole: the same every time, in one piece, and honest about what it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import osmium
import pytest
import rasterio
from PIL import Image

from tasks.demo import make_archive
from tasks.demo.archive import FORMAT


@pytest.fixture
def without_year(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives without the year of small dates: what does not depend on them is made in half of the time."""
    monkeypatch.setattr("tasks.demo.archive.OPTICAL_YEAR", ())
    monkeypatch.setattr("tasks.demo.archive.RADAR_YEAR", ())


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_cores(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    make_archive(tmp_path / "again", size_km=12)
    assert digests(tmp_path / "again") == digests(archive)


@pytest.mark.usefixtures("without_year")
def test_another_seed_gives_another_country(archive: Path, tmp_path: Path) -> None:
    make_archive(tmp_path / "other", size_km=8, seed=7)
    first, second = (json.loads((folder / "country.geojson").read_text()) for folder in (archive, tmp_path / "other"))
    assert first["features"][0]["geometry"] != second["features"][0]["geometry"]


def test_an_archive_that_is_there_is_left_alone(archive: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in archive.rglob("*")}
    assert make_archive(archive, size_km=12) == archive / "catalog.json"
    assert {path: path.stat().st_mtime_ns for path in archive.rglob("*")} == before


@pytest.mark.usefixtures("without_year")
def test_an_archive_of_another_seed_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    for seed in (1, 2):
        make_archive(folder, size_km=8, seed=seed)
    made_from = json.loads((folder / "catalog.json").read_text())["deepsentinel:demo"]
    assert made_from == {"format": FORMAT, "seed": 2, "size_m": 8040}


@pytest.mark.usefixtures("without_year")
def test_somebodys_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"thesis\.txt"):
        make_archive(tmp_path, size_km=8)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.usefixtures("without_year")
def test_an_archive_with_somebodys_files_in_it_is_not_replaced(tmp_path: Path) -> None:
    make_archive(tmp_path / "archive", size_km=8)
    (tmp_path / "archive" / "notes.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"notes\.txt"):
        make_archive(tmp_path / "archive", size_km=8, seed=2)


@pytest.mark.usefixtures("without_year")
def test_a_run_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def stop(line: str) -> None:
        if line.startswith("raster 5 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_archive(tmp_path / "archive", size_km=8, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_year")
def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    assert make_archive(tmp_path, size_km=8).is_file()


@pytest.mark.parametrize("size_km", [2, 100])
def test_a_size_that_does_not_fit_is_refused(tmp_path: Path, size_km: float) -> None:
    with pytest.raises(ValueError, match="8 to 72"):
        make_archive(tmp_path / "archive", size_km=size_km)


def test_everything_says_that_it_is_invented(archive: Path) -> None:
    for path in archive.rglob("*.json"):
        content = json.loads(path.read_text())
        assert content.get("properties", content)["deepsentinel:invented"] is True, path
        assert "INVENTED" in content.get("properties", content)["description"], path
    for path in archive.rglob("*.tif"):
        with rasterio.open(path) as raster:
            assert "INVENTED" in raster.tags()["TIFFTAG_IMAGEDESCRIPTION"], path
    assert json.loads((archive / "country.geojson").read_text())["features"][0]["properties"]["invented"] is True
    with osmium.io.Reader(str(archive / "labels" / "country.osm.pbf")) as reader:
        assert "INVENTED" in reader.header().get("generator")
    assert "INVENTED" in (archive / "README.txt").read_text()


def test_the_overview_shows_eight_different_pictures(archive: Path) -> None:
    with Image.open(archive / "overview.png") as sheet:
        assert sheet.width > 2_000
        colours = sheet.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 10_000
