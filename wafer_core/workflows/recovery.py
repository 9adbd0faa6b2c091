"""What killed processes left in a project: changes to complete, temporary files to remove.

A job does this at its start, and the server for all projects at its own. Nothing of a process that
is still alive is touched.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from wafer_core import files
from wafer_core.data import imports, orphans, workspace
from wafer_core.data.project import Project
from wafer_core.errors import WaferError
from wafer_core.jobs import list_jobs
from wafer_core.jobs.spec import UPLOADS_FOLDER

logger = logging.getLogger(__name__)


def recover(project: Project) -> None:
    """Complete committed changes of a project and remove what belongs to nothing.

    Raises:
        WaferError: The project is damaged or cannot be written.
    """
    imports.open_project(project.path)
    files.sweep_leftovers(project.path)
    for state in list_jobs(project.path):
        if not state.is_active:  # a job that ends removes its uploads itself
            shutil.rmtree(state.folder / UPLOADS_FOLDER, ignore_errors=True)
    orphans.sweep(project)


def recover_all(home: Path) -> None:
    """The same for every project of a workspace; a damaged one does not stop the others."""
    files.sweep_leftovers(home, deep=False)
    for path in workspace.project_folders(home):
        try:
            recover(Project.open(path))
        except (WaferError, OSError) as exc:
            logger.warning("%s: %s", path, exc)
        except Exception:  # the server starts in spite of a defect here
            logger.exception("%s", path)
    files.sweep_leftovers(home / workspace.TRASH, deep=False)
