"""Settings: endpoints, accounts and limits, from the environment (`DEEPSENTINEL_...`). Never part of a corpus."""

import os
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
