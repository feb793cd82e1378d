"""The STAC collection: where, when, whose, and what is in the assets of its items."""

import json
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac.extensions.classification import ClassificationExtension
from pystac.validation import validate_dict

from tasks.release.collection import collection_json, collection_of
from tasks.release.sample_table import SampleTable
from tasks.scenes.reasons import Reason
from tests.unit.release.catalogued import HOUR, acquired, at, description, sample, samples_file
from tests.unit.release.extension_fields import faults
from tests.unit.shards.made import L2A, small


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    early, east = sample(0), sample(1, patch=at(30.2, 60.1), acquisitions=acquired(gap=30 * HOUR))
    nowhere = sample(2, patch=at(100.0, -40.0), missing=Reason.REFUSED)
    path = samples_file(tmp_path_factory.mktemp("release"), [early, east, nowhere])
    return json.loads(collection_json(collection_of(description(), SampleTable.open(path))))


@pytest.fixture
def collection(content: dict[str, Any]) -> pystac.Collection:
    return pystac.Collection.from_dict(content)


def test_it_is_a_valid_collection(content: dict[str, Any]) -> None:
    # The core schema comes with pystac; those of extensions would come over the network.
    validate_dict(content, extensions=[])
    assert faults(content) == []


def test_its_extents_are_those_of_the_samples_with_pixels(collection: pystac.Collection) -> None:
    ((west, south, east, north),) = collection.extent.spatial.bboxes
    assert 9.09 < west < 9.1 and 45.19 < south < 45.2 and 30.2 < east < 30.21 and 60.1 < north < 60.11
    ((first, last),) = collection.to_dict()["extent"]["temporal"]["interval"]
    assert (first, last) == ("2018-05-02T15:40:21.024017Z", "2018-05-04T16:40:21.024017Z")


def test_its_summaries_say_what_to_filter_by(collection: pystac.Collection) -> None:
    told = collection.summaries.to_dict()
    assert told["proj:code"] == ["EPSG:32632", "EPSG:32636"]
    assert told["eo:cloud_cover"] == {"minimum": 12.5, "maximum": 12.5}
    assert told["sar:polarizations"] == ["VV", "VH"]
    assert set(told["deepsentinel:split"]) <= {"train", "validation", "test"}


def test_its_own_properties_are_explained(content: dict[str, Any]) -> None:
    for name in ("deepsentinel:sample", "deepsentinel:split", "deepsentinel:absent_bands"):
        assert f"`{name}" in content["description"] or f", {name}" in content["description"]
    assert "2 samples of 16 x 16 pixels" in content["description"]


def test_the_assets_of_items_are_described_with_their_axes_and_classes(collection: pystac.Collection) -> None:
    assets = collection.item_assets
    assert "Axes: sample, polarization, y, x." in str(assets["zulu/s1"].description)
    cover = ClassificationExtension.ext(assets["labels/cover"]).classes or []
    assert [(one.value, one.name, one.title, one.color_hint) for one in cover] == [
        (1, "water", "water", None), (2, "tall-forest", "tall forest", "00A609")
    ]  # fmt: skip
    (road,) = ClassificationExtension.ext(assets["labels/roads"]).bitfields or []
    assert (road.offset, road.length, road.description) == (2, 1, "minor road")
    assert "classification:classes" not in assets["labels/height"].properties


def test_bands_that_a_platform_lacks_are_marked(tmp_path: Path) -> None:
    corpus = small(1, zulu=L2A)
    samples = SampleTable.open(samples_file(tmp_path, [sample()]))
    bands = collection_of(corpus, samples)["item_assets"]["zulu/s2"]["bands"]
    assert [band["name"] for band in bands if "absent" in band.get("description", "")] == ["B10"]


def test_licences_and_owners_are_named(collection: pystac.Collection, content: dict[str, Any]) -> None:
    names = [provider.name for provider in collection.providers or []]
    assert names == ["European Space Agency, Copernicus programme", "zulu", "Its makers"]
    assert collection.license == "other"
    assert [link["rel"] for link in content["links"]] == ["license"]
    assert "labels: cover: CC BY 4.0 (Its makers)." in content["description"]
