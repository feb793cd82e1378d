"""Settings of the platforms `stac` and `demo`."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tasks.settings import PREFIX, PlatformSettings


class StacSettings(PlatformSettings):
    """How STAC archives are read, and where the demo archive is."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    stac_reads: int = Field(
        default=4, ge=1, le=256, description="samples read at once from a STAC archive, per process"
    )
    stac_deadline: float = Field(
        default=60, gt=0, le=3600, description="seconds without an answer after which a remote archive's is given up"
    )
    stac_patience: float = Field(
        default=300, ge=0, le=86400, description="seconds for which a failing read of a remote archive is tried again"
    )
    demo_archive: Path = Field(
        default=Path("demo/archive"), description="folder of the demo archive that the platform `demo` reads"
    )
