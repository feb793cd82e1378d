"""Which Prefect API runs are told to, and whether it answers."""

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from tasks.doctor.findings import Finding
from tasks.errors import SettingsError

_DEADLINE = 15.0
"""Seconds that a server has to answer before a build begins."""


def need_prefect() -> None:
    """See that the Prefect API that is set lets us in. Raises SettingsError: it does not, and what to do."""
    for finding in examine_prefect(_DEADLINE):
        if not finding.ok:
            raise SettingsError(f"PREFECT_API_URL: {finding.found}. {finding.remedy}")


def need_server(pool: str) -> None:
    """See that builds can be dispatched. Raises SettingsError: no server is set that workers could poll."""
    if get_current_settings().api.url is None:
        raise SettingsError(
            f"--dispatch {pool}: no PREFECT_API_URL is set, and workers cannot poll the embedded server. Set it "
            "to that of your Prefect server; `make up` starts one."
        )


def examine_prefect(deadline: float) -> list[Finding]:
    """Which Prefect API runs are told to, and whether it lets us in, within `deadline` seconds."""
    settings, what = get_current_settings(), "prefect"
    url = settings.api.url
    if url is None:
        if settings.server.ephemeral.enabled:
            found = "embedded: no PREFECT_API_URL is set, so a server on SQLite runs as long as a build does"
            return [Finding(what=what, ok=True, found=found)]
        found = "no PREFECT_API_URL is set, and the embedded server is switched off"
        remedy = "Set PREFECT_API_URL, or PREFECT_SERVER_ALLOW_EPHEMERAL_MODE=true."
        return [Finding(what=what, ok=False, found=found, remedy=remedy)]
    if not url.startswith(("http://", "https://")):
        found, remedy = f"{url}: has no scheme", f"Write http://{url.rstrip('/').removesuffix('/api')}/api."
        return [Finding(what=what, ok=False, found=found, remedy=remedy)]
    start = "Start it (`prefect server start`), correct PREFECT_API_URL, or unset it for the embedded server."
    try:
        with get_client(httpx_settings={"timeout": deadline / 3}, sync_client=True) as client:
            # Unlike its health, this is told only to whoever may log in.
            client.read_flows(limit=1)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status in (404, 405):
            return [_no_api(url)]  # its UI answers so, and any other web server
        found = f"{url}: refused with status {status}"
        if status in (401, 403):
            start = "Set PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING to a valid login."
        return [Finding(what=what, ok=False, found=found, remedy=start)]
    except httpx.HTTPError as error:
        return [Finding(what=what, ok=False, found=f"{url}: unreachable ({type(error).__name__})", remedy=start)]
    except (httpx.InvalidURL, ValueError):
        return [_no_api(url)]
    return [Finding(what=what, ok=True, found=f"{url} answers")]


def _no_api(url: str) -> Finding:
    remedy = "Correct PREFECT_API_URL: it ends with /api."
    return Finding(what="prefect", ok=False, found=f"{url}: what answers is no Prefect API", remedy=remedy)
