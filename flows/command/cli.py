"""The command `deepsentinel`."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.command.signals import ending_on_signals
from tasks.errors import DeepSentinelError

app = typer.Typer(
    name="deepsentinel",
    help="Build corpora of paired Sentinel-1 and Sentinel-2 imagery.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_PREFECT_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # The embedded server takes 10 to 30 seconds to start on a laptop; Prefect gives it 20.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # The command speaks for itself; logs still reach the server and its UI.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    # What is said of long work stands in a run's log too.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "deepsentinel",
}

SpecArgument = Annotated[Path, typer.Argument(metavar="SPEC", help="The YAML file that describes the corpus.")]
CorpusArgument = Annotated[str, typer.Argument(metavar="CORPUS", help="Folder or URL of a corpus.")]
SizeOption = Annotated[int | None, typer.Option(help="Samples, instead of the spec's size.", min=1)]
Destinations = Annotated[
    list[str] | None, typer.Option("--to", metavar="URL", help="Write here instead of the spec's destinations.")
]


@app.callback()
def prepare() -> None:
    """Build corpora of paired Sentinel-1 and Sentinel-2 imagery."""
    from flows.command.terminal import show_notices
    from tasks.imagery.registry import refuse_unknown_settings
    from tasks.shards.destinations import STORE_SETTINGS, read_blocks_with

    refuse_unknown_settings(STORE_SETTINGS)
    read_blocks_with(_read_block)
    show_notices()


def _read_block(kind: str, name: str) -> Mapping[str, Any]:
    # Imported here, because it is Prefect, and hardly anybody who looks at a corpus has his login there.
    from flows.command.embedded_server import ensure_server
    from tasks.read_block import read_block

    ensure_server()
    return read_block(kind, name)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where archive and corpus go.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the invented country.", min=0)] = 2020,
) -> None:
    """Make the demo archive, build the demo corpus from it, and say where to look."""
    from flows.command.demo import build_demo

    build_demo(folder, seed)


@app.command()
def build(
    spec: SpecArgument,
    size: SizeOption = None,
    to: Destinations = None,
    dispatch: Annotated[
        str | None, typer.Option(metavar="POOL", help="Have the workers of this Prefect work pool build it.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try shards again that have failed too often.")
    ] = False,
) -> None:
    """Build a corpus; the same command resumes one that was interrupted, and grows one with a larger size."""
    from flows.command.build import build_with_progress
    from tasks.spec import load_spec

    loaded = load_spec(spec)
    build_with_progress(loaded.changed(size=size, destinations=to), dispatch=dispatch, retry_failed=retry_failed)


@app.command()
def catalogue(
    name: Annotated[str, typer.Argument(metavar="SET", help="sen12mscr, sen12mscrts or so2sat.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the archives of the set were unpacked.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for items, places and spec.")],
    splits: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Table with columns roi and split: the split of each region.")
    ] = None,
) -> None:
    """Make a spec of a published set's files, or of its places, so that `build` makes a corpus of them."""
    from flows.command.catalogue import catalogue_with_progress

    catalogue_with_progress(name, folder, out, splits)


@app.command()
def ingest(
    spec: SpecArgument,
    extracts: Annotated[list[Path], typer.Argument(metavar="PBF...", help="OpenStreetMap extracts, .osm.pbf.")],
    size: SizeOption = None,
    to: Destinations = None,
    shards: Annotated[
        str | None, typer.Option(metavar="FIRST:END", help="For these shards; default: for all of the corpus.")
    ] = None,
) -> None:
    """Put OpenStreetMap extracts into the store of a labelled corpus; the same command resumes, and grows it."""
    from flows.command.ingest import ingest_with_progress
    from tasks.spec import load_spec

    loaded = load_spec(spec)
    ingest_with_progress(loaded.changed(size=size, destinations=to), extracts, shards)


@app.command()
def estimate(spec: SpecArgument, size: SizeOption = None) -> None:
    """Say what a build takes before it runs: requests, bytes, hours, storage cost."""
    from flows.command.planning import show_estimate
    from tasks.spec import load_spec

    loaded = load_spec(spec)
    show_estimate(loaded.changed(size=size))


@app.command()
def doctor(
    spec: SpecArgument,
    deadline: Annotated[float, typer.Option(metavar="SECONDS", help="What one check may take.", min=1)] = 60,
) -> None:
    """Say before a long run whether accounts, endpoints, destinations and limits are in order."""
    from flows.command.doctor import show_findings
    from tasks.spec import load_spec

    loaded = load_spec(spec)
    show_findings(loaded, deadline=deadline)


@app.command()
def plan(
    spec: SpecArgument,
    shards: Annotated[str, typer.Option(metavar="FIRST:END", help="Which shards.")] = "0:1",
    out: Annotated[
        Path | None, typer.Option(help="File: .parquet, .gpkg, .geojson or .fgb; default NAME-plan.parquet.")
    ] = None,
) -> None:
    """Write draws and pairs of some shards without fetching anything, as a file that QGIS opens."""
    from flows.command.planning import write_plan
    from tasks.spec import load_spec

    loaded = load_spec(spec)
    write_plan(loaded, shards, out or Path(f"{loaded.name}-plan.parquet"))


@app.command()
def status(
    corpus: CorpusArgument,
    failed: Annotated[bool, typer.Option("--failed", help="List every failed shard: attempts and cause.")] = False,
) -> None:
    """Show what a corpus holds: shards and samples done, missing, failed, rate, size."""
    from flows.command.status import show_status

    show_status(corpus, every_failure=failed)


@app.command()
def verify(
    corpora: Annotated[
        list[str], typer.Argument(metavar="CORPUS...", help="Folder or URL of a corpus; and of other copies of it.")
    ],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Restore what another copy has whole; withdraw other damaged shards for the next build."
        ),
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every object, whatever a store says of it, and decode every chunk.")
    ] = False,
) -> None:
    """Check every object of a corpus against its commit record, in every copy that is given."""
    from flows.command.verify import verify_with_progress

    verify_with_progress(corpora, mend=repair, deep=deep)


@app.command()
def copy(
    corpus: CorpusArgument,
    to: Annotated[str, typer.Argument(metavar="URL", help="Folder, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX.")],
) -> None:
    """Copy a corpus, verified; the same command goes on where it was interrupted."""
    from flows.command.copy import copy_with_progress

    copy_with_progress(corpus, to)


@app.command()
def train(
    corpus: CorpusArgument,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file that says what is run to train.")],
    dispatch: Annotated[
        bool, typer.Option("--dispatch", help="Have a worker of the deployment's pool do it, and follow it.")
    ] = False,
) -> None:
    """Train from a released corpus with your command; done once for each corpus and config."""
    from flows.command.train import train_with_log

    train_with_log(corpus, config, dispatch=dispatch)


def main() -> None:
    """Run the command; errors made on purpose are told in words, without a traceback, and so are interruptions."""
    for name, value in _PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    with ending_on_signals():
        try:
            app()
        except DeepSentinelError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
