"""The page on classes of labels says what the legends say."""

from pathlib import Path

from infra.docs.label_classes import COMMAND, PAGE, PICTURE, keys, page
from tasks.labels.legends import CORINE
from tasks.labels.osm.scheme import KINDS, load_scheme

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_legends_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run `{COMMAND}` and commit {PAGE.relative_to(ROOT)}"


def test_page_and_picture_have_every_class() -> None:
    text, shown = page(), [name for key in keys() for name, _ in key.entries]
    names = [one.name for one in CORINE] + [one.name for kind in KINDS for one in load_scheme().of(kind)]
    assert [name for name in names if f"| {name} |" not in text] == []
    assert sorted(name.partition("  ")[2] for name in shown) == sorted(names)
    assert PICTURE.exists()
