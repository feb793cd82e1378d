"""Pieces of Markdown: tables whose source can be read too, bars, and figures."""

from collections.abc import Iterable, Sequence

_BAR = 32
"""Characters of the longest bar."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> list[str]:
    """Lines of a table; the columns numbered in `right` are aligned there, as figures are."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(_padded(cell, width, at in right) for at, (cell, width) in enumerate(_sized(row, widths)))
        + " |"
        for row in cells
    ]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 1) + ("-:"[at in right]) for at, width in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:], ""]


def bars(counts: Sequence[tuple[str, int]]) -> list[str]:
    """A histogram in characters, a line a bin, with counts and percents."""
    if not counts:
        return []
    most, total = max(count for _, count in counts), sum(count for _, count in counts)
    name, figure = max(len(label) for label, _ in counts), len(f"{most:,}")
    lines = [
        f"{label:>{name}}  {_bar(count / (most or 1)):<{_BAR}}  {count:>{figure},}  {100 * count / (total or 1):5.1f} %"
        for label, count in counts
    ]
    return ["```text", *lines, "```", ""]


def percent(share: float) -> str:
    """A share in percent; nothing and everything only where it is so."""
    if 0 < share < 5e-5:
        return "< 0.01 %"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{100 * share:.2f} %" if 0 < share < 0.1 else f"{100 * share:.1f} %"


def in_bytes(size: int) -> str:
    """A size in the unit that suits it."""
    for unit, step in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= step:
            return f"{size / step:,.1f} {unit}"
    return f"{size / 1e3:,.1f} kB"


def _bar(share: float) -> str:
    whole, rest = divmod(round(share * _BAR * 8), 8)
    return ("█" * whole + _EIGHTHS[rest]).rstrip() or ("▏" if share else "")


def _sized(row: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[str, int]]:
    return zip(row, widths, strict=True)


def _padded(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)
