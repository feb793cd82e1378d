"""Locations in a spec: paths and URLs."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks.errors import SpecError

_SECRET = re.compile(r"(^|[&_-])(sig|signature|token|key|secret|password|credential)=", re.IGNORECASE)
"""Parameters of signed URLs: Azure's sig, Amazon's X-Amz-Signature, Google's X-Goog-Signature, ..."""


def resolve_path(value: str, folder: Path, *, key: str) -> Path:
    """Find a file the spec names: relative to the spec's own folder, else to the current one.

    Raises SpecError: it is in neither.
    """
    path = Path(value).expanduser()
    for candidate in (folder / path, Path.cwd() / path):
        if candidate.exists():
            return candidate.resolve()
    where = f"{path}" if path.is_absolute() else f"{folder.resolve() / path} nor {Path.cwd() / path}"
    raise SpecError(
        f"{key}: no file {value!r}: found neither {where}. Correct the path; it is relative to the spec's folder."
    )


def is_url(value: str) -> bool:
    """Whether a location is a URL rather than a path."""
    return bool(re.match(r"^[a-z][a-z0-9+.-]*://", value, re.IGNORECASE))


def without_secret(location: Any) -> Any:
    """Refuse a location that carries a credential: a spec is stored, logged and shown."""
    if isinstance(location, str) and is_url(location):
        parts = urlsplit(location)
        if parts.username or parts.password or _SECRET.search(parts.query):
            shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
            raise ValueError(f"the location {shown} carries a credential; take it out and give it as a setting")
    return location
