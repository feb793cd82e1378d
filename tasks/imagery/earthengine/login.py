"""Who asks: service account, a person's own login, or nobody."""

import json
from pathlib import Path
from typing import Any

import google.auth.credentials
import google.auth.exceptions
import google.oauth2.credentials
from ee import EEException, data, oauth
from google.oauth2 import service_account

from tasks.errors import CredentialsError
from tasks.imagery.earthengine.settings import CREDENTIALS

ANONYMOUS = "anonymous"

_SCOPES = ["https://www.googleapis.com/auth/earthengine", "https://www.googleapis.com/auth/cloud-platform"]

_HOW = (
    f"Set {CREDENTIALS} to the path of a service account's key file (Google Cloud console, IAM, Service accounts, "
    "Keys), or leave it unset and run `earthengine authenticate`."
)


def load_credentials(setting: str | None) -> tuple[Any, str | None]:
    """Find the credentials that a setting names, without a request.

    `setting` is the path of a key file (of a service account, or what `earthengine authenticate` stores), `anonymous`,
    or None for the login stored on this machine: by `earthengine authenticate`, else Google's application default.
    Returns google-auth credentials and the project that they belong to, if they tell.
    Raises CredentialsError: there are none, or the file is not one. Contents of the file are never quoted.
    """
    if setting == ANONYMOUS:
        return google.auth.credentials.AnonymousCredentials(), None
    if setting is None:
        try:
            found: Any = data.get_persistent_credentials()
        except (EEException, google.auth.exceptions.GoogleAuthError):
            raise CredentialsError(f"earthengine: no login is stored on this machine. {_HOW}") from None
        return found, found.quota_project_id
    if "{" in setting or "\n" in setting:
        # Somebody put the key itself here: it must not be repeated in a message.
        raise CredentialsError(f"earthengine: {CREDENTIALS} holds text instead of the path of a file. {_HOW}")
    return _from_file(Path(setting).expanduser())


def _from_file(path: Path) -> tuple[Any, str | None]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise CredentialsError(f"earthengine: {CREDENTIALS}={path}: {error.strerror or 'unreadable'}. {_HOW}") from None
    except ValueError:
        raise CredentialsError(f"earthengine: {CREDENTIALS}={path}: is not a key file (not JSON). {_HOW}") from None
    if not isinstance(content, dict):
        content = {}
    project = content.get("quota_project_id") or content.get("project_id") or content.get("project")
    try:
        if content.get("type") == "service_account":
            return service_account.Credentials.from_service_account_info(content, scopes=_SCOPES), project
        if "refresh_token" in content:
            # A person's: as `earthengine authenticate` stores it, or as `gcloud auth application-default login` does.
            return google.oauth2.credentials.Credentials(
                None,
                refresh_token=content["refresh_token"],
                token_uri=content.get("token_uri", oauth.TOKEN_URI),
                client_id=content.get("client_id", oauth.CLIENT_ID),
                client_secret=content.get("client_secret", oauth.CLIENT_SECRET),
                scopes=content.get("scopes"),
            ), project
    except (google.auth.exceptions.GoogleAuthError, ValueError, KeyError, TypeError, AttributeError):
        # What went wrong is not said: such messages quote the file.
        pass
    raise CredentialsError(
        f"earthengine: {CREDENTIALS}={path}: is not a usable key file; expected JSON with `type`: service_account, or "
        f"what `earthengine authenticate` stores. {_HOW}"
    )
