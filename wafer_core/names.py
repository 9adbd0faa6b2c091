"""Names that people give, and folder names derived from them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC, datetime

from wafer_core.errors import ClassNameError
from wafer_core.messages import N_

MAX_NAME_LENGTH = 80
MAX_FOLDER_BYTES = 255  # longest file name of usual file systems

# Windows reserves these for devices, with any extension and in any case.
_RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$", re.IGNORECASE)
# Embeddings, overrides and isolates change the direction of the text around a name.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_JOINERS = re.compile("[\u200c\u200d]+")  # join emoji and letters of some scripts
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols without any ink
_EMPTY = {
    "class": N_("Enter a class name, for example “Scratch”."),
    "project": N_("Enter a project name, for example “Line 3, March”."),
    "run": N_("Enter a model name, for example “Line 3, second try”."),
    "preset": N_("Enter a preset name, for example “Night shift”."),
}


def clean_name(name: object, what: str = "class") -> str:
    """Return a name as it is stored: NFC, trimmed, inner white space collapsed to one space.

    Any script and emoji are allowed, because names are displayed and never used as paths (see
    ``slug``). Invisible control characters are removed, except joiners inside a word or an emoji.

    Args:
        name: As typed.
        what: What it names: ``class``, ``project``, ``run`` or ``preset``.

    Raises:
        ClassNameError: No text, nothing visible, too long, only dots, a reserved device name, or
            a control character.
    """
    if not isinstance(name, str):
        raise ClassNameError("The name is {value}; enter a text.", value=repr(name)[:60])
    cleaned = visible(name, keep_bidi=True)
    if not cleaned:
        raise ClassNameError(_EMPTY[what])
    if len(cleaned) > MAX_NAME_LENGTH:
        raise ClassNameError(
            "The name “{begin}…” has {count:,} characters; use at most {most}.",
            begin=cleaned[:20],
            count=len(cleaned),
            most=MAX_NAME_LENGTH,
        )
    if _BIDI.search(cleaned):
        raise ClassNameError(
            "The name {name} contains a character that reverses the reading direction; type the "
            "name again.",
            name=ascii(cleaned),
        )
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") for c in cleaned):
        raise ClassNameError(
            "The name {name} contains a control character; type the name again.",
            name=ascii(cleaned),
        )
    if not cleaned.strip(". ") or _RESERVED.match(cleaned):
        raise ClassNameError("“{name}” is a reserved name; choose another one.", name=cleaned)
    return cleaned


def visible(text: str, *, keep_bidi: bool = False) -> str:
    """Return a text without invisible characters; empty if nothing of it is visible.

    Args:
        text: Any.
        keep_bidi: Keep the controls that change the reading direction, for a check by the caller.
    """
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    kept = "".join(
        c
        for c in folded
        if unicodedata.category(c) != "Cf" or c in "\u200c\u200d" or (keep_bidi and _BIDI.match(c))
    )
    joined = " ".join(_JOINERS.sub(_inner_joiner, kept).split())
    marks = ("Cf", "Mn", "Me", "Zs")
    shown = any(unicodedata.category(c) not in marks and c not in _BLANK for c in joined)
    return joined if shown else ""


def _inner_joiner(found: re.Match[str]) -> str:
    """One joiner between two visible characters, none elsewhere."""
    text, start, end = found.string, found.start(), found.end()
    inside = start > 0 and end < len(text) and not text[start - 1].isspace()
    return found[0][0] if inside and not text[end].isspace() else ""


def same_name(first: str, second: str) -> bool:
    """Whether two names differ only in case, Unicode form or invisible characters."""
    return fold(first) == fold(second)


def fold(name: str) -> str:
    """The form in which names are compared."""
    return _JOINERS.sub("", unicodedata.normalize("NFKC", name)).casefold()


def slug(name: str) -> str:
    """A folder name for a display name: ASCII, lower case, never reserved, never empty.

    A name that loses letters in the conversion (Korean, emoji) gets a short hash of the whole
    name, so that two names do not share a folder by accident.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-")
    lossless = plain.replace("-", "") == re.sub(r"[\s_-]+", "", name.lower())
    if plain and lossless and not _RESERVED.match(plain):
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else f"n-{digest}"


def is_folder_name(name: str) -> bool:
    """Whether a text from an address line, a command line or a file is one plain folder name."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return (
        0 < size <= MAX_FOLDER_BYTES
        and not name.startswith(".")
        and not any(c in "/\\" or ord(c) < 32 for c in name)
    )


def timestamp_name(prefix: str) -> str:
    """A name that sorts by time: ``prefix-20261122-154502-123456`` (UTC, microseconds)."""
    return f"{prefix}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
