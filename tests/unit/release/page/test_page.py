"""The files of the page: which, how large, the same every time, and nothing in them that could do harm."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from tasks.errors import CorpusError
from tasks.places.world import world
from tasks.release.page import land
from tasks.release.page.packing import packed, to_literal
from tasks.release.page.page import write_page
from tasks.shards.commits import StoredObject
from tasks.shards.destinations import LocalFolder
from tasks.shards.release_files import Release, parse_release
from tests.unit.release.page.made import HOSTILE, corpus_of, rows_of, table_of
from tests.unit.shards.made import small

ROWS = rows_of(60)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LocalFolder:
    return corpus_of(tmp_path_factory.mktemp("corpus"), ROWS)


def unpacked(content: dict[str, Any]) -> dict[str, np.ndarray]:
    """Columns, as the page reads them."""
    flat, start, found = zlib.decompress(base64.b64decode(content["data"])), 0, {}
    for name, kind in content["columns"]:
        width = int(kind[1])
        part = np.frombuffer(flat, np.uint8, width * content["rows"], start)
        found[name] = np.ascontiguousarray(part.reshape(width, -1).T).view(f"<{kind}").reshape(-1)
        start += width * content["rows"]
    return found


def card_of(folder: Path) -> dict[str, Any]:
    page = (folder / "release/index.html").read_text()
    found = re.search(r"^const CARD = (.*);$", page, re.MULTILINE)
    assert found
    return json.loads(found.group(1))


def test_a_page_is_written_and_all_its_files_are_told(corpus: LocalFolder, tmp_path: Path) -> None:
    written = write_page(corpus, tmp_path)
    assert written == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert {"release/index.html", "release/page/summary.js", "release/page/area-0.js"} <= set(written)
    files = tuple(StoredObject.of(path, (tmp_path / path).read_bytes()) for path in written)
    assert isinstance(parse_release(Release(corpus="x", files=files).to_bytes()), Release), "names a release may have"


def test_the_same_corpus_gives_the_same_bytes_wherever_it_lies(corpus: LocalFolder, tmp_path: Path) -> None:
    other = corpus_of(tmp_path / "elsewhere", ROWS)
    one, two = (write_page(here, tmp_path / name) for here, name in ((corpus, "one"), (other, "two")))
    assert one == two
    for path in one:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path
        assert str(tmp_path).encode() not in (tmp_path / "one" / path).read_bytes()


def test_a_file_of_all_rows_gives_the_same_page(corpus: LocalFolder, tmp_path: Path) -> None:
    pq.write_table(table_of(ROWS), tmp_path / "samples.parquet", row_group_size=7)
    one = write_page(corpus, tmp_path / "one")
    assert write_page(corpus, tmp_path / "two", samples=tmp_path / "samples.parquet") == one
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in one)


def test_what_users_wrote_ends_no_script(corpus: LocalFolder, tmp_path: Path) -> None:
    for path in write_page(corpus, tmp_path):
        content = (tmp_path / path).read_text()
        assert HOSTILE not in content
        assert content.count("</script>") == (path == "release/index.html")
    assert card_of(tmp_path)["layers"][0]["licence"] == HOSTILE, "and yet it is all there"
    assert json.loads(to_literal({"a": HOSTILE + "\u2028&"})) == {"a": HOSTILE + "\u2028&"}


def test_the_card_tells_the_corpus_in_numbers(corpus: LocalFolder, tmp_path: Path) -> None:
    write_page(corpus, tmp_path, {"schema": 1}, digest="abc")
    told = card_of(tmp_path)
    gone = int(ROWS["missing"].notna().sum())
    assert (told["name"], told["digest"], told["rows"], told["samples"]) == ("tiny", "abc", 60, 60 - gone)
    assert told["statistics"] == {"schema": 1}
    assert told["quicklooks"]["lacking"] == []
    assert sum(area[3] for area in told["areas"]) == 60
    west, south, east, north = told["frame"]
    assert (west, east) == pytest.approx((ROWS["lon"].min(), ROWS["lon"].max()), abs=1e-4)
    assert (south, north) == pytest.approx((ROWS["lat"].min(), ROWS["lat"].max()), abs=1e-4)


def test_shards_without_quicklooks_are_told_as_ranges(tmp_path: Path) -> None:
    early = corpus_of(tmp_path / "early", ROWS, sheets=False)
    write_page(early, tmp_path)
    told = card_of(tmp_path)
    assert told["quicklooks"]["lacking"] == [[0, 2]]
    assert told["examples"]["rows"] == 0


def test_a_corpus_without_shards_has_no_page(tmp_path: Path) -> None:
    empty = LocalFolder(str(tmp_path))
    for path, content in small().objects().items():
        empty.put(path, content)
    with pytest.raises(CorpusError, match="has no shards yet"):
        write_page(empty, tmp_path / "page")


def test_columns_come_back_as_they_were() -> None:
    rng = np.random.default_rng(1)
    columns = {
        kind: rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, 99, kind) for kind in ("u1", "u2", "u4", "i2", "i4")
    }
    found = unpacked(packed(columns))
    assert all(np.array_equal(found[name], values) for name, values in columns.items())


# Land


def polygons_of(content: dict[str, Any]) -> Any:
    """The polygons of packed land, in degrees."""
    columns, (west, south, east, north) = unpacked(content), content["bounds"]
    x = west + np.cumsum(columns["x"].astype(int)) * (east - west) / content["steps"][0]
    y = south + np.cumsum(columns["y"].astype(int)) * (north - south) / content["steps"][1]
    ends = np.flatnonzero(columns["last"]) + 1
    rings = [np.stack([x, y], axis=1)[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    last = columns["last"][ends - 1] == 2
    found, own = [], []
    for ring, whole in zip(rings, last, strict=True):
        own.append(ring)
        if whole:
            found.append(shapely.Polygon(own[0], own[1:]))
            own = []
    return shapely.make_valid(np.array(found))


def test_tiles_hold_the_land_as_it_is(tmp_path: Path) -> None:
    ((place, content),) = land.tiles([(0, 45)], 0.1)
    assert place == (0, 45)
    wanted = shapely.clip_by_rect(world().geometry.to_numpy(), 0, 45, 15, 60)
    found = polygons_of(content)
    assert shapely.area(found).sum() == pytest.approx(shapely.area(wanted).sum(), rel=1e-3)


def test_the_outline_of_the_world_is_small_and_near() -> None:
    content = land.outline()
    assert len(content["data"]) < 120_000
    assert shapely.area(polygons_of(content)).sum() == pytest.approx(
        shapely.area(world().geometry.to_numpy()).sum(), rel=0.01
    )


def test_tiles_of_the_sea_are_left_out_and_those_around_a_place_are_not() -> None:
    assert list(land.tiles([(-150, -45)], 1)) == []
    wanted = land.tiles_of(np.array([179.0]), np.array([-16.0]))
    assert {(165, -30), (-180, -30), (165, -15)} <= set(wanted)
    assert all(-180 <= west <= 165 and -90 <= south <= 75 for west, south in wanted)
