"""The page of a corpus in a real browser: from a folder and from a server, without a request to anybody else."""

import functools
import json
import math
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from tasks.places.world import world
from tasks.release.page.page import write_page
from tests.integration.browser import browsing, watched
from tests.unit.looked import three_dates
from tests.unit.release.page.made import HOSTILE, corpus_of, grey_of, rows_of, table_of

ROWS = rows_of(60)
READY = "html[data-ready=yes]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of twenty samples, some without pixels; its page, with statistics."""
    root = tmp_path_factory.mktemp("corpus")
    destination = corpus_of(root, ROWS)
    bands = {"B02": {"valid": 9, "nodata": 1, "mean": 500.0, "std": 100.0, "min": 1.0, "max": 2.0, "percentiles": {},
                     "histogram": {"edges": [10.0 * at for at in range(65)], "counts": [*range(64)]}},
             "B10": {"valid": 0, "nodata": 10, "mean": None, "std": None, "min": None, "max": None}}  # fmt: skip
    statistics = {"schema": 1, "split": "train", "samples": 9, "arrays": {"zulu/s2": {"unit": "1e-4", "bands": bands}}}
    write_page(destination, root, statistics)
    return root


@pytest.fixture(scope="module")
def server(corpus: Path) -> Iterator[str]:
    """The corpus from a server on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(corpus))) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(browser: Browser, server: str) -> Iterator[Page]:
    """The page from the server, one for all tests; it has complained of nothing at their end."""
    with watched(browser, server) as (found, complaints):
        found.goto(f"{server}/release/index.html")
        found.wait_for_selector(READY)
        yield found
        assert not complaints


@pytest.fixture(autouse=True)
def as_at_the_start(request: pytest.FixtureRequest) -> None:
    """Without filters, the whole map, and no sample opened."""
    if "page" in request.fixturenames:
        page: Page = request.getfixturevalue("page")
        page.evaluate("document.getElementById('filters').reset(); document.getElementById('whole').click()")
        page.focus("#canvas")
        page.keyboard.press("Escape")


def total(page: Page) -> int:
    return int(page.get_attribute("#count", "data-total") or -1)


def view_of(page: Page) -> dict[str, float]:
    """The map's middle in degrees, and the pixels of a degree."""
    return json.loads(page.get_attribute("#canvas", "data-view") or "")


def at_of(page: Page, row: Any) -> dict[str, float]:
    """Where a row lies on the canvas, reckoned here from the map's middle and scale."""
    page.wait_for_selector("#canvas[data-drawn=samples]")
    view = view_of(page)
    box = page.locator("#canvas").bounding_box()
    assert box
    across = (row["lon"] - view["lon"]) * view["scale"] * math.cos(math.radians(view["lat"]))
    return {"x": box["width"] / 2 + across, "y": box["height"] / 2 - (row["lat"] - view["lat"]) * view["scale"]}


# Opening


def test_it_opens_from_a_folder_and_asks_for_nothing_but_its_own_files(browser: Browser, corpus: Path) -> None:
    with watched(browser, corpus.as_uri()) as (page, complaints):
        page.goto((corpus / "release/index.html").as_uri())
        page.wait_for_selector(READY)
        page.wait_for_selector("#canvas[data-drawn=samples]")
        page.wait_for_selector(".look canvas[data-ready=yes]")
        assert (page.title(), total(page)) == ("tiny", 60)
        page.focus("#canvas")
        page.keyboard.press("Enter")
        page.wait_for_selector("#sample canvas[data-ready=yes]")
        assert not complaints


def test_without_its_data_it_still_tells_what_the_corpus_is(browser: Browser, corpus: Path, tmp_path: Path) -> None:
    alone = tmp_path / "index.html"
    alone.write_bytes((corpus / "release/index.html").read_bytes())
    with watched(browser, tmp_path.as_uri()) as (page, _):
        page.goto(alone.as_uri())
        expect(page.locator("#note")).to_contain_text("cannot be loaded")
        assert "60 listed places" in page.inner_text("#facts")
        assert "tasks.training.reader" in page.inner_text("#snippets")


def test_what_users_wrote_is_text_and_never_a_part_of_the_page(page: Page) -> None:
    content = page.content()
    assert HOSTILE not in content
    assert HOSTILE in page.inner_text("#licences")
    assert HOSTILE in (page.get_attribute("#labels .classes span[title^='2 ']", "title") or "")
    row = ROWS[ROWS["missing"].isna() & (ROWS["place_id"] == HOSTILE)].iloc[0]
    page.click("#canvas", position=at_of(page, row))
    assert HOSTILE in page.inner_text("#sample")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0


def test_no_script_but_its_own_runs(browser: Browser, corpus: Path) -> None:
    with watched(browser, corpus.as_uri()) as (page, complaints):
        page.goto((corpus / "release/index.html").as_uri())
        page.wait_for_selector(READY)
        page.evaluate(
            """() => {
                const script = document.createElement('script');
                script.textContent = 'window.hacked = 2';
                document.body.append(script);
            }"""
        )
        assert page.evaluate("window.hacked") is None
        (told,) = complaints
        assert "Content Security Policy" in told


# Filters

SPAN = ROWS["gap_hours"].abs()
COVER = ROWS[["cover_1", "cover_2", "cover_3"]]
FILTERS: dict[str, tuple[str, str, pd.Series]] = {
    "split": ("split", "3", ROWS["split"] == "test"),
    "gap": ("gap", "1", SPAN < 6),
    "wider gap": ("gap", "4", SPAN < 24),
    "cloud": ("cloud", "2", ROWS["s2_cloud_cover"] < 20),
    "month": ("month", "7", ROWS["s2_time"].dt.month == 7),
    "class": ("label", "2", ROWS["missing"].isna() & (COVER.fillna(0).to_numpy().argmax(axis=1) == 1)),
    "with pixels": ("missing", "0", ROWS["missing"].isna()),
    "without pixels": ("missing", "1", ROWS["missing"].notna()),
}


def choose(page: Page, kind: str, value: str) -> None:
    page.select_option(f"#filter-{kind}", value)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_leaves_the_rows_that_pandas_leaves(page: Page, name: str) -> None:
    kind, value, wanted = FILTERS[name]
    foretold = page.inner_text(f"#filter-{kind} option[value='{value}']")
    choose(page, kind, value)
    assert total(page) == wanted.sum() > 0
    assert foretold.endswith(f"({wanted.sum()})")


@pytest.mark.parametrize(("one", "two"), [("split", "gap"), ("wider gap", "class"), ("cloud", "with pixels")])
def test_filters_hold_together_and_on_the_map_too(page: Page, one: str, two: str) -> None:
    wanted = FILTERS[one][2] & FILTERS[two][2]
    for name in (one, two):
        choose(page, *FILTERS[name][:2])
    assert total(page) == wanted.sum()
    expect(page.locator("#note")).to_have_text(f"{wanted.sum()} samples in view")


def test_countries_are_those_in_which_the_centres_lie(page: Page) -> None:
    points = gpd.GeoDataFrame(ROWS, geometry=gpd.points_from_xy(ROWS["lon"], ROWS["lat"]), crs="EPSG:4326")
    wanted = points.sjoin(world(), predicate="within")["name"].value_counts()
    told = page.eval_on_selector_all("#filter-country option[value]", "all => all.map(one => one.textContent)")
    found = {text.split(" (")[0]: int(text.rsplit("(", 1)[1][:-1]) for text in told if text != "all"}
    assert found == wanted.to_dict()


def test_histograms_are_of_what_passes_and_the_filtered_one_shows_what_else_there_is(page: Page) -> None:
    choose(page, *FILTERS["split"][:2])
    choose(page, *FILTERS["month"][:2])
    months = ROWS[ROWS["split"] == "test"]["s2_time"].dt.month.value_counts()
    titles = page.eval_on_selector_all(
        "#histograms figure:nth-child(3) rect",
        "all => all.map(one => [one.textContent, one.classList.contains('out')])",
    )
    assert [int(text.split(": ")[1]) for text, _ in titles] == [months.get(month, 0) for month in range(1, 13)]
    assert [out for _, out in titles] == [month != 7 for month in range(1, 13)]


# Samples


@pytest.mark.parametrize("sample", [0, 19, 20, 41, 59])
def test_a_click_opens_the_sample_that_lies_there_with_its_own_picture(page: Page, sample: int) -> None:
    row = ROWS.iloc[sample]
    page.click("#canvas", position=at_of(page, row))
    assert page.get_attribute("#sample", "data-sample") == str(sample)
    told = page.inner_text("#sample")
    assert f"tiny-{sample // 20:05d}-{sample % 20:04d}" in told
    if pd.notna(row["missing"]):
        assert "every Sentinel-2 scene beyond the cloud limit" in told
        assert page.locator("#sample canvas").is_hidden()
        return
    assert f"{row['s2_time']:%Y-%m-%d %H:%M} UTC" in told
    page.wait_for_selector("#sample canvas[data-ready=yes]")
    grey, label = page.eval_on_selector(
        "#sample canvas",
        """canvas => [0.5, 2.5].map(part => {
            const pen = new OffscreenCanvas(1, 1).getContext('2d');
            pen.drawImage(canvas, part * canvas.width / 3, canvas.height / 2, 1, 1, 0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
        })""",
    )
    assert all(abs(value - grey_of(sample)) <= 3 for value in grey)
    assert label == pytest.approx({0: (0, 90, 255), 1: (0, 160, 0)}.get(sample % 3, label), abs=4)


def test_samples_of_shards_built_before_quicklooks_were_recorded_say_so(browser: Browser, tmp_path: Path) -> None:
    write_page(corpus_of(tmp_path, ROWS.iloc[:20], sheets=False), tmp_path)
    with watched(browser, tmp_path.as_uri()) as (page, complaints):
        page.goto((tmp_path / "release/index.html").as_uri())
        page.wait_for_selector("#canvas[data-drawn=samples]")
        page.focus("#canvas")
        for _ in range(2):  # the first has no pixels
            page.keyboard.press("n")
        assert "No quicklook: its shard was built before" in page.inner_text("#sample")
        assert page.locator("#gallery").is_hidden()
        assert "none of 1 shard, built before" in page.inner_text("#facts")
        assert not complaints, "and nobody asked for the picture"


def test_places_without_pixels_are_told_with_the_reason(page: Page) -> None:
    gone = int(ROWS["missing"].notna().sum())
    assert f"{60 - gone} of 60 listed places" in page.inner_text("#facts")
    assert f"{gone}: every Sentinel-2 scene beyond the cloud limit" in page.inner_text("#facts")


def test_the_keyboard_does_what_the_mouse_does(page: Page) -> None:
    page.wait_for_selector("#canvas[data-drawn=samples]")
    page.focus("#canvas")
    for key, changes in (("+", "scale"), ("ArrowLeft", "lon"), ("ArrowUp", "lat"), ("-", "scale"), ("0", "lon")):
        before = page.get_attribute("#canvas", "data-view")
        page.keyboard.press(key)
        expect(page.locator("#canvas")).not_to_have_attribute("data-view", before or "")
        assert view_of(page)[changes] != json.loads(before or "")[changes]
    page.keyboard.press("n")
    assert page.get_attribute("#sample", "data-sample") == "0"
    page.keyboard.press("n")
    assert page.get_attribute("#sample", "data-sample") == "1"
    page.keyboard.press("p")
    assert page.get_attribute("#sample", "data-sample") == "0"
    page.focus("#sample button:has-text('Next')")
    for sample in ("1", "2"):
        page.keyboard.press("Enter")
        assert page.get_attribute("#sample", "data-sample") == sample, "the focus stays on the button"
    page.keyboard.press("Escape")
    assert page.locator("#sample").is_hidden()
    assert page.evaluate("document.activeElement.id") == "canvas"


# What else it tells


def test_bands_and_labels_have_the_figures_of_the_release(page: Page) -> None:
    shares = ROWS.loc[ROWS["missing"].isna(), ["cover_1", "cover_2", "cover_3"]].mean()
    numbers = page.eval_on_selector_all("#labels .number", "all => all.map(one => parseFloat(one.textContent))")
    assert numbers == pytest.approx(sorted(100 * shares, reverse=True), abs=0.06)
    assert "no valid pixels" in page.inner_text("#bands")
    assert page.locator("#bands rect").count() == 64


def test_the_code_names_the_place_from_which_the_page_came(page: Page, server: str, corpus: Path) -> None:
    assert f'xr.open_datatree("{server}", engine="zarr"' in page.inner_text("#snippets")
    opened: dict[str, Any] = {}
    exec(page.inner_text("#snippets code >> nth=0").replace(server, str(corpus)), opened)
    assert opened["red"].shape == (32, 32)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#snippets button >> nth=0")
    page.wait_for_selector("#snippets button:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == page.inner_text("#snippets code >> nth=0")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (768, "light"), (1920, "dark")])
def test_it_suits_narrow_and_wide_screens(browser: Browser, corpus: Path, width: int, scheme: Any) -> None:
    size = {"width": width, "height": 800}
    with watched(browser, corpus.as_uri(), viewport=size, color_scheme=scheme) as (page, complaints):
        page.goto((corpus / "release/index.html").as_uri())
        page.wait_for_selector(READY)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.getElementById('canvas').clientWidth") > 0.55 * width
        assert not complaints


# Many samples


def test_many_samples_are_cells_and_become_samples_where_one_looks_closer(browser: Browser, tmp_path: Path) -> None:
    rows = rows_of(20_000, missing=False, labels=False)
    destination = corpus_of(tmp_path, rows.iloc[:250], shard_size=250, sheets=False, labels=False)
    pq.write_table(table_of(rows), tmp_path / "samples.parquet")
    write_page(destination, tmp_path, samples=tmp_path / "samples.parquet")
    with watched(browser, tmp_path.as_uri()) as (page, complaints):
        page.goto((tmp_path / "release/index.html").as_uri())
        page.wait_for_selector("#canvas[data-drawn=cells]")
        assert total(page) == 20_000
        choose(page, "gap", "1")
        assert total(page) == (rows["gap_hours"].abs() < 6).sum()
        for _ in range(4):
            page.click("#closer")
        page.wait_for_selector("#canvas[data-drawn=samples]")
        view = view_of(page)
        box = page.locator("#canvas").bounding_box()
        assert box
        # Up to 60 pixels beyond the edge are drawn.
        half_x = (box["width"] / 2 + 59) / view["scale"] / math.cos(math.radians(view["lat"]))
        half_y = (box["height"] / 2 + 59) / view["scale"]
        inside = (rows["lon"] - view["lon"]).abs().lt(half_x) & (rows["lat"] - view["lat"]).abs().lt(half_y)
        wanted = (inside & (rows["gap_hours"].abs() < 6)).sum()
        assert abs(int(page.inner_text("#note").split()[0].replace(",", "")) - wanted) <= max(3, 0.02 * wanted)
        assert not complaints


# Roles and dates


def test_a_series_is_told_by_its_dates(browser: Browser, tmp_path: Path) -> None:
    corpus = Path(three_dates(tmp_path).destination.location)
    with watched(browser, corpus.as_uri()) as (page, complaints):
        page.goto((corpus / "release/index.html").as_uri())
        page.wait_for_selector(READY)
        assert page.inner_text("#lead").startswith("5 samples of Sentinel-2 and Sentinel-1 at 3 dates from stac")
        assert "3 equal parts of the window, from 2018-01-01, 2018-05-02, 2018-09-01" in page.inner_text("#facts")
        assert "nearest to that of s2, at most 3 days from it" in page.inner_text("#facts")
        assert page.locator("#filter-month").count() == 0, "a series has all months"
        bars = page.locator("#histograms title").all_text_contents()
        assert "Mar: 5" in bars
        assert "Jul: 4" in bars, "the fifth place has no pixels then"
        page.wait_for_selector("#canvas[data-drawn=samples]")
        page.focus("#canvas")
        page.keyboard.press("Enter")
        page.wait_for_selector("#sample canvas[data-ready=yes]")
        told = page.inner_text("#sample")
        assert "2 of 3, 2018-03-01 to 2018-11-01" in told
        assert "12.5 % of the scenes, mean" in told
        assert (
            page.locator("#sample .panels span").all_text_contents() == ["2018-01-01", "2018-05-02", "2018-09-01"] * 2
        )
        assert not complaints
