"""OpenStreetMap's extracts beside a corpus, `osm/`: what a copy takes along, and what shards to come are built from.

A corpus that is whole is read without them: then they may be deleted. They are needed to build, mend or grow one.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from tasks.notices import told_if_slow
from tasks.shards.commits import StoredObject
from tasks.shards.description import Description
from tasks.shards.destinations import Destination
from tasks.shards.layout import OSM
from tasks.shards.writing import put_checked

_LAYER = "osm"

_AT_ONCE = 8
"""Objects copied at once: some 0.1 MB each."""


def copy_extracts(source: Destination, target: Destination) -> int:
    """Copy what the target lacks of the source's extracts, each one's record last; the bytes copied.

    What is there stays: it may be of more shards than the source's. Objects are put whole, so that the same call goes
    on where another was interrupted.
    Raises DestinationError; CorpusError: what was put came back different.
    """
    size = 0
    for record in _records(source):
        folder = record.removesuffix(".json")
        lacking = sorted({*source.names(folder)} - {*target.names(folder)})
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="extracts") as threads:
            copying = [threads.submit(_copy, source, target, f"{folder}/{name}") for name in lacking]
            try:
                with told_if_slow(f"{record}: copying what is lacking of the extract") as say:
                    for done, one in enumerate(as_completed(copying), start=1):
                        size += one.result()
                        say(done, len(lacking))
            finally:
                for one in copying:
                    one.cancel()
        if _lags(_read(target.get(record)), _read(source.get(record))):
            size += _copy(source, target, record)
    return size


def extract_faults(destination: Destination, description: Description, *, finished: bool) -> Iterator[tuple[str, str]]:
    """What is lacking of the extracts that a corpus is labelled from: paths, and what is wrong with each.

    Of a corpus that is `finished` nothing is, if it has no extracts at all. Raises DestinationError.
    """
    layer = description.layers.get(_LAYER)
    there = _records(destination)
    if layer is None or (finished and not there):
        return
    for key, facts in dict(layer.facts.get("extracts", {})).items():
        path = f"{OSM}/{key}.json"
        record = _read(destination.get(path)) if path in there else None
        if record is None:
            told = "is damaged" if path in there else "is missing"
            yield path, f"{told}: shards cannot be labelled from it; ingest the extract again"
        elif record.get("sha256") != facts.get("sha256"):
            yield path, "is of another extract than the corpus is labelled from"
        else:
            held = {*destination.names(f"{OSM}/{key}")}
            for shard, rows in dict(record.get("shards", {})).items():
                name = f"shard-{int(shard):05d}.parquet"
                if rows and name not in held:
                    yield f"{OSM}/{key}/{name}", "is missing: delete the extract's record, and ingest it again"


def _records(destination: Destination) -> list[str]:
    """Paths of the records of all extracts."""
    return [f"{OSM}/{name}" for name in destination.names(OSM) if name.endswith(".json")]


def _read(content: bytes | None) -> dict[str, Any] | None:
    try:
        record = json.loads(content or b"")
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _lags(there: dict[str, Any] | None, record: dict[str, Any] | None) -> bool:
    """Whether the record of an extract that is there is none, or is of fewer shards than another."""
    if there is None or record is None:
        return record is not None
    return there.get("sha256") != record.get("sha256") or {*there.get("shards", {})} < {*record.get("shards", {})}


def _copy(source: Destination, target: Destination, path: str) -> int:
    content = source.get(path)
    if content is None:
        return 0
    put_checked(target, StoredObject.of(path, content), content)
    return len(content)
