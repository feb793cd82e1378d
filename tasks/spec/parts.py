"""Parts of a spec: where, when, how large, and how it is split."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

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


class Places(Part):
    """Where samples are drawn: exactly one of three modes."""

    random: (
        Annotated[Annotated[str, Tag(TEXT)] | Annotated[tuple[str, ...], Tag(OTHER)], Discriminator(branch)] | None
    ) = None
    """Draws at random in a region: `land` (all land without Antarctica), a list of ISO 3166 alpha-2 codes and groups
    such as `[EU27, GB]`, or a file of polygons that geopandas reads."""
    cover: str | None = None
    """A file of polygons, tiled with patches without gaps."""
    points: str | None = None
    """A file of points, a sample centred on each; its column `datetime`, if any, has the preferred instants."""

    @field_validator("random", mode="before")
    @classmethod
    def _region(cls, random: Any) -> Any:
        if not isinstance(random, str | list | tuple | None):
            raise ValueError("expected land, a list of countries such as [EU27, GB], or a file of polygons")
        if isinstance(random, str) and random != "land" and re.fullmatch(r"[A-Za-z]{2}|[A-Z0-9]{3,6}", random):
            raise ValueError(f"{random!r} alone is taken for a file; write [{random.upper()}] for a country or group")
        return random

    @field_validator("random", "cover", "points")
    @classmethod
    def _absolute(cls, source: Any, info: ValidationInfo) -> Any:
        return source_location(source, info.context) if isinstance(source, str) and source != "land" else source

    @model_validator(mode="before")
    @classmethod
    def _mode_and_source(cls, places: Any) -> Any:
        if isinstance(places, str):
            raise ValueError(f"expected a mode and its source, such as {{random: {places}}}")
        return places

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        given = [mode for mode in ("random", "cover", "points") if getattr(self, mode) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of random, cover, points, found {' and '.join(given) or 'none'}; "
                "for instance {random: land} or {points: sites.geojson}"
            )
        return self

    @property
    def mode(self) -> Literal["random", "cover", "points"]:
        """Which of the three is given."""
        if self.random is not None:
            return "random"
        return "cover" if self.cover is not None else "points"

    @property
    def source(self) -> str | list[str]:
        """What is given under it."""
        source = getattr(self, self.mode)
        return source if isinstance(source, str) else list(source)


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


class Splits(Part):
    """Shares of the samples for training, validation and test; they add up to 1."""

    train: float = Field(default=0.7, ge=0, le=1)
    """Share for training."""
    validation: float = Field(default=0.1, ge=0, le=1)
    """Share for validation."""
    test: float = Field(default=0.2, ge=0, le=1)
    """Share for the test."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test add up to {total:g}, expected 1")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split by its name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


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
