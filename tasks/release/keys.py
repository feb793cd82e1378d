"""Keys to pictures of labels, drawn: squares of colour and what they stand for, in columns."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from tasks.labels.legends import Colour

PAPER: Colour = (250, 249, 246)

_COLUMN, _MARGIN, _LINE, _SWATCH = 262, 8, 15, 11
_INK, _FAINT, _EDGE = (28, 34, 40), (110, 118, 126), (150, 150, 150)
_LETTERS = 40
"""Of a line of text in a column."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """What the colours of one array mean."""

    title: str
    entries: tuple[tuple[str, Colour], ...]
    """Name and colour of what occurs."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    text: str
    colour: Colour | None = None
    """Of the square before it."""
    title: bool = False
    faint: bool = False
    inset: bool = False
    """Whether it goes on below a line with a square."""


def draw_keys(keys: Sequence[Key], footnotes: Sequence[str], height: int) -> Image.Image:
    """Draw keys one below the other, in further columns where they are higher than `height` pixels.

    Without keys and footnotes the picture has no width.
    """
    blocks = list(_blocks(keys, footnotes))
    most = max(height // _LINE, *(len(block) for block in blocks), 1) if blocks else 1
    columns: list[list[_Line]] = []
    for block in blocks:
        if not columns or len(columns[-1]) + len(block) > most:
            columns.append([])
        # What separates two keys does not begin a column.
        columns[-1] += block if columns[-1] or block[0].text else block[1:]
    size = _COLUMN * len(columns), _LINE * max(map(len, columns), default=0)
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    plain, large = ImageFont.load_default(11), ImageFont.load_default(13)
    for number, lines in enumerate(columns):
        x = number * _COLUMN + _MARGIN
        for at, line in enumerate(lines):
            y = at * _LINE
            if line.colour is not None:
                draw.rectangle((x, y + 1, x + _SWATCH, y + 1 + _SWATCH), fill=line.colour, outline=_EDGE)
            indent = _SWATCH + 7 if line.colour is not None or line.inset else 0
            ink = _FAINT if line.faint else _INK
            draw.text((x + indent, y - line.title), line.text, ink, font=large if line.title else plain)
    return picture


def _blocks(keys: Sequence[Key], footnotes: Sequence[str]) -> Iterator[list[_Line]]:
    """Lines that stay together in a column."""
    for key in keys:
        head = [_Line(text=""), _Line(text=key.title, title=True)]
        for name, colour in key.entries:
            first, *rest = textwrap.wrap(name, _LETTERS) or [""]
            yield [*head, _Line(text=first, colour=colour), *(_Line(text=text, inset=True) for text in rest)]
            head = []
    for note in footnotes:
        yield [_Line(text=""), *(_Line(text=text, faint=True) for text in textwrap.wrap(note, _LETTERS + 4))]
