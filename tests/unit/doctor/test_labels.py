"""What the doctor says of labels: all that is wrong with a source is told before a build."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.doctor.destinations import examine_destination
from tasks.doctor.findings import Finding
from tasks.doctor.labels import examine_label
from tasks.labels.opening import open_layers
from tasks.places.opening import open_places
from tests.archive import EPSG, LEFT, TOP, write_raster
from tests.unit.builders import MadeUp, described, made_up_builder, spec_over

GRID: dict[str, Any] = {"crs": f"EPSG:{EPSG}", "left": LEFT - 500, "top": TOP + 500, "pixel": 100}


def raster(folder: Path, value: int = 23, side: int = 40, **grid: Any) -> str:
    return write_raster(folder / "clc.tif", np.full((side, side), value, "u1"), **GRID | grid)


def examined(folder: Path, labels: Any = "corine", **changes: Any) -> Finding:
    spec = spec_over(folder, labels=labels, **changes)
    (found,) = examine_label(spec.label_items[0], spec, open_places(spec), 10)
    return found


def test_a_sound_source_is_named_with_its_licence(tmp_path: Path) -> None:
    found = examined(tmp_path, sources={"corine": raster(tmp_path)})
    assert found.ok and found.found.startswith("clc.tif; Copernicus data and information policy")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"value": 47}, r"has the value 47 at column \d+, row \d+ .*; expected CORINE's classes"),
        ({"side": 3}, r"labels: of the first [\d,]+ places that would be tried, corine lacks [\d,]+, the first at"),
        ({"crs": "EPSG:32660"}, r"corine lacks"),
    ],
)
def test_what_is_wrong_in_a_raster_is_found_without_building(tmp_path: Path, made: dict[str, Any], told: str) -> None:
    found = examined(tmp_path, sources={"corine": raster(tmp_path, **made)})
    assert not found.ok and found.remedy
    assert re.search(told, f"{found.found}. {found.remedy}")


def test_places_that_a_source_leaves_out_may_be_accepted(tmp_path: Path) -> None:
    assert examined(tmp_path, sources={"corine": raster(tmp_path, side=3)}, accept="uncovered").ok


def test_a_source_that_is_absent_is_told_whatever_the_label(tmp_path: Path) -> None:
    assert "there is no file" in examined(tmp_path, sources={"corine": "/nowhere.tif"}).found
    found = examined(tmp_path, {"parks": {"vectors": "/nowhere.gpkg"}})
    assert not found.ok and "there is no file /nowhere.gpkg" in found.found


def test_a_source_other_than_the_corpus_has_is_told_with_both_digests(tmp_path: Path) -> None:
    sources = {"corine": raster(tmp_path)}
    layers = open_layers(spec_over(tmp_path, labels="corine", sources=sources))
    described(made_up_builder(tmp_path, MadeUp(), layers=layers, labels="corine", sources=sources))
    assert examined(tmp_path, sources=sources).ok
    found = examined(tmp_path, sources={"corine": raster(tmp_path, value=24)})
    assert not found.ok and "labels: corine: source.sha256: the corpus has '" in found.found
    assert "', the spec gives '" in found.found and "Restore the source" in found.remedy


def test_a_destination_that_holds_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "photos").mkdir(parents=True)
    spec = spec_over(tmp_path)
    found = examine_destination("destination x", str(tmp_path / "corpus"), spec, open_places(spec), None)
    assert [one.ok for one in found] == [True, False]
    assert "holds something else than a corpus (photos)" in found[1].found
