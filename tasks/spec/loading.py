"""Reading a spec from its file."""

from pathlib import Path

from pydantic import BaseModel, ValidationError

from tasks.errors import SpecError
from tasks.spec.acquisitions import Acquisition, Instants
from tasks.spec.labels import LabelSource
from tasks.spec.locations import FOLDER
from tasks.spec.messages import explain
from tasks.spec.model import CorpusSpec
from tasks.spec.parts import Pairing, PatchSize, Sources
from tasks.spec.places import Places, Stratum
from tasks.spec.platforms import StacItem, StacSource
from tasks.spec.splits import Splits
from tasks.spec.yaml_file import read_spec_file

PARTS: dict[str, type[BaseModel]] = {
    "": CorpusSpec,
    "places": Places,
    "random": Stratum,
    "pairing": Pairing,
    "acquisitions": Acquisition,
    "instants": Instants,
    "patch": PatchSize,
    "platforms": StacItem,
    "stac": StacSource,
    "labels": LabelSource,
    "sources": Sources,
    "splits": Splits,
}
"""Parts of a spec by the key they stand under."""


def load_spec(path: str | Path) -> CorpusSpec:
    """Read a spec from a YAML file.

    Files that it names are looked for in its own folder first, then in the current one; all locations become absolute.
    Raises SpecError: unreadable, not YAML, an unknown key or a wrong value; names key, value, expectation and line.
    """
    file = read_spec_file(Path(path))
    try:
        return CorpusSpec.model_validate(file.content, context={FOLDER: file.path.absolute().parent})
    except ValidationError as error:
        raise SpecError(explain(error, file, {key: list(part.model_fields) for key, part in PARTS.items()})) from None
