"""What a workflow uses while it runs: the project, progress, metrics, and requests of the user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wafer_core.data.project import Project
from wafer_core.jobs.context import JobContext
from wafer_core.jobs.events import EventWriter
from wafer_core.jobs.spec import JobSpec
from wafer_core.messages import Message

if TYPE_CHECKING:
    from wafer_core.device import CoreWatch


class WorkflowContext(JobContext):
    """A job's context with the project that it works on.

    Attributes:
        project: The project.
    """

    def __init__(
        self, folder: Path, spec: JobSpec, project: Project, writer: EventWriter, device: str
    ) -> None:
        super().__init__(folder, spec, writer, device)
        self.project = project
        self._cores: CoreWatch | None = None

    def adapt_threads(self) -> None:
        """From now on, let torch use the cores that other processes leave free.

        For long training: the number of threads is adapted whenever progress is reported.
        """
        from wafer_core.device import CoreWatch

        self._cores = CoreWatch()

    def _report(self, fraction: float, text: Message | None) -> None:
        if self._cores is not None:
            self._cores.adapt()
        super()._report(fraction, text)
