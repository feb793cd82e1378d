"""What checks find, and how it is told: errors with their remedies, and texts without secrets."""

import re
from dataclasses import dataclass, replace

from tasks.errors import DeepSentinelError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found. Once it is made `public`, no text of it holds a secret."""

    what: str
    """What was examined."""
    ok: bool
    found: str
    remedy: str = ""
    """What to do; with a finding that is in order, a hint."""


def wrong(what: str, error: DeepSentinelError, otherwise: str) -> Finding:
    """An error as a finding: its first sentence says what is wrong, the rest what to do, else `otherwise` does."""
    message = " ".join(str(error).split()).removeprefix(f"{what.partition(' ')[2]}: ")
    depth = 0
    for at, sign in enumerate(message):
        depth = max(0, depth + (sign == "(") - (sign == ")"))
        if depth == 0 and re.match(r"\. [A-Z]", message[at:]):
            return Finding(what=what, ok=False, found=message[:at], remedy=message[at + 2 :])
    return Finding(what=what, ok=False, found=message.removesuffix("."), remedy=otherwise)


def public(finding: Finding) -> Finding:
    """A finding of which no text holds a secret."""
    return replace(
        finding,
        what=without_secrets(finding.what),
        found=without_secrets(finding.found),
        remedy=without_secrets(finding.remedy),
    )


def without_secrets(text: str) -> str:
    """A text without logins and parameters in its URLs: either may be a secret."""
    text = re.sub(r"(://)[^/\s@'\"]+@", r"\1", text)
    # With or without the host in front: some messages give the path alone.
    return re.sub(r"(://[^\s?'\"]*|/[^\s?'\"]*)\?[^\s'\")]*", r"\1", text)
