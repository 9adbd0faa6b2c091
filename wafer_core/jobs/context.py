"""A running job's side of its folder: progress, metrics, heartbeats, cancel and stop requests."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.errors import Cancelled, WaferError
from wafer_core.jobs.events import EventWriter
from wafer_core.jobs.spec import SPEC_FILE, UPLOADS_FOLDER, JobSpec
from wafer_core.jobs.state import CANCEL_FILE, STOP_FILE
from wafer_core.messages import Message
from wafer_core.progress import Progress

if TYPE_CHECKING:
    import torch

HEARTBEAT = 5.0  # seconds without an event after which a heartbeat is written
_PROGRESS_PAUSE = 0.25  # seconds between two progress events, so that events.jsonl stays small
_CHECK_PAUSE = 0.1  # seconds between two looks for a request; loops may ask for every picture

logger = logging.getLogger(__name__)


class JobContext:
    """What a running job uses of its folder.

    Attributes:
        folder: The job's folder.
        device_name: The device to compute on, such as ``cpu`` or ``cuda:0``.
        progress: Reports the share that is done. It may be called as often as one likes, and
            raises ``Cancelled`` when the user has cancelled the job.
    """

    def __init__(self, folder: Path, spec: JobSpec, writer: EventWriter, device: str) -> None:
        self.folder = folder
        self.device_name = device
        self.progress = Progress(self._report)
        self._spec = spec
        self._writer = writer
        self._lock = threading.Lock()
        self._pending: tuple[float, Message | None] | None = None
        self._last_progress = 0.0
        self._last_check = 0.0

    @property
    def device(self) -> torch.device:
        """The device to compute on."""
        from wafer_core.device import choose_device

        return choose_device(self.device_name)

    @property
    def uploads(self) -> list[tuple[str, Path]]:
        """The uploaded files: the name that the user's computer gave, and the path of the copy."""
        folder = self.folder / UPLOADS_FOLDER
        return [(name, folder / f"{n:04d}") for n, name in enumerate(self._spec.uploads)]

    def _report(self, fraction: float, text: Message | None) -> None:
        self.check_cancelled()
        with self._lock:
            self._pending = (fraction, text)
            if time.monotonic() - self._last_progress >= _PROGRESS_PAUSE:
                self._write_pending()

    def metric(self, name: str, **values: Any) -> None:
        """Add one point to a live curve.

        Args:
            name: Of the curve: ``epoch``, ``gan_epoch``, ``step``.
            values: Numbers and short texts; NaN is stored as null.
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
            self._writer.append("progress", text, fraction=round(fraction, 4))

    def check_cancelled(self) -> None:
        """End the job here if the user wants that.

        Raises:
            Cancelled: The user cancelled the job, or deleted its project.
        """
        if time.monotonic() - self._last_check < _CHECK_PAUSE:
            return
        self._last_check = time.monotonic()
        if (self.folder / CANCEL_FILE).exists():
            raise Cancelled()
        if not (self.folder / SPEC_FILE).exists():
            raise Cancelled("The project of this job was deleted, so the job ends.")

    def begin_storing(self) -> None:
        """Say that the result is stored from now on, so that a job killed later may have done it.

        Raises:
            Cancelled: The user cancelled the job, or deleted its project.
        """
        self._last_check = 0.0
        self.check_cancelled()
        self.flush()
        self._writer.append("storing")

    def stop_requested(self) -> bool:
        """Whether the user wants the job to finish early and to keep the best so far."""
        return (self.folder / STOP_FILE).exists()


class Heartbeat:
    """A thread that writes held-back progress, and a heartbeat where there is no other event.

    Args:
        writer: Of the job's events.
        interval: Seconds without an event after which a heartbeat is written.
    """

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
