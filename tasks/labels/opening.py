"""Opening the layers of a spec."""

from tasks.errors import SpecError
from tasks.labels.corine import open_corine
from tasks.labels.layer import Layer
from tasks.labels.sources import open_source
from tasks.spec import CorpusSpec
from tasks.spec.labels import LabelItem


def open_layers(spec: CorpusSpec) -> tuple[Layer, ...]:
    """The layers of a spec, in its order. Raises SpecError: one that cannot be made."""
    return tuple(open_layer(item, spec) for item in spec.label_items)


def open_layer(item: LabelItem, spec: CorpusSpec) -> Layer:
    """One layer of a spec. Raises SpecError, LabelsError."""
    match item.name:
        case "corine":
            return open_corine(spec)
        case "osm":
            raise SpecError("labels: [osm]: OpenStreetMap's labels cannot be made by this version. Leave it out.")
        case _:
            return open_source(item, spec.patch.pixels)
