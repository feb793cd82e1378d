"""A folder of a published set as three files that the ordinary build reads: items, places, a spec."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.errors import CatalogueError, SpecError
from tasks.published import sen12mscr, sen12mscrts, so2sat
from tasks.published.files import Folders, Found, Headers, Told, by_place, find_folders
from tasks.published.items import ItemTable
from tasks.published.layout import OPTICAL, RADAR, Layout
from tasks.published.writing import PLACES, Catalogued, write_places, write_spec, written_spec
from tasks.spec.splits import SPLITS

LAYOUTS: Mapping[str, Layout] = {one.name: one for one in (sen12mscr.LAYOUT, sen12mscrts.LAYOUT)}
"""The sets of GeoTIFFs that can be catalogued, by name."""

ITEMS = "items.parquet"

_SHARES = {"validation": 0.1, "test": 0.1}
"""Of regions, where nobody says which split each is in."""


def cataloguing_of(name: str, folder: Path, out: Path, splits: Path | None = None) -> "Cataloguing | so2sat.Zones":
    """What catalogues a set, its folder looked through; nothing is written yet. Raises SpecError, CatalogueError."""
    if name != so2sat.NAME:
        return Cataloguing(name, folder, out, splits)
    if splits is not None:
        raise SpecError(f"--splits: {so2sat.TITLE} has its splits in the names of its files; leave the option out.")
    return so2sat.Zones(folder, out)


class Cataloguing:
    """Makes the three files of a set of GeoTIFFs. `count` is how many files of it there are."""

    unit = "files"
    """What progress counts."""

    def __init__(self, name: str, folder: Path, out: Path, splits: Path | None = None) -> None:
        """Look through the folder; nothing is written yet.

        `splits` is a table of regions and their splits, as text with columns `roi` and `split`. Raises SpecError: no
        such set, or the table cannot be used; CatalogueError: the folder is not that of the set.
        """
        if name not in LAYOUTS:
            known = ", ".join((*LAYOUTS, so2sat.NAME))
            raise SpecError(f"SET: {name!r} is none that can be catalogued; expected one of {known}.")
        self._layout, self._out = LAYOUTS[name], out.resolve()
        self._splits = None if splits is None else read_splits(splits)
        self._told = Told()
        self._folders: Folders = find_folders(self._layout, folder.resolve(), self._told)
        self.count = self._folders.count
        if self._splits is not None and (lacking := sorted({*self._folders.by_roi} - {*self._splits})):
            raise SpecError(
                f"{splits}: tells no split of {', '.join(lacking[:8])}{', ...' if len(lacking) > 8 else ''} "
                f"({len(lacking)} of {len(self._folders.by_roi)} regions); expected one for each region of the folder."
            )

    def write(self, progress: Callable[[int], None]) -> Catalogued:
        """Read every header and write the files; `progress` takes how many were read. The same folder gives the same
        bytes. Raises CatalogueError: no place can be used; OSError.
        """
        self._out.mkdir(parents=True, exist_ok=True)
        part = self._out / f".{ITEMS}.part"
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress(done)

        table, headers = ItemTable(part), Headers(self._layout, self._told)
        places: list[dict[str, Any]] = []
        try:
            for roi, folders in sorted(self._folders.by_roi.items()):
                found = headers.of_region(roi, folders, advance)
                self._add_region(found, table, places)
        finally:
            headers.close()
            table.close()
        if not places:
            part.unlink()
            raise CatalogueError(f"no place of {self._layout.title} can be used: {'; '.join(self._told.lines())}.")
        frame = pd.DataFrame(places)
        pixels = int(frame.pop("pixels").iloc[0])
        twice = write_places(frame, pixels, self._out)
        if twice:
            self._told.add("places lie on the very grid of another one, so they may get each other's files", str(twice))
        part.replace(self._out / ITEMS)
        content = spec_of(self._layout, pixels, self._out, with_splits=self._splits is not None)
        spec, kept = write_spec(content, self._out)
        return Catalogued(spec=spec, places=len(places), files=table.count, notes=[*self._told.lines(), *kept])

    def _add_region(self, found: Sequence[Found], table: ItemTable, places: list[dict[str, Any]]) -> None:
        """Add the items and the places of a region that have a file of every role."""
        files: list[Found] = []
        groups: list[int] = []
        for held in by_place(found):
            dates = self._whole_dates(held)
            if not dates:
                self._told.add("places left out, with no date of all roles", held[0].name.place)
                continue
            root = dates[min(dates)][0]
            first = len(places) * self._layout.dates
            for date, of_date in sorted(dates.items()):
                files += of_date
                groups += [first + date] * len(of_date)
            places.append(
                {
                    "id": root.name.place,
                    "roi": root.name.roi,
                    **root.name.columns,
                    **({"split": self._splits[root.name.roi]} if self._splits else {}),
                    "epsg": root.grid.epsg,
                    "xmin": root.grid.xmin,
                    "ymax": root.grid.ymax,
                    "pixels": root.grid.pixels,
                }
            )
        table.add(files, groups)

    def _whole_dates(self, held: Sequence[Found]) -> dict[int, list[Found]]:
        """The files of a place by date, root first, of the dates of which every role has one on the same grid."""
        by_key = {(one.name.date, one.name.role): one for one in held}
        dates: dict[int, list[Found]] = {}
        first: Found | None = None
        for date in range(self._layout.dates):
            files = [by_key.get((date, role)) for role in self._layout.roles]
            there = [one for one in files if one is not None]
            if not there:
                continue
            for role, one in zip(self._layout.roles, files, strict=True):
                if one is None:
                    self._told.add(f"dates left out, which lack a usable file of {role}", there[0].path.name)
            if len(there) < len(files):
                continue
            first = first or there[0]
            off = next((one for one in there if not one.grid.is_on(first.grid)), None)
            if off is not None:
                self._told.add("dates left out, with a file on another grid than the place's", off.path.name)
                continue
            dates[date] = there
        return dates


def spec_of(layout: Layout, pixels: int, out: Path, *, with_splits: bool) -> str:
    """The spec of a set's corpus, as YAML with a comment."""
    columns = ["roi", *layout.columns, *(["split"] if with_splits else [])]
    keys: dict[str, Any] = {
        "name": layout.name,
        "places": {"points": PLACES, "columns": columns},
        **layout.spec,
        "patch": {"pixels": pixels},
        "platforms": [
            {
                "stac": {
                    "catalog": ITEMS,
                    "sentinel2_b10": OPTICAL,
                    "sentinel1": RADAR,
                    "reflectance_scale": 0.0001,
                    "name": layout.name,
                }
            }
        ],
        "splits": {"by": "split"} if with_splits else {"by": "roi", **_SHARES},
        "destinations": [str(out / "corpus")],
    }
    return written_spec(layout.said, keys)


def read_splits(path: Path) -> dict[str, str]:
    """The split of each region, from a table of text. Raises SpecError: it cannot be used."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SpecError(f"{path}: cannot be read as a table of splits ({error}).") from None
    if not rows or not {"roi", "split"} <= {*rows[0]}:
        raise SpecError(
            f"{path}: expected columns roi and split, and a line for each region, such as ROIs1158_106,test."
        )
    found: dict[str, str] = {}
    for line, row in enumerate(rows, 2):
        if row["split"] not in SPLITS:
            raise SpecError(f"{path}: line {line}: the split {row['split']!r} is none of {', '.join(SPLITS)}.")
        if found.setdefault(row["roi"], row["split"]) != row["split"]:
            raise SpecError(f"{path}: line {line}: {row['roi']} has been given the split {found[row['roi']]} before.")
    return found
