"""What is wanted of a file, and what it says of its pixels."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.transform import Affine

from tasks.spec.locations import local_path


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a scene."""

    href: str
    """A path, or an address as the catalogue has it, unsigned or signed."""
    scene: str
    """Id of the scene, for messages."""

    @cached_property
    def path(self) -> Path | None:
        """Where it lies on a disk; None: on a server."""
        return local_path(self.href)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.href.partition("?")[0].rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Version:
    """What tells one content of a file from another, as far as a server or disk says it; "" or 0: it does not."""

    size: int = 0
    modified: str = ""
    tag: str = ""

    def differs(self, other: "Version") -> bool:
        """Whether the two are known to be of different contents.

        Where both have an ETag it decides, and not the date (RFC 9110, 13.2.2): copies on several machines have many.
        """
        pairs = [(self.size, other.size), (self.tag, other.tag)]
        if not (self.tag and other.tag):
            pairs.append((self.modified, other.modified))
        return any(one and two and one != two for one, two in pairs)


class Replaced(Exception):
    """A file has another content than the one whose header was read."""

    def __init__(self, file: File) -> None:
        super().__init__(file.name)
        self.file = file


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says of its pixels."""

    width: int
    height: int
    bands: int
    dtype: np.dtype[Any]
    crs: str
    """EPSG:32632, or WKT of one without a code."""
    transform: Affine
    """From (column, row) of a pixel's upper left corner to (x, y)."""
    nodata: float | None
    """As pixels hold it; None: every value is one."""
    scales: tuple[float, ...]
    """By band: what pixels are to be multiplied with; 1 where the file says nothing. Pixels are given as stored."""
    offsets: tuple[float, ...]
    """By band: what is to be added after that; 0 where the file says nothing."""
    units: tuple[str, ...]
    """By band, as written; "" where the file says nothing."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Pixels of a file: a rectangle that lies in it, never empty."""

    top: int
    left: int
    bottom: int
    """Exclusive, as `right`."""
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left
