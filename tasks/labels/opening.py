"""Opening the layers of a spec."""

from tasks.errors import SpecError
from tasks.labels.layer import Layer
from tasks.spec import CorpusSpec


def open_layers(spec: CorpusSpec) -> tuple[Layer, ...]:
    """The layers of a spec, in its order. Raises SpecError: one that cannot be made."""
    if spec.labels:
        raise SpecError(f"labels: [{', '.join(spec.labels)}]: labels cannot be made by this version. Use labels: [].")
    return ()
