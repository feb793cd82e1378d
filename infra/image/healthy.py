"""Whether what a container runs is well: the check of the image, which needs no login.

A server and a worker are asked over loopback; whatever else runs is well as long as it runs. Exits with 0 or 1.
"""

import os
import sys
import urllib.request
from pathlib import Path

DEADLINE = 4.0
"""Seconds for an answer; the image gives the check 5."""


def address(command: list[str], environment: dict[str, str]) -> str | None:
    """What tells how the process of a container is; None: nothing does."""
    if "server" in command:
        return f"http://127.0.0.1:{environment.get('PREFECT_SERVER_API_PORT', '4200')}/api/health"
    if "--with-healthcheck" in command:
        return f"http://127.0.0.1:{environment.get('PREFECT_WORKER_WEBSERVER_PORT', '8080')}/health"
    return None


def is_healthy(url: str) -> bool:
    """Whether it answers, and well."""
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            return answer.status == 200
    except OSError:
        return False


if __name__ == "__main__":
    # The first process of the container: this one, or an init that has it among its arguments.
    url = address(Path("/proc/1/cmdline").read_text(encoding="utf-8").split("\0"), dict(os.environ))
    sys.exit(0 if url is None or is_healthy(url) else 1)
