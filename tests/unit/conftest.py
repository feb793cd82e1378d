"""Corpora that many tests look at, each built once."""

import pytest

from tests.unit.looked import Looked, three_dates, three_roles


@pytest.fixture(scope="session")
def triplets(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    """Six random places with a clear and a cloudy acquisition of Sentinel-2 and one of Sentinel-1."""
    return three_roles(tmp_path_factory.mktemp("triplets"))


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    """Six listed places with pairs at three dates; the fifth lacks the second date, the sixth all of them."""
    return three_dates(tmp_path_factory.mktemp("series"))
