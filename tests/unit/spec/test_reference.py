"""The page on specs says what the model says."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from tasks.spec import load_spec
from tasks.spec.loading import PARTS
from tests.unit.spec.specs import saved

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "infra" / "docs" / "spec_reference.py"))


def test_the_page_is_what_the_model_says(generator: dict[str, Any]) -> None:
    page = (ROOT / "deployments" / "corpora" / "README.md").read_text(encoding="utf-8")
    assert page == generator["page"](), f"run `{generator['COMMAND']}` and commit deployments/corpora/README.md"


def test_the_page_has_every_key(generator: dict[str, Any]) -> None:
    page = generator["page"]()
    for part in PARTS.values():
        assert [key for key in part.model_fields if f"`{key}`" not in page] == []


def test_the_example_of_the_page_is_a_spec(generator: dict[str, Any], tmp_path: Path) -> None:
    assert generator["EXAMPLE"] in generator["page"]()
    assert load_spec(saved(tmp_path, generator["EXAMPLE"])).platform_names == ["earthengine", "example"]


@pytest.mark.parametrize("path", sorted((ROOT / "deployments" / "corpora").glob("*.yaml")), ids=lambda path: path.name)
def test_every_spec_beside_the_page_is_one(path: Path) -> None:
    assert load_spec(path).destinations
