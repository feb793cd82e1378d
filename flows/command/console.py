"""What the command shows on a terminal, and in a log."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from flows.build_corpus import build_corpus
from flows.command.embedded_server import ensure_server
from tasks.assembly.builder import open_workshop
from tasks.errors import CorpusError, DeepSentinelError, DestinationError
from tasks.places import open_places
from tasks.planning.estimate import estimate
from tasks.planning.feasibility import refuse_hopeless
from tasks.planning.plan import parse_shards, plan
from tasks.scenes import lifetime_notes
from tasks.settings import load_settings
from tasks.shards.commits import corpus_digest
from tasks.shards.description import need_description, read_description
from tasks.shards.destinations import LocalFolder, open_destination
from tasks.shards.layout import CORPUS, PREVIEW, commit_object
from tasks.shards.pairing_counts import LIMITS, PairingCounts
from tasks.shards.progress import Progress, listening
from tasks.shards.verification import verify_shards
from tasks.spec import CorpusSpec
from tasks.survey_corpus import is_finished, survey, without_pixels

_SHOWN = 10
"""Failed shards or faults listed before the rest is only counted."""


def build_with_progress(spec: CorpusSpec, folder: Path) -> None:
    """Build a corpus and show how far it is. Raises DeepSentinelError: it could not be finished."""
    # What is wrong with the spec is told at once, not after Prefect's server has started.
    shop = open_workshop(spec, folder)
    shards = max(shop.description.shards, *(_shards_at(destination) for destination in shop.destinations))
    if is_finished(shop):
        print(f"{spec.name}: all {shards} shards are there already, nothing to do")
        _tell_where(spec)
        return
    for note in shop.notes:
        print(f"note: {note}")
    refuse_hopeless(shop, shop.description.shards)
    print(f"{spec.name}: {shards} shards of {spec.shard_size} samples; starting Prefect", flush=True)
    ensure_server()
    with _bar(spec.name, shards) as (advance, tell):
        screen = _Screen(advance, tell)
        with listening(screen.show):
            state = build_corpus(spec, folder, return_state=True)
    if not state.is_completed():
        stopped: Any = state.result(raise_on_failure=False)
        if isinstance(stopped, DeepSentinelError):
            raise stopped
        raise CorpusError(
            f"{state.message}\nThe same command builds what is missing; what is done stays. "
            f"`deepsentinel status {spec.destinations[0]}` shows the rest."
        )
    print(state.message)
    if (final := screen.latest) and final.built:
        stages = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in final.seconds.items())
        print(
            f"{final.samples} samples in {final.elapsed:.1f} s ({final.samples / final.elapsed:.1f} samples/s), "
            f"{final.bytes / 1e6:.1f} MB; shards spent: {stages}"
        )
    _tell_where(spec)


def _shards_at(destination: LocalFolder) -> int:
    """Shards of the corpus at a destination, which may be larger than the spec says; 0 where there is none."""
    found = read_description(destination)
    return found.shards if found else 0


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
                text = str(error).splitlines()[0]
                # Many shards may fail for one reason, which is told in full once.
                self._tell(f"shard {shard} failed{'' if text in self._told else f': {text}'}")
                self._told.add(text)
        if not sys.stdout.isatty() and self.latest and progress.built > self.latest.built:
            self._tell(progress.line())
        self.latest = progress


def _tell_where(spec: CorpusSpec) -> None:
    for location in spec.destinations:
        destination = open_destination(location)
        print(f"{destination.root}  sha256:{corpus_digest(destination)[:16]}")
    first = open_destination(spec.destinations[0])
    for reason, count in without_pixels(first).items():
        print(f"{count} places without pixels: {reason}")
    print(f"preview: {first.root / PREVIEW}")


def show_estimate(spec: CorpusSpec, folder: Path) -> None:
    """Print what a build takes. Raises SpecError, PlacesError: it could not be built at all."""
    settings = load_settings()
    places = open_places(spec, folder, settings.cache)
    for note in (*places.notes, *lifetime_notes(spec)):
        print(f"note: {note}")
    found = estimate(spec, places, settings)
    print(
        f"{spec.name}: {found.samples:,} samples in {found.shards:,} shards; the places would give {found.capacity:,}"
    )
    for platform in found.platforms:
        print(
            f"{platform.name}: {platform.requests:,} requests, {platform.bytes_moved / 1e9:,.1f} GB moved, "
            f"{platform.hours:,.1f} h at {platform.limit}"
        )
    for destination, price in found.prices:
        cost = f", {price:,.2f} USD a month (list price of {settings.prices_of})" if price is not None else ""
        print(f"{destination}: {found.bytes_stored / 1e9:,.1f} GB stored{cost}")
    print("Candidates that cannot be served and are replaced come on top; `plan` and the first shards tell how many.")


def write_plan(spec: CorpusSpec, folder: Path, shards: str, out: Path) -> None:
    """Write a plan and say how it came out."""
    shop = open_workshop(spec, folder)
    for note in shop.notes:
        print(f"note: {note}")
    rows = plan(shop, parse_shards(shards))
    try:
        rows.to_parquet(out, index=False, compression="zstd")
    except OSError as error:
        raise DestinationError(
            f"{out}: cannot be written: {error.strerror or error}. Choose another file with --out."
        ) from None
    paired = rows["missing"].isna()
    print(f"{out}: {len(rows):,} candidates, {paired.sum():,} paired")
    for reason, count in rows["missing"].value_counts().items():
        print(f"  {count:,} {reason}")
    if bool(paired.any()):
        gaps = rows.loc[paired, "gap_hours"].abs()
        print(f"  gap {gaps.min():.1f} / {gaps.median():.1f} / {gaps.max():.1f} h (least, median, most)")


def show_status(corpus: str) -> None:
    """Print what a corpus holds. Raises CorpusError: no corpus, or shards are missing."""
    destination = open_destination(corpus)
    found = survey(destination)
    description = found.description
    missing = len(found.missing) - len(found.failed)
    if description.listed:
        # How many places the shards that are not there have, only the list of them says.
        samples = f"{found.samples:,} of {found.rows:,} places" + (" in the shards done" if found.missing else "")
        if lacking := found.without_pixels:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in lacking.items())
            samples += f"; {sum(lacking.values()):,} without pixels: {reasons}"
    else:
        total = description.shards * description.shard_size
        samples = f"{found.samples:,} of {total:,}, {found.replaced:,} candidates replaced"
    rows = [
        ("corpus", description.name),
        ("shards", f"{len(found.done)} of {description.shards} done, {missing} missing, {len(found.failed)} failed"),
        ("samples", samples),
        ("size", f"{found.bytes / 1e6:,.1f} MB, {found.bytes / 1e6 / max(1, found.samples):.2f} MB a sample"),
        ("gap", _gaps(found.pairing)),
        ("rate", f"{found.samples_a_second:.2f} samples/s" if found.samples_a_second else "unknown"),
        ("digest", f"sha256:{corpus_digest(destination)}" if found.done else "none yet"),
    ]
    for platform, counts in found.traffic.items():
        told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if kind != "bytes")
        rows.append((platform, f"{told}, {counts.get('bytes', 0) / 1e6:,.1f} MB read"))
    for name, value in rows:
        print(f"{name:<{max(len(row[0]) for row in rows)}}  {value}")
    for shard, error in list(found.failed.items())[:_SHOWN]:
        print(f"shard {shard} failed: {error}")
    if len(found.failed) > _SHOWN:
        print(f"... and {len(found.failed) - _SHOWN} more failed")
    if found.missing:
        raise CorpusError(
            f"{len(found.missing)} of {description.shards} shards are not there; build again to make them."
        )


def _gaps(pairing: PairingCounts) -> str:
    if not pairing.gaps.total() or not pairing.tried:
        return "no pairs yet"
    quantiles = " / ".join(f"{pairing.quantile(share)} h" for share in (0.5, 0.9, 1.0))
    rates = ", ".join(f"{days} d {100 * pairing.within[days] / pairing.tried:.1f} %" for days in LIMITS)
    return f"at most {quantiles} for 50 / 90 / 100 % of the pairs; candidates that would pair within {rates}"


def verify_with_progress(corpus: str, *, repair: bool) -> None:
    """Check a corpus and name every fault. Raises CorpusError: there is one."""
    destination = open_destination(corpus)
    description = need_description(destination)
    metadata = {**description.metadata(), CORPUS: description.to_bytes()}
    with _bar(f"verify {description.name}", description.shards) as (advance, _):
        faults = verify_shards(destination, description.shards, metadata, advance)
    for fault in faults:
        print(f"{'corpus' if fault.shard is None else f'shard {fault.shard}'}: {fault.path} {fault.problem}")
    if not faults:
        print(f"{description.name}: {description.shards} shards are whole, sha256:{corpus_digest(destination)}")
        return
    if repair:
        damaged = sorted({fault.shard for fault in faults if fault.shard is not None})
        for shard in damaged:
            destination.delete(commit_object(shard))
        for path, content in metadata.items():
            if destination.get(path) != content:
                destination.put(path, content)
        print(f"withdrew {len(damaged)} shards; build again to make them")
    raise CorpusError(
        f"{destination.root}: {len(faults)} faults. "
        + ("Build again with the corpus' spec." if repair else "`--repair` withdraws the shards; then build again.")
    )


@contextmanager
def _bar(title: str, total: int) -> Generator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A progress bar on a terminal, plain lines in a log: how to set the bar, and how to print beside it."""
    console = Console()
    if not console.is_terminal:
        yield (lambda done: None), (lambda line: print(line, flush=True))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)
        yield (lambda done: bar.update(task, completed=done)), (lambda line: bar.console.print(line, highlight=False))
