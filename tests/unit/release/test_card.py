"""The data card: its numbers are those of the data, and whoever reads it can open the corpus."""

import itertools
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray
import yaml
import zarr

from tasks.errors import CorpusError, SceneUnavailable
from tasks.places.patches import Patch
from tasks.release.making import make_release
from tasks.scenes.reasons import Reason
from tasks.shards.commits import corpus_digest, read_commits
from tasks.shards.description import need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import CORPUS, ROOT_METADATA, commit_object, to_json
from tasks.shards.verification import verify_corpus
from tasks.write_release import write_release
from tests.archive import EPSG, LEFT, TOP
from tests.unit.release.made import Speckled, cover, speckled_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Destination:
    """Two shards of five samples with a label, released; some candidates were replaced."""
    asked = itertools.count()

    def refuse_one(_: Patch) -> None:
        if next(asked) == 2:
            raise SceneUnavailable(Reason.REFUSED, "stac-s2", "ticket 0815")

    made = speckled_corpus(tmp_path_factory.mktemp("card"), platform=Speckled(on_fetch=refuse_one), layers=[cover()])
    write_release.fn((made.location,))
    return made


@pytest.fixture(scope="module")
def card(corpus: Destination) -> str:
    return (corpus.get("release/README.md") or b"").decode()


@pytest.fixture(scope="module")
def rows(corpus: Destination) -> gpd.GeoDataFrame:
    return gpd.read_parquet(Path(corpus.location, "release", "samples.parquet"))


def section(card: str, title: str) -> str:
    """What stands between a heading and the next one of its level or above."""
    level = title.partition(" ")[0]
    found = re.search(rf"^{re.escape(title)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", card, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1]


def table(text: str, number: int = 0) -> list[list[str]]:
    """Cells of the rows below the head of the n-th table of a text."""
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    lines = tables[number].strip().split("\n")[2:]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def figures(text: str) -> list[float]:
    return [float(cell.removesuffix(" %").replace(",", "")) for cell in text]


def test_its_head_is_what_catalogues_of_data_sets_read(card: str) -> None:
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["pretty_name"] == "tiny"
    assert head["size_categories"] == ["n<1K"]
    assert head["task_categories"] == ["image-segmentation"]
    assert {"sentinel-1", "sentinel-2"} <= {*head["tags"]}


def test_its_contents_are_those_of_the_corpus(card: str, corpus: Destination, rows: gpd.GeoDataFrame) -> None:
    told = dict(table(section(card, "## Contents")))
    assert told["samples"] == "10"
    assert told["digest"] == f"`{corpus_digest(corpus)}`"
    size = sum(commit.size for commit in read_commits(corpus))
    assert told["stored"] == f"{size / 1e3:,.1f} kB in 2 shards of 5"
    times = [rows["s2_time"].min(), rows["s1_time"].max()]
    assert told["acquisitions"] == "{:%Y-%m-%d %H:%M} to {:%Y-%m-%d %H:%M} UTC".format(*times)
    arrays = {line[0].strip("`"): line[1:] for line in table(section(card, "## Contents"), 1)}
    for kind in need_description(corpus).arrays:
        array: Any = zarr.open_array(corpus.store(), mode="r", path=kind.path)
        assert arrays[kind.path][1:] == [" x ".join(map(str, array.shape)), str(array.dtype), str(array.fill_value)]


def test_its_figures_of_bands_are_those_of_the_pixels(card: str, corpus: Destination, rows: gpd.GeoDataFrame) -> None:
    train = rows.loc[rows["split"] == "train", "sample"].tolist()
    assert f"train split ({len(train)} samples)" in section(card, "## Bands")
    for path, digits, nodata, step in (("stac/s2", 0, 0, 1), ("stac/s1", 2, -32768, 0.01)):
        pixels = np.asarray(zarr.open_array(corpus.store(), mode="r", path=path))[train]
        told = table(section(card, f"### `{path}`"))
        kind = next(kind for kind in need_description(corpus).imagery if kind.path == path)
        assert [line[0] for line in told] == list(kind.names[kind.dimensions[0]]), "in the order of the array"
        for number, line in enumerate(told):
            stored = pixels[:, number]
            values = stored[stored != nodata] * step
            valid, *numbers = line[4 if path == "stac/s2" else 2 :]
            if not values.size:
                assert (valid, {*numbers}) == ("0.0 %", {""})
                continue
            expected = [values.mean(), values.std(), values.min(), *np.percentile(values, (1, 50, 99)), values.max()]
            assert figures(numbers) == pytest.approx(expected, abs=0.51 * 10**-digits)
            assert figures([valid])[0] == pytest.approx(100 * values.size / stored.size, abs=0.06)


def test_its_splits_gaps_and_shares_are_those_of_the_rows(card: str, rows: gpd.GeoDataFrame) -> None:
    assert {line[0]: int(line[1]) for line in table(section(card, "## Splits"))} == dict(rows["split"].value_counts())
    bins = re.findall(r"(\d+)-(\d+) h .*?(\d+) +[\d.]+ %", section(card, "## Time between the two acquisitions"))
    gaps = rows["gap_hours"].abs()
    assert bins
    for low, high, count in bins:
        assert int(count) == ((gaps >= int(low)) & (gaps < int(high))).sum()
    assert sum(int(count) for *_, count in bins) == len(rows)
    shares = {line[2]: float(line[3].removesuffix(" %")) for line in table(section(card, "### cover"))}
    assert shares == {
        "Water | ice": pytest.approx(100 * rows["cover_w"].mean(), abs=0.06),
        "Land": pytest.approx(100 * rows["cover_l"].mean(), abs=0.06),
        "no class": pytest.approx(100 * rows["cover_nodata"].mean(), abs=0.006),
    }


def test_its_limits_are_those_of_the_build(card: str, corpus: Destination) -> None:
    limits = section(card, "## Known limits")
    replaced = [one.why.reason for commit in read_commits(corpus) for one in commit.replaced]
    assert replaced
    for reason in {*replaced}:
        assert f"- {replaced.count(reason)}: {reason.words} (`{reason}`)" in limits
    assert "Labels of cover leave out 1.17 % of the pixels" in limits


def test_it_tells_whose_the_data_are(card: str) -> None:
    told = {line[0]: line[1:] for line in table(section(card, "## Licences"))}
    assert told["labels: cover"] == ["CC BY 4.0", "the surveyors"]
    assert "contains modified Copernicus Sentinel data 2018" in told["stac"][1]
    assert re.search(r"obtained from the catalogue \S*none, whose own terms apply too", told["stac"][0])


def test_the_spec_in_it_is_that_of_the_corpus(card: str, corpus: Destination) -> None:
    text = re.search(r"```yaml\n(.*?)```", section(card, "## How it was made"), re.DOTALL)
    assert text
    held = need_description(corpus).spec
    places = {key: value for key, value in held["places"].items() if key != "digest"}
    assert yaml.safe_load(text[1]) == held | {"places": places}
    assert held["places"]["digest"] in card


def test_what_it_says_of_opening_the_corpus_can_be_run(card: str, corpus: Destination) -> None:
    code = re.search(r"```python\n(.*?)```", section(card, "## How to open it"), re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(code[1].replace("CORPUS", corpus.location), names)
    assert isinstance(names["corpus"], xarray.Dataset)
    assert len(names["train"]) == (names["rows"]["split"] == "train").sum()
    assert set(names["labels"].data_vars) == {"cover"}


def test_pictures_that_it_shows_lie_beside_it(card: str, corpus: Destination) -> None:
    shown = re.findall(r"!\[[^]]*\]\((.*?)\)", card)
    assert {*shown} == {"map.png", "preview.png"}
    assert all(corpus.get(f"release/{name}") for name in shown)


# Releases


def test_two_releases_are_equal_byte_for_byte(corpus: Destination, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    for path, content in make_release(corpus, tmp_path / "again").files.items():
        made = content if isinstance(content, bytes) else content.read_bytes()
        assert made == corpus.get(path), path


def test_a_release_is_verified_with_the_corpus(corpus: Destination) -> None:
    assert verify_corpus(corpus, need_description(corpus), lambda _: None, deep=True) == []


def test_of_a_corpus_that_is_not_whole_nothing_is_released(tmp_path: Path) -> None:
    first, second = (speckled_corpus(tmp_path / name, shard_size=1, size=3) for name in "ab")
    second.delete(commit_object(1))
    with pytest.raises(CorpusError, match=r"b/corpus: is not whole, so nothing is released: 1 of 3 shards .* \(1\)"):
        write_release.fn((first.location, second.location))
    assert first.names("release") == second.names("release") == []


def test_a_corpus_of_an_unknown_layout_is_refused_in_words(tmp_path: Path) -> None:
    corpus = speckled_corpus(tmp_path, shard_size=1, size=1)
    corpus.put(CORPUS, to_json({"schema": 99}))
    corpus.delete(ROOT_METADATA)
    with pytest.raises(CorpusError, match=r"has layout 99, this version knows \d+\. Update deepsentinel"):
        write_release.fn((corpus.location,))
    with pytest.raises(CorpusError, match="no corpus here"):
        write_release.fn((str(tmp_path / "nowhere"),))


@pytest.mark.parametrize("served", [0, 1])
def test_places_without_pixels_are_counted_apart(tmp_path: Path, served: int) -> None:
    left = [None] * served

    def refuse(_: Patch) -> None:
        if left:
            left.pop()
        else:
            raise SceneUnavailable(Reason.REFUSED, "stac-s2", "ticket 0815")

    points = [shapely.Point(LEFT + 200 + 200 * index, TOP - 200) for index in range(3)]
    sites = tmp_path / "sites.gpkg"
    gpd.GeoDataFrame(geometry=points, crs=EPSG).to_file(sites)
    changes = {"places": {"points": str(sites)}, "size": None, "shard_size": 3}
    corpus = speckled_corpus(tmp_path, platform=Speckled(on_fetch=refuse), **changes)
    write_release.fn((corpus.location,))
    card = (corpus.get("release/README.md") or b"").decode()
    told = dict(table(section(card, "## Contents")))
    assert (told["samples"], told["places without pixels"]) == (str(served), str(3 - served))
    assert f"- {3 - served}: {Reason.REFUSED.words} (`refused`)" in section(card, "## Known limits")
    assert ("preview.png" in card) == (corpus.get("release/preview.png") is not None) == bool(served)
    assert sum(int(line[1]) for line in table(section(card, "## Splits"))) == served
    assert f"({served} samples)" in section(card, "## Bands")
    assert verify_corpus(corpus, need_description(corpus), lambda _: None, deep=True) == []
