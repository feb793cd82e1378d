"""Places and splits of a spec: strata, columns, stride, and a column that splits go by."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from tasks.shards.rows import sample_rows
from tasks.spec import CorpusSpec, load_spec
from tests.unit.shards.test_rows import SPEC, sample
from tests.unit.spec.specs import refusal, replaced, saved, values

STRATA = (
    "places: {random: [{region: urban.gpkg, share: 1}, {region: land, share: 2}, {region: [EU27, GB], share: 0.5}]}"
)


def listed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in values(**changes).items() if key != "size"}


# What is read


def test_strata_are_regions_with_shares(tmp_path: Path) -> None:
    spec = load_spec(saved(tmp_path, replaced(STRATA)))
    assert [(one.region, one.share) for one in spec.places.strata] == [
        (str(tmp_path / "urban.gpkg"), 1), ("land", 2), (("EU27", "GB"), 0.5),
    ]  # fmt: skip
    assert spec.places.mode == "random"
    assert spec.places.words == f"random strata {tmp_path / 'urban.gpkg'}, share 1; land, share 2; EU27, GB, share 0.5"
    assert CorpusSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert CorpusSpec.model_validate_json(spec.model_dump_json()) == spec
    assert hash(spec) == hash(load_spec(saved(tmp_path, replaced(STRATA))))


@pytest.mark.parametrize("region", ["land", ["EU27", "GB"], "/a/basin.gpkg"])
def test_a_region_alone_is_one_stratum(region: Any) -> None:
    (one,) = CorpusSpec.model_validate(values(places={"random": region})).places.strata
    assert one.region == (tuple(region) if isinstance(region, list) else region)


def test_a_form_made_of_the_spec_takes_regions_and_strata() -> None:
    schema = CorpusSpec.model_json_schema()
    for random in ("land", ["EU27", "GB"], [{"region": "land", "share": 2}, {"region": ["FR"], "share": 0.5}]):
        jsonschema.validate(values(places={"random": random}), schema)
    for wrong in ([{"region": "land"}], [{"region": "land", "share": 0}], [{"regoin": "land", "share": 1}]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(values(places={"random": wrong}), schema)
    jsonschema.validate(
        listed(places={"cover": "a", "columns": ["roi"], "stride": 125}, splits={"by": "roi", "test": 0.5}), schema
    )


def test_without_the_new_keys_a_spec_is_stored_as_it_was() -> None:
    spec = CorpusSpec.model_validate(values())
    content = spec.model_dump(mode="json", exclude_none=True)
    assert content["places"] == {"random": "land"}
    assert content["splits"] == {"train": 0.7, "validation": 0.1, "test": 0.2}


def test_one_column_need_not_be_a_list() -> None:
    spec = CorpusSpec.model_validate(listed(places={"points": "a.gpkg", "columns": "city"}))
    assert spec.places.columns == ("city",)


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ({"by": "roi", "test": 0.1, "validation": 0.1}, (0.8, 0.1, 0.1)),
        ({"by": "roi", "test": 0.2}, (0.8, 0, 0.2)),
        ({"by": "roi", "train": 1}, (1, 0, 0)),
        ({"by": "roi", "train": 0.5, "validation": 0.25, "test": 0.25}, (0.5, 0.25, 0.25)),
    ],
)
def test_of_groups_train_is_what_the_others_leave(given: dict[str, Any], shares: tuple[float, ...]) -> None:
    spec = CorpusSpec.model_validate(listed(places={"points": "a", "columns": ["roi"]}, splits=given))
    assert tuple(spec.splits.shares.values()) == shares
    assert not spec.splits.as_given
    assert CorpusSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_column_alone_is_the_splits_themselves_and_may_be_called_split() -> None:
    spec = CorpusSpec.model_validate(listed(places={"points": "a", "columns": ["split"]}, splits={"by": "split"}))
    assert spec.splits.as_given
    assert spec.model_dump(mode="json", exclude_none=True)["splits"] == {"by": "split"}
    assert CorpusSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert CorpusSpec.model_validate_json(spec.model_dump_json()).splits.as_given


# What is refused


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ("{random: [{region: land, share: 0}]}", "places.random.0.share: expected more than 0, found 0"),
        ("{random: [{region: land, share: -1}]}", "places.random.0.share: expected more than 0, found -1"),
        ("{random: [{region: land, share: .inf}]}", "places.random.0.share: expected a finite number"),
        ("{random: [{region: land}]}", "places.random.0.share: is missing"),
        ("{random: [{regoin: land, share: 1}]}", "places.random.0.regoin: unknown key; did you mean 'region'?"),
        ("{random: [{region: FR, share: 1}]}", "places.random.0.region: 'FR' alone is taken for a file; write [FR]"),
        ("{random: [{region: 5, share: 1}]}", "places.random.0.region: expected land, a list of countries"),
        ("{random: [land, {region: land, share: 1}]}", "places.random.0: expected keys and values, found 'land'"),
        ("{random: 5}", "places.random: expected land, a list of countries such as [EU27, GB], or a file of polygons;"),
        ("{random: land, columns: [a]}", "places: columns: places at random have no file with columns"),
        ("{random: land, stride: 100}", "places: stride: is of tiles; random places have none"),
        ("{points: a.gpkg, stride: 100}", "places: stride: is of tiles; points places have none"),
        ("{points: a.gpkg, columns: []}", "places.columns: expected a list of 1 or more"),
        ("{points: a.gpkg, columns: [a, b, a]}", "places.columns: 'a' stands twice, first as 'a'; keep one"),
        ("{points: a.gpkg, columns: [City, city]}", "places.columns: 'city' stands twice, first as 'City'; keep one"),
        ("{points: a.gpkg, columns: [' ']}", "places.columns: a column has a name"),
        ("{points: a.gpkg, columns: [2018]}", "places.columns.0: expected text"),
        ("{points: a.gpkg, columns: [city, lon]}", "places: columns: 'lon' is a column of every corpus; give it"),
        ("{points: a.gpkg, columns: [Geometry]}", "places: columns: 'Geometry' is a column of every corpus"),
        ("{points: a.gpkg, columns: [split]}", "unless `splits: {by: split}` takes it as it is"),
        ("{points: a.gpkg, columns: [s2_kind]}", "places: columns: 's2_kind' begins like the columns of a role"),
        ("{points: a.gpkg, columns: [demo_x]}", "(s1, s2, demo_); give it another name in the file"),
        ("{cover: a.gpkg, stride: 0}", "places.stride: expected more than 0, found 0"),
        (
            "{cover: a.gpkg, stride: 300}",
            "places: stride: 300 pixels leave gaps between patches of 250; use 250 or less",
        ),
        (
            "{cover: a.gpkg, stride: 125}",
            "places: stride: patches of 250 pixels every 125 overlap, and splits by blocks",
        ),
    ],
)
def test_places_that_cannot_be_are_refused_with_the_line(tmp_path: Path, places: str, told: str) -> None:
    message = refusal(tmp_path, replaced(f"places: {places}"))
    assert "line 5: " in message
    assert told in message


@pytest.mark.parametrize(
    ("splits", "places", "told"),
    [
        (
            {"by": "roi"},
            {"random": "land"},
            "splits: by: 'roi' is to be a column of the places' file, and places at random",
        ),
        ({"by": "roi"}, {"points": "a"}, "splits: by: 'roi' is no column that the places keep (none is); write"),
        ({"by": "roi"}, {"points": "a", "columns": ["city"]}, "is no column that the places keep (city are)"),
        ({"by": "roi", "test": 1.5}, {"points": "a", "columns": ["roi"]}, "splits.test: expected 1 or less"),
        ({"by": "roi", "train": 0.5, "test": 0.1}, {"points": "a", "columns": ["roi"]}, "add up to 0.6, expected 1"),
        ({"by": "roi", "test": "x"}, {"points": "a", "columns": ["roi"]}, "splits.test: expected a number"),
        ({"by": "split", "test": 0.5}, {"points": "a", "columns": ["split"]}, "'split' is a column of every corpus"),
        ({"by": 5}, {"points": "a", "columns": ["roi"]}, "splits.by: expected text"),
        ({"train": None}, {"random": "land"}, "splits: train: expected a number, found nothing"),
    ],
)
def test_splits_that_cannot_be_are_refused(tmp_path: Path, splits: Any, places: Any, told: str) -> None:
    assert told in refusal(tmp_path, json.dumps(values(splits=splits, places=places)))


def test_no_column_of_the_rows_can_be_one_of_the_file() -> None:
    rows = sample_rows([sample(0)], SPEC, 0, {"stratum": pd.array([0]), "mine_1": pd.array([0.5])})
    changes = {"platforms": [{"stac": {"catalog": "a"}}, "demo"], "labels": [{"mine": {"raster": "a.tif"}}]}
    for column in rows.columns:
        with pytest.raises(ValueError, match="places: columns"):
            CorpusSpec.model_validate(listed(places={"points": "a", "columns": [column]}, **changes))
