"""The file of a spec: what is YAML, which bounds it has, and what its plain values are."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import SpecError
from tasks.spec import load_spec
from tasks.spec.yaml_file import MOST_BYTES, read_spec_file
from tests.unit.spec.specs import MINIMAL, refusal, replaced, saved

# Files


def test_a_spec_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such spec") as caught:
        load_spec(tmp_path / "none.yaml")
    assert str(tmp_path / "none.yaml") in str(caught.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read as a spec"):
        load_spec(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name: [unclosed", "is not YAML"),
        (b"\tname: x", "is not YAML"),
        (b"- a\n- b\n", "found a list"),
        (b"", "found nothing"),
        (b"just text", "found text"),
        (b"\xff\xfe\x00name", "cannot be read"),
        (b"# nothing\n", "found nothing"),
        (b"name: \x00", "is not YAML: the character"),
        (b"name: x\n---\nname: y\n", "line 2: is not YAML"),
        (b"name: *unknown", "line 1: is not YAML: found undefined alias"),
        (b"? [a]\n: b\n", "line 1: expected a key"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "corpus.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=told):
        load_spec(path)


@pytest.mark.parametrize(
    ("text", "key", "line", "first"),
    [
        (MINIMAL + "name: other\n", "name", 6, 1),
        (MINIMAL + "patch:\n  pixels: 250\n  pixels: 256\n", "patch.pixels", 8, 7),
        (MINIMAL + "platforms:\n- stac: {catalog: a, catalog: b}\n", "platforms.0.stac.catalog", 7, 7),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(
    tmp_path: Path, text: str, key: str, line: int, first: int
) -> None:
    assert f"line {line}: {key} stands twice, first in line {first}" in refusal(tmp_path, text)


def test_a_line_that_is_no_yaml_is_not_echoed(tmp_path: Path) -> None:
    message = refusal(tmp_path, MINIMAL + 'destination: ["https://me:hunter2@example.org", }\n')
    assert "line 6: is not YAML" in message
    assert "hunter2" not in message


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert load_spec(saved(tmp_path, "\ufeff" + MINIMAL)).name == "tiny"


# Bounds


def bomb(first: str, line: str) -> str:
    """Nine lines, each of which stands for nine times the one before."""
    names = "abcdefghij"
    lines = [f"{b}: &{b} {line.format(', '.join([f'*{a}'] * 9))}" for a, b in pairwise(names)]
    return "\n".join([f"a: &a {first}", *lines])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (bomb("[x, x, x]", "[{}]"), "has more than 10,000 values"),
        (bomb("{x: 1, y: 2}", "{{<<: [{}]}}"), "has more than 10,000 values"),
        (bomb("[x]", "[{}]") + "\n? *j\n: 1\n", "has more than 10,000 values"),
        ("a: [" + "1, " * 20_000 + "]", "has more than 10,000 values"),
        ("a: b\n" * 20_000, "has more than 10,000 values"),
        ("a: &a [*a]", "deeper than 16 levels, as is an alias that refers to what it stands in"),
        ("a: &a {b: *a}", "deeper than 16 levels"),
        ("&a\nx: 1\n<<: *a", "deeper than 16 levels"),
        ("a: " + "[" * 100_000, "deeper than 16 levels"),
        ("a: " + "{a: " * 100_000, "deeper than 16 levels"),
        ("- " * 100_000, "deeper than 16 levels"),
        ("? " * 100_000, "deeper than 16 levels"),
        ("# " + "x" * MOST_BYTES, "is larger than 1,000,000 bytes"),
    ],
)
def test_what_would_take_forever_is_refused_at_once(tmp_path: Path, text: str, told: str) -> None:
    began = time.process_time()
    assert told in refusal(tmp_path, text)
    assert time.process_time() - began < 5


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(SpecError, match="is larger than 1,000,000 bytes"):
        load_spec("/dev/zero")


def test_aliases_and_merged_keys_within_the_bounds_are_read(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [{x: 5}, *a]}\nd: [*a, *a]\n"
    content = read_spec_file(saved(tmp_path, text)).content
    assert content["b"] == {"x": 1, "y": 3}
    assert content["c"] == {"x": 5, "y": 2}
    assert content["d"] == [content["a"], content["a"]]


@pytest.mark.parametrize("merged", ["1", "[1]", "text"])
def test_a_merge_of_what_has_no_keys_is_refused(tmp_path: Path, merged: str) -> None:
    assert "line 6: expected keys and values under <<" in refusal(tmp_path, MINIMAL + f"<<: {merged}\n")


# Plain values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1_000_000", 1_000_000),
        ("0755", 755),
        ("08", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("+12", 12),
        ("-3", -3),
        ("1e6", 1e6),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("-3.", -3.0),
        ("10_000.5", 10_000.5),
        (".inf", float("inf")),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("1:20", "1:20"),
        ("190:20:30", "190:20:30"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("2018-01-01", "2018-01-01"),
        ("1_000.gpkg", "1_000.gpkg"),
        ("_", "_"),
        ("=", "="),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("9" * 5_000, float("inf")),
    ],
)
def test_a_plain_value_is_what_yaml_1_2_says(tmp_path: Path, text: str, value: Any) -> None:
    found = read_spec_file(saved(tmp_path, f"a: {text}\n")).content["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("value", ["!!int x", "!!float x", "!!bool maybe", "!!timestamp x", "!!binary x", "!!set {a}",
                                   "!!python/object/apply:os.system [true]", "!mine x"])  # fmt: skip
def test_a_tag_that_means_nothing_here_is_refused(tmp_path: Path, value: str) -> None:
    assert "line 6: the " in refusal(tmp_path, MINIMAL + f"seed: {value}\n")


def test_a_text_that_cannot_be_written_again_is_refused(tmp_path: Path) -> None:
    assert "line 5: has half a character" in refusal(tmp_path, replaced('name: "\\ud800"'))
    assert "line 6: has half a character" in refusal(tmp_path, MINIMAL + '"\\udfff": 1\n')


def test_norway_needs_no_quotes(tmp_path: Path) -> None:
    assert load_spec(saved(tmp_path, replaced("places: {random: [FI, NO]}"))).places.source == ["FI", "NO"]


def test_a_size_may_be_written_with_an_exponent(tmp_path: Path) -> None:
    assert load_spec(saved(tmp_path, replaced("size: 1e6"))).size == 1_000_000


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="utf-8"), max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-0:", min_size=1), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_pyyaml_writes_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = saved(tmp_path_factory.getbasetemp(), yaml.safe_dump({"key": value}))
    assert read_spec_file(path).content == {"key": value}


def test_values_on_the_way_to_an_error_have_lines(tmp_path: Path) -> None:
    file = read_spec_file(saved(tmp_path, "a:\n  - b\n  - c: 1\n    d: 2\n"))
    assert [file.line_of(keys) for keys in (["a"], ["a", 0], ["a", 1, "d"], ["a", 1, "d", "none"], ["e"])] == [
        1, 2, 4, 4, None,
    ]  # fmt: skip
