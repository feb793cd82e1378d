"""Which software makes a release."""

import json
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

NAME = "deepsentinel"

_ROOT = Path(__file__).parents[2]


def git_commit() -> str | None:
    """The commit of this software: of the clone it runs from, or of what it was installed from; None: nothing tells."""
    if (_ROOT / ".git").exists():
        try:
            command = ["git", "-C", str(_ROOT), "rev-parse", "HEAD"]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None
    try:
        told = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    return json.loads(told or "{}").get("vcs_info", {}).get("commit_id")
