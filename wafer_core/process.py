"""Identifies a process on disk, and finds out whether that process is still alive."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

TAG = re.compile(r"([0-9a-f]{8})-(\d{1,10})-([0-9a-f]{12})")
_CREATE_TIME_TOLERANCE = 3.0  # seconds that a corrected clock moves a start time, at most


@dataclass(frozen=True)
class ProcessId:
    """A process, distinct from a later one with the same number.

    Attributes:
        pid: Its number.
        created: Its start in seconds since 1970, by the clock of this machine. 0 if unknown.
        host: Name of its machine.
        start: Boot of the machine and clock ticks from then to its start, on Linux, because there
            ``created`` changes when the clock is set. ``None`` on other systems.
    """

    pid: int
    created: float
    host: str
    start: str | None = None

    @classmethod
    def current(cls) -> ProcessId:
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """A process of this machine; ``created`` is 0 where it has ended already."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.Error:
            created = 0.0
        return cls(pid, created, socket.gethostname(), _start_of(pid))

    @classmethod
    def from_json(cls, value: Any) -> ProcessId | None:
        """Read what ``to_json`` wrote; ``None`` for anything else."""
        try:
            start = value.get("start")
            return cls(
                int(value["pid"]),
                float(value["created"]),
                str(value["host"]),
                None if start is None else str(start),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that ``is_alive`` is valid."""
        return self.host == socket.gethostname()

    def is_alive(self) -> bool:
        """Whether it still runs; only valid where ``is_local``."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if self.start is not None:
                return _start_of(self.pid) == self.start
            return abs(process.create_time() - self.created) <= _CREATE_TIME_TOLERANCE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # somebody else's, hence alive; ours are always readable
            return True


def _start_of(pid: int) -> str | None:
    """The boot of the system and the start of a process in clock ticks since then, on Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        status = Path(f"/proc/{pid}/stat").read_bytes()
        # The name, in parentheses, may hold anything; starttime is field 22 (man 5 proc).
        ticks = int(status.rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    return f"{boot} {ticks}"


def tag() -> str:
    """A short name of this process, for the names of its temporary files."""
    pid = os.getpid()
    return f"{_machine()}-{pid}-{_start_digest(pid)}"


def is_tag_alive(text: str) -> bool | None:
    """Whether the process of a tag still runs; ``None``: it ran on another machine."""
    found = TAG.fullmatch(text)
    if found is None or found[1] != _machine():
        return None
    pid = int(found[2])
    return psutil.pid_exists(pid) and _start_digest(pid) == found[3]


@lru_cache(maxsize=1)
def _machine() -> str:
    """This machine; containers, which do not see each other's processes, are several machines."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _start_digest(pid: int) -> str:
    """A digest of the start of a process; zeros where it has ended."""
    start = _start_of(pid)
    if start is None:  # not Linux
        try:
            start = str(psutil.Process(pid).create_time())
        except psutil.Error:
            return "0" * 12
    return hashlib.sha256(start.encode()).hexdigest()[:12]
