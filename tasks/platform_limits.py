"""How many shards all workers together ask a platform for at once: Prefect's global concurrency limits."""

from collections.abc import Generator
from contextlib import contextmanager, suppress

import httpx
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency

from tasks.errors import SchedulerUnreachable, SettingsError
from tasks.spec import CorpusSpec


def limits_of(spec: CorpusSpec) -> tuple[str, ...]:
    """The limits of a spec's platforms, always in the same order: nobody waits for one that another holds."""
    return tuple(sorted({f"deepsentinel-{item.kind}" for item in spec.platform_items}))


@contextmanager
def holding(name: str) -> Generator[None]:
    """Hold one place within a limit, waiting for it if need be. Raises SettingsError, SchedulerUnreachable."""
    # A limit that is missing is an error, or it would bound nothing without a word. That the server is gone for a while
    # is none: what is being built is finished.
    held = concurrency(name, strict=True, lease_duration=120, raise_on_lease_renewal_failure=False)
    try:
        held.__enter__()
    except ConcurrencySlotAcquisitionError as error:
        if (cause := error.__cause__) is None:
            raise SettingsError(f"{name}: Prefect has no such global concurrency limit. Run `make deploy`.") from None
        if isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code in range(400, 429):
            raise SettingsError(f"{name}: Prefect's server refuses a place within this limit: {error}") from None
        raise SchedulerUnreachable(f"{name}: Prefect's server gives no place within this limit: {error}") from None
    try:
        yield
    finally:
        with suppress(httpx.HTTPError):
            held.__exit__(None, None, None)
