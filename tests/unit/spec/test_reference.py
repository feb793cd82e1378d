"""The page on specs says what the model says."""

from pathlib import Path

import pytest

from infra.docs.spec_reference import COMMAND, EXAMPLE, PAGE, page
from tasks.spec import load_spec
from tasks.spec.loading import PARTS
from tests.unit.spec.specs import saved

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_model_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run `{COMMAND}` and commit {PAGE.relative_to(ROOT)}"


def test_the_page_has_every_key() -> None:
    text = page()
    for part in PARTS.values():
        assert [key for key in part.model_fields if f"`{key}`" not in text] == []


def test_the_example_of_the_page_is_a_spec(tmp_path: Path) -> None:
    assert EXAMPLE in page()
    assert load_spec(saved(tmp_path, EXAMPLE)).platform_names == ["earthengine", "example"]


@pytest.mark.parametrize("path", sorted((ROOT / "deployments" / "corpora").glob("*.yaml")), ids=lambda path: path.name)
def test_every_spec_beside_the_page_is_one(path: Path) -> None:
    assert load_spec(path).destinations
