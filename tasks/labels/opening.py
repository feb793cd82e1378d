"""Opening the layers of a spec."""

from collections import Counter
from collections.abc import Sequence

from tasks.errors import SpecError
from tasks.labels.assets import OfPlatforms
from tasks.labels.corine import open_corine
from tasks.labels.layer import Layer
from tasks.labels.osm.layer import OsmLayer, open_osm
from tasks.labels.sources import open_source
from tasks.places.draws import ListedPlaces, RandomPlaces
from tasks.places.opening import open_places
from tasks.spec import CorpusSpec
from tasks.spec.labels import LabelItem


def open_layers(
    spec: CorpusSpec, places: RandomPlaces | ListedPlaces | None = None, of_platforms: OfPlatforms | None = None
) -> tuple[Layer, ...]:
    """The layers of a spec, in its order.

    `places` are the spec's, if they are open, and `of_platforms` the settings of its platforms, in its order; without
    them those of the environment. Raises as `open_layer`; SpecError: two columns of one name.
    """
    layers = tuple(open_layer(item, spec, places, of_platforms) for item in spec.label_items)
    columns = Counter(column for layer in layers for column in layer.columns)
    if twice := [column for column, count in columns.items() if count > 1]:
        named = " and ".join(layer.name for layer in layers if twice[0] in layer.columns)
        raise SpecError(f"labels: {named} would both write the column {twice[0]}. Rename one of them.")
    return layers


def open_layer(
    item: LabelItem,
    spec: CorpusSpec,
    places: RandomPlaces | ListedPlaces | None = None,
    of_platforms: OfPlatforms | None = None,
) -> Layer:
    """One layer of a spec, its source pinned.

    Raises SpecError, LabelsError; CorpusError: nothing is ingested for it; PixelsError, PlatformUnreachable: a source
    elsewhere does not answer; of an asset what its platform raises.
    """
    match item.name:
        case "corine":
            return open_corine(spec, of_platforms)
        case "osm":
            return open_osm(spec, places or open_places(spec))
        case _:
            return open_source(item, spec, of_platforms)


def layer_notes(layers: Sequence[Layer]) -> tuple[str, ...]:
    """What a user should know of them before a build."""
    return tuple(note for layer in layers if isinstance(layer, OsmLayer) for note in layer.notes)
