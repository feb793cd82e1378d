"""A training config: which command trains, and with what. Names of secrets stand in it, never their values."""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from tasks.errors import SpecError
from tasks.settings import HANDED_OVER, is_secret
from tasks.spec.messages import OTHER, TEXT, explain
from tasks.spec.yaml_file import read_spec_file

CORPUS, DIGEST, OUTPUT = HANDED_OVER

_SECRET_FLAG = re.compile(
    r"-[\w.-]*(token|secret|password|(?:api|access|account|private)[-_]?key|connection[-_]string|sas)s?(?![a-z])[\w.-]*",
    re.IGNORECASE,
)
"""An option that takes a secret; `--tokenizer` and `--label-key` take none."""

_LOGIN = re.compile(r"://[^/\s:@]*:(?!\$)[^/\s@]+@")
"""User and password in a URL, unless a shell is to put it there."""

_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


_REMEDY = "Have the command read it from a variable, and say where that is read: environment: {NAME: {secret: BLOCK}}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Reference(_Strict):
    """Where the value of a variable is read when a job starts, by the process that starts it."""

    variable: Annotated[str, Field(pattern=_VARIABLE.pattern)] | None = None
    """Another environment variable, of the worker."""
    secret: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    """A Prefect block of the type `secret`."""

    @model_validator(mode="after")
    def _one(self) -> "Reference":
        if (self.variable is None) == (self.secret is None):
            raise ValueError("expected either `variable` or `secret`")
        return self


def _branch(value: object) -> str:
    return OTHER if isinstance(value, Mapping | Reference) else TEXT


Value = Annotated[Annotated[str, Tag(TEXT)] | Annotated[Reference, Tag(OTHER)], Discriminator(_branch)]


class TrainingConfig(_Strict):
    """What is run to train from a corpus, and what it needs."""

    command: Annotated[list[str], Field(validate_default=True)] = []
    """The program and its first arguments; `python` is the one that runs DeepSentinel."""
    arguments: list[str] = []
    """More of them, apart, so that one command has several configs."""
    image: Annotated[str, Field(min_length=1)] | None = None
    """Container image of the job, on pools that have images; None: the pool's."""
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """That the job needs; a machine with fewer is refused."""
    environment: dict[str, Value] = {}
    """Variables besides those of the worker: text, or where the value is read."""
    output: Annotated[str, Field(min_length=1)] = "training"
    """Folder on the machine of the job; what it makes goes below it, into a folder by corpus and config."""
    grace: Annotated[float, Field(ge=1, le=25)] = 10
    """Seconds between SIGTERM and SIGKILL; Prefect ends a run that is cancelled after 30."""
    hours: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """After which a job is ended and failed; None: it takes as long as it takes."""

    @field_validator("command", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return shlex.split(value) if isinstance(value, str) else value

    @field_validator("command")
    @classmethod
    def _named(cls, value: list[str]) -> list[str]:
        if not value or not value[0].strip():
            raise ValueError("names no program. Give one, e.g. command: [python, -m, tasks.training.job]")
        return value

    @field_validator("command", "arguments")
    @classmethod
    def _no_secret_words(cls, value: list[str]) -> list[str]:
        # A text for a shell is many words.
        words = [word for argument in value for word in argument.split()]
        for word, following in zip_longest(words, words[1:], fillvalue=""):
            flag, given, held = word.partition("=")
            held = held if given else following
            if _SECRET_FLAG.fullmatch(flag) and held and not held.startswith(("-", "$", '"$')) and not held.isdigit():
                raise ValueError(f"{flag} sounds like a secret, which does not belong in a config. {_REMEDY}")
            if _LOGIN.search(word):
                raise ValueError(f"a URL has a login in it, which does not belong in a config. {_REMEDY}")
        return value

    @field_validator("environment")
    @classmethod
    def _no_secrets(cls, value: dict[str, str | Reference]) -> dict[str, str | Reference]:
        for name, held in value.items():
            if not _VARIABLE.match(name):
                raise ValueError(f"{name!r} is no name of a variable: letters, digits and '_', the first no digit")
            if name in (CORPUS, DIGEST, OUTPUT):
                raise ValueError(f"{name} is set for every job; leave it out")
            if isinstance(held, str) and is_secret(name):
                raise ValueError(
                    f"{name} sounds like a secret, which does not belong in a config. Say where it is read: "
                    f"{name}: {{variable: {name}}} or {{secret: NAME-OF-A-BLOCK}}"
                )
            if isinstance(held, str) and _LOGIN.search(held):
                raise ValueError(
                    f"{name} is a URL with a login in it, which does not belong in a config. Say where it is read: "
                    f"{name}: {{variable: {name}}} or {{secret: NAME-OF-A-BLOCK}}"
                )
        return value

    @property
    def digest(self) -> str:
        """SHA-256 of the config, however it is written."""
        plain = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(plain.encode()).hexdigest()

    def key(self, corpus: str) -> str:
        """What a training of the corpus of that digest is called: the same corpus and config, the same key."""
        return hashlib.sha256(f"{corpus}/{self.digest}".encode()).hexdigest()[:16]


def load_config(path: str | Path) -> TrainingConfig:
    """Read a config from a YAML file.

    Raises SpecError: unreadable, no YAML, an unknown key or a wrong value; names key, value, expectation and line.
    """
    file = read_spec_file(Path(path))
    try:
        return TrainingConfig.model_validate(file.content)
    except ValidationError as error:
        keys: Mapping[str, Any] = {
            "": list(TrainingConfig.model_fields),
            "environment": list(Reference.model_fields),
        }
        raise SpecError(explain(error, file, keys)) from None
