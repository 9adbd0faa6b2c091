"""Classes that combine others: wafers with several patterns at once.

A class says in ``class.json`` which classes it combines. Training then overlays wafers of these to
create more wafers of the class (``tasks.classification.overlay``). The names only suggest it, when
a class is added: “Center + Loc” suggests a combination of Center and Loc.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping, Sequence

from wafer_core.messages import Message, counted, message

_JOINING = re.compile(r"\s*[+&,/_]\s*|\s+and\s+|\s*(?:및|그리고)\s*")
_SPACING = re.compile(r"[\s-]+")
# Hyphens and spaces join names only where this many classes are named in that way: Edge-Loc alone
# does not combine Edge and Loc.
_MIN_HYPHENATED = 3


def suggest(names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Which classes each class combines, judged by the names.

    Names of patterns are joined by ``+``, ``&``, ``_``, a comma, a slash or a word for “and”; by a
    hyphen or a space only where at least three classes are named in that way after whole names of
    other classes.

    Args:
        names: Slug to name of all classes, in class order.

    Returns:
        Slugs of the combined classes for the slug of each class that combines any.
    """
    slugs = list(names)
    patterns = _patterns(list(names.values()))
    found = {}
    for index, whole in enumerate(patterns):
        if len(whole) > 1:
            parts = [k for k, pattern in enumerate(patterns) if pattern and pattern < whole]
            chosen = _cover(whole, parts, patterns)
            if chosen:
                found[slugs[index]] = tuple(slugs[k] for k in chosen)
    return found


def _cover(
    whole: frozenset[str], parts: Sequence[int], patterns: Sequence[frozenset[str]]
) -> list[int]:
    """Classes without a pattern in common that make up a class.

    Single patterns if each has a class, else two classes, which can be overlaid, else any.
    """
    missing: set[str] = set(whole)
    chosen = []
    for k in sorted(parts, key=lambda k: len(patterns[k])):
        if len(patterns[k]) > 1 and (pair := _pair(whole, parts, patterns)):
            return pair
        if patterns[k] <= missing:
            missing -= patterns[k]
            chosen.append(k)
        if not missing:
            return sorted(chosen)
    return []


def _pair(
    whole: frozenset[str], parts: Sequence[int], patterns: Sequence[frozenset[str]]
) -> list[int]:
    """Two classes without a pattern in common that make up a class; empty without any."""
    for a in parts:
        for b in parts:
            if a < b and patterns[a] | patterns[b] == whole and not patterns[a] & patterns[b]:
                return [a, b]
    return []


def _patterns(names: Sequence[str]) -> list[frozenset[str]]:
    """The patterns that each name lists; most names list one, themselves."""
    patterns = [_split(name) for name in names]
    single = {next(iter(found)) for found in patterns if len(found) == 1}
    hyphenated = {
        index: pieces
        for index, found in enumerate(patterns)
        if len(found) == 1 and (pieces := _pieces(next(iter(found)), single))
    }
    if len(hyphenated) >= _MIN_HYPHENATED:
        for index, pieces in hyphenated.items():
            patterns[index] = frozenset(pieces)
    return patterns


def _split(name: str) -> frozenset[str]:
    return frozenset(
        _SPACING.sub("-", part.casefold()) for part in _JOINING.split(name.strip()) if part
    )


def _pieces(name: str, known: Collection[str]) -> list[str]:
    """The known names that make up a hyphenated name; empty if there is no such split."""
    words = name.split("-")

    @functools.cache  # each position is tried once, however many splits lead there
    def rest(start: int) -> list[str] | None:
        if start == len(words):
            return []
        for end in range(start + 1, len(words) + 1):
            piece = "-".join(words[start:end])
            if piece != name and piece in known and (more := rest(end)) is not None:
                return [piece, *more]
        return None

    found = rest(0) or []
    return found if len(set(found)) > 1 else []


def expand(combines: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Replace combined classes that combine others themselves by those.

    Args:
        combines: Classes that each class combines. Cycles, which a damaged file may hold, are cut.

    Returns:
        The single-pattern classes of each class that combines at least two, in order.
    """
    done: dict[str, tuple[str, ...]] = {}
    open_: set[str] = set()

    def single(name: str) -> tuple[str, ...]:
        parts = combines.get(name, ())
        if len(parts) < 2 or name in open_:
            return (name,)
        if name not in done:
            open_.add(name)
            done[name] = tuple(dict.fromkeys(leaf for part in parts for leaf in single(part)))
            open_.remove(name)
        return done[name]

    return {name: leaves for name in combines if len(leaves := single(name)) > 1}


def describe(names: Sequence[str]) -> Message | None:
    """Some class names for a sentence, “Center + Loc” and 28 more; ``None`` without any."""
    if not names:
        return None
    if len(names) == 1:
        return message("“{name}”", name=names[0])
    return counted(
        "“{name}” and {count} more class",
        "“{name}” and {count} more classes",
        len(names) - 1,
        name=names[0],
    )
