"""The places of a spec: regions, strata, polygons or points, and what is kept of the user's file."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from tasks.spec.locations import source_location
from tasks.spec.messages import OTHER, STRATA, TEXT
from tasks.spec.parts import Part, branch

LAND = "land"

_REGIONS = "land, a list of countries such as [EU27, GB], or a file of polygons"

_OWN_COLUMNS = frozenset({
    "sample_id", "sample", "shard", "row", "cell", "geometry", "crs", "xmin", "ymin", "xmax", "ymax", "lon", "lat",
    "preferred_time", "gap_hours", "stratum", "split", "place_id", "missing",
})  # fmt: skip
"""Columns of every corpus' rows; others begin with a role, a platform or a label."""

_ROLES = ("s1", "s2")
"""How the names of roles begin."""


def _random_branch(value: Any) -> str:
    """Which branch of `random` a value takes: text, countries, or strata."""
    if isinstance(value, list | tuple) and any(isinstance(item, dict | Stratum) for item in value):
        return STRATA
    return branch(value)


def _known_region(region: Any) -> Any:
    if isinstance(region, str) and region != LAND and re.fullmatch(r"[A-Za-z]{2}|[A-Z0-9]{3,6}", region):
        raise ValueError(f"{region!r} alone is taken for a file; write [{region.upper()}] for a country or group")
    return region


def _absolute_source(source: Any, info: ValidationInfo) -> Any:
    return source_location(source, info.context) if isinstance(source, str) and source != LAND else source


_Text = Annotated[str, Tag(TEXT)]
_Countries = Annotated[tuple[str, ...], Tag(OTHER)]


class Stratum(Part):
    """A region and its share of every shard; a place belongs to the first one of the list that holds its centre."""

    region: Annotated[_Text | _Countries, Discriminator(branch)]
    """What `random` takes alone: `land`, a list of countries and groups, or a file of polygons."""
    share: float = Field(gt=0, allow_inf_nan=False)
    """How many samples of each shard lie here, in proportion to the shares of the other strata."""

    @field_validator("region", mode="before")
    @classmethod
    def _region(cls, region: Any) -> Any:
        if not isinstance(region, str | list | tuple):
            raise ValueError(f"expected {_REGIONS}")
        return _known_region(region)

    @field_validator("region")
    @classmethod
    def _absolute(cls, region: Any, info: ValidationInfo) -> Any:
        return _absolute_source(region, info)


class Places(Part):
    """Where samples are drawn: exactly one of three modes."""

    random: (
        Annotated[
            _Text | _Countries | Annotated[tuple[Stratum, ...], Tag(STRATA)],
            Discriminator(_random_branch),
        ]
        | None
    ) = None
    """Draws at random in a region: `land` (all land without Antarctica), a list of ISO 3166 alpha-2 codes and groups
    such as `[EU27, GB]`, or a file of polygons that geopandas reads; or in several regions,
    `[{region: ..., share: ...}, ...]`."""
    cover: str | None = None
    """A file of polygons, tiled with patches without gaps."""
    points: str | None = None
    """A file of points, a sample centred on each; its column `datetime`, if any, has the preferred instants."""
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Columns of the file of polygons or points, of text, whole numbers or numbers, that the rows keep. A tile has
    those of the polygon that takes up most of it. One alone need not be a list."""
    stride: int | None = Field(default=None, gt=0)
    """Of `cover`: pixels from one tile to the next, without it the patch's side. With less, tiles overlap, and `splits`
    have to go `by` a column of whole regions."""

    @field_validator("random", mode="before")
    @classmethod
    def _region(cls, random: Any) -> Any:
        if not isinstance(random, str | list | tuple | None):
            raise ValueError(f"expected {_REGIONS}; or a list of strata such as [{{region: land, share: 1}}]")
        return _known_region(random)

    @field_validator("random", "cover", "points")
    @classmethod
    def _absolute(cls, source: Any, info: ValidationInfo) -> Any:
        return _absolute_source(source, info)

    @field_validator("columns", mode="before")
    @classmethod
    def _list(cls, columns: Any) -> Any:
        return [columns] if isinstance(columns, str) else columns

    @field_validator("columns")
    @classmethod
    def _once(cls, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        written: dict[str, str] = {}
        for name in columns or ():
            if not name.strip():
                raise ValueError("a column has a name that is not empty")
            # As files of the plan may have it, which do not tell small letters from large ones.
            if name.lower() in written:
                raise ValueError(f"{name!r} stands twice, first as {written[name.lower()]!r}; keep one")
            written[name.lower()] = name
        return columns

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
        if self.columns and self.random is not None:
            raise ValueError("columns: places at random have no file with columns; list places with cover or points")
        if self.stride and self.cover is None:
            raise ValueError(f"stride: is of tiles; {given[0]} places have none. Use it with cover, or leave it out")
        return self

    @property
    def mode(self) -> Literal["random", "cover", "points"]:
        """Which of the three is given."""
        if self.random is not None:
            return "random"
        return "cover" if self.cover is not None else "points"

    @property
    def source(self) -> str | list[str] | list[Stratum]:
        """What is given under it."""
        source = getattr(self, self.mode)
        return source if isinstance(source, str) else list(source)

    @property
    def strata(self) -> tuple[Stratum, ...]:
        """The regions that are drawn in: one or several of random places, none of others."""
        if self.random is None:
            return ()
        several = tuple(one for one in self.random if isinstance(one, Stratum))
        return several or (Stratum.model_construct(region=self.random, share=1.0),)

    @property
    def words(self) -> str:
        """Mode and source in words."""
        if len(self.strata) > 1:
            return "random strata " + "; ".join(f"{_told(one.region)}, share {one.share:g}" for one in self.strata)
        return f"{self.mode} {_told(self.strata[0].region if self.strata else self.source)}"


def refuse_columns(places: Places, *, split: str | None, named: Iterable[str]) -> None:
    """See that no column of the places' file is called like one of the corpus.

    `split` is the column that holds the splits themselves, which may be called so; `named` are the names of platforms
    and labels. Raises ValueError.
    """
    starts = tuple(f"{name}_" for name in named)
    for name in places.columns or ():
        low = name.lower()
        if low in _OWN_COLUMNS and not (name == "split" == split):
            also = ", unless `splits: {by: split}` takes it as it is" if low == "split" else ""
            raise ValueError(
                f"places: columns: {name!r} is a column of every corpus{also}; give it another name in the file"
            )
        if low.startswith((*_ROLES, *starts)):
            raise ValueError(
                f"places: columns: {name!r} begins like the columns of a role, a platform or a label "
                f"({', '.join((*_ROLES, *starts))}); give it another name in the file"
            )


def _told(source: Any) -> str:
    return source if isinstance(source, str) else ", ".join(source)
