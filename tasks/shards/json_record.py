"""How records in JSON are read: typed, or with what is wrong in words."""

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.spec.expectations import expectation

_SHOWN = 40
"""Characters of a wrong value that a message quotes; a longer one is left out."""


class Record(BaseModel):
    """Content of a file that this package wrote: nothing in it is guessed, converted or passed over."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def damage(error: ValidationError) -> str:
    """What is wrong with a record, in one line: the first wrong key, what was expected there, what was found."""
    first, *more = error.errors(include_url=False)
    where = ".".join(str(part) for part in first["loc"])
    message = expectation(first)
    found = repr(first["input"])
    if where and first["type"] != "missing" and len(found) <= _SHOWN:
        message += f", found {found}"
    told = f"{where}: {message}" if where else message
    return f"{told}; {len(more)} more" if more else told
