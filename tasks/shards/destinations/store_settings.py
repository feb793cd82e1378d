"""Settings of the stores that are asked over a network: logins and limits. Nothing of it stands in a spec."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.settings import PREFIX


class StoreSettings(BaseSettings):
    """What every store has."""

    # An empty variable is how some launchers write one that is not set.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    block: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]+/[a-z0-9-]+$",
        description="TYPE/NAME of the Prefect block that holds the login, instead of the settings below",
    )
    requests: int = Field(
        default=64, ge=1, le=1000, description="requests in flight to one destination in a process, puts and gets"
    )
    deadline: float = Field(
        default=60, gt=0, le=3600, description="seconds without an answer after which one attempt is given up"
    )
    patience: float = Field(
        default=300, ge=0, le=86400, description="seconds for which a request is tried, all attempts together"
    )


class GcsSettings(StoreSettings):
    """Google Cloud Storage, from `DEEPSENTINEL_GCS_...`; `STORAGE_EMULATOR_HOST` is the address of an emulator."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}GCS_")

    key_file: Path | None = Field(
        default=None, description="key file of a service account; unset: the application default credentials"
    )
    key: SecretStr | None = Field(default=None, description="content of such a file, instead of its path")
    anonymous: bool = Field(default=False, description="ask without a login; the bucket must be public")


class AzureSettings(StoreSettings):
    """Azure Blob Storage, from `DEEPSENTINEL_AZURE_...`.

    One of these, the first that is set: a connection string; an account name with a SAS token or an account key; an
    account name alone, with the default credentials (environment, managed identity, `az login`).
    """

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}AZURE_")

    connection_string: SecretStr | None = Field(default=None, description="all there is to know of an account")
    account_name: str | None = Field(default=None, description="storage account, without .blob.core.windows.net")
    sas_token: SecretStr | None = Field(default=None, description="shared access signature: read, write, list, delete")
    account_key: SecretStr | None = Field(default=None, description="key of the account")


STORE_SETTINGS: tuple[type[BaseSettings], ...] = (GcsSettings, AzureSettings)
"""Those of all stores."""
