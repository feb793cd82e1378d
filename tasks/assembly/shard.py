"""Build one shard: draw, pair, lay the layers, fetch, encode, put, verify, commit."""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from tasks.assembly.builder import Builder
from tasks.assembly.filling import Filling
from tasks.assembly.layers import refuse_other_sources
from tasks.release.sheets import draw_sheet
from tasks.shards.commits import Commit, StoredObject, read_commit
from tasks.shards.copying import copy_missing
from tasks.shards.encoding import encode_shard
from tasks.shards.layout import quicklooks_object, samples_object, statistics_object
from tasks.shards.rows import encode_rows, sample_rows
from tasks.shards.runs import Attempt, ShardReport, attempts_before, record_attempt
from tasks.shards.statistics import ValueCounts, count_values, encode_counts, splits_of
from tasks.shards.writing import write_everywhere

STAGES = ("catalogue", "read", "label", "encode", "write")


def make_shard(builder: Builder, shard: int, *, announce: bool = False) -> ShardReport:
    """Build shard `shard` and commit it in every destination that lacks it.

    What one destination has already is copied to the others, not fetched again. How it went, or what kept it from
    being built, stands in its run record; with `announce` that it was begun too, so that others see when it is lost.
    Raises CandidatesExhausted: too few candidates can be served; NotUnderstood, PixelsError, LabelsError,
    CatalogueError, PlatformUnreachable, CredentialsError, DestinationError.
    """
    run = _Run(builder, shard)
    if announce:
        run.record(None, None, ended=False)
    try:
        report = run.copy() or run.build()
    except Exception as error:  # whatever it was, it is recorded and raised again
        run.record(None, error)
        raise
    run.record(report, None)
    return report


class _Run:
    """One attempt at a shard, timed."""

    def __init__(self, builder: Builder, shard: int) -> None:
        self.builder, self.shard = builder, shard
        self.traffic = builder.traffic()
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.started = time.time()
        self.before = attempts_before(builder.destinations, shard)
        self.notes: list[str] = []
        self.clipped: Mapping[str, int] = {}

    def copy(self) -> ShardReport | None:
        """Copy the shard from one destination to the others; None where none has a sound one."""
        with self.clock("write"):
            if not copy_missing(self.builder.destinations, self.shard):
                return None
            commit = read_commit(self.builder.destinations[0], self.shard)
        return None if commit is None else self._report(commit, copied=True)

    def build(self) -> ShardReport:
        """Make the shard from what the platforms hold."""
        builder, shard = self.builder, self.shard
        refuse_other_sources(builder)
        filling = Filling(builder=builder, shard=shard, traffic=self.traffic, clock=self.clock)
        self.notes, self.clipped = filling.notes, filling.clipped
        arrays = filling.fill()
        contents: dict[str, bytes] = {}
        with self.clock("encode"):
            rows = sample_rows(filling.samples, builder.spec, shard, filling.columns)
            # Before the pixels are gone, so that nobody has to read them again to look at the corpus.
            with_pixels = [sample.row for sample in filling.samples if sample.missing is None]
            quicklooks = draw_sheet(builder.description, arrays, with_pixels)
            counts: list[ValueCounts] = []
            imagery = {kind.path for kind in builder.description.imagery}
            for kind in builder.kinds.values():
                # Popped, so that the pixels of one array are gone before the next one's are encoded.
                pixels = arrays.pop(kind.path)
                if kind.path in imagery:
                    counts += count_values(kind, pixels, splits_of(rows))
                path, content = encode_shard(kind, pixels, shard)
                contents[path] = content
                del pixels
            contents[samples_object(shard)] = encode_rows(rows)
            contents[statistics_object(shard)] = encode_counts(counts)
            contents[quicklooks_object(shard)] = quicklooks
        with self.clock("write"):
            commit = Commit(
                shard=shard,
                rows=len(filling.samples),
                objects=tuple(StoredObject.of(path, content) for path, content in contents.items()),
                replaced=tuple(filling.replaced),
                missing=tuple(filling.missing),
                pairing=filling.pairing,
            )
            write_everywhere(builder.destinations, commit, contents)
        return self._report(commit)

    def record(self, report: ShardReport | None, error: Exception | None, *, ended: bool = True) -> None:
        """Write how it went to `runs/`."""
        attempt = Attempt(
            shard=self.shard,
            started=self.started,
            ended=time.time() if ended else None,
            before=self.before,
            seconds=self.seconds,
            traffic={name: traffic.counts() for name, traffic in self.traffic.items()},
            report=report,
            error=error,
            notes=self.notes,
            clipped=self.clipped,
        )
        record_attempt(self.builder.destinations, attempt)

    def _report(self, commit: Commit, *, copied: bool = False) -> ShardReport:
        return ShardReport(
            shard=self.shard,
            samples=commit.samples,
            replaced=len(commit.replaced),
            bytes=commit.size,
            seconds=self.seconds,
            copied=copied,
        )

    @contextmanager
    def clock(self, stage: str) -> Generator[None]:
        """Add the wall time of a block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
