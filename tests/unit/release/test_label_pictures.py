"""Labels as pictures, and the legends that say what their numbers mean."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.labels.classes import ClassLayer
from tasks.labels.legends import CORINE, LabelClass
from tasks.labels.osm.scheme import class_index, load_scheme
from tasks.release.label_pictures import NOTHING, label_pictures
from tasks.release.legends import BitLegend, legend_report, legends_of
from tasks.shards.array_kinds import ArrayKind
from tasks.shards.description import Description, LayerDescription

SCHEME = load_scheme()


def class_layer(name: str = "corine", **schemes: tuple[LabelClass, ...]) -> LayerDescription:
    layer = ClassLayer(
        name, schemes=schemes or {"clc": CORINE}, pixels=16, facts={}, draw=None, covers=lambda _: np.ones(0, bool),
        long_name="Cover, of the land",
    )  # fmt: skip
    return LayerDescription(arrays=layer.arrays, facts={"licence": "free", "attribution": "the EEA"})


def osm_kind(kind: str) -> ArrayKind:
    attributes = {"classes": SCHEME.legend(kind), "long_name": f"OpenStreetMap {kind}s: class c is bit c - 1"}
    return ArrayKind(
        path=f"labels/osm_{kind}", dimensions=("y", "x"), shape=(16, 16), dtype="uint32", fill=0, attributes=attributes
    )


OSM = LayerDescription(arrays=tuple(map(osm_kind, ("point", "line", "polygon"))), facts={"licence": "ODbL"})

ELEVATION = LayerDescription(
    arrays=(
        ArrayKind(
            path="labels/elevation", dimensions=("y", "x"), shape=(2, 2), dtype="int16", fill=-32768, step=0.5,
            attributes={"long_name": "elevation", "scale_factor": 0.5},
        ),
    ),
    facts={},
)  # fmt: skip


def classes(*values: int) -> np.ndarray:
    return np.array([[values]], np.uint8)


def bits(**of_kind: int) -> dict[str, np.ndarray]:
    return {
        f"labels/osm_{kind}": np.full((1, 1, 1), of_kind.get(kind, 0), np.uint32)
        for kind in ("point", "line", "polygon")
    }


def rgb(kind: str, index: int) -> list[int]:
    color = next(one.color for one in SCHEME.of(kind) if one.id == index)
    return list(bytes.fromhex(color[1:]))


def test_classes_have_the_colours_of_their_legend_and_the_key_those_that_occur() -> None:
    found = label_pictures(class_layer(), {"labels/corine": classes(2, 41, 2)})
    assert found.pictures.tolist() == [[[[255, 0, 0], [128, 242, 230], [255, 0, 0]]]]
    (key,) = found.keys
    assert key.title == found.title == "Cover"
    assert key.entries == (("112  Discontinuous urban fabric", (255, 0, 0)), ("512  Water bodies", (128, 242, 230)))


def test_where_there_is_no_class_it_is_white_and_the_key_says_so() -> None:
    found = label_pictures(class_layer(), {"labels/corine": classes(0, 44)})
    assert tuple(found.pictures[0, 0, 0]) == NOTHING
    assert found.keys[0].entries[-1] == ("no class", NOTHING)


def test_classes_without_colours_get_some_that_differ() -> None:
    own = tuple(LabelClass(index=index, code=str(index), name=str(index)) for index in range(1, 13))
    found = label_pictures(class_layer("own", own=own), {"labels/own": classes(*range(13))})
    assert len({tuple(colour) for colour in found.pictures[0, 0]}) == 13
    assert found.keys[0].entries[0][0] == "1", "a name that is the code stands once"


def test_of_several_schemes_the_first_is_shown() -> None:
    one, two = (
        (LabelClass(index=1, code="1", name=name, rgb=rgb),) for name, rgb in (("a", (1, 2, 3)), ("b", (4, 5, 6)))
    )
    found = label_pictures(class_layer("two", igbp=one, umd=two), {"labels/two": np.ones((1, 2, 1, 1), np.uint8)})
    assert found.pictures.tolist() == [[[[1, 2, 3]]]]
    assert found.title == "Cover: igbp"


def test_of_several_bits_the_one_drawn_last_is_seen_as_in_the_class_index() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.integers(0, 2**32, (2, 1, 16, 16), np.uint32)
    stored: NDArray[np.uint32] = np.bitwise_and(one, two)
    nothing = {f"labels/osm_{kind}": np.zeros_like(stored) for kind in ("point", "line")}
    found = label_pictures(OSM, {**nothing, "labels/osm_polygon": stored})
    index = class_index(stored, SCHEME.polygon)
    assert found.pictures.tolist() == [[[rgb("polygon", one) for one in row] for row in index[0]]]


@pytest.mark.parametrize(
    ("of_kind", "seen"),
    [({"polygon": 1}, ("polygon", 1)), ({"polygon": 1, "line": 2}, ("line", 2)),
     ({"polygon": 1, "line": 2, "point": 4}, ("point", 3))],
)  # fmt: skip
def test_points_lie_on_lines_and_lines_on_areas(of_kind: dict[str, int], seen: tuple[str, int]) -> None:
    found = label_pictures(OSM, bits(**of_kind))
    assert found.pictures[0, 0, 0].tolist() == rgb(*seen)
    assert [key.title for key in found.keys] == [
        f"OpenStreetMap {kind}s" for kind in ("polygon", "line", "point") if kind in of_kind
    ]


def test_values_go_from_dark_to_bright_and_the_key_has_their_range() -> None:
    found = label_pictures(ELEVATION, {"labels/elevation": np.array([[[-20, 0], [180, -32768]]], np.int16)})
    shades = found.pictures[0].sum(axis=-1)
    assert shades[0, 0] < shades[0, 1] < shades[1, 0]
    assert tuple(found.pictures[0, 1, 1]) == NOTHING
    names = [name for name, _ in found.keys[0].entries]
    assert (names[0], names[-1]) == ("-10", "90")


@pytest.mark.filterwarnings("error")
def test_values_that_are_all_alike_or_absent_are_drawn_too() -> None:
    for stored in (7, -32768):
        assert label_pictures(ELEVATION, {"labels/elevation": np.full((2, 2, 2), stored, np.int16)}).pictures.shape


def report(**layers: LayerDescription) -> dict[str, Any]:
    found = legend_report(Description(spec={}, shards=1, capacity=1, roles=(), bands={}, layers=layers, software={}))
    return json.loads(found or b"null")


def test_the_legend_in_the_release_says_what_every_number_means() -> None:
    found = report(corine=class_layer(), osm=OSM, elevation=ELEVATION)
    corine = found["corine"]["arrays"]["labels/corine"]
    assert corine["classes"][40] == {"index": 41, "code": "512", "name": "Water bodies", "rgb": [128, 242, 230]}
    assert (len(corine["classes"]), corine["nodata"]) == (44, 0)
    assert (found["corine"]["licence"], found["corine"]["attribution"]) == ("free", "the EEA")
    line = found["osm"]["arrays"]["labels/osm_line"]["classes"][8]
    assert (line["bit"], line["name"], line["width"], line["rgb"]) == (256, "river or canal", 15, [0x4A, 0x90, 0xC2])
    assert found["elevation"]["arrays"]["labels/elevation"] == {"stored": "whole steps", "step": 0.5, "nodata": -32768}


def test_a_layer_of_several_schemes_has_a_legend_for_each() -> None:
    one, two = ((LabelClass(index=1, code="1", name=name),) for name in "ab")
    schemes = report(two=class_layer("two", igbp=one, umd=two))["two"]["arrays"]["labels/two"]["schemes"]
    assert [schemes[name][0]["name"] for name in ("igbp", "umd")] == ["a", "b"]


def test_a_corpus_without_labels_has_no_legend() -> None:
    assert report() is None


def test_the_order_of_drawing_is_the_classes_own() -> None:
    legend = legends_of(osm_kind("polygon"))
    assert isinstance(legend, BitLegend)
    expected = sorted(SCHEME.polygon, key=lambda one: (one.order, one.id))
    assert [one.index for one in legend.drawn] == [one.id for one in expected]
