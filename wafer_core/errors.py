"""The errors of this package.

Catch ``WaferError`` to show any of them to a person: each message says what was wrong, what was
given, and what to do. Anything else that escapes is a defect of ours.

    WaferError
     ├─ InputError          the user's input was wrong (command line: exit code 2)
     │   ├─ PictureError    one picture or array cannot be used
     │   ├─ ArchiveError    a zip is broken, hostile or too large
     │   ├─ ClassNameError  a class name cannot be used
     │   ├─ ParameterError  a number or choice is out of range
     │   ├─ ProjectError    a project folder is missing, damaged, or in the way
     │   ├─ ModelError      a model is missing, damaged, or of an unknown kind
     │   └─ JobError        a job folder is missing or damaged
     ├─ StorageError        the disk is full, read-only or locked by somebody else
     └─ Cancelled           the user asked for it
"""

from __future__ import annotations


class WaferError(Exception):
    """Base of all errors that are told to the user in one sentence."""


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


class JobError(InputError):
    """A job folder is missing or damaged."""


class StorageError(WaferError):
    """The disk is full, read-only, or locked by somebody else."""


class Cancelled(WaferError):  # noqa: N818 – not an error, a wish
    """The user asked to stop; whatever was begun has been undone."""
