"""Reading a block of Prefect as it is stored, whether or not the package that defines its type is installed."""

from collections.abc import Mapping
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from tasks.errors import CredentialsError


def read_block(kind: str, name: str) -> Mapping[str, Any]:
    """The content of a block, its secrets included. Raises CredentialsError: it is absent, or cannot be read."""
    try:
        with get_client(sync_client=True) as client:
            return client.read_block_document_by_name(name, kind).data
    except ObjectNotFound:
        raise CredentialsError(
            f"{kind}/{name}: Prefect has no such block. Make it in Prefect's UI under Blocks, or correct the setting."
        ) from None
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        raise CredentialsError(
            f"{kind}/{name}: Prefect does not hand it out ({type(error).__name__}). Check PREFECT_API_URL and its "
            "login."
        ) from None
