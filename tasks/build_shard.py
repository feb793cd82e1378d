"""Build one shard: draw, pair, fetch, encode, put, verify, commit."""

import datetime as dt
import os
import socket
import time
import traceback
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from tasks.assembly.builder import Workshop, open_workshop
from tasks.assembly.filling import Filling
from tasks.errors import DeepSentinelError, DestinationError
from tasks.imagery import Traffic
from tasks.shards.commits import Commit, StoredObject, write_shard
from tasks.shards.encoding import encode_shard
from tasks.shards.layout import run_object, samples_object, to_json
from tasks.shards.pairing_counts import kind_of_reason
from tasks.shards.samples import encode_rows, sample_rows
from tasks.spec import CorpusSpec

STAGES = ("catalogue", "read", "encode", "write")


@dataclass(frozen=True, kw_only=True)
class ShardReport:
    """What building a shard came to."""

    shard: int
    samples: int
    replaced: int
    bytes: int
    seconds: dict[str, float]
    """Wall time by stage."""


@task(task_run_name="shard-{shard:05d}", cache_policy=NO_CACHE, persist_result=False)
def build_shard(spec: CorpusSpec, folder: Path, shard: int) -> ShardReport:
    """Prefect's unit of work: one shard of a corpus, built from nothing but the spec."""
    report = make_shard(open_workshop(spec, folder), shard)
    get_run_logger().info(
        f"shard {shard}: {report.samples} samples, {report.replaced} candidates replaced, "
        f"{report.bytes / 1e6:.1f} MB, {sum(report.seconds.values()):.1f} s"
    )
    return report


def make_shard(shop: Workshop, shard: int) -> ShardReport:
    """Build shard `shard` and commit it in every destination that lacks it.

    How it went, or what kept it from being built, stands in its run record.
    Raises CorpusError: too few candidates can be served; PixelsError, CatalogueError, DestinationError.
    """
    run = _Run(shop, shard)
    try:
        report = run.build()
    except Exception as error:  # whatever it was, it is recorded and raised again
        run.record(None, error)
        raise
    run.record(report, None)
    return report


class _Run:
    """One attempt at a shard, timed."""

    def __init__(self, shop: Workshop, shard: int) -> None:
        self.shop, self.shard = shop, shard
        self.traffic = {platform.name: Traffic() for platform in shop.platforms}
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.started = time.time()

    def build(self) -> ShardReport:
        shop, shard = self.shop, self.shard
        filling = Filling(shop=shop, shard=shard, traffic=self.traffic, clock=self.clock)
        arrays = filling.fill()
        contents: dict[str, bytes] = {}
        with self.clock("encode"):
            kinds = iter(shop.description.arrays)
            for name in list(arrays):
                # Popped, so that the pixels of one platform are gone before the next one's are encoded.
                for values in arrays.pop(name):
                    path, contents_of_shard = encode_shard(next(kinds), values, shard)
                    contents[path] = contents_of_shard
            rows = sample_rows(filling.samples, shop.spec, shard)
            contents[samples_object(shard)] = encode_rows(rows)
        with self.clock("write"):
            commit = Commit(
                shard=shard,
                rows=len(filling.samples),
                samples=sum(sample.missing is None for sample in filling.samples),
                missing=Counter(kind_of_reason(sample.missing) for sample in filling.samples if sample.missing),
                objects=tuple(StoredObject.of(path, content) for path, content in contents.items()),
                replaced=tuple(filling.replaced),
                pairing=filling.pairing,
            )
            for destination in shop.destinations:
                write_shard(destination, commit, contents)
        return ShardReport(
            shard=shard,
            samples=commit.samples,
            replaced=len(commit.replaced),
            bytes=sum(item.size for item in commit.objects),
            seconds=self.seconds,
        )

    def record(self, report: ShardReport | None, error: Exception | None) -> None:
        """Write how it went to `runs/`."""
        content = to_json(
            {
                "shard": self.shard,
                "started": _clock_time(self.started),
                "ended": _clock_time(time.time()),
                "host": socket.gethostname(),
                "process": os.getpid(),
                "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
                "platforms": {name: traffic.counts() for name, traffic in self.traffic.items()},
                "samples": report.samples if report else None,
                "bytes": report.bytes if report else None,
                "replaced": report.replaced if report else None,
                "error": _told(error) if error else None,
            }
        )
        for destination in self.shop.destinations:
            # Display only: a record that cannot be written must neither lose the shard nor hide its error.
            with suppress(DestinationError):
                destination.put(run_object(self.shard), content)

    @contextmanager
    def clock(self, stage: str) -> Generator[None]:
        """Add the wall time of a block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


def _told(error: Exception) -> dict[str, str]:
    told = {"kind": type(error).__name__, "message": str(error)}
    if not isinstance(error, DeepSentinelError):
        told["traceback"] = "".join(traceback.format_exception(error)[-12:])
    return told


def _clock_time(seconds: float) -> str:
    # To the millisecond: a small shard is built within a second, and its rate follows from this.
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
