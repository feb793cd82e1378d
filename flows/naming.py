"""What runs are called: the page of runs reads as a plan."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run


def corpus_run_name(verb: str) -> Callable[[], str]:
    """Names runs for what they do to which corpus, whether its spec is given or the file that holds it."""

    def name() -> str:
        parameters = flow_run.get_parameters()
        given: Any = parameters["spec"] if "spec" in parameters else parameters["corpus"].rstrip("/")
        if isinstance(given, Mapping):
            return f"{verb} {given['name']}"
        return f"{verb} {Path(given).stem if isinstance(given, str | Path) else given.name}"

    return name
