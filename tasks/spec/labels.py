"""The labels of a spec, as they are written and as everything else takes them."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from tasks.spec.expectations import COLUMN
from tasks.spec.locations import source_location
from tasks.spec.messages import OTHER, TEXT
from tasks.spec.parts import Part, branch

NAMED_LABELS = ("corine", "osm")
"""Labels that a spec names by a word."""

EARTHENGINE = "earthengine"
"""The platform that sends labels with its images."""

Accepted = Literal["uncovered", "wdpa-noncommercial"]
"""What a spec has to accept in so many words."""

MOST_CLASSES = 65_535
"""Of one label: stored in 16 bits, 0 is nodata."""

_UNPINNED = re.compile(r"(^|/)(current|latest)(?=/|$)", re.IGNORECASE)

_DATED = (
    ("WCMC/WDPA/", "WCMC/WDPA/202106/polygons (a month each)"),
    ("RUB/RUBCLIM/LCZ/", "RUB/RUBCLIM/LCZ/global_lcz_map/v1"),
)
"""Assets that stand still, by how the moving ones begin. Source: the catalogue of Earth Engine."""


NumberOrText = Annotated[Annotated[str, Tag(TEXT)] | Annotated[int, Tag(OTHER)], Discriminator(branch)]


class LabelSource(Part):
    """Any other label, `NAME: {...}`: a raster, vectors or an asset, laid on the patches by nearest neighbour."""

    raster: str | None = None
    """A GeoTIFF or another file or http(s) URL that GDAL reads, in any CRS, of 10 m or coarser."""
    vectors: str | None = None
    """A GeoPackage or FlatGeobuf; a pixel belongs to the feature that holds its centre."""
    earthengine: str | None = None
    """An asset of Earth Engine, which has to be among the platforms and sends it with its images: an image, a
    collection of images, of which the last one lies on top, or of features. One that does not change, not one called
    `current` or `latest`."""
    bands: tuple[NumberOrText, ...] = ()
    """Of a raster or asset: bands by number, from 1, or name; several make an array (sample, NAME_scheme, y, x).
    Without them the first one."""
    kind: Literal["classes", "values"] = "classes"
    """Whole numbers of which each is a class, 1 to 65535, 0 is nodata; or measured values."""
    step: float | None = Field(default=None, gt=0)
    """Of `values`: what one stored step is worth; stored are whole steps in 16 bits, at most 32,767 either way."""
    column: str | None = None
    """Of vectors, or features of an asset: the column that holds the class; without it every one is of class 1."""
    values: tuple[NumberOrText, ...] = ()
    """Which classes there are. Of vectors the values of `column`, the n-th becoming class n; they are burnt in this
    order, so where features overlap the last one wins, and features with other values are left out. Of a raster its
    whole numbers, any other is refused; without them, a local file is read once for those that it holds, and of an
    asset they are those that its owner lists."""
    licence: str | None = None
    """The source's licence, which `corpus.json` tells."""
    attribution: str | None = None
    """How the source wants to be named."""

    @field_validator("raster", "vectors")
    @classmethod
    def _absolute(cls, file: str | None, info: ValidationInfo) -> str | None:
        return file if file is None else source_location(file, info.context)

    @field_validator("earthengine")
    @classmethod
    def _pinned(cls, asset: str | None) -> str | None:
        if asset is not None and _UNPINNED.search(asset):
            dated = next((dated for start, dated in _DATED if asset.startswith(start)), "")
            raise ValueError(
                f"{asset} changes with time, and a corpus must not; name the dated asset"
                f"{f', such as {dated}' if dated else ''}"
            )
        return asset

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        given = [name for name in ("raster", "vectors", "earthengine") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of raster, vectors, earthengine, found {' and '.join(given) or 'none'}"
            )
        if (self.kind == "values") != (self.step is not None):
            wrong = "values need a step, such as `step: 0.1`" if self.step is None else "classes have no step"
            raise ValueError(f"step: {wrong}; `kind: values` and `step` go together")
        if self.vectors is not None or (self.earthengine is not None and self.column is not None):
            self._fitting_features()
        elif self.column is not None:
            raise ValueError(f"column: a {given[0]} source has bands instead; use `bands`")
        elif self.kind == "values" and self.values:
            raise ValueError("values: these are the classes of `kind: classes`; leave them out")
        elif wrong := [value for value in self.values if not isinstance(value, int) or not 1 <= value <= MOST_CLASSES]:
            raise ValueError(
                f"values: expected whole numbers from 1 to {MOST_CLASSES}, found {wrong[0]!r}; 0 is nodata"
            )
        if len(set(self.values)) < len(self.values):
            twice = next(value for value in self.values if self.values.count(value) > 1)
            raise ValueError(f"values: {twice!r} stands twice; keep one")
        return self

    def _fitting_features(self) -> None:
        if self.kind == "values":
            raise ValueError("kind: vectors give classes; burn values into a raster, and give that as `raster`")
        if self.bands:
            raise ValueError("bands: vectors have none; use `column`")
        if (self.column is None) != (not self.values):
            missing = "values" if self.column is not None else "column"
            raise ValueError(f"{missing}: is missing; `column` and `values`, in the order they are burnt, go together")

    @property
    def needs_acceptance(self) -> Accepted | None:
        """What the spec has to accept for this source: of protected areas that commerce may not use them."""
        told = " ".join(filter(None, (self.raster, self.vectors, self.earthengine, self.licence, self.attribution)))
        return "wdpa-noncommercial" if re.search(r"wdpa|protected ?planet", told, re.IGNORECASE) else None


WrittenLabel = Annotated[
    Annotated[Literal["corine", "osm"], Tag(TEXT)] | Annotated[dict[str, LabelSource], Tag(OTHER)],
    Discriminator(branch),
]
"""One item of `labels` as it is written."""


_AXES = ("sample", "y", "x")
"""Dimensions of the arrays, which an array of that name would be taken for."""


@dataclass(frozen=True, kw_only=True)
class LabelItem:
    """One item of `labels`, in whichever way it was written."""

    name: str
    """corine, osm, or what the spec calls it: `labels/<name>` is its array."""
    source: LabelSource | None = None
    """Of a label that the spec describes."""

    @property
    def bands(self) -> int:
        """How many are laid on a pixel."""
        return max(1, len(self.source.bands)) if self.source else 1


def label_item(written: str | dict[str, LabelSource]) -> LabelItem:
    """An item of `labels`, however it is written."""
    if isinstance(written, str):
        return LabelItem(name=written)
    ((name, source),) = written.items()
    return LabelItem(name=name, source=source)


def usable_labels(labels: tuple[str | dict[str, LabelSource], ...]) -> None:
    """Refuse items of several names, and names that cannot be. Raises ValueError."""
    names: list[str] = []
    for written in labels:
        if not isinstance(written, str) and len(written) != 1:
            raise ValueError(f"expected one name an item, found {', '.join(written) or 'none'}; begin each with a dash")
        name = label_item(written).name
        if not isinstance(written, str):
            if not re.fullmatch(COLUMN.strip("^$"), name):
                raise ValueError(f"expected a name of 1 to 32 small letters, digits or '_', found {name!r}")
            if name in (*NAMED_LABELS, *_AXES) or name.startswith("osm_"):
                raise ValueError(f"the name {name!r} is taken; choose another")
        if name in names:
            raise ValueError(f"the name {name!r} stands twice; keep one")
        names.append(name)
