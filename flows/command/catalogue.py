"""What `deepsentinel catalogue` does and shows."""

from pathlib import Path

from flows.command.terminal import counting
from tasks.errors import DestinationError
from tasks.notices import told_if_slow
from tasks.published.cataloguing import cataloguing_of


def catalogue_with_progress(name: str, folder: Path, out: Path, splits: Path | None) -> None:
    """Catalogue a published set, and say what to do next. Raises SpecError, CatalogueError, DestinationError."""
    with told_if_slow(f"looking through {folder}"):
        cataloguing = cataloguing_of(name, folder, out, splits)
    try:
        with counting(f"{name} ({cataloguing.unit})", cataloguing.count) as advance:
            made = cataloguing.write(advance)
    except OSError as error:
        raise DestinationError(f"{out}: cannot be written ({error.strerror or error}).") from None
    print(f"{made.places:,} places of {made.files:,} files in {out}")
    for note in made.notes:
        print(f"note: {note}")
    print(f"next: deepsentinel build {made.spec}")
