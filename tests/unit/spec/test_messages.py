"""What the refusal of a spec says: key, line, what was expected, what was found; and never a library's own words."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.errors import SpecError
from tasks.spec import CorpusSpec, load_spec
from tasks.spec.loading import PARTS
from tasks.spec.messages import tell
from tests.unit.spec.specs import MINIMAL, refusal, replaced, saved, values

# Keys


@pytest.mark.parametrize(
    ("text", "line", "key", "suggestion"),
    [
        (MINIMAL + "shard_sise: 100\n", 6, "shard_sise", "shard_size"),
        (MINIMAL + "pairing:\n  max_gap_day: 3\n", 7, "pairing.max_gap_day", "max_gap_days"),
        (MINIMAL + "patch:\n\n  pixel: 250\n", 8, "patch.pixel", "pixels"),
        (MINIMAL + "platforms:\n  - demo\n  - stac: {catalogue: x}\n", 8, "platforms.1.stac.catalogue", "catalog"),
        (MINIMAL + "platforms:\n  - demo\n  - stak: {catalog: x}\n", 8, "platforms.1.stak", "stac"),
        (MINIMAL + "sources: {corin: x}\n", 6, "sources.corin", "corine"),
        (replaced("places: {randon: land}"), 5, "places.randon", "random"),
    ],
)
def test_an_unknown_key_is_refused_with_its_line_and_the_closest_key(
    tmp_path: Path, text: str, line: int, key: str, suggestion: str
) -> None:
    message = refusal(tmp_path, text)
    assert f"{tmp_path / 'corpus.yaml'}, line {line}: {key}: unknown key; did you mean {suggestion!r}?" in message


def test_an_unknown_key_like_no_other_is_refused_with_all_keys(tmp_path: Path) -> None:
    message = refusal(tmp_path, MINIMAL + "pairing: {xyz: 1}\n")
    assert "expected one of max_gap_days, search_days, max_cloud_cover" in message


def test_every_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, MINIMAL + "sead: 1\npatch: {pixels: 1}\n")
    assert "line 6: sead" in message
    assert "line 7: patch.pixels" in message


@pytest.mark.parametrize("key", ["name", "places", "window", "destinations"])
def test_a_key_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(key))
    assert f"{key}: is missing" in refusal(tmp_path, text)


# Values


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("seed: 2020.5", "expected a whole number, found 2020.5"),
        ("seed: many", "expected a whole number, found 'many'"),
        ("seed: -1", "expected 0 or more, found -1"),
        ("size: [500]", "[500]"),
        ("size: 0", "found 0"),
        ("name: My Corpus", "digits, '.', '_' or '-', the first a letter or digit, found 'My Corpus'"),
        ("name: ../elsewhere", "'../elsewhere'"),
        ("shard_size: 0", "found 0"),
        ("shard_size: 5000", "expected 4096 or less, found 5000"),
        ("patch: {pixels: 15}", "16"),
        ("patch: {pixels: 2049}", "2048"),
        ("patch: 250", "expected keys and values, found 250"),
        ("pairing: {max_gap_days: 0}", "expected more than 0, found 0"),
        ("pairing: {max_gap_days: 31}", "expected 30 or less, found 31"),
        ("pairing: {max_cloud_cover: 101}", "100"),
        ("labels: [clc]", "expected 'corine' or 'osm', found 'clc'"),
        ("platforms: []", "[]"),
        ("platforms: [7]", "unknown platform 7; expected earthengine"),
        ("platforms: 7", "expected a list, found 7"),
        ("seed: true", "true"),
        ("seed: yes", "expected a whole number, found 'yes'"),
        ("size: 10:20", "expected a whole number, found '10:20'"),
        ("seed: null", "expected a whole number, found nothing"),
        ("name: 7", "expected text (a number or true in quotes, if it is meant as text), found 7"),
        ("places: {random: 7}", "expected land, a list of countries"),
        ("destinations: []", "a list of 1 or more"),
        ("destinations: [7]", "7"),
        ("places: land", "{random: land}"),
        ("places: {random: [1]}", "1"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_line_key_and_value(tmp_path: Path, line: str, told: str) -> None:
    message = refusal(tmp_path, replaced(line))
    assert f", line {len(replaced(line).splitlines())}: {line.split(':')[0]}" in message
    assert told in message


def test_a_value_that_is_long_is_shown_in_part(tmp_path: Path) -> None:
    message = refusal(tmp_path, replaced(f"seed: {'x' * 1_000}"))
    assert "expected a whole number, found 'xxx" in message
    assert len(message) < 300


def test_of_many_things_wrong_the_first_are_told_and_the_others_counted(tmp_path: Path) -> None:
    began = time.process_time()
    message = refusal(tmp_path, MINIMAL + "".join(f"key{number}: 1\n" for number in range(4_000)))
    assert len(message.splitlines()) == 21
    assert message.endswith("and 3980 more")
    assert time.process_time() - began < 5


# Words of libraries

PYDANTIC = re.compile(
    r"Input should|should (be|have|match)|valid (string|integer|number|list|tuple|dictionary|boolean)|Value error|"
    r"instance of|Tuple|pattern|Field required|Extra inputs|unable to (parse|interpret)|type=|pydantic|\^\[|"
    r"something else|_text|_other|_strata"
)

WRONG = [None, True, [], [[]], {}, {"x": 1}, "", "x y", "x" * 200, "'", -1, 0, 0.5, 10**12, 10**30, 1e300, float("nan"),
         float("inf"), float("-inf"), [1], [None], "1:20", b"bytes", ("a", 1), {1: 2}]  # fmt: skip


def places_of_keys() -> list[tuple[str, ...]]:
    """Every key of a spec, with the keys around it."""
    return [
        *((key,) for key in PARTS[""].model_fields),
        *(
            (name, key)
            for name in PARTS
            if name not in ("", "random", "platforms", "stac")
            for key in PARTS[name].model_fields
        ),
        *(("platforms", "stac", key) for key in PARTS["stac"].model_fields),
        *(("places", "random", key) for key in PARTS["random"].model_fields),
    ]  # fmt: skip


def with_value(keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    if keys[0] == "platforms" and len(keys) == 3:
        return values(platforms=[{"stac": {"catalog": "a"} | {keys[2]: value}}])
    if keys[:2] == ("places", "random") and len(keys) == 3:
        return values(places={"random": [{"region": "land", "share": 1} | {keys[2]: value}]})
    if keys[0] == "acquisitions" and len(keys) == 2:
        return values(acquisitions={"s2": {keys[1]: value}})
    if keys[0] == "labels" and len(keys) == 2:
        return values(labels=[{"mine": {"raster": "a.tif"} | {keys[1]: value}}])
    return values(**{keys[0]: {keys[1]: value} if len(keys) == 2 else value})


@pytest.mark.parametrize("keys", places_of_keys(), ids=".".join)
def test_no_refusal_has_words_of_pydantic(keys: tuple[str, ...]) -> None:
    refused = 0
    for value in WRONG:
        try:
            CorpusSpec.model_validate(with_value(keys, value))
        except ValidationError as error:
            refused += 1
            for item in error.errors():
                assert not PYDANTIC.search(tell(item)), (value, tell(item))
    assert refused >= 5


def test_every_bound_of_a_number_is_told(tmp_path: Path) -> None:
    checked = 0
    for keys in places_of_keys():
        part = PARTS[keys[-2] if len(keys) > 1 else ""]
        field = part.model_json_schema()["properties"][keys[-1]]
        for bounds in (field, *field.get("anyOf", ())):
            for bound, beyond, told in (
                ("minimum", -1, "{} or more"),
                ("exclusiveMinimum", 0, "more than {}"),
                ("maximum", 1, "{} or less"),
                ("exclusiveMaximum", 0, "less than {}"),
            ):
                if bound in bounds:
                    value = bounds[bound] + beyond
                    message = refusal(tmp_path, json.dumps(with_value(keys, value)))
                    assert f"expected {told.format(bounds[bound])}, found {value}" in message
                    checked += 1
    assert checked >= 20


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["random", "points", "stac", "catalog", "pixels", "x"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
    st.sampled_from(["name", "seed", "size", "places", "window", "pairing", "patch", "platforms", "labels", "sources"]),
)
def test_whatever_a_value_is_the_spec_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, value: Any, key: str
) -> None:
    path = saved(tmp_path_factory.getbasetemp(), json.dumps(values() | {key: value}))
    try:
        load_spec(path)
    except SpecError as error:
        assert str(path) in str(error)
        assert not PYDANTIC.search(str(error).replace(str(path), ""))
