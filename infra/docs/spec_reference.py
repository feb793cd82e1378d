"""Writes the reference of specs, `deployments/corpora/README.md`, from the model's own docstrings and bounds."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.spec.expectations import PATTERNS
from tasks.spec.loading import PARTS

PAGE = Path(__file__).parents[2] / "deployments" / "corpora" / "README.md"

COMMAND = "make docs"

EXAMPLE = """\
name: unlabelled-1m
seed: 2020
size: 1_000_000
places: {random: land}
window: [2018-01-01, 2021-01-01]
pairing: {max_gap_days: 3, search_days: 30, max_cloud_cover: null}
patch: {pixels: 250}
platforms:
  - earthengine
  - stac: {catalog: "https://example.org/stac", name: example, sentinel2_b10: sentinel-2-l1c}
splits: {train: 0.8, validation: 0.1, test: 0.1}
shard_size: 250
destinations: [/data/unlabelled-1m, /backup/unlabelled-1m]
"""

_HEAD = f"""\
# Specs of corpora

<!-- Written by `{COMMAND}` from the docstrings in tasks/spec; change those. -->

A spec is a YAML file that describes a corpus completely: with what the platforms hold, it determines every byte.
`deepsentinel build SPEC` makes the corpus, resumes it, and grows it after `size` was raised.

```yaml
{EXAMPLE}```

- **Paths.** Files that a spec names start at the spec's own folder, or where they are not there, at the current one;
  destinations start at the current one. `~` is the home folder. URLs stand as they are.
- **Credentials** have no place in a spec, which is stored, logged and shown; they are settings.
- **Numbers, dates, text** are those of YAML 1.2: `1_000_000` and `1e6` are numbers, `NO` (Norway) and `1:20` are text.
  Dates are written as 2018-01-01, instants as 2018-01-01T06:00:00Z.
- A key that is unknown or stands twice is refused, and so is a value of another kind or beyond its bounds.
- **Recipes.** `recipes/` has SEN1-2, SEN12MS, SEN12MS-CR, SEN12MS-CR-TS, So2Sat LCZ42, MapInWild, SEN12TP, SSL4EO-S12
  and a continuous region as specs, each with what of the original it gives and what it cannot.
"""

_TITLES = {
    "": "Keys",
    "random": "An item of `places: {random: [...]}`: a stratum",
    "stac": "An item of `platforms`: `stac`",
    "labels": "An item of `labels`: a source of one's own",
}


def page() -> str:
    """The whole page."""
    sections = [_section(key, part) for key, part in PARTS.items() if key != "platforms"]  # whose one key is `stac`
    return "\n".join([_HEAD, *sections])


def _section(key: str, part: type[BaseModel]) -> str:
    schema = part.model_json_schema()
    required = schema.get("required", [])
    head = (part.__doc__ or "").splitlines()[0]
    lines = [
        f"## {_TITLES.get(key, f'`{key}`')}",
        "",
        head,
        "",
        "| key | value | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field)
        meaning = " ".join(field.get("description", "").split())
        lines.append(f"| `{name}` | {_value(field)} | {default} | {meaning} |".replace("|  |", "| |"))
    return "\n".join([*lines, ""])


def _default(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return "see below"
    value = field["default"]
    if value is None:
        return "none"
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _value(field: dict[str, Any]) -> str:
    """What may stand under a key, in words."""
    if "$ref" in field:
        return "keys and values"
    if branches := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(_value(branch) for branch in branches if branch.get("type") != "null")
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{word}`" for word in field["enum"])
    match field["type"]:
        case "array" if "prefixItems" in field:
            of = "numbers" if field["prefixItems"][0].get("type") == "number" else "dates or instants"
            return f"list of {len(field['prefixItems'])} {of}"
        case "array":
            least = f" of {field['minItems']} or more" if "minItems" in field else ""
            return f"list{least}: {_value(field['items'])}"
        case "object":
            return "keys and values"
        case "string":
            return f"text: {PATTERNS[field['pattern']]}" if "pattern" in field else "text"
        case kind:
            return f"{'whole number' if kind == 'integer' else 'number'}{_bounds(field)}"


def _bounds(field: dict[str, Any]) -> str:
    words = {
        "exclusiveMinimum": "more than",
        "minimum": "at least",
        "exclusiveMaximum": "less than",
        "maximum": "at most",
    }
    told = [f"{word} {field[bound]:,}" for bound, word in words.items() if bound in field]
    return f", {', '.join(told)}" if told else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
