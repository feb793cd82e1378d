"""What tests run in other processes: imports nothing that it does not need, which a spawned one would wait for."""

import os
from typing import Any

from tasks.shards.destinations import open_destination


def ask(location: str, answers: Any) -> None:
    """Use a destination in every way, and put what it says on a queue."""
    destination = open_destination(location)
    answers.put((destination.get("a"), destination.create("b", str(os.getpid()).encode()), destination.names("x")))
