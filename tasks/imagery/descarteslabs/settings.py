"""Settings of the platform `descarteslabs`, from the environment (`DEEPSENTINEL_DESCARTESLABS_...`)."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from tasks.settings import PREFIX, PlatformSettings

Names = Annotated[tuple[str, ...], NoDecode]
"""A list of names, in the environment as one text with commas."""


class DescartesLabsSettings(PlatformSettings):
    """Endpoints, account, products and limits."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}DESCARTESLABS_")

    url: str | None = Field(
        default=None, description="where the platform's catalogue and raster service are; EarthOne's own by default"
    )
    iam_url: str | None = Field(default=None, description="where the platform logs in; EarthOne's own by default")
    token: SecretStr | None = Field(default=None, description="an access token (JWT)")
    client_id: str | None = Field(default=None, description="client id of an account")
    client_secret: SecretStr | None = Field(default=None, description="client secret of an account")
    # Product ids and band names differ between accounts; the defaults are those of public code for the platform.
    sentinel2: str = Field(default="sentinel-2:L1C", description="product id of the Sentinel-2 scenes")
    sentinel2_bands: Names = Field(
        default=(
            "coastal-aerosol", "blue", "green", "red", "red-edge", "red-edge-2", "red-edge-3", "nir", "red-edge-4",
            "water-vapor", "cirrus", "swir1", "swir2",
        ),
        description="the product's names of B01, B02, ..., B08, B8A, B09, ..., B12; `-` for one that it does not have",
    )  # fmt: skip
    processing_level: Literal["surface", "default"] = Field(
        default="surface", description="`surface` asks for surface reflectance, `default` for pixels as they are kept"
    )
    offset: Literal["removed", "kept"] = Field(
        default="removed",
        description="whether the product's pixels still carry ESA's +1000 offset of processing baselines since 04.00",
    )
    sentinel2_l1c: str | None = Field(
        default=None,
        description="product id of the Sentinel-2 scenes whose pixels as they are kept are reflectance at the top of "
        "the atmosphere, for roles of `level: l1c`; bands and offset are those of the other product",
    )
    sentinel1: str = Field(default="sentinel-1:GRD", description="product id of the Sentinel-1 scenes")
    sentinel1_bands: Names = Field(default=("vv", "vh"), description="the product's names of VV and VH")
    backscatter: Literal["db", "power"] = Field(
        default="db", description="what the physical range of the Sentinel-1 bands is: decibels or linear power"
    )
    requests: int = Field(default=16, ge=1, le=256, description="requests in flight to the platform, per process")
    deadline: float = Field(
        default=90.0,
        gt=0,
        le=3600,
        description="seconds without an answer after which one attempt is given up; a rendering takes some",
    )
    patience: float = Field(
        default=300.0, ge=0, le=86_400, description="seconds for which a request is tried, all attempts together"
    )
    search_patches: int = Field(default=16, ge=1, le=250, description="patches that share one search of the catalogue")

    @field_validator("sentinel2_bands", "sentinel1_bands", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value

    @field_validator("sentinel2_bands", "sentinel1_bands")
    @classmethod
    def _as_many_as_bands(cls, value: tuple[str, ...], info: Any) -> tuple[str, ...]:
        expected = 13 if info.field_name == "sentinel2_bands" else 2
        if len(value) != expected or not all(value):
            raise ValueError(f"expected {expected} names with commas between, found {len(value)}")
        return value
