"""Files that are replaced between the reading of their headers and of their blocks: never two contents in one tile."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import PixelsError
from tasks.imagery.platform import Traffic
from tasks.imagery.stac.cogs.facts import Version
from tests.archive import Archive
from tests.servers.cogs import Cogs
from tests.servers.stac_api import StacApi, serving
from tests.unit.imagery.stac.opening import PATCH, expected_s2, found_pair, opened_at, s2_of
from tests.unit.imagery.stac.test_search import as_dicts


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive(tmp_path)
    archive.sentinel2("S2A_x")
    archive.sentinel1("S1A_y")
    return archive


@pytest.fixture
def served(archive: Archive) -> Iterator[tuple[Cogs, str]]:
    cogs = Cogs(archive.root)
    with serving(cogs) as files, StacApi(as_dicts(archive, f"{files}/")).running() as url:
        yield cogs, url


def replace(archive: Archive) -> None:
    """Put another scene's pixels where the first one's were."""
    other = Archive(archive.root / "other")
    other.sentinel2("S2A_x", scene=2)
    for path in (archive.root / "other" / "sentinel-2-l2a" / "S2A_x").glob("*.tif"):
        path.replace(archive.root / "sentinel-2-l2a" / "S2A_x" / path.name)


def test_a_replaced_file_is_read_again_from_its_header(archive: Archive, served: tuple[Cogs, str]) -> None:
    platform, traffic = opened_at(served[1]), Traffic()
    pair = found_pair(platform)
    assert np.array_equal(s2_of(platform.fetch(PATCH, pair, traffic)), expected_s2(1))
    replace(archive)
    platform._reader._blocks.clear()  # pyright: ignore[reportPrivateUsage] as if long ago
    assert np.array_equal(s2_of(platform.fetch(PATCH, pair, traffic)), expected_s2(2))
    assert traffic.retries > 0


@pytest.mark.parametrize("name", ["ETag", "Last_Modified"])
def test_a_content_is_known_by_what_the_server_says_of_it(served: tuple[Cogs, str], name: str) -> None:
    cogs, url = served
    cogs.versions["/sentinel-2-l2a/S2A_x/B04.tif"] = [{name: text} for text in ("a", "b", "b", "b")]
    traffic = Traffic()
    platform = opened_at(url)
    assert np.array_equal(s2_of(platform.fetch(PATCH, found_pair(platform), traffic)), expected_s2(1))
    assert traffic.retries == 1


def test_a_file_that_is_another_one_each_time_is_told(served: tuple[Cogs, str]) -> None:
    cogs, url = served
    cogs.versions["/sentinel-2-l2a/S2A_x/B04.tif"] = [{"ETag": f'"{n}"'} for n in range(100)]
    platform = opened_at(url)
    with pytest.raises(PixelsError, match=r"S2A_x: B04\.tif: its size, date or ETag is another one each time"):
        platform.fetch(PATCH, found_pair(platform), Traffic())


def test_what_nobody_says_is_no_difference() -> None:
    known = Version(size=5, tag='"a"')
    assert not known.differs(Version())
    assert not known.differs(Version(size=5, modified="yesterday"))
    assert known.differs(Version(size=6, tag='"a"'))
    assert known.differs(Version(tag='"b"'))
    assert Version(modified="today").differs(Version(modified="yesterday"))
    assert not Version(tag='"a"', modified="today").differs(Version(tag='"a"', modified="yesterday")), "of another copy"
