"""Headers of NPY 1.0 files, which is how Earth Engine sends pixels.

numpy reads them with `ast.literal_eval`, which CPython 3.11 does not do well on many threads: now and then it ends in
"SystemError: AST constructor recursion depth mismatch". Bodies are many and headers few, so each is parsed once, and
without it. Format: numpy.lib.format, "Format Version 1.0".
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

_MAGIC = b"\x93NUMPY\x01\x00"
_PREFIX = len(_MAGIC) + 2
"""Bytes before the header: the magic, and the header's length in two bytes, the lower one first."""

_TEXT = r"""(?:'[^'\\]*'|"[^"\\]*")"""
_FIELD = re.compile(rf"\(\s*({_TEXT})\s*,\s*({_TEXT})\s*,?\s*\)")
_FIELDS = rf"\[\s*(?:\(\s*{_TEXT}\s*,\s*{_TEXT}\s*,?\s*\)\s*(?:,\s*|(?=\])))*\]"
_VALUES = {
    "descr": rf"{_TEXT}|{_FIELDS}",
    "fortran_order": "True|False",
    "shape": r"\(\s*(?:\d+\s*(?:,\s*|(?=\))))*\)",
}
_ENTRY = "|".join(rf"""['"]{key}['"]\s*:\s*(?P<{key}>{value})""" for key, value in _VALUES.items())
_HEADER = re.compile(rf"\{{\s*(?:(?:{_ENTRY})\s*(?:,\s*|(?=\}}))){{3}}\}}\s*")
"""A dictionary of just these three, in any order (a reader must not depend on it)."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What an array is, before its values."""

    fields: tuple[tuple[str, str], ...]
    """Names and types such as <u2, in the order of the values; one without a name where there are no fields."""
    shape: tuple[int, ...]
    fortran: bool
    """Whether the first axis varies fastest."""
    offset: int
    """Bytes before the values."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The structured type of an element. Raises TypeError: there is no such type."""
        return np.dtype(list(self.fields))


def read_header(body: bytes) -> Header:
    """The header of an NPY body. Raises ValueError: there is none, or it is cut short."""
    if not body.startswith(_MAGIC):
        raise ValueError("not NPY 1.0")
    offset = _PREFIX + int.from_bytes(body[len(_MAGIC) : _PREFIX], "little")
    if len(body) < offset:
        raise ValueError("cut short within its header")
    return _parsed(bytes(body[_PREFIX:offset]))


@lru_cache(maxsize=256)
def _parsed(text: bytes) -> Header:
    found = _HEADER.fullmatch(text.decode("latin-1"))
    if found is None or None in found.groups():
        raise ValueError("no NPY header where it should be")
    descr, fortran, shape = found["descr"], found["fortran_order"], found["shape"]
    fields = _FIELD.findall(descr) if descr.startswith("[") else [("''", descr)]
    return Header(
        fields=tuple((name[1:-1], kind[1:-1]) for name, kind in fields),
        shape=tuple(int(size) for size in re.findall(r"\d+", shape)),
        fortran=fortran == "True",
        offset=_PREFIX + len(text),
    )
