"""Settings of Earth Engine."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tasks.settings import PREFIX, PlatformSettings, variable_of


class EarthEngineSettings(PlatformSettings):
    """Login, endpoint, limits and image collections, from `DEEPSENTINEL_EARTHENGINE_...`."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}EARTHENGINE_")

    credentials: str | None = Field(
        default=None,
        description="path of a key file, or `anonymous`; unset: what `earthengine authenticate` stored on this machine",
    )
    project: str | None = Field(
        default=None, description="Google Cloud project registered for Earth Engine; unset: that of the key file"
    )
    url: str = Field(
        default="https://earthengine-highvolume.googleapis.com",
        description="endpoint, scheme and host alone; the high-volume one is made for many small requests",
    )
    requests: int = Field(
        default=40,
        ge=1,
        le=1000,
        description="requests in flight per process; Earth Engine's own limit a project is 40",
    )
    deadline: float = Field(
        default=300, gt=0, le=3600, description="seconds without an answer after which one attempt is given up"
    )
    patience: float = Field(
        default=900, ge=0, le=86400, description="seconds for which a request is tried, all attempts together"
    )
    sentinel2: str = Field(
        default="COPERNICUS/S2_SR_HARMONIZED",
        description="image collection of Sentinel-2 L2A, without the +1000 offset",
    )
    sentinel2_l1c: str = Field(
        default="COPERNICUS/S2_HARMONIZED",
        description="image collection of Sentinel-2 L1C, without the +1000 offset: for roles of `level: l1c`, and B10",
    )
    sentinel1: str = Field(default="COPERNICUS/S1_GRD", description="image collection of Sentinel-1 GRD, in dB")
    cloud: Literal["GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY"] = Field(
        default="GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",
        description="image collection of cloud masks, for roles of `mask: cloud`: Cloud Score+ or s2cloudless",
    )


CREDENTIALS, PROJECT, URL = (variable_of(EarthEngineSettings, field) for field in ("credentials", "project", "url"))
"""The variables of the login, for messages."""

COLLECTIONS = {
    field: variable_of(EarthEngineSettings, field) for field in ("sentinel2", "sentinel2_l1c", "sentinel1", "cloud")
}
"""The variables that name image collections, by setting."""


CLOUD_BANDS = {"GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED": "cs_cdf", "COPERNICUS/S2_CLOUD_PROBABILITY": "probability"}
"""The band of each collection of cloud masks that is kept: how clear it is from 0 to 1, or percent of cloud."""


def limits_of(settings: EarthEngineSettings) -> str:
    """The limits in force, in words."""
    return (
        f"{settings.requests} requests in flight; without an answer for {settings.deadline:g} s one is given up, and "
        f"tried again for {settings.patience:g} s"
    )
