"""Locations in a spec, paths and URLs: made absolute when it is validated, so that they mean the same everywhere."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tasks.errors import SpecError

FOLDER = "folder"
"""Key of pydantic's validation context under which the spec's own folder stands."""

STARTS = "a relative path starts at the spec's folder, or where it is not there, at the current one"
"""For messages about a file that the spec names."""

_SECRET = re.compile(r"(^|[&_-])(sig|signature|token|key|secret|password|credential)=", re.IGNORECASE)
"""Parameters of signed URLs: Azure's sig, Amazon's X-Amz-Signature, Google's X-Goog-Signature, ..."""


def is_url(value: str) -> bool:
    """Whether a location is a URL rather than a path."""
    return bool(re.match(r"^[a-z][a-z0-9+.-]*://", value, re.IGNORECASE))


def local_path(location: str) -> Path | None:
    """The path of a location on this machine, a path or a file:// URL; None: it is elsewhere."""
    if not is_url(location):
        return Path(location)
    parts = urlsplit(location)
    local = parts.scheme == "file" and parts.netloc in ("", "localhost")
    return Path(unquote(parts.path)) if local else None


def absolute(path: str, folder: str | Path) -> str:
    """A path that starts at `folder`, itself absolute, if it is relative; `..` and `.` are taken out of its text.

    Links are not followed: what a path is called is told, not where it leads.
    """
    joined = os.path.normpath(Path(folder) / os.path.expanduser(path))  # noqa: PTH111 Path's fails without a home
    return re.sub("^//+", "/", joined)  # POSIX leaves two slashes at the start undefined, and Linux takes them for one


def source_location(location: str, context: Mapping[str, Any] | None) -> str:
    """Where a file that a spec names lies: at the spec's folder, or if it is not there but at the current one, there.

    URLs stay as they are. Raises ValueError: blank, or with a credential.
    """
    if is_url(_usable(location)):
        return location
    own, current = (absolute(location, folder) for folder in ((context or {}).get(FOLDER, Path.cwd()), Path.cwd()))
    return current if not _exists(own) and _exists(current) else own


def destination_location(location: str) -> str:
    """Where a destination lies: a relative path starts at the current folder.

    URLs stay as they are. Raises ValueError: blank, or with a credential.
    """
    return location if is_url(_usable(location)) else absolute(location, Path.cwd())


def canonical(location: str) -> str:
    """What two spellings of one absolute location have in common."""
    path = local_path(location)
    return absolute(str(path), "/") if path is not None else location.rstrip("/")


def need_file(location: str | Path, key: str) -> Path:
    """The file or folder that a spec names under `key`. Raises SpecError: it is absent, or not on this machine."""
    path = local_path(str(location))
    if path is None:
        raise SpecError(f"{key}: {location} is not on this machine. Copy it to a file, and give the path of that.")
    if not _exists(path):
        raise SpecError(f"{key}: there is no file {path}. Correct the path; {STARTS}.")
    return path


def _usable(location: str) -> str:
    """Refuse a location that is none, or carries a credential: a spec is stored, logged and shown."""
    if not location.strip() or "\0" in location or re.search("[\ud800-\udfff]", location):
        raise ValueError(f"expected a path or URL, found {location!a}")
    if is_url(location):
        try:
            parts = urlsplit(location)
        except ValueError:  # whose words may quote a password
            raise ValueError("expected a path or URL, found a URL with a malformed host") from None
        if parts.username or parts.password or _SECRET.search(parts.query):
            shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
            raise ValueError(f"the location {shown} carries a credential; take it out and give it as a setting")
    return location


def _exists(path: str | Path) -> bool:
    """Whether something is there, as far as this user may see."""
    return os.path.exists(path)  # noqa: PTH110 Path's raises PermissionError
