"""Words for what pydantic refuses: none of its own, which speak of its types instead of what is expected."""

from typing import Any

from pydantic_core import ErrorDetails

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
    "json_invalid": "JSON ({error})",
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


def expectation(error: ErrorDetails) -> str:
    """What one error of pydantic's says was expected, or what is wrong; not what was found."""
    if error["type"] in ("missing", "extra_forbidden"):
        return "is missing" if error["type"] == "missing" else "unknown key"
    if is_own(error):
        return str(error["msg"]).removeprefix("Value error, ")
    context = {key: _plain(bound) for key, bound in error.get("ctx", {}).items()}
    if error["type"] == "string_pattern_mismatch":
        return f"expected {PATTERNS.get(context['pattern'], 'text of another form')}"
    return f"expected {_EXPECTED.get(error['type'], 'something else').format_map(context)}"


def is_own(error: ErrorDetails) -> bool:
    """Whether a validator of this package raised it, whose message says all there is to say."""
    return error["type"] == "value_error"


def _plain(bound: Any) -> Any:
    """A bound as people write it: 30 rather than 30.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
