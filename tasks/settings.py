"""Settings: what may differ between two machines that build the same corpus, from the environment (`DEEPSENTINEL_...`).

Never part of a corpus. Those of a platform live in its folder under `tasks/imagery/`.
"""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.errors import SettingsError
from tasks.spec.expectations import expectation

PREFIX = "DEEPSENTINEL_"

_SECRET = ("TOKEN", "SECRET", "PASSWORD", "KEY", "CONNECTION_STRING", "SAS")
"""Parts of the names of variables whose values are never shown."""


HANDED_OVER = (f"{PREFIX}CORPUS", f"{PREFIX}DIGEST", f"{PREFIX}OUTPUT")
"""Variables of a training job, which may run the command too: what it trains from, and where what it makes goes."""


class Settings(BaseSettings):
    """Settings of everything but platforms."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    cache: Path = Field(
        default_factory=lambda: Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deepsentinel",
        description="folder for what is slow to compute and may be deleted at any time",
    )
    price_gs: float = Field(default=0.020, ge=0, description="US dollars a GB and month, Google Cloud Storage")
    price_az: float = Field(default=0.018, ge=0, description="US dollars a GB and month, Azure Blob Storage")
    prices_of: str = Field(default="2025-06", description="when these prices were looked up: they are list prices")
    shards_in_flight: int = Field(
        default=2, ge=1, le=64, description="shards built at once in one process; 0.7 to 1.1 GB of memory each"
    )
    stores_missed: int = Field(
        default=5,
        ge=1,
        le=10_000,
        description="shards that may fail because a destination does not answer before the run stops",
    )
    attempts: int = Field(
        default=3, ge=1, le=100, description="attempts at a shard, in all runs together, before it is left out"
    )
    batch_shards: int = Field(default=24, ge=1, le=64, description="shards dispatched to a worker in one flow run")
    batches_in_flight: int = Field(
        default=8,
        ge=1,
        le=100,
        description="flow runs dispatched and not ended: a few for each worker, far below the 200 that congest a queue",
    )
    poll: float = Field(default=10, ge=0.2, le=600, description="seconds between two looks at a dispatched build")
    lease: float = Field(
        default=150,
        ge=2,
        le=3600,
        description="seconds without a sign of life after which a dispatched flow run is taken for dead",
    )
    batch_start: float = Field(
        default=900, ge=2, le=86_400, description="seconds that a flow run which a worker took has to begin"
    )
    worker_grace: float = Field(
        default=60, ge=1, le=86_400, description="seconds after which it is said that no worker polls a pool"
    )
    server_patience: float = Field(
        default=1800, ge=1, le=604_800, description="seconds for which a run waits for a Prefect server that is gone"
    )


class PlatformSettings(BaseSettings):
    """Base of the settings of a platform, whose names begin with `DEEPSENTINEL_<PLATFORM>_`.

    Every platform that asks a server has `requests` (in flight at once in a process), `deadline` (seconds without an
    answer after which one attempt is given up) and `patience` (seconds for which a request is tried, all attempts
    together).
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True)


S = TypeVar("S", bound=BaseSettings)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError: a variable is out of its bounds; the message names it, its value and the bound.
    """
    return load(Settings)


def load(model: type[S], **known: Any) -> S:
    """Read one model of settings from the environment, but for what is `known`. Raises SettingsError."""
    try:
        return model(**known)
    except ValidationError as error:
        first = error.errors()[0]
        name = variable_of(model, str(first["loc"][0]))
        found = "" if is_secret(name) else f"={first['input']!r}"
        raise SettingsError(f"{name}{found}: {expectation(first)}. Correct or unset this variable.") from None


def variable_of(model: type[BaseSettings], field: str) -> str:
    """The environment variable of a setting."""
    return f"{model.model_config.get('env_prefix', '')}{field}".upper()


def is_secret(variable: str) -> bool:
    """Whether the value of a variable is never shown, by its name."""
    return any(part in variable.upper() for part in _SECRET)


def refuse_unknown(models: Iterable[type[BaseSettings]]) -> None:
    """See that every `DEEPSENTINEL_...` variable is a setting: one that is misspelt would be ignored without a word.

    `models` are those of the platforms. Raises SettingsError: names the closest ones.
    """
    known = {variable_of(model, field) for model in (Settings, *models) for field in model.model_fields}
    known |= {*HANDED_OVER}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = difflib.get_close_matches(name.upper(), sorted(known), n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(sorted(known))}."
            raise SettingsError(f"{name}: there is no such setting. {hint} Correct or unset this variable.")
