"""What is wrong with a spec, in words that name key, value, expectation and line."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tasks.spec.yaml_file import SpecFile

TEXT, OTHER = "_text", "_other"
"""Branches of a union; pydantic puts them in an error's location, where they are no keys of the file."""

NAME = r"^[a-z0-9][a-z0-9._-]{0,99}$"
"""Pattern of a corpus' name."""

COLUMN = r"^[a-z][a-z0-9_]{0,31}$"
"""Pattern of what becomes a folder and the start of a column's name."""

PATTERNS = {
    NAME: "1 to 100 small letters, digits, '.', '_' or '-', the first a letter or digit",
    COLUMN: "1 to 32 small letters, digits or '_', the first a letter",
}
"""What the patterns mean."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number with fewer digits",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "string_type": "text (a number or true in quotes, if it is meant as text)",
    "string_unicode": "text",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "path_type": "a path",
    "tuple_type": "a list",
    "list_type": "a list",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
    "invalid_key": "a key that is text",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}
"""What pydantic's types of errors say was expected; the braces take what the error tells of its bound."""

_LONGEST = 80
"""Characters of a found value that are shown."""


def explain(error: ValidationError, file: SpecFile, keys_of: Mapping[str, Sequence[str]]) -> str:
    """A line for each thing wrong; `keys_of` has the allowed keys by the key they stand under, "" at the top."""
    lines: list[str] = []
    errors = error.errors()
    for item in errors:
        if any(_inside(other["loc"], item["loc"]) for other in errors):
            continue  # only says that something inside is wrong
        keys = _keys(item)
        line = file.line_of(keys)
        if item["type"] == "extra_forbidden":
            parent = next((str(key) for key in reversed(keys[:-1]) if not isinstance(key, int)), "")
            message = f"{_where(item)}: unknown key; {file.suggest(keys, keys_of.get(parent, []))}"
        else:
            message = tell(item)
        text = f"{file.path}{f', line {line}' if line else ''}: {message}"
        if text not in lines:
            lines.append(text)
    return "\n".join(lines)


def tell(error: ErrorDetails) -> str:
    """One error of pydantic's: key, what was expected, what was found."""
    where = _where(error)
    return f"{where}: {say(error)}" if where else say(error)


def say(error: ErrorDetails) -> str:
    """One error of pydantic's without its key: what was expected, what was found. None of pydantic's words."""
    if error["type"] in ("missing", "extra_forbidden"):
        return "is missing" if error["type"] == "missing" else "unknown key"
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    context = {key: _plain(bound) for key, bound in error.get("ctx", {}).items()}
    if error["type"] == "string_pattern_mismatch":
        expected = PATTERNS.get(context["pattern"], "text of another form")
    else:
        expected = _EXPECTED.get(error["type"], "something else").format_map(context)
    return f"expected {expected}{_found(error['input'])}"


def _found(value: Any) -> str:
    """What was found, unless it holds a location, which may carry a credential."""
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    if "://" in text:
        return ""
    return f", found {text if len(text) <= _LONGEST else text[:_LONGEST] + ' ...'}"


def _plain(bound: Any) -> Any:
    """A bound as people write it: 30 rather than 30.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _where(error: ErrorDetails) -> str:
    return ".".join(str(key) for key in _keys(error))


def _keys(error: ErrorDetails) -> list[str | int]:
    return [part for part in error["loc"] if part not in (TEXT, OTHER)]


def _inside(inner: tuple[Any, ...], outer: tuple[Any, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer
