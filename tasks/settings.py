"""Settings: endpoints, accounts and limits, from the environment (`DEEPSENTINEL_...`). Never part of a corpus."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.errors import SettingsError

_PREFIX = "DEEPSENTINEL_"


class Settings(BaseSettings):
    """What may differ between two machines that build the same corpus."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    demo_archive: Path = Field(
        default=Path("demo/archive"), description="folder of the demo archive that the platform `demo` reads"
    )
    shards_in_flight: int = Field(
        default=2, ge=1, le=64, description="shards built at once in one process; about 0.7 GB of memory each"
    )
    stac_reads: int = Field(
        default=4, ge=1, le=256, description="samples read at once from a STAC archive, per process"
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


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError: a variable is out of its bounds; the message names it, its value and the bound.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}={first['input']!r}: {first['msg']}. Correct or unset this variable.") from None
