"""Parts of a spec: what a part is, what makes a pair, how large, and which files labels are read from."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tasks.spec.locations import source_location
from tasks.spec.messages import OTHER, TEXT


def branch(value: Any) -> str:
    """Which branch of a union a value takes that is text or something else."""
    return TEXT if isinstance(value, str) else OTHER


class Part(BaseModel):
    """Keys of a spec; others are refused. The docstrings of the keys are their descriptions wherever they are shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: Any) -> Any:
        if isinstance(value, bool):  # which pydantic takes for 0 and 1
            raise ValueError(f"found {str(value).lower()}, but no key of a spec takes true or false")
        return value


MOST_GAP_DAYS = 30


class Pairing(Part):
    """Which Sentinel-2 and Sentinel-1 acquisitions make a pair."""

    max_gap_days: float = Field(default=3.0, gt=0, le=MOST_GAP_DAYS)
    """Days by which the starts of the two acquisitions may differ, either way."""
    search_days: float = Field(default=30.0, gt=0, le=3660)
    """Days by which the Sentinel-2 acquisition may differ from the preferred instant of the sample, either way."""
    max_cloud_cover: float | None = Field(default=None, ge=0, le=100)
    """Clouds in the whole Sentinel-2 scene in percent, as the catalogue gives them; under a limit a scene without the
    figure does not qualify. Without a limit every scene does."""


class PatchSize(Part):
    """The patch: a square of 10 m pixels."""

    pixels: int = Field(default=250, ge=16, le=2048)
    """Pixels of 10 m a side."""


class Sources(Part):
    """Files of labels, each under the label that reads it."""

    corine: str | None = None
    """CORINE Land Cover 2018: the raster as it is delivered or an extract, file or http(s) URL, or the vectors as a
    GeoPackage or FlatGeobuf. Without it the label `corine` is Earth Engine's own, which sends it with its images."""

    osm_classes: str | None = None
    """The classes of OpenStreetMap and their tags, a YAML file such as tasks/labels/osm/classes.yaml; without it,
    those."""

    @field_validator("corine", "osm_classes")
    @classmethod
    def _absolute(cls, file: str | None, info: ValidationInfo) -> str | None:
        return file if file is None else source_location(file, info.context)
