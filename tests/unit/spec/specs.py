"""Specs for the tests of this folder."""

from pathlib import Path
from typing import Any

import pytest

from tasks.errors import SpecError
from tasks.spec import load_spec

MINIMAL = """\
name: tiny
size: 500
places: {random: land}
window: [2018-01-01, 2021-01-01]
destinations: [out]
"""


def saved(folder: Path, text: str) -> Path:
    path = folder / "corpus.yaml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(saved(folder, text))
    assert caught.value.exit_code == 2
    return str(caught.value)


def replaced(line: str) -> str:
    """MINIMAL with the line of one key, which becomes the last one, in place of its own."""
    key = line.split(":")[0]
    lines = [old for old in MINIMAL.splitlines() if old.split(":")[0] != key]
    return "\n".join([*lines, line]) + "\n"


def values(**changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny", "size": 500, "places": {"random": "land"}, "window": ["2018-01-01", "2021-01-01"],
        "destinations": ["out"],
    } | changes  # fmt: skip
