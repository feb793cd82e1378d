"""The event that a corpus is released; `deployments/prefect.yaml` has the trigger by which it starts a training."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prefect.events import emit_event

EVENT = "deepsentinel.corpus.released"

RESOURCE = "deepsentinel.corpus"
"""Begins the id of the resource, which ends in the corpus' name; its label `deepsentinel.corpus.uri` says where."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """What is said of a released corpus."""

    uri: str
    digest: str
    """SHA-256 over its commit records in order."""
    samples: int
    """With pixels."""
    platforms: Sequence[str]
    labels: Sequence[str]


def emit(name: str, released: Released) -> None:
    """Say that the corpus of that name is released; whoever waits for it is started by Prefect's server.

    Said of one digest several times, it is trained from once: `train-model` sees that it was.
    """
    payload: dict[str, Any] = asdict(released) | {
        "platforms": list(released.platforms),
        "labels": list(released.labels),
    }
    emit_event(event=EVENT, resource=resource_of(name, released.uri), payload=payload)


def resource_of(name: str, uri: str) -> dict[str, str]:
    """The resource of a corpus, by which triggers choose."""
    return {
        "prefect.resource.id": f"{RESOURCE}.{name}",
        "prefect.resource.name": name,
        f"{RESOURCE}.uri": uri,
    }
