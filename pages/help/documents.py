"""The documents in ``docs/``, in sections that can be shown and searched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs"
# In the order of the list; those that do not exist are left out.
TOPICS = (
    "getting-started",
    "pages",
    "file-formats",
    "figures-explained",
    "faq",
    "command-line",
    "running",
    "figures",
    "architecture",
)
MAX_FOUND = 20
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?:\.{1,2}/)*([\w-]+)\.md(?:#[^)]*)?\)")
_MARKS = re.compile(r"[*_`]|!?\[|\]\([^)]*\)")


@dataclass(frozen=True)
class Section:
    """A heading and the text up to the next one.

    Attributes:
        topic: Of the document.
        document: Its title.
        title: The heading, without Markdown.
        level: 1 for the title of the document.
        body: Markdown.
    """

    topic: str
    document: str
    title: str
    level: int
    body: str


@dataclass(frozen=True)
class Document:
    """One document.

    Attributes:
        topic: Name of its file without the ending.
        path: The file.
        sections: In order; the first one has the title of the document.
    """

    topic: str
    path: Path
    sections: tuple[Section, ...]

    @property
    def title(self) -> str:
        """Its first heading."""
        return self.sections[0].title


def read(path: Path) -> Document:
    """Read a Markdown file in sections.

    Raises:
        OSError: It cannot be read.
    """
    topic = path.stem
    found: list[tuple[int, str, list[str]]] = []
    is_code = False
    for line in path.read_text("utf-8").splitlines():
        is_code ^= bool(_FENCE.match(line))
        heading = None if is_code else _HEADING.fullmatch(line)
        if heading:
            found.append((len(heading[1]), _MARKS.sub("", heading[2]), []))
        elif found:
            found[-1][2].append(line)
    found = found or [(1, topic, [])]
    title = found[0][1]
    sections = tuple(
        Section(topic, title, name, level, "\n".join(lines).strip()) for level, name, lines in found
    )
    return Document(topic, path, sections)


def paths(language: str) -> dict[str, Path]:
    """The file of each topic: in the language if it exists, else in English."""
    found = {}
    for topic in TOPICS:
        candidates = (FOLDER / language / f"{topic}.md", FOLDER / f"{topic}.md")
        path = next((path for path in candidates if path.is_file()), None)
        if path is not None:
            found[topic] = path
    return found


def search(documents: Sequence[Document], words: str) -> list[Section]:
    """Sections that contain all words, those with the words in the heading first.

    Args:
        documents: Where to search.
        words: Separated by spaces; upper and lower case are the same.
    """
    wanted = words.casefold().split()
    if not wanted:
        return []

    def score(section: Section) -> int:
        title, text = section.title.casefold(), section.body.casefold()
        if not all(word in title or word in text for word in wanted):
            return 0
        return 1 + 10 * sum(word in title for word in wanted)

    scored = [(score(s), s) for document in documents for s in document.sections if s.body]
    ranked = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])
    return [section for _, section in ranked[:MAX_FOUND]]


def blocks(section: Section, folder: Path, query: str) -> Iterator[str | tuple[Path, str]]:
    """A section as Markdown for the page, and its pictures as (path, description).

    Args:
        section: The section.
        folder: Of its document: pictures are relative to it.
        query: Added to links between documents.
    """
    text: list[str] = []
    for line in section.body.splitlines():
        picture = re.fullmatch(r"\s*!\[([^\]]*)\]\(([^)\s]+)\)\s*", line)
        path = (folder / picture[2]).resolve() if picture else None
        if picture is None or path is None:
            text.append(line)
        elif path.is_relative_to(FOLDER) and path.is_file():
            if text:
                yield _markdown("\n".join(text), query)
                text = []
            yield path, picture[1]
    if any(text):
        yield _markdown("\n".join(text), query)


def _markdown(text: str, query: str) -> str:
    """Markdown as the page shows it: no formulas, links to other topics."""
    parts = _CODE.split(text)
    for index in range(0, len(parts), 2):  # odd parts are code
        plain = _LINK.sub(rf"[\1](Help?topic=\2{query})", parts[index])
        parts[index] = plain.replace("$", "\\$")
    return "".join(parts)
