"""The layout of a corpus: the name of every object."""

import json
from typing import Any

SCHEMA = 2
"""Version of the layout; a reader refuses one it does not know. 2: reasons are codes, `corpus.json` stands twice."""

CORPUS = "corpus.json"

ROOT_METADATA = "zarr.json"

RELEASE = "release"
"""Folder of what is made of a finished corpus."""

PREVIEW = f"{RELEASE}/preview.png"

PAIRING = f"{RELEASE}/pairing.json"

LEGEND = f"{RELEASE}/legend.json"
"""Of a corpus with labels."""

SAMPLES_FILE = f"{RELEASE}/samples.parquet"
"""All rows of all shards."""

STATISTICS_FILE = f"{RELEASE}/statistics.json"

CARD = f"{RELEASE}/README.md"

MAP = f"{RELEASE}/map.png"

ITEMS, COLLECTION = f"{RELEASE}/items.parquet", f"{RELEASE}/collection.json"
"""The samples as STAC items, and the collection that holds them."""

CROISSANT = f"{RELEASE}/croissant.json"

PAGE = f"{RELEASE}/index.html"

PAGE_DATA = f"{RELEASE}/page"
"""Folder of what the page loads."""

RELEASE_RECORD = f"{RELEASE}/files.json"
"""Sizes and checksums of the others, written last."""

TRAINING = "training"
"""Folder of the records of what was trained from the corpus: no part of its content."""

COMMITS, SAMPLES, STATISTICS, QUICKLOOKS, RUNS = "commits", "samples", "statistics", "quicklooks", "runs"
"""Folders with an object a shard."""

LABELS = "labels"
"""Group of the arrays of layers."""

OSM = "osm"
"""Folder of what OpenStreetMap's extracts hold of the corpus' places: made before the corpus is."""


def shard_object(array: str, shard: int, rank: int) -> str:
    """Where an array of `rank` dimensions, samples included, keeps a shard: stac/s2/c/3/0/0/0."""
    return "/".join((array, "c", str(shard), *("0" for _ in range(rank - 1))))


def samples_object(shard: int) -> str:
    """Where the sample rows of a shard lie."""
    return f"{SAMPLES}/shard-{shard:05d}.parquet"


def statistics_object(shard: int) -> str:
    """Where the counts of a shard's pixels lie; shards built before there were any have none."""
    return f"{STATISTICS}/shard-{shard:05d}.parquet"


def quicklooks_object(shard: int) -> str:
    """Where the pictures of a shard's samples lie; shards built before there were any have none."""
    return f"{QUICKLOOKS}/shard-{shard:05d}.jpg"


def commit_object(shard: int) -> str:
    """Where the commit record of a shard lies."""
    return f"{COMMITS}/shard-{shard:05d}.json"


def run_object(shard: int) -> str:
    """Where the run record of a shard lies."""
    return f"{RUNS}/shard-{shard:05d}.json"


def sample_id(corpus: str, shard: int, row: int) -> str:
    """A sample's name, unique in its corpus and stable while it grows."""
    return f"{corpus}-{shard:05d}-{row:04d}"


def shard_of(name: str) -> int | None:
    """The shard that a record belongs to, from its file name; None for other files."""
    number = name.removeprefix("shard-").partition(".")[0]
    return int(number) if name.startswith("shard-") and number.isdecimal() else None


def to_json(content: Any) -> bytes:
    """JSON the same to the byte for the same content, and pleasant to read."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
