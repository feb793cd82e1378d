"""The platforms of a spec, as they are written and as everything else takes them."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from tasks.spec.archives import written_out
from tasks.spec.expectations import COLUMN
from tasks.spec.locations import source_location
from tasks.spec.messages import OTHER, TEXT
from tasks.spec.parts import Part, branch

NAMED_PLATFORMS = ("earthengine", "descarteslabs", "demo")
"""Platforms that a spec names by a word."""

RESERVED_NAMES = ("labels", "osm", "samples", "statistics", "quicklooks", "commits", "runs", "release", "training")
"""Folders of a corpus, which no platform may be called."""

PlatformName = Annotated[str, Field(pattern=COLUMN)]


class StacSource(Part):
    """A STAC archive: any API or static catalogue."""

    catalog: str
    """Path or URL: of a catalog.json or its folder, a STAC API, an item collection, or a GeoParquet table of items. Or
    the name of a public archive, which stands for its URL and further keys: `earth-search`, `planetary-computer` or
    `copernicus`."""
    sentinel1_catalog: str | None = None
    """The same for Sentinel-1, where its scenes are in another catalogue."""
    sentinel2: str = "sentinel-2-l2a"
    """Collection of the Sentinel-2 scenes."""
    sentinel2_b10: str | None = None
    """Collection of Level 1C: B10 is taken from it, which Level-2A has not, and all bands of roles of `level: l1c`;
    without it, B10 is absent."""
    sentinel1: str = "sentinel-1-grd"
    """Collection of the Sentinel-1 scenes."""
    backscatter: Literal["db", "power"] = "db"
    """What the Sentinel-1 pixels hold, where items do not say it: decibels or linear power."""
    reflectance_scale: float | None = Field(default=None, gt=0, le=1)
    """What Sentinel-2 pixels are to be multiplied with to be reflectance: 0.0001, or 1 where they are from 0 to 1.
    Without it as items and files say; where these say nothing, 0.0001 for integers of 16 bits or more."""
    signatures: str | None = None
    """URL that gives signatures for files in Azure's stores to anyone, as Planetary Computer's; asked just before
    reading, and again when they expire."""
    s3: str | None = None
    """URL of the store that `s3://` addresses of the catalogue are in; without it Amazon's."""
    name: PlatformName = "stac"
    """What the platform is called in the corpus: its folder, and the start of its columns' names."""

    @property
    def radar_catalog(self) -> str:
        """The catalogue of the Sentinel-1 scenes."""
        return self.sentinel1_catalog or self.catalog

    @model_validator(mode="before")
    @classmethod
    def _named(cls, source: Any) -> Any:
        return written_out(source) if isinstance(source, dict) else source

    @field_validator("name")
    @classmethod
    def _free_name(cls, name: str) -> str:
        if name in RESERVED_NAMES or (name in NAMED_PLATFORMS and name != "demo"):
            raise ValueError(f"the name {name!r} is taken by the layout of a corpus; choose another")
        return name

    @field_validator("catalog", "sentinel1_catalog")
    @classmethod
    def _absolute(cls, catalog: str | None, info: ValidationInfo) -> str | None:
        return None if catalog is None else source_location(catalog, info.context)

    @field_validator("signatures", "s3")
    @classmethod
    def _server(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and not source_location(url, info.context).startswith(("https://", "http://")):
            raise ValueError("expected the URL of a server, https://...")
        return url


class StacItem(Part):
    """A platform that is a STAC archive."""

    stac: StacSource
    """The archive."""


WrittenPlatform = Annotated[Annotated[str, Tag(TEXT)] | Annotated[StacItem, Tag(OTHER)], Discriminator(branch)]
"""One item of `platforms` as it is written."""


@dataclass(frozen=True, kw_only=True)
class PlatformItem:
    """One item of `platforms`, in whichever way it was written."""

    kind: str
    """earthengine, descarteslabs, stac or demo."""
    name: str
    """What it is called in the corpus."""
    stac: StacSource | None = None
    """With `stac`."""


def platform_item(written: str | StacItem) -> PlatformItem:
    """An item of `platforms`, however it is written."""
    if isinstance(written, str):
        return PlatformItem(kind=written, name=written)
    return PlatformItem(kind="stac", name=written.stac.name, stac=written.stac)


def known_platforms(platforms: Any) -> Any:
    """Refuse items that are neither a platform's name nor keys and values. Raises ValueError."""
    for item in platforms if isinstance(platforms, list | tuple) else ():
        if not isinstance(item, dict | StacItem) and item not in NAMED_PLATFORMS:
            raise ValueError(
                f"unknown platform{f' {item!r}' if '://' not in repr(item) else ''}; expected "
                f"{', '.join(NAMED_PLATFORMS)} or {{stac: {{catalog: path or URL}}}}"
            )
    return platforms
