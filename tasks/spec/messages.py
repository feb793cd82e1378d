"""What is wrong with a spec, in words that name key, value, expectation and line."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tasks.spec.expectations import expectation, is_own
from tasks.spec.yaml_file import SpecFile

TEXT, OTHER, STRATA = "_text", "_other", "_strata"
"""Branches of a union; pydantic puts them in an error's location, where they are no keys of the file."""

_LONGEST = 80
"""Characters of a found value that are shown."""

_MOST_TOLD = 20
"""Things wrong with one spec that are told at once."""


def explain(error: ValidationError, file: SpecFile, keys_of: Mapping[str, Sequence[str]]) -> str:
    """A line for each thing wrong; `keys_of` has the allowed keys by the key they stand under, "" at the top."""
    errors = error.errors()
    around = {item["loc"][:length] for item in errors for length in range(len(item["loc"]))}
    told = [item for item in errors if item["loc"] not in around]
    lines = dict.fromkeys(_line(item, file, keys_of) for item in told[:_MOST_TOLD])
    more = [f"and {len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
    return "\n".join([*lines, *more])


def _line(error: ErrorDetails, file: SpecFile, keys_of: Mapping[str, Sequence[str]]) -> str:
    keys, message = _keys(error), tell(error)
    if error["type"] == "extra_forbidden":
        parents = [str(key) for key in reversed(keys[:-1]) if not isinstance(key, int)]
        # Under a name of the user's own the keys are those of what it is in.
        parent = next((key for key in parents if key in keys_of), "")
        message += f"; {file.suggest(keys, keys_of[parent])}"
    # What contradicts something elsewhere is told of the whole spec, and begins with a key.
    line = file.line_of(keys or [message.partition(":")[0]])
    return f"{file.path}{f', line {line}' if line else ''}: {message}"


def tell(error: ErrorDetails) -> str:
    """One error of pydantic's: key, what was expected, what was found."""
    where = _where(error)
    found = "" if is_own(error) or error["type"] in ("missing", "extra_forbidden") else _found(error["input"])
    return f"{where}: {expectation(error)}{found}" if where else f"{expectation(error)}{found}"


def _found(value: Any) -> str:
    """What was found, unless it holds a location, which may carry a credential."""
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    if "://" in text:
        return ""
    return f", found {text if len(text) <= _LONGEST else text[:_LONGEST] + ' ...'}"


def _where(error: ErrorDetails) -> str:
    return ".".join(str(key) for key in _keys(error))


def _keys(error: ErrorDetails) -> list[str | int]:
    return [part for part in error["loc"] if part not in (TEXT, OTHER, STRATA)]
