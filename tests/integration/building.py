"""What the command builds, without Prefect: where that is not the subject, it would be most of the time."""

from pathlib import Path

from tasks.assembly.shard import make_shard
from tasks.planning.preflight import open_to_build, preflight
from tasks.shards.description import describe_everywhere
from tasks.shards.survey import missing_anywhere
from tasks.spec import load_spec
from tasks.write_release import write_release


def build(spec: Path, *, release: bool = True) -> None:
    """Build what a corpus lacks, shard by shard, and its release."""
    loaded = load_spec(spec)
    builder = open_to_build(loaded)
    found = preflight(builder).description
    describe_everywhere(builder.destinations, found)
    for shard in missing_anywhere(builder.destinations, found.shards):
        make_shard(builder, shard)
    if release:
        write_release.fn(loaded.destinations)
