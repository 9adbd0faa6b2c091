"""The errors of this package.

Catch ``WaferError`` to show any of them to a person: each message says what was wrong, what was
given, and what to do. Anything else that escapes is a defect of this program.

The text is a template with fields, so that pages can translate it::

    raise PictureError("{file} is empty; save the picture again.", file=name)

    WaferError
     ├─ InputError          the user's input was wrong (command line: exit code 2)
     │   ├─ PictureError    one picture or array cannot be used
     │   ├─ ArchiveError    a zip is broken, hostile or too large
     │   ├─ ClassNameError  a class name cannot be used
     │   ├─ ParameterError  a number or choice is out of range
     │   ├─ ProjectError    a project folder is missing, damaged, or in the way
     │   ├─ ModelError      a model is missing, damaged, or of an unknown kind
     │   ├─ DataError       a value in a file has the wrong type or is out of range
     │   └─ JobError        a job folder is missing or damaged
     ├─ StorageError        the disk is full, read-only or locked by another process
     └─ Cancelled           the user cancelled it
"""

from __future__ import annotations

from typing import Any

from wafer_core.messages import N_, Message

_CANCELLED = N_("Cancelled. The project is unchanged.")


class WaferError(Exception):
    """Base of all errors that are reported to the user in one sentence.

    Attributes:
        message: The sentence; ``str()`` of the error is its English text.
    """

    def __init__(self, template: str | Message = "", /, **fields: Any) -> None:
        self.message = template if isinstance(template, Message) else Message(template, fields)
        super().__init__(str(self.message))


class InputError(WaferError):
    """What the user gave cannot be used."""


class PictureError(InputError):
    """One picture or array cannot be used."""


class ArchiveError(InputError):
    """A zip is broken, hostile or too large."""


class ClassNameError(InputError):
    """A class name cannot be used."""


class ParameterError(InputError):
    """A number or a choice is out of range."""


class ProjectError(InputError):
    """A project folder is missing, damaged, or in the way."""


class ModelError(InputError):
    """A model is missing, damaged, or of an unknown kind."""


class DataError(InputError):
    """A value in a file has the wrong type or is out of range."""


class JobError(InputError):
    """A job folder is missing or damaged."""


class StorageError(WaferError):
    """The disk is full, read-only, or locked by another process."""


class Cancelled(WaferError):  # noqa: N818 – not an error, a request
    """The user cancelled; the project is unchanged."""

    def __init__(self, template: str | Message = _CANCELLED, /, **fields: Any) -> None:
        super().__init__(template, **fields)
