"""From tags to classes: what is an area, what a line, and what nothing."""

import pytest

from tasks.labels.osm.rules import Rules
from tasks.labels.osm.scheme import load_scheme

RULES = Rules(load_scheme())


def classes(bits: int) -> set[int]:
    return {number for number in range(1, 33) if bits >> (number - 1) & 1}


def tags_of(text: str) -> dict[str, str]:
    return dict(tag.split("=") for tag in text.split())


def as_polygon(text: str, *, from_way: bool = True) -> set[int]:
    return classes(RULES.polygon(tags_of(text).get, from_way=from_way)[0])


def as_line(text: str, *, closed: bool = False) -> set[int]:
    return classes(RULES.line(tags_of(text).get, closed=closed)[0])


def as_point(text: str) -> set[int]:
    return classes(RULES.point(tags_of(text).get)[0])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("landuse=forest", {13}),
        ("natural=wood", {13}),
        ("landuse=reservoir natural=water", {20}),
        ("building=yes", {28}),
        ("building=church amenity=place_of_worship", {28, 25}),
        ("building=no landuse=retail", {2}),
        ("amenity=fountain", {27}),
        ("leisure=pitch", {23}),
        ("highway=rest_area", {32}),
        ("railway=station", {30}),
        ("landuse=fairground", set[int]()),
    ],
)
def test_the_classes_of_an_area(tags: str, expected: set[int]) -> None:
    assert as_polygon(tags) == expected
    assert as_polygon(tags, from_way=False) == expected


@pytest.mark.parametrize(
    ("tags", "area"),
    [
        ("highway=pedestrian", 32),
        ("leisure=track", 23),
        ("man_made=pier", 32),
        ("railway=platform", 30),
        ("aeroway=runway", 29),
        ("power=line", 31),
        ("highway=residential junction=roundabout", 32),
    ],
)
def test_a_closed_way_of_these_is_an_area_only_where_it_says_so(tags: str, area: int) -> None:
    assert as_polygon(tags) == set()
    assert as_polygon(f"{tags} area=yes") == {area}
    assert as_polygon(tags, from_way=False) == {area}, "a multipolygon is one without saying so"


def test_a_way_is_a_line_or_an_area() -> None:
    assert as_line("highway=pedestrian", closed=True) == {3}
    assert as_line("highway=pedestrian area=yes", closed=True) == set()
    assert as_line("barrier=hedge", closed=True) == {13}
    assert as_polygon("barrier=hedge") == set()
    assert as_line("man_made=pier") == {18}
    assert as_line("highway=residential junction=roundabout", closed=True) == {3}


def test_area_no_is_no_area() -> None:
    assert as_polygon("leisure=park area=no") == set()
    assert as_polygon("building=yes area=no") == set()


@pytest.mark.parametrize(
    "tags",
    [
        "boundary=administrative",
        "boundary=protected_area",
        "boundary=protected_area leisure=park",
        "boundary=national_park landuse=forest",
        "leisure=nature_reserve",
        "leisure=nature_reserve natural=wood",
        "place=island",
        "place=island natural=coastline",
        "place=square",
        "natural=coastline",
    ],
)
def test_what_is_never_filled(tags: str) -> None:
    assert as_polygon(tags, from_way=False) == set()
    assert as_polygon(f"{tags} area=yes") == set()


def test_a_place_that_has_a_land_use_is_filled_for_that() -> None:
    assert as_polygon("place=neighbourhood landuse=residential") == {1}


def test_an_island_has_its_coastline() -> None:
    assert as_line("place=island natural=coastline", closed=True) == {11}


@pytest.mark.parametrize("tags", ["location=underground", "tunnel=yes", "tunnel=culvert", "parking=underground"])
def test_what_lies_under_ground_has_no_class(tags: str) -> None:
    assert as_line(f"highway=primary {tags}") == set()
    assert as_line(f"waterway=stream {tags}") == set()
    assert as_polygon(f"amenity=parking {tags}") == set()


@pytest.mark.parametrize("tags", ["railway=razed", "railway=dismantled", "highway=proposed", "railway=construction"])
def test_what_is_gone_or_not_there_yet_is_no_line(tags: str) -> None:
    assert as_line(tags) == set()


def test_a_value_that_is_named_goes_before_any_value() -> None:
    assert as_point("natural=tree") == {1}
    assert as_point("natural=peak") == {9}
    assert as_point("man_made=mast") == {4}
    assert as_point("man_made=surveillance") == {12}
    assert as_point("power=tower") == {2}
    assert as_point("shop=no") == set()


def test_the_tags_that_decide_are_kept() -> None:
    found = RULES.polygon(tags_of("building=church amenity=place_of_worship name=St").get, from_way=True)[1]
    assert found == '{"amenity": "place_of_worship", "building": "church"}'
