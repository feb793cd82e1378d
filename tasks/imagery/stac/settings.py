"""Settings of the platforms `stac` and `demo`."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from tasks.settings import PREFIX, PlatformSettings

FROM_DISK = 4
"""Samples read at once where nothing has to be waited for; further ones find no core."""

FROM_SERVERS = 8
"""Enough to have requests under way while others are decoded."""


class StacSettings(PlatformSettings):
    """How STAC archives are read, and where the demo archive is."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    stac_reads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="samples read at once from a STAC archive, per process; unset: 4 from a disk, 8 from servers",
    )
    stac_requests: int = Field(
        default=32, ge=1, le=256, description="requests in flight to each server of a remote archive, per process"
    )
    stac_kept: int = Field(
        default=128, ge=0, le=65536, description="MB of decoded blocks that are kept for neighbouring samples"
    )
    stac_deadline: float = Field(
        default=60, gt=0, le=3600, description="seconds without an answer after which a remote archive's is given up"
    )
    stac_patience: float = Field(
        default=300, ge=0, le=86400, description="seconds for which a failing read of a remote archive is tried again"
    )
    stac_signature_key: SecretStr | None = Field(
        default=None, description="key of a Planetary Computer account; signatures are given without, and fewer at once"
    )
    stac_s3_key: SecretStr | None = Field(
        default=None,
        description="access key of the S3 store that the key `s3` of a spec names",
    )
    stac_s3_secret: SecretStr | None = Field(default=None, description="the secret that belongs to that access key")
    demo_archive: Path = Field(
        default=Path("demo/archive"), description="folder of the demo archive that the platform `demo` reads"
    )

    def samples_at_once(self, *, remote: bool) -> int:
        """Samples that are read at once, of an archive on servers or on a disk."""
        return self.stac_reads or (FROM_SERVERS if remote else FROM_DISK)
