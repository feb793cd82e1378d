"""The classes of OpenStreetMap: their file, its checks, and the one class of a pixel."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from tasks.errors import SpecError
from tasks.labels.osm.scheme import KINDS, OWN, class_index, load_scheme


def changed(folder: Path, change: str, value: object, kind: str = "polygon", index: int = 0) -> Path:
    content = yaml.safe_load(OWN.read_text())
    content[kind][index][change] = value
    path = folder / "classes.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_own_classes_have_the_numbers_of_the_tables() -> None:
    scheme = load_scheme()
    assert [len(scheme.of(kind)) for kind in KINDS] == [13, 18, 32]
    assert all([item.id for item in scheme.of(kind)] == list(range(1, len(scheme.of(kind)) + 1)) for kind in KINDS)
    assert [item.width for item in scheme.line] == [20, 12, 8, 5, 4, 2, 6, 5, 15, 3, 10, 5, 4, 2, 5, 3, 30, 5]
    for kind in KINDS:
        assert len({item.color for item in scheme.of(kind)}) == len(scheme.of(kind)), "told apart in a picture"


def test_the_digest_is_of_what_the_classes_are_not_of_the_layout_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "same.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(OWN.read_text())))
    assert load_scheme(path).digest == load_scheme().digest
    assert load_scheme(changed(tmp_path, "color", "#000001")).digest != load_scheme().digest


@pytest.mark.parametrize(
    ("change", "value", "kind", "words"),
    [
        ("tags", {"landuse": ["retail"]}, "polygon", "landuse=retail belongs to 'residential' and to 'commercial"),
        ("id", 2, "polygon", "two classes have the id 2"),
        ("name", "industrial or port", "polygon", "two classes have the name 'industrial or port'"),
        ("tags", {"boundary": ["*"]}, "polygon", "never filled"),
        ("tags", {"place": ["square"]}, "polygon", "never filled"),
        ("tags", {"leisure": ["nature_reserve"]}, "polygon", "never filled"),
        ("tags", {"building": ["no"]}, "polygon", "building='no'"),
        ("width", 3, "polygon", "has a width"),
        ("width", None, "line", "has no width"),
        ("width", 500, "line", "expected 100 or less"),
        ("id", 33, "point", "expected 32 or less"),
        ("color", "red", "point", "color"),
        ("shade", "red", "point", "unknown key"),
    ],
)
def test_classes_that_cannot_be_used_are_refused(
    tmp_path: Path, change: str, value: object, kind: str, words: str
) -> None:
    with pytest.raises(SpecError, match=r"classes\.yaml") as error:
        load_scheme(changed(tmp_path, change, value, kind))
    assert words in str(error.value)


def test_the_class_of_a_pixel_is_the_one_drawn_last() -> None:
    classes = load_scheme().polygon
    bits = np.array([[0, 1 << 12], [1 << 12 | 1 << 27, 1 << 7 | 1 << 8]], np.uint32)
    assert class_index(bits, classes).tolist() == [[0, 13], [28, 9]], "a building in a wood; equal order: the higher"
