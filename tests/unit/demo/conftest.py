"""One small archive for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.demo import make_archive


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an archive of a country 12 km wide."""
    folder = tmp_path_factory.mktemp("demo") / "archive"
    make_archive(folder, size_km=12)
    return folder
