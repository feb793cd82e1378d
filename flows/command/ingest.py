"""What `deepsentinel ingest` does and shows."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.command.embedded_server import ensure_server
from flows.command.prefect_api import need_prefect
from flows.command.terminal import bar
from flows.ingest_osm import ingest_osm
from tasks.errors import CorpusError, DeepSentinelError
from tasks.labels.osm.ingesting import notes, refuse_unusable
from tasks.labels.osm.progress import IngestProgress, listening
from tasks.planning.plan import parse_shards
from tasks.spec import CorpusSpec


def ingest_with_progress(spec: CorpusSpec, paths: list[Path], shards: str | None) -> None:
    """Ingest extracts and show how far it is. Raises DeepSentinelError: one cannot be used."""
    wanted = None if shards is None else parse_shards(shards)
    # What is wrong is told at once, not after Prefect's server has started, nor after the extract before it.
    refuse_unusable(spec, paths, wanted)
    need_prefect()
    print(f"{spec.name}: {len(paths)} extracts; starting Prefect", flush=True)
    ensure_server()
    total = sum(path.stat().st_size for path in paths)
    with bar(f"{spec.name} (bytes)", total) as (advance, tell), listening(_Screen(advance, tell).show):
        state = ingest_osm(spec, paths, shards, return_state=True)
    result: Any = state.result(raise_on_failure=False)
    if not state.is_completed():
        if isinstance(result, DeepSentinelError):
            raise result
        raise CorpusError(f"{state.message}\nThe same command goes on with this extract.")
    for path, found in zip(paths, result, strict=True):
        for line in found.lines(path.name):
            print(line)
    for note in notes(spec, wanted):
        print(f"note: {note}")


class _Screen:
    """Shows the progress of extracts that come one after the other."""

    def __init__(self, advance: Callable[[int], None], tell: Callable[[str], None]) -> None:
        self._advance, self._tell = advance, tell
        self._before, self._latest = 0, IngestProgress(extract="", done=0, total=0, elapsed=0)
        self._told = 0.0

    def show(self, progress: IngestProgress) -> None:
        """Move the bar; in a log, a line every ten seconds."""
        if progress.extract != self._latest.extract:
            self._before += self._latest.total
            self._told = 0.0
        self._latest = progress
        self._advance(self._before + progress.done)
        if not sys.stdout.isatty() and progress.elapsed - self._told >= 10:
            self._told = progress.elapsed
            self._tell(progress.line())
