"""Labels: whether their sources are there, are what they should be, cover the places, and are those of the corpus."""

from contextlib import suppress

from tasks.doctor.contents import Places
from tasks.doctor.findings import Finding, wrong
from tasks.doctor.platforms import hurried
from tasks.errors import DeepSentinelError, SpecError
from tasks.imagery.registry import platform_settings
from tasks.labels.layer import Layer
from tasks.labels.opening import layer_notes, open_layer
from tasks.planning.coverage import refuse_unlabelled
from tasks.shards.description import Description, LayerDescription, layer_contradictions, read_description
from tasks.shards.destinations import open_destination
from tasks.spec import CorpusSpec
from tasks.spec.labels import LabelItem

_REMEDY = "Correct `labels` and `sources` in the spec."


def examine_label(item: LabelItem, spec: CorpusSpec, places: Places | None, deadline: float) -> list[Finding]:
    """Whether a label can be made: its source is there, can be read, is what it should be, and covers the places.

    And whether it is the source of the corpus that the destinations hold. `places` are the spec's, if they could be
    opened; `deadline` is in seconds.
    """
    what = f"label {item.name}"
    try:
        settings = None
        if item in spec.labels_sent:
            settings = tuple(hurried(one, deadline) for one in platform_settings(spec))
        layer = open_layer(item, spec, places, settings)
        if places is not None:
            refuse_unlabelled(spec, places, [layer], places.shards(spec.size))
        for location in spec.destinations:
            _refuse_another(layer, location)
        notes = layer_notes([layer])
    except DeepSentinelError as error:
        return [wrong(what, error, _REMEDY)]
    facts = layer.describe()
    licence = facts.get("licence") or "its licence is not told"
    found = [f"{facts.get('named', {}).get('source', 'can be made')}; {licence}", *notes]
    return [Finding(what=what, ok=True, found=told) for told in found]


def _refuse_another(layer: Layer, location: str) -> None:
    """See that the corpus at a destination, if there is one, is labelled from the same source. Raises SpecError."""
    held: Description | None = None
    with suppress(DeepSentinelError):  # what is wrong with a destination is said there
        held = read_description(open_destination(location))
    if held is not None:
        own = {layer.name: LayerDescription(arrays=layer.arrays, facts=layer.describe())}
        if told := layer_contradictions(held, own):
            raise SpecError(f"{location}: {'; '.join(told)}. Restore the source, or build elsewhere with --to.")
