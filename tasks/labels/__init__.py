"""WHAT IT IS: the layer protocol, and the layers."""

from tasks.errors import SpecError
from tasks.labels.layer import Layer
from tasks.spec import CorpusSpec

__all__ = ["Layer", "open_layers"]


def open_layers(spec: CorpusSpec) -> tuple[Layer, ...]:
    """The layers of a spec, in its order. Raises SpecError: one that cannot be made."""
    if spec.labels:
        raise SpecError(f"labels: [{', '.join(spec.labels)}]: labels cannot be made by this version. Use labels: [].")
    return ()
