"""Settings: endpoints, accounts and limits, from the environment (`DEEPSENTINEL_...`). Never part of a corpus."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tasks.errors import SettingsError

_PREFIX = "DEEPSENTINEL_"

Names = Annotated[tuple[str, ...], NoDecode]
"""A list of names, in the environment as one text with commas."""


class Settings(BaseSettings):
    """What may differ between two machines that build the same corpus."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    demo_archive: Path = Field(
        default=Path("demo/archive"), description="folder of the demo archive that the platform `demo` reads"
    )
    cache: Path = Field(
        default_factory=lambda: Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deepsentinel",
        description="folder for what is slow to compute and may be deleted at any time",
    )
    price_gs: float = Field(default=0.020, ge=0, description="US dollars a GB and month, Google Cloud Storage")
    price_az: float = Field(default=0.018, ge=0, description="US dollars a GB and month, Azure Blob Storage")
    prices_of: str = Field(default="2025-06", description="when these prices were looked up: they are list prices")
    shards_in_flight: int = Field(
        default=2, ge=1, le=64, description="shards built at once in one process; about 0.7 GB of memory each"
    )
    stac_reads: int = Field(
        default=4, ge=1, le=256, description="samples read at once from a STAC archive, per process"
    )
    stac_patience: float = Field(
        default=300, ge=0, le=86400, description="seconds for which a failing read of a remote archive is tried again"
    )
    earthengine_credentials: str | None = Field(
        default=None,
        description="path of a key file, or `anonymous`; unset: what `earthengine authenticate` stored on this machine",
    )
    earthengine_project: str | None = Field(
        default=None, description="Google Cloud project registered for Earth Engine; unset: that of the key file"
    )
    earthengine_url: str = Field(
        default="https://earthengine-highvolume.googleapis.com",
        description="endpoint, scheme and host alone; the high-volume one is made for many small requests",
    )
    earthengine_requests: int = Field(
        default=40,
        ge=1,
        le=1000,
        description="requests in flight per process; Earth Engine's own limit a project is 40",
    )
    earthengine_deadline: float = Field(
        default=300, gt=0, le=3600, description="seconds without an answer after which a request is given up"
    )
    earthengine_patience: float = Field(
        default=900, ge=0, le=86400, description="seconds for which a failing request is tried again"
    )
    earthengine_sentinel2: str = Field(
        default="COPERNICUS/S2_SR_HARMONIZED",
        description="image collection of Sentinel-2 L2A, without the +1000 offset",
    )
    earthengine_sentinel2_l1c: str = Field(
        default="COPERNICUS/S2_HARMONIZED", description="image collection of Sentinel-2 L1C, for B10"
    )
    earthengine_sentinel1: str = Field(
        default="COPERNICUS/S1_GRD", description="image collection of Sentinel-1 GRD, in dB"
    )

    descarteslabs_url: str | None = Field(
        default=None, description="where the platform's catalogue and raster service are; EarthOne's own by default"
    )
    descarteslabs_iam_url: str | None = Field(
        default=None, description="where the platform logs in; EarthOne's own by default"
    )
    descarteslabs_token: SecretStr | None = Field(default=None, description="an access token (JWT)")
    descarteslabs_client_id: str | None = Field(default=None, description="client id of an account")
    descarteslabs_client_secret: SecretStr | None = Field(default=None, description="client secret of an account")
    # Product ids and band names differ between accounts; the defaults are those of public code for the platform.
    descarteslabs_sentinel2: str = Field(default="sentinel-2:L1C", description="product id of the Sentinel-2 scenes")
    descarteslabs_sentinel2_bands: Names = Field(
        default=(
            "coastal-aerosol", "blue", "green", "red", "red-edge", "red-edge-2", "red-edge-3", "nir", "red-edge-4",
            "water-vapor", "cirrus", "swir1", "swir2",
        ),
        description="the product's names of B01, B02, ..., B08, B8A, B09, ..., B12; `-` for one that it does not have",
    )  # fmt: skip
    descarteslabs_processing_level: Literal["surface", "default"] = Field(
        default="surface", description="`surface` asks for surface reflectance, `default` for pixels as they are kept"
    )
    descarteslabs_offset: Literal["removed", "kept"] = Field(
        default="removed",
        description="whether the product's pixels still carry ESA's +1000 offset of processing baselines since 04.00",
    )
    descarteslabs_sentinel1: str = Field(default="sentinel-1:GRD", description="product id of the Sentinel-1 scenes")
    descarteslabs_sentinel1_bands: Names = Field(default=("vv", "vh"), description="the product's names of VV and VH")
    descarteslabs_backscatter: Literal["db", "power"] = Field(
        default="db", description="what the physical range of the Sentinel-1 bands is: decibels or linear power"
    )
    descarteslabs_requests: int = Field(
        default=16, ge=1, le=256, description="requests in flight to the platform, per process"
    )
    descarteslabs_deadline: float = Field(
        default=300.0, gt=0, le=86_400, description="seconds for which a failing request is tried again"
    )
    descarteslabs_search_patches: int = Field(
        default=16, ge=1, le=250, description="patches that share one search of the catalogue"
    )

    @field_validator("descarteslabs_sentinel2_bands", "descarteslabs_sentinel1_bands", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @field_validator("descarteslabs_sentinel2_bands", "descarteslabs_sentinel1_bands")
    @classmethod
    def _as_many_as_bands(cls, value: tuple[str, ...], info: Any) -> tuple[str, ...]:
        expected = 13 if info.field_name == "descarteslabs_sentinel2_bands" else 2
        if len(value) != expected or not all(value):
            raise ValueError(f"expected {expected} names with commas between, found {len(value)}")
        return value


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError: a variable is out of its bounds; the message names it, its value and the bound.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        secret = any(word in name for word in ("TOKEN", "SECRET"))
        found = "" if secret else f"={first['input']!r}"
        raise SettingsError(f"{name}{found}: {first['msg']}. Correct or unset this variable.") from None
