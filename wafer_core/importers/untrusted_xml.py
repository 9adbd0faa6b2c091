"""XML of unknown origin: no document type, no entities, limits on depth and number of elements."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from wafer_core.errors import PictureError
from wafer_core.importers.fab_files import decode_text

_MAX_ELEMENTS, _MAX_DEPTH = 500_000, 50
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
# Not all that Python has: some are no text encodings, and slow.
_ENCODINGS = re.compile(r"utf|iso|latin|(us-)?ascii|windows|cp\d|euc|ks_c|shift|gb|big5")
_FORBIDDEN = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.I)


def _declared(data: bytes) -> str:
    """The text, in the encoding that the declaration names if it is a usual one."""
    named = re.match(rb"[^>]{0,80}?encoding\s*=\s*[\"']([\w.-]{1,20})[\"']", data[:100])
    encoding = named[1].decode("ascii").lower() if named else ""
    if _ENCODINGS.match(encoding) and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode(encoding).lstrip("\ufeff")
        except (LookupError, UnicodeError):
            pass
    return decode_text(data)


class _Limited(ElementTree.TreeBuilder):
    """Builds the tree, within limits, without namespaces."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = self.depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:
        self.elements += 1
        self.depth += 1
        if self.elements > _MAX_ELEMENTS or self.depth > _MAX_DEPTH:
            raise ValueError("too many elements")
        return super().start(
            tag.rpartition("}")[2], {key.rpartition("}")[2]: value for key, value in attrs.items()}
        )

    def end(self, tag: str, /) -> ElementTree.Element:
        self.depth -= 1
        return super().end(tag.rpartition("}")[2])


def parse_untrusted(data: bytes, name: str) -> ElementTree.Element:
    """The root element, with tags and attributes without their namespaces.

    Args:
        data: Content of the file.
        name: Of the file, for messages.

    Raises:
        PictureError: Not whole XML, or with a document type or entities.
        ValueError: Too many elements, or nested too deeply.
    """
    text = _declared(data)
    if _FORBIDDEN.search(text):
        raise PictureError(
            "{file}: XML with a document type (DOCTYPE) or entities is not opened for security; "
            "remove that line and add the file again.",
            file=name,
        )
    parser = ElementTree.XMLParser(target=_Limited())
    # Without the declaration the parser takes the text as it is, whatever encoding that names.
    begin = _DECLARATION.match(text)
    try:
        parser.feed(text[begin.end() if begin else 0 :])
        root: ElementTree.Element = parser.close()
    except ElementTree.ParseError as exc:
        raise PictureError(
            "{file} is not whole XML ({reason}); export it again.", file=name, reason=str(exc)
        ) from exc
    return root
