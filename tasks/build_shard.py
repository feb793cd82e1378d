"""Task: build one shard of a corpus, from nothing but the spec and its number."""

from contextlib import ExitStack

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from tasks.assembly.builder import open_builder
from tasks.assembly.shard import make_shard
from tasks.platform_limits import holding, limits_of
from tasks.shards.runs import ShardReport
from tasks.spec import CorpusSpec


@task(task_run_name="shard-{shard:05d}", cache_policy=NO_CACHE, persist_result=False)
def build_shard(spec: CorpusSpec, shard: int, dispatched: bool = False, limited: bool = False) -> ShardReport:
    """Build and commit a shard wherever it is missing. Raises what `make_shard` raises.

    `dispatched`: one of many processes does, so it announces the shard. `limited`: other processes may ask the
    platforms too, so it holds a place within their limits.
    """
    builder = open_builder(spec)
    with ExitStack() as held:
        for limit in limits_of(spec) if limited else ():
            held.enter_context(holding(limit))
        report = make_shard(builder, shard, announce=dispatched)
    how = "copied from another destination" if report.copied else f"{report.replaced} candidates replaced"
    get_run_logger().info(
        f"shard {shard}: {report.samples} samples, {how}, {report.bytes / 1e6:.1f} MB, "
        f"{sum(report.seconds.values()):.1f} s"
    )
    return report
