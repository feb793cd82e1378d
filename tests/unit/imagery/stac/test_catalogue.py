"""Static catalogues: what is no catalogue, what cannot be read, and links that do not make a tree."""

import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from tasks.errors import CatalogueError
from tasks.imagery.platform import Traffic
from tests.archive import L2A_BANDS, Archive, item
from tests.unit.imagery.stac.opening import (
    PATCH,
    draws_of,
    found_pair,
    ids_of,
    opened,
    opened_at,
)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def test_a_catalogue_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no such catalogue"):
        opened_at(tmp_path / "catalog.json")


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"type": "Circus"}', '"text"', "null"])
def test_a_file_that_is_no_catalogue_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(content)
    with pytest.raises(CatalogueError) as caught:
        opened_at(path)
    assert str(path) in str(caught.value)


def test_an_item_is_no_catalogue(tmp_path: Path) -> None:
    found = item("a")
    found.set_self_href(str(tmp_path / "item.json"))
    found.save_object()
    with pytest.raises(CatalogueError, match=r"item\.json: is not a STAC catalogue"):
        opened_at(tmp_path / "item.json")


def test_a_collection_that_is_not_there_is_refused_with_those_that_are(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    with pytest.raises(CatalogueError, match=r"no collection 'sentinel-2-c1'; it has sentinel-1-grd, sentinel-2-l2a"):
        opened(archive, sentinel2="sentinel-2-c1")


def test_a_folder_stands_for_its_catalogue(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    folder = archive.save().parent
    assert opened_at(folder).bands == L2A_BANDS


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: "",
        lambda content: "[]",
        lambda content: content.replace('"type": "Feature"', '"type": "Figure"'),
        lambda content: json.dumps(json.loads(content) | {"properties": {"datetime": "yesterday"}}),
        lambda content: json.dumps({k: v for k, v in json.loads(content).items() if k != "id"}),
    ],
)
def test_an_item_that_cannot_be_read_is_told_with_its_collection(archive: Archive, damage: Any) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = archive.save()
    (path,) = archive.root.rglob("a/a.json")
    path.write_text(damage(path.read_text()))
    with pytest.raises(CatalogueError, match="sentinel-2-l2a"):
        opened_at(catalog)


def test_an_item_without_geometry_is_refused_by_name(archive: Archive) -> None:
    archive.sentinel2("a")
    found = archive.sentinel1("no-outline")
    found.geometry, found.bbox = None, None
    with pytest.raises(CatalogueError, match="item no-outline: has no geometry"):
        opened(archive)


def test_items_below_a_collection_in_catalogues_of_their_own_are_found(archive: Archive) -> None:
    scene = archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = pystac.Catalog.from_file(str(archive.save()))
    collection = next(c for c in catalog.get_children() if c.id == "sentinel-2-l2a")
    collection.remove_item(scene.id)
    year = pystac.Catalog("2018", "A year.")
    year.add_item(scene.clone())
    collection.add_child(year)
    catalog.normalize_and_save(str(archive.root / "deep"), pystac.CatalogType.SELF_CONTAINED)
    platform = opened_at(archive.root / "deep" / "catalog.json")
    assert platform.bands == L2A_BANDS


# Catalogues whose links do not make a tree


def linked(archive: Archive, path: str, *hrefs: str) -> None:
    """Add child links to a catalogue's file."""
    file = archive.root / path
    content = json.loads(file.read_text())
    content["links"] += [{"rel": "child", "href": href, "type": "application/json"} for href in hrefs]
    file.write_text(json.dumps(content))


@pytest.mark.parametrize("href", ["./collection.json", "../catalog.json", "../sentinel-1-grd/collection.json"])
def test_links_that_lead_back_are_followed_once(archive: Archive, href: str) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = archive.save()
    linked(archive, "sentinel-1-grd/collection.json", href)
    platform = opened_at(catalog)
    assert ids_of(found_pair(platform)) == {"s2": "a", "s1": "r"}
    assert platform.candidates(draws_of(PATCH), Traffic())["s2"].scenes.id.tolist() == ["a"]


def test_catalogues_without_end_are_refused_with_the_link(tmp_path: Path) -> None:
    content = {"type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "x"}
    for number in range(80):
        child = {"rel": "child", "href": f"./{number + 1}.json", "type": "application/json"}
        (tmp_path / f"{number}.json").write_text(json.dumps({**content, "id": str(number), "links": [child]}))
    with pytest.raises(CatalogueError, match=r"/64\.json: lies more than 64 catalogues below .*/0\.json"):
        opened_at(tmp_path / "0.json")


def test_a_link_that_leads_nowhere_is_told_with_its_address(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = archive.save()
    linked(archive, "catalog.json", "./none/collection.json")
    with pytest.raises(CatalogueError, match=r"none/collection\.json.* FileNotFoundError"):
        opened_at(catalog)


def test_a_child_that_is_no_catalogue_is_refused(archive: Archive) -> None:
    archive.sentinel2("a")
    archive.sentinel1("r")
    catalog = archive.save()
    linked(archive, "catalog.json", "./sentinel-2-l2a/a/a.json")
    with pytest.raises(CatalogueError, match=r"a\.json: is linked as a child, but is no catalogue"):
        opened_at(catalog)


def test_an_item_with_a_start_that_is_no_time_is_refused_by_name(archive: Archive) -> None:
    archive.sentinel2("a", start_datetime="yesterday")
    archive.sentinel1("r")
    with pytest.raises(CatalogueError, match="item a: its start_datetime cannot be read"):
        opened(archive)
