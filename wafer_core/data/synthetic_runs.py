"""Runs of made pictures that are stored together or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wafer_core.errors import WaferError

if TYPE_CHECKING:
    from wafer_core.data.project import Project

StoredRun = tuple[str, str, str]  # class slug, origin, run


@contextmanager
def undone_on_error(project: Project) -> Iterator[list[StoredRun]]:
    """Yield a list for the runs that were stored; all are removed if the block raises."""
    from wafer_core.data import synthetic

    stored: list[StoredRun] = []
    try:
        yield stored
    except BaseException:
        for slug, origin, run in stored:
            with contextlib.suppress(WaferError):  # the first error is the one to tell
                synthetic.delete(project, slug, origin, run)
        raise
