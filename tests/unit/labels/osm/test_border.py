"""Borders of extracts, from polygon files."""

from pathlib import Path

import pytest
import shapely

from tasks.errors import CatalogueError
from tasks.labels.osm.border import read_poly


def poly(path: Path, *rings: str) -> Path:
    """A polygon file of rings such as `0 0, 1 0, 1 1`; a hole begins with `!`."""
    told = ["made"]
    for number, ring in enumerate(rings):
        told += [f"{'!' if ring.startswith('!') else ''}{number}", *ring.lstrip("!").split(","), "END"]
    path.write_text("\n".join([*told, "END", ""]))
    return path


SQUARE = "0 0, 4 0, 4 4, 0 4, 0 0"


def test_a_border_is_its_rings_without_its_holes(tmp_path: Path) -> None:
    found = read_poly(poly(tmp_path / "x.poly", SQUARE, "!1 1, 2 1, 2 2, 1 2, 1 1", "5 5, 6 5, 6 6"))
    assert shapely.area(found) == 16 - 1 + 0.5


def test_a_ring_that_crosses_itself_holds_what_it_encloses(tmp_path: Path) -> None:
    found = read_poly(poly(tmp_path / "x.poly", "0 0, 2 2, 2 0, 0 2, 0 0", "1 0, 3 0, 3 2, 1 2"))
    assert shapely.is_valid(found)
    assert shapely.contains_xy(found, [0.2, 1.8, 2.5, 0.6], [0.9, 0.9, 1.0, 0.1]).tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "rings",
    [
        [],
        ["0 0, 1 1"],
        ["0 0, 1 1, 2 2"],
        ["0 0, 1 inf, 1 1, 0 0"],
        ["0 0, nan 0, 1 1, 0 0"],
        [SQUARE, "!0 0, 9 0, 9 9, 0 9"],
        ["0 0, east 0, 1 1"],
    ],
)
def test_what_is_no_border_is_refused(tmp_path: Path, rings: list[str]) -> None:
    with pytest.raises(CatalogueError, match="is no border of an extract"):
        read_poly(poly(tmp_path / "x.poly", *rings))


def test_a_border_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = poly(tmp_path / "x.poly", SQUARE)
    path.write_text(path.read_text()[: -len("END\nEND\n")])
    with pytest.raises(CatalogueError, match="its last ring has no END"):
        read_poly(path)
