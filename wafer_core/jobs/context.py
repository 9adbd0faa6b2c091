"""What a running job is given: its project, its parameters, and ways to speak and to listen."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.errors import Cancelled, WaferError
from wafer_core.jobs.events import EventWriter
from wafer_core.jobs.spec import SPEC_FILE, UPLOADS_FOLDER, JobSpec
from wafer_core.jobs.state import CANCEL_FILE, STOP_FILE

if TYPE_CHECKING:
    import torch

    from wafer_core.data.project import Project

HEARTBEAT = 5.0  # seconds of silence after which a job says that it lives
_PROGRESS_PAUSE = 0.25  # seconds between two progress lines: events.jsonl stays small
_LOOK_PAUSE = 0.1  # seconds between two looks for a wish: loops may ask for every picture

logger = logging.getLogger(__name__)


class JobContext:
    """The job's side of its folder. A kind calls ``check_cancelled`` between batches."""

    def __init__(
        self, folder: Path, spec: JobSpec, project: Project, writer: EventWriter, device: str
    ) -> None:
        self.folder = folder
        self.project = project
        self.parameters: Mapping[str, Any] = spec.parameters
        self.device_name = device
        self._spec = spec
        self._writer = writer
        self._lock = threading.Lock()
        self._pending: tuple[float, str] | None = None
        self._last_progress = 0.0
        self._last_look = 0.0

    @property
    def device(self) -> torch.device:
        """The device to compute on."""
        from wafer_core.device import choose_device

        return choose_device(self.device_name)

    @property
    def uploads(self) -> list[tuple[str, Path]]:
        """Names that people gave to the files they dropped, and where these lie now."""
        folder = self.folder / UPLOADS_FOLDER
        return [(name, folder / f"{n:04d}") for n, name in enumerate(self._spec.uploads)]

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how far the work is; may be called as often as one likes.

        Args:
            fraction: Done, 0..1.
            text: What is being done, for people.
        """
        with self._lock:
            self._pending = (fraction, text)
            if time.monotonic() - self._last_progress >= _PROGRESS_PAUSE:
                self._write_pending()

    def metric(self, name: str, **values: Any) -> None:
        """Add one point to a live curve.

        Args:
            name: Of the curve: ``epoch``, ``gan_epoch``, ``step``.
            values: Numbers and short texts; NaN is stored as nothing.
        """
        self.flush()
        self._writer.append("metric", name=name, values=values)

    def flush(self) -> None:
        """Write the progress that was held back, if any."""
        with self._lock:
            self._write_pending()

    def _write_pending(self) -> None:
        if self._pending is not None:
            fraction, text = self._pending
            self._pending = None
            self._last_progress = time.monotonic()
            self._writer.append("progress", fraction=round(fraction, 4), text=text)

    def check_cancelled(self) -> None:
        """Leave if the user asked for it.

        Raises:
            Cancelled: The user cancelled the job, or deleted its project.
        """
        if time.monotonic() - self._last_look < _LOOK_PAUSE:
            return
        self._last_look = time.monotonic()
        if (self.folder / CANCEL_FILE).exists():
            raise Cancelled("Cancelled; the project is as it was before.")
        if not (self.folder / SPEC_FILE).exists():
            raise Cancelled("The project of this job was deleted; nothing is left to do.")

    def stop_requested(self) -> bool:
        """Whether the user wants the job to finish early and to keep the best so far."""
        return (self.folder / STOP_FILE).exists()


class Heartbeat:
    """A thread that writes held-back progress, and a sign of life when nothing else is said."""

    def __init__(self, writer: EventWriter, interval: float = HEARTBEAT) -> None:
        self._writer = writer
        self._interval = interval
        self._context: JobContext | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def watch(self, context: JobContext) -> None:
        """Write this context's held-back progress from now on."""
        self._context = context

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(min(1.0, self._interval / 2)):
            try:
                if self._context is not None:
                    self._context.flush()
                if time.monotonic() - self._writer.last_write >= self._interval:
                    self._writer.append("heartbeat")
            except WaferError as exc:  # a full disk may be emptied before the job's own write
                logger.warning("heartbeat: %s", exc)
