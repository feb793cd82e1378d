"""Pinning a source: what tells that a corpus that grows is labelled from the same file."""

import hashlib
import re
import urllib.error
from pathlib import Path
from typing import Any

from tasks.errors import SpecError
from tasks.labels.remote import head
from tasks.notices import told_if_slow
from tasks.spec.locations import is_url, local_path, need_file

_PORTION = 1 << 22
"""Bytes read at a time."""


def pin(location: str, key: str) -> dict[str, Any]:
    """What identifies the content of a source: of a file its sha256, of a URL its size and what the server calls it.

    `key` is where the spec names it. Raises SpecError: it is not there, or cannot be pinned; PixelsError,
    PlatformUnreachable: its server fails, or does not answer.
    """
    if local_path(location) is None:
        return _pin_remote(location, key)
    path = need_file(location, key)
    if not path.is_file():
        raise SpecError(f"{key}: {path} is no file. Give the file itself, unpacked.")
    try:
        return {"sha256": digest(path), "bytes": path.stat().st_size}
    except OSError as error:
        raise SpecError(
            f"{key}: {path} cannot be read: {error.strerror}. Correct its rights, or give another."
        ) from None


def digest(path: Path) -> str:
    """The sha256 of a file in hexadecimal, read a little at a time. Raises OSError."""
    total, done = path.stat().st_size // 1_000_000, 0
    state = hashlib.sha256()
    with told_if_slow(f"{path.name}: taking its digest (MB)") as say, path.open("rb") as file:
        while part := file.read(_PORTION):
            state.update(part)
            done += len(part)
            say(done // 1_000_000, total)
    return state.hexdigest()


def source_name(location: str) -> str:
    """The file's name without where it lies."""
    return re.sub(r"\?.*$", "", location).rstrip("/").rsplit("/", 1)[-1] if is_url(location) else Path(location).name


def _pin_remote(url: str, key: str) -> dict[str, Any]:
    """Size, ETag and time of change as the server has them: to digest it, all of it would have to be fetched."""
    if not url.lower().startswith(("http://", "https://")):
        raise SpecError(f"{key}: {url} cannot be pinned. Copy it to a file, or give an http(s) URL.")
    try:
        headers = head(url, f"{key}: {source_name(url)}")
    except urllib.error.HTTPError as error:
        raise SpecError(f"{key}: {url} answers {error.code}. Correct the URL, or copy it to a file.") from None
    except ValueError as error:
        raise SpecError(f"{key}: {url} cannot be asked for: {error}. Correct the URL.") from None
    told = {"bytes": headers["Content-Length"], "etag": headers["ETag"], "modified": headers["Last-Modified"]}
    if told["etag"] is None and told["modified"] is None:
        raise SpecError(
            f"{key}: the server of {url} tells neither an ETag nor when the file was changed, so the corpus could not "
            "tell another version of it. Copy it to a file."
        )
    return {name: int(value) if name == "bytes" else value for name, value in told.items() if value is not None}
