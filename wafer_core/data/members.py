"""The kinds of files that a project holds, as each store registers them.

Download, upload and duplicate know a file only by these: whatever else is in a project's folder
(jobs, trash, locks, files of other programs) stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MEGABYTE = 2**20

# Parts of paths, as ``names.slug`` and ``names.timestamp_name`` make them.
SLUG = r"[a-z0-9-]{1,120}"
RUN = r"run-[0-9-]{1,60}"
FILE_NAME = r"[A-Za-z0-9_-]{1,160}"


@dataclass(frozen=True)
class Member:
    """One kind of file.

    Attributes:
        pattern: Regular expression of its path in the project, with ``/``.
        from_json: Checks its parsed JSON and raises ``DataError``; ``None``: it is not JSON.
        max_bytes: A larger file is not accepted from an upload.
    """

    pattern: str
    from_json: Callable[[object], object] | None
    max_bytes: int

    def matches(self, path: str) -> bool:
        """Whether a file is of this kind."""
        return re.fullmatch(self.pattern, path) is not None
