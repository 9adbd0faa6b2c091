"""Whether a process that was named on disk is still the same process, alive."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from typing import Any

import psutil

# The system tells a start time in ticks since boot; a corrected clock moves it by a second or so.
_CREATE_TIME_TOLERANCE = 3.0


@dataclass(frozen=True)
class ProcessId:
    """A process, told apart from a later one that was given the same number."""

    pid: int
    created: float  # seconds since 1970
    host: str

    @classmethod
    def current(cls) -> ProcessId:
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """A process of this machine; ``created`` is 0 where it is gone already."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.Error:
            created = 0.0
        return cls(pid, created, socket.gethostname())

    @classmethod
    def from_json(cls, value: Any) -> ProcessId | None:
        """Read what ``to_json`` wrote; ``None`` for anything else."""
        try:
            return cls(int(value["pid"]), float(value["created"]), str(value["host"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """The three fields."""
        return asdict(self)

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that its life can be seen directly."""
        return self.host == socket.gethostname()

    def is_alive(self) -> bool:
        """Whether it runs still; only to be asked where ``is_local``."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(process.create_time() - self.created) <= _CREATE_TIME_TOLERANCE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # somebody else's, hence alive; ours are always readable
            return True
