"""Data that a page from a folder can load: scripts, because a browser lets no page read files of its own folder."""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVEL = 6

Columns = Mapping[str, NDArray[Any]]


def packed(columns: Columns) -> dict[str, Any]:
    """Columns, (n,) each, of whole numbers of 1, 2 or 4 bytes: names with types, and all of them deflated, as base64.

    The first bytes of all values come before all second ones: of neighbours they are alike, and deflate finds that.
    """
    parts = [
        np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, values.itemsize).T
        for values in columns.values()
    ]
    content = b"".join(part.tobytes() for part in parts)
    return {
        "rows": len(next(iter(columns.values()))),
        "columns": [[name, f"{values.dtype.kind}{values.itemsize}"] for name, values in columns.items()],
        "data": base64.b64encode(zlib.compress(content, _LEVEL)).decode(),
    }


def script(name: str, content: Any) -> bytes:
    """A script that hands content to the page that has loaded it."""
    return f"deepsentinel({to_literal(name)},{to_literal(content)});\n".encode()


def to_literal(content: Any) -> str:
    """JSON that is a JavaScript literal too, and ends no element of the HTML in which it stands."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
