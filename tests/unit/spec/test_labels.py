"""Labels of a spec: named, or described, and what is refused before a file is looked for."""

from pathlib import Path

import pytest

from tasks.spec import load_spec
from tests.unit.spec.specs import MINIMAL, refusal, replaced, saved

WDPA = "{wdpa: {vectors: wdpa.gpkg, column: IUCN_CAT, values: [Ia, Ib, II]}}"


def test_labels_are_named_or_described(tmp_path: Path) -> None:
    text = MINIMAL + "labels: [corine, modis: {raster: modis.tif, bands: [LC_Type1, 2]}]\n"
    spec = load_spec(saved(tmp_path, text))
    assert [item.name for item in spec.label_items] == ["corine", "modis"]
    modis = spec.label_items[1].source
    assert modis and (modis.raster, modis.bands) == (str(tmp_path / "modis.tif"), ("LC_Type1", 2))
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def test_one_label_need_not_be_a_list(tmp_path: Path) -> None:
    spec = load_spec(saved(tmp_path, MINIMAL + "labels: {lcz: {raster: lcz.tif}}\n"))
    assert [item.name for item in spec.label_items] == ["lcz"]


def test_protected_areas_have_to_be_accepted(tmp_path: Path) -> None:
    message = refusal(tmp_path, MINIMAL + f"labels: [{WDPA}]\n")
    assert "labels: wdpa: the World Database on Protected Areas" in message
    assert "may not be used commercially" in message and "accept: [wdpa-noncommercial]" in message
    assert load_spec(saved(tmp_path, MINIMAL + f"labels: [{WDPA}]\naccept: [wdpa-noncommercial]\n")).accept


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("{modis: {rastr: a.tif}}", "labels.0.modis.rastr: unknown key; did you mean 'raster'?"),
        ("{modis: {}}", "expected exactly one of raster, vectors, earthengine, found none"),
        ("{modis: {raster: a.tif, vectors: b.gpkg}}", "found raster and vectors"),
        ("{modis: {raster: a.tif, kind: values}}", "step: values need a step, such as `step: 0.1`"),
        ("{modis: {raster: a.tif, step: 2}}", "step: classes have no step"),
        ("{modis: {raster: a.tif, kind: values, step: 0}}", "step: expected more than 0, found 0"),
        ("{modis: {raster: a.tif, column: x}}", "column: a raster source has bands instead"),
        ("{modis: {raster: a.tif, values: [0, 1]}}", "expected whole numbers from 1 to 65535, found 0; 0 is nodata"),
        ("{modis: {raster: a.tif, values: [forest]}}", "found 'forest'"),
        ("{modis: {raster: a.tif, values: [1.5]}}", "labels.0.modis.values.0: expected a whole number, found 1.5"),
        ("{modis: {raster: a.tif, values: [4, 4]}}", "values: 4 stands twice"),
        ("{areas: {vectors: a.gpkg, column: x}}", "values: is missing; `column` and `values`"),
        ("{areas: {vectors: a.gpkg, values: [x]}}", "column: is missing"),
        ("{areas: {vectors: a.gpkg, bands: [1]}}", "bands: vectors have none; use `column`"),
        ("{areas: {vectors: a.gpkg, kind: values, step: 1}}", "kind: vectors give classes"),
        ("{corine: {raster: a.tif}}", "the name 'corine' is taken"),
        ("{osm_point: {raster: a.tif}}", "the name 'osm_point' is taken"),
        ("{Modis: {raster: a.tif}}", "small letters, digits or '_', found 'Modis'"),
        ("{one: {raster: a.tif}, two: {raster: a.tif}}", "expected one name an item, found one, two"),
        ("corine, corine", "the name 'corine' stands twice"),
        ("{lcz: {earthengine: RUB/RUBCLIM/LCZ/global_lcz_map/latest}}", "such as RUB/RUBCLIM/LCZ/global_lcz_map/v1"),
        ("{areas: {earthengine: WCMC/WDPA/current/polygons}}", "such as WCMC/WDPA/202106/polygons"),
        ("{any: {earthengine: projects/mine/assets/latest}}", "changes with time, and a corpus must not"),
    ],
)
def test_what_cannot_be_a_label_is_refused(tmp_path: Path, item: str, told: str) -> None:
    message = refusal(tmp_path, MINIMAL + f"labels: [{item}]\n")
    assert f", line {len(MINIMAL.splitlines()) + 1}: labels" in message
    assert told in message


def test_what_can_be_accepted_is_told(tmp_path: Path) -> None:
    assert "expected 'uncovered' or 'wdpa-noncommercial'" in refusal(tmp_path, replaced("accept: [all]"))
