"""Writing the page: `release/index.html`, which opens from a folder and from a bucket, and its data."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import CorpusError
from tasks.release.page import land
from tasks.release.page.areas import areas
from tasks.release.page.card import card
from tasks.release.page.facts import Facts, Scheme, collect, read_file, read_rows
from tasks.release.page.packing import packed, script, to_literal
from tasks.release.page.summary import frame_of, summary
from tasks.shards.commits import corpus_digest, read_commits
from tasks.shards.description import need_description
from tasks.shards.destinations import Destination
from tasks.shards.layout import PAGE, PAGE_DATA, quicklooks_object

_ASSETS = files("tasks.release.page") / "assets"

_SCRIPTS = ("data.js", "filters.js", "map.js", "sample.js", "charts.js", "card.js", "page.js")
"""In the order in which they need each other."""

_EXAMPLES = 48
"""Samples whose facts the page has from the start, to show some pictures at once."""

_MARK = re.compile(r"@([A-Z]+)@")
"""Where something stands in page.html."""


def write_page(
    destination: Destination,
    folder: Path,
    statistics: Mapping[str, Any] | None = None,
    *,
    digest: str | None = None,
    samples: Path | None = None,
) -> list[str]:
    """Write the page of a corpus below `folder`, and say which files: paths as they are in the corpus, sorted.

    `statistics` is the content of `release/statistics.json`, `digest` that of the corpus if it is known, and `samples`
    a file with the rows of all shards in order if there is one, which spares reading them one by one. A function of
    the corpus: no clock, no host.
    Raises CorpusError: there is no corpus, it has no shards, or a commit record is damaged; DestinationError.
    """
    scheme = Scheme(description=need_description(destination))
    commits = {commit.shard: commit for commit in read_commits(destination)}
    if not commits:
        raise CorpusError(f"{destination.location}: has no shards yet, so there is nothing to show. Build it first.")
    with_sheet = {
        shard
        for shard, commit in commits.items()
        if any(item.path == quicklooks_object(shard) for item in commit.objects)
    }
    facts = collect(read_rows(destination, commits, scheme) if samples is None else read_file(samples, scheme), scheme)
    frame = frame_of(facts.columns["lon"], facts.columns["lat"])
    told = card(
        scheme,
        facts,
        frame,
        digest=digest or corpus_digest(destination),
        size=sum(commit.size for commit in commits.values()),
        shards=len(commits),
        statistics=statistics,
    )
    told["quicklooks"]["lacking"] = _lacking(set(commits), with_sheet)
    told["examples"] = packed(_some(facts, _examples(facts, scheme, with_sheet)))
    contents = _Folder(folder)
    told["areas"] = _write_areas(contents, facts)
    told["tiles"] = _write_land(contents, facts, frame.extent)
    contents.put(f"{PAGE_DATA}/summary.js", script("summary", packed(summary(facts.columns, frame.cell))))
    contents.put(PAGE, _page(told))
    return sorted(contents.written)


class _Folder:
    """Where the files of the page are written."""

    def __init__(self, root: Path) -> None:
        self.root, self.written = root, list[str]()

    def put(self, path: str, content: bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        self.written.append(path)


def _write_areas(contents: _Folder, facts: Facts) -> list[list[int]]:
    """A file an area; depth, x, y and number of samples of each, in the order of the files' numbers."""
    told: list[list[int]] = []
    for number, area in enumerate(areas(facts.columns["lon"], facts.columns["lat"])):
        content: dict[str, Any] = packed(_some(facts, area.members))
        if facts.place_ids:
            samples = facts.columns["sample"][area.members].tolist()
            content["place_ids"] = [facts.place_ids.get(sample) for sample in samples]
        contents.put(f"{PAGE_DATA}/area-{number}.js", script(f"area-{number}", content))
        told.append([area.depth, area.x, area.y, len(area.members)])
    return told


def _write_land(contents: _Folder, facts: Facts, extent: float) -> list[list[int]]:
    """The outline of the world, and a file a tile: west and south of each in degrees."""
    contents.put(f"{PAGE_DATA}/world.js", script("world", land.outline()))
    # Places to a degree: a million of them lie in some ten thousand squares.
    places = np.unique(np.stack([facts.columns[name] // 100_000 for name in ("lon", "lat")], axis=1), axis=0)
    told: list[list[int]] = []
    for (west, south), content in land.tiles(land.tiles_of(places[:, 0] + 0.5, places[:, 1] + 0.5), extent):
        name = f"land-{west + 180}-{south + 90}"
        contents.put(f"{PAGE_DATA}/{name}.js", script(name, content))
        told.append([west, south])
    return told


def _some(facts: Facts, members: np.ndarray[Any, Any]) -> dict[str, Any]:
    return {name: values[members] for name, values in facts.columns.items()}


def _examples(facts: Facts, scheme: Scheme, with_sheet: set[int]) -> np.ndarray[Any, Any]:
    """Samples with pixels of the first shard that has a sheet, so that one sheet shows them all."""
    there = facts.columns["missing"] == 0
    shards = facts.columns["sample"] // scheme.description.shard_size
    candidates = sorted(with_sheet & set(np.unique(shards[there]).tolist()))
    return np.flatnonzero(there & (shards == candidates[0]))[:_EXAMPLES] if candidates else np.zeros(0, np.int64)


def _lacking(shards: set[int], with_sheet: set[int]) -> list[list[int]]:
    """Shards without a sheet, as ranges: first and last."""
    ranges: list[list[int]] = []
    for shard in sorted(shards - with_sheet):
        if ranges and ranges[-1][1] == shard - 1:
            ranges[-1][1] = shard
        else:
            ranges.append([shard, shard])
    return ranges


def _page(told: dict[str, Any]) -> bytes:
    """The page: its own style and scripts, which alone may run, and the card."""
    style, program = _read("page.css"), "".join(_read(name) for name in _SCRIPTS)
    program = f"(() => {{\n'use strict';\nconst CARD = {to_literal(told)};\n{program}}})();"
    parts = {
        "TITLE": html.escape(told["name"]),
        "POLICY": f"default-src 'none'; img-src 'self' file: data:; style-src '{_sha(style)}'; "
        f"script-src 'self' file: '{_sha(program)}'; base-uri 'none'; form-action 'none'",
        "STYLE": style,
        "SCRIPT": program,
    }
    # In one go: what is put in is not looked through again.
    return _MARK.sub(lambda mark: parts[mark.group(1)], _read("page.html")).encode()


def _sha(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
