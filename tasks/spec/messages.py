"""What is wrong with a spec, in words that name key, value, expectation and line."""

from typing import Any

from pydantic import ValidationError

from tasks.spec.yaml_file import SpecFile

TEXT, OTHER = "_text", "_other"
"""Branches of a union; pydantic puts them in an error's location, where they are no keys of the file."""


def explain(error: ValidationError, file: SpecFile, keys_of: dict[str, list[str]]) -> str:
    """A line for each thing wrong; `keys_of` has the allowed keys by the key they stand under, "" at the top."""
    lines: list[str] = []
    errors = error.errors()
    for item in errors:
        if any(_inside(other["loc"], item["loc"]) for other in errors):
            continue  # only says that something inside is wrong
        keys = [part for part in item["loc"] if part not in (TEXT, OTHER)]
        where = ".".join(str(part) for part in keys)
        line = file.line_of(keys)
        if item["type"] == "extra_forbidden":
            parent = next((str(key) for key in reversed(keys[:-1]) if not isinstance(key, int)), "")
            message = f"{where}: unknown key; {file.suggest(keys, keys_of.get(parent, []))}"
        elif item["type"] == "missing":
            message = f"{where}: is missing"
        else:
            message = tell(item)
        text = f"{file.path}{f', line {line}' if line else ''}: {message}"
        if text not in lines:
            lines.append(text)
    return "\n".join(lines)


def tell(item: Any) -> str:
    """One error of pydantic's: key, what was expected, what was found."""
    where = ".".join(str(part) for part in item["loc"] if part not in (TEXT, OTHER))
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] != "value_error":
        message += _shown(item["input"])
    return f"{where}: {message}" if where else message


def _shown(value: Any) -> str:
    """What was found, unless it holds a location, which may carry a credential."""
    text = repr(value)
    return "" if "://" in text else f", found {text}"


def _inside(inner: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer
