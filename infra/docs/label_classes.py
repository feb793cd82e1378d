"""Writes the reference of label classes, `deployments/corpora/LABELS.md`, and its picture, from the legends."""

from collections.abc import Iterator
from pathlib import Path

from tasks.labels.legends import CORINE, Colour
from tasks.labels.osm.scheme import OsmClass, Tags, load_scheme
from tasks.release.keys import Key, draw_keys

ROOT = Path(__file__).parents[2]

PAGE, PICTURE = ROOT / "deployments" / "corpora" / "LABELS.md", ROOT / "infra" / "pictures" / "classes.png"

COMMAND = "make docs"

_HIGH = 765
"""Pixels of the picture's columns: CORINE in one, OpenStreetMap in three."""

_HEAD = f"""\
# Classes of labels

<!-- Written by `{COMMAND}` from tasks/labels/legends.py and tasks/labels/osm/classes.yaml; change those. -->

![The classes and their colours](../../infra/pictures/classes.png)

A corpus has these legends in the attributes of its arrays, and in `release/legend.json`.

## CORINE Land Cover

`labels/corine`, uint8: the number of the class, 0 where there is none. The column `corine_<code>` is its share of a
sample.

| number | code | name | colour |
|---|---|---|---|
"""

_OSM = """
## OpenStreetMap

`labels/osm_point`, `labels/osm_line` and `labels/osm_polygon`, uint32: class number c is bit c - 1, so a pixel
may have several. `tasks/labels/osm/classes.yaml` has the classes with their tags; a spec may name a file of its own in
`sources: {osm_classes: FILE}`. One class a pixel, of several the one drawn last, that is with the highest `order`:

```python
from tasks.labels.osm.scheme import class_index, load_scheme

class_index(labels.osm_polygon[0].values, load_scheme().polygon)  # (y, x), 0 = none
```

- **Polygons** hold the centres of their pixels, with holes, by the even-odd rule. Closed ways and multipolygons are
  areas; a closed way with a tag of a line, or one of `linear`, with `area=yes` only; one with `area=no` never.
- **Lines** are as wide as the table says. Below 10 m they cover every pixel that they touch, else those whose centre
  lies within. **Points** are nodes, each the pixel that holds it.
- **Never filled**, by none of their tags, are areas with `boundary=*` or `leisure=nature_reserve`: legal extents. No
  class names `place`, so islands, squares and suburbs are filled by what else they are.
- **Under ground** nothing has a class: `location=underground` or `underwater`, `parking=underground`, tunnels.
- **Broken areas**, whose rings cross themselves or stay open, and multipolygons without all their members are not
  drawn; `deepsentinel ingest` counts and names them.

In the tables, `any` is any value but `no` that no other class names; with the same `order`, the higher number is later.
"""


def page() -> str:
    """The whole page."""
    scheme = load_scheme()
    corine = [f"| {one.index} | {one.code} | {one.name} | {_hex(one.rgb)} |" for one in CORINE]
    parts = [_HEAD + "\n".join(corine) + "\n" + _OSM]
    for kind in ("polygon", "line", "point"):
        lines = kind == "line"
        parts.append(f"\n### {kind.capitalize()}s\n")
        parts.append(f"| number | name | colour | order |{' width |' if lines else ''} tags |")
        parts.append(f"|---|---|---|---|{'---|' if lines else ''}---|")
        parts += [_row(one) for one in scheme.of(kind)]
    return "\n".join(parts) + "\n"


def keys() -> Iterator[Key]:
    """What the picture shows."""
    yield Key(
        title="CORINE Land Cover", entries=tuple((f"{one.code}  {one.name}", one.rgb or (0, 0, 0)) for one in CORINE)
    )
    for kind in ("polygon", "line", "point"):
        entries = tuple((f"{one.id}  {one.name}", _rgb(one.color)) for one in load_scheme().of(kind))
        yield Key(title=f"OpenStreetMap {kind}s", entries=entries)


def _row(one: OsmClass) -> str:
    width = f" {one.width:g} m |" if one.width else ""
    return f"| {one.id} | {one.name} | `{one.color}` | {one.order} |{width} {_tags(one.tags)} |"


def _tags(tags: Tags) -> str:
    return "; ".join(
        f"{key} = {', '.join('any' if value == '*' else value for value in values)}" for key, values in tags.items()
    )


def _hex(rgb: Colour | None) -> str:
    return f"`#{bytes(rgb).hex()}`" if rgb else ""


def _rgb(color: str) -> Colour:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    draw_keys(list(keys()), [], _HIGH).save(PICTURE, optimize=True)
    print(f"wrote {PAGE} and {PICTURE}")
