"""What `deepsentinel build` does and shows."""

import sys
from collections.abc import Callable
from typing import Any

import httpx

from flows.build_corpus import build_corpus
from flows.command.embedded_server import ensure_server
from flows.command.prefect_api import need_prefect, need_server
from flows.command.signals import end_hard
from flows.command.terminal import bar
from flows.pulse import when_lost
from tasks.errors import CorpusError, DeepSentinelError, SchedulerUnreachable
from tasks.planning.preflight import open_to_build, preflight
from tasks.shards.commits import corpus_digest
from tasks.shards.destinations import open_destination
from tasks.shards.layout import PAGE
from tasks.shards.progress import Progress, duration, listening
from tasks.shards.survey import without_pixels
from tasks.spec import CorpusSpec


def build_with_progress(spec: CorpusSpec, *, dispatch: str | None = None, retry_failed: bool = False) -> None:
    """Build a corpus and show how far it is. Raises DeepSentinelError: it could not be finished.

    `dispatch`: the work pool whose workers build it, instead of this process.
    """
    if dispatch is not None:
        need_server(dispatch)
    # What is wrong with the spec is told at once, not after Prefect's server has started.
    builder = open_to_build(spec)
    for note in builder.notes:
        print(f"note: {note}")
    found = preflight(builder)
    shards = found.description.shards
    if found.finished:
        print(f"{spec.name}: all {shards} shards are there already, nothing to do")
        _tell_where(spec)
        return
    need_prefect()
    print(f"{spec.name}: {shards} shards of {spec.shard_size} samples; starting Prefect", flush=True)
    ensure_server()
    with bar(spec.name, shards) as (advance, tell):
        screen = _Screen(advance, tell)
        with listening(screen.show), when_lost(lambda error: end_hard(f"error: {error}", error.exit_code)):
            try:
                state = build_corpus(spec, dispatch, retry_failed=retry_failed, return_state=True)
            except httpx.HTTPError as error:
                # The server was gone at the end too, when the run was to be told that it has ended.
                raise SchedulerUnreachable(
                    f"Prefect's server does not answer ({type(error).__name__}). What is committed stays. Start the "
                    "server; the same command goes on."
                ) from None
    if not state.is_completed():
        stopped: Any = state.result(raise_on_failure=False)
        if isinstance(stopped, DeepSentinelError):
            raise stopped
        raise CorpusError(f"{state.message}\n`deepsentinel status {spec.destinations[0]}` shows the rest.")
    print(state.message)
    if (final := screen.latest) and final.built:
        print(f"{final.built} shards in {duration(final.elapsed)} ({final.samples_a_second:.1f} samples/s)")
    _tell_where(spec)


class _Screen:
    """Shows the progress of a build."""

    def __init__(self, advance: Callable[[int], None], tell: Callable[[str], None]) -> None:
        self._advance, self._tell = advance, tell
        self._told: set[str] = set()
        self.latest: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Move the bar, and tell of what has failed since."""
        self._advance(progress.done)
        before = self.latest.failures if self.latest else {}
        for shard, error in progress.failures.items():
            if shard not in before:
                text = error.partition("\n")[0]
                # Many shards may fail for one reason, which is told in full once.
                self._tell(f"shard {shard} failed{'' if text in self._told else f': {text}'}")
                self._told.add(text)
        if not sys.stdout.isatty() and self.latest and progress.done > self.latest.done:
            self._tell(progress.line())
        self.latest = progress


def _tell_where(spec: CorpusSpec) -> None:
    for location in spec.destinations:
        destination = open_destination(location)
        print(f"{destination.location}  sha256:{corpus_digest(destination)[:16]}")
    first = open_destination(spec.destinations[0])
    for reason, count in without_pixels(first).items():
        print(f"{count} places without pixels: {reason.words}")
    print(f"look at: {first.location}/{PAGE}")
