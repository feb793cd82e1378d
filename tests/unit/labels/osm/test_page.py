"""The page of classes says what the class file says."""

from xml.etree import ElementTree

from infra.docs.osm_classes import COMMAND, LEGEND, PAGE, legend, page
from tasks.labels.osm.scheme import KINDS, load_scheme


def test_page_and_legend_are_those_of_the_class_file() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run `{COMMAND}`"
    assert LEGEND.read_text(encoding="utf-8") == legend(), f"run `{COMMAND}`"


def test_the_legend_shows_every_class_in_its_colour() -> None:
    shapes = ElementTree.fromstring(legend())
    colors = [shape.get("fill") for shape in shapes.iter("{http://www.w3.org/2000/svg}rect")][1:]
    scheme = load_scheme()
    assert sorted(map(str, colors)) == sorted(item.color for kind in KINDS for item in scheme.of(kind))
