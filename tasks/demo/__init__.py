"""The demo archive: an invented country as a small local archive."""

from tasks.demo.archive import make_archive

__all__ = ["make_archive"]
