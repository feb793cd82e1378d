"""What a batch looks like, in Prefect's UI: a few of its samples as small pictures, and why others were replaced."""

from collections.abc import Mapping, Sequence

from prefect.artifacts import create_markdown_artifact

from flows.board import artifact_key
from tasks.assembly.builder import Builder
from tasks.release.batch_page import batch_page
from tasks.shards.runs import ShardReport


def show_batch(builder: Builder, reports: Sequence[ShardReport], errors: Mapping[int, BaseException]) -> None:
    """Write the page of a batch, if it built anything or failed at something."""
    if reports or errors:
        markdown = batch_page(builder.destinations[0], [report.shard for report in reports], errors)
        create_markdown_artifact(markdown, key=artifact_key("batch", builder.spec.name))
