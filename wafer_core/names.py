"""Names that people give, and the folder names made of them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, datetime

from wafer_core.errors import ClassNameError

MAX_NAME_LENGTH = 80
# Windows keeps these for devices, with any ending and in any case.
_RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$", re.IGNORECASE)


def clean_name(name: str, what: str = "class") -> str:
    """Return the name as it is stored: NFC, trimmed, inner white space folded.

    Any script and emoji are fine: names are shown, never used as paths (see ``slug``).

    Args:
        name: As typed.
        what: What it names, for the message: ``class``, ``project``, ``run``.

    Raises:
        ClassNameError: Empty, too long, only dots, a control character, or a device name.
    """
    folded = " ".join(unicodedata.normalize("NFC", name).split())
    if not folded:
        raise ClassNameError(f"The {what} name is empty; type a name such as “Scratch”.")
    if len(folded) > MAX_NAME_LENGTH:
        raise ClassNameError(
            f"The {what} name “{folded[:20]}…” has {len(folded)} characters; "
            f"use at most {MAX_NAME_LENGTH}."
        )
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") for c in folded):
        raise ClassNameError(
            f"The {what} name {folded!a} has a character that cannot be shown; type it again."
        )
    if not folded.strip(". ") or _RESERVED.match(folded):
        raise ClassNameError(
            f"“{folded}” cannot be a {what} name, because computers keep it for themselves; "
            "choose another name."
        )
    return folded


def same_name(first: str, second: str) -> bool:
    """Whether two names differ in nothing but case or Unicode form."""
    return fold(first) == fold(second)


def fold(name: str) -> str:
    """The form in which names are compared."""
    return unicodedata.normalize("NFKC", name).casefold()


def slug(name: str) -> str:
    """A folder name for a display name: ASCII, lower case, never reserved, never empty.

    A name that loses letters on the way (Korean, emoji, case of two that would meet) carries a
    short hash of the whole, so that two names never share a folder by accident.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-")
    lossless = plain.replace("-", "") == re.sub(r"[\s_-]+", "", name.lower())
    if plain and lossless and not _RESERVED.match(plain):
        return plain
    digest = hashlib.sha256(name.encode("utf-8")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else f"n-{digest}"


def timestamp_name(prefix: str) -> str:
    """A name that sorts by time: ``prefix-20261122-154502-123456`` (UTC, microseconds)."""
    return f"{prefix}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
