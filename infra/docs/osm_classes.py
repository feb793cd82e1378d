"""Writes the page of OpenStreetMap's classes, `tasks/labels/osm/README.md`, and its legend, from the class file."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from tasks.labels.osm.scheme import KINDS, OWN, OsmClass, Scheme, load_scheme

PAGE, LEGEND = OWN.with_name("README.md"), OWN.with_name("classes.svg")

COMMAND = "make docs"

_ROW, _WIDTH = 18, 260
"""Pixels of the legend: height of a class, width of a geometry type."""

_HEAD = f"""\
# Classes of OpenStreetMap

<!-- Written by `{COMMAND}` from classes.yaml; change that. -->

A corpus with `labels: [osm]` has three arrays, `labels/osm_point`, `osm_line` and `osm_polygon`, (sample, y, x) uint32:
class c of a pixel is bit c - 1, so that a building in a wood is both. One class a pixel, of several the one that is
drawn last, is

```python
from tasks.labels.osm.scheme import class_index, load_scheme

index = class_index(bits, load_scheme().polygon)  # uint8, of the shape of `bits`; 0: none
```

![The classes and their colours](classes.svg)

- **Areas** hold the centres of their pixels, with holes, by the even-odd rule. Closed ways and multipolygons are areas;
  a closed way with a tag of a line, or one of `linear`, is none unless it has `area=yes`. One with `area=no` is none.
- **Lines** are as wide as the table says. Below 10 m they cover every pixel that they touch, else those whose centre
  lies within.
- **Points** are nodes; each is the pixel that holds it.
- **Never filled** by any of their tags: areas with `boundary=*` or `leisure=nature_reserve`. They are legal extents. No
  class names `place`, so islands, squares and suburbs are filled by what else they are.
- **Under ground** nothing has a class: `location=underground` or `underwater`, `parking=underground`, tunnels.
- **Broken areas**, whose rings cross themselves or stay open, and multipolygons without all their members are not
  drawn; `deepsentinel ingest` counts and names them.

In a table, `*` is any value but `no` that no other class names. `order` is the one of drawing; with the same, the
higher number is drawn later. Classes of your own: a copy of [classes.yaml](classes.yaml), and `sources: {{osm_classes:
FILE}}` in the spec; its digest is recorded, and extracts are ingested anew.
"""


def page() -> str:
    """The whole page."""
    scheme = load_scheme()
    return "\n".join([_HEAD, *(_table(kind, scheme) for kind in reversed(KINDS))])


def legend() -> str:
    """All classes with their colours, as SVG."""
    scheme = load_scheme()
    width, height = _WIDTH * len(KINDS), _ROW * (1 + max(len(scheme.of(kind)) for kind in KINDS)) + 8
    columns = [line for at, kind in enumerate(reversed(KINDS)) for line in _column(kind, scheme.of(kind), at * _WIDTH)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
            'font-size="12">',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *columns,
            "</svg>\n",
        ]
    )


def _column(kind: str, classes: Sequence[OsmClass], left: int) -> Iterator[str]:
    yield f'<text x="{left + 8}" y="15" font-weight="bold">{kind}s</text>'
    for row, item in enumerate(classes, 1):
        top = row * _ROW + 4
        yield f'<rect x="{left + 8}" y="{top}" width="24" height="13" fill="{item.color}" stroke="#666666"/>'
        yield f'<text x="{left + 38}" y="{top + 11}">{item.id} {escape(item.name)}</text>'


def _table(kind: str, scheme: Scheme) -> str:
    width = " width |" if kind == "line" else ""
    rows = [f"| | {kind}s |{width} colour | order | tags |", f"|---|---|{'---|' if width else ''}---|---|---|"]
    for item in scheme.of(kind):
        wide = f" {item.width:g} m |" if width else ""
        rows.append(f"| {item.id} | {item.name} |{wide} `{item.color}` | {item.order} | {_tags(item.tags)} |")
    return "\n".join([*rows, ""])


def _tags(tags: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{key}={', '.join(values)}".replace("*", "\\*") for key, values in tags.items())


def main() -> None:
    """Write page and legend."""
    PAGE.write_text(page(), encoding="utf-8")
    LEGEND.write_text(legend(), encoding="utf-8")


if __name__ == "__main__":
    main()
