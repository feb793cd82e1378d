"""How the command shows what takes time: a bar on a terminal, plain lines in a log, notices in both."""

import logging
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tasks.notices import logger, told_if_slow


@contextmanager
def bar(title: str, total: int) -> Generator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A progress bar on a terminal, plain lines in a log: how to set the bar, and how to print beside it."""
    if not sys.stdout.isatty():
        yield (lambda done: None), (lambda line: print(line, flush=True))
        return
    # Imported here, because a log has no need of it and every command starts faster without.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console()) as shown:
        task = shown.add_task(title, total=total)
        yield (
            (lambda done: shown.update(task, completed=done)),
            (lambda line: shown.console.print(line, highlight=False, markup=False)),
        )


@contextmanager
def counting(title: str, total: int) -> Generator[Callable[[int], None]]:
    """A progress bar on a terminal, a line every ten seconds in a log: how to say how much is done."""
    with bar(title, total) as (advance, _):
        if sys.stdout.isatty():
            yield advance
            return
        with told_if_slow(title) as say:
            yield lambda done: say(done, total)


def show_notices() -> None:
    """Have what is said of long work appear on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
